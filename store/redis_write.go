package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// chainState is what the driver knows of a log that it writes, so that in the
// steady state a length is all that has to be compared.
type chainState struct {
	length int64  // of the stream after the last acknowledged batch
	newest uint64 // the last record of that batch
}

var (
	errBodyGone = errors.New("store: a body placed before has run out")
	errReply    = errors.New("store: reply of an unexpected kind")
)

// Write sends the batch as one pipeline.
func (d *redisDriver) Write(ctx context.Context, b *Batch) error {
	if b.Generation != "" {
		return d.writeTo(ctx, b)
	}
	err := d.writeTo(ctx, b)
	if errors.Is(err, ErrFailover) {
		// The writer has nothing to bring back.
		generation, err := d.Generation(ctx)
		if err == nil {
			err = d.adopt(generation)
		}
		if err != nil {
			return err
		}
		return d.writeTo(ctx, b)
	}
	return err
}

// writeTo sends the batch to the masters of its generation, or to those
// adopted last.
func (d *redisDriver) writeTo(ctx context.Context, b *Batch) error {
	if b.Generation != "" {
		if err := d.adopt(b.Generation); err != nil {
			return err
		}
	}
	d.mu.Lock()
	client, generation, closed := d.client, d.generation, d.closed
	d.mu.Unlock()
	if closed {
		return ErrClosed
	}
	err := d.exec(ctx, client, b)
	switch {
	case err == nil:
		b.Generation = generation
	case redis.HasErrorPrefix(errors.Unwrap(err), "READONLY"):
		// It was the master. Should it be that again, its data were another's
		// meanwhile, which only a new connection asks.
		return errors.Join(err, d.dial(client))
	}
	return err
}

// Apply sends commands beside the committer's.
func (d *redisDriver) Apply(ctx context.Context, cmds []Command) error {
	groups := [1][]Command{cmds}
	return d.exec(ctx, d.side, &Batch{Groups: groups[:]})
}

func (d *redisDriver) exec(ctx context.Context, client redis.UniversalClient, b *Batch) error {
	err := d.execOnce(ctx, client, b)
	if err == nil || !redis.HasErrorPrefix(errors.Unwrap(err), "NOSCRIPT") {
		return err
	}
	if err := d.loadScripts(ctx); err != nil {
		return err
	}
	return d.execOnce(ctx, client, b)
}

// execOnce sends the batch: first the log, then the registers, then the
// queues, so that a cut leaves no index of what is not there.
func (d *redisDriver) execOnce(ctx context.Context, client redis.UniversalClient, b *Batch) error {
	p := newPipe(ctx)
	defer p.free()
	key := logKey(b.Chain)
	records := len(b.Records)
	for i := range b.Records {
		p.record(&key, &b.Records[i])
	}
	if records > 0 {
		p.int(sink{}, "xlen", &key)
		records++
	}
	for _, group := range b.Groups {
		for i := range group {
			c := &group[i]
			c.reset()
			if c.Kind.register() {
				p.register(c)
			} else {
				p.queue(d, c)
			}
		}
	}
	p.flushQueues(d)
	if len(p.cmds) == 0 {
		return nil
	}
	if d.o.Replicated {
		ctx = context.WithValue(ctx, replicated{}, true)
	}
	pipeline := client.Pipeline()
	if err := pipeline.BatchProcess(ctx, p.cmds...); err != nil {
		return away(err)
	}
	// Each command holds its own error; the one of Exec is the first of them.
	_, _ = pipeline.Exec(ctx)
	var failed error
	for i, c := range p.cmds[records:] {
		err := p.sinks[records+i].take(c)
		if err != nil && (failed == nil || errors.Is(err, ErrFailover)) {
			failed = err
		}
	}
	if records > 0 {
		if err := d.logged(ctx, client, b, p.cmds[:records], failed != nil); err != nil {
			return err
		}
	}
	return failed
}

// take leaves a reply in the commands that it belongs to. The error is one
// that keeps the batch from being acknowledged.
func (s *sink) take(reply redis.Cmder) error {
	permanent, transient := judge(reply.Err())
	if transient != nil {
		return transient
	}
	for _, c := range s.group {
		c.Err = permanent
	}
	c := s.cmd
	if c == nil {
		return nil
	}
	if c.Err = permanent; permanent != nil {
		return nil
	}
	switch r := reply.(type) {
	case *redis.IntCmd:
		c.takeInt(r.Val())
	case *redis.StringCmd:
		absent := errors.Is(r.Err(), redis.Nil)
		prior, _ := r.Bytes() // its error was judged
		c.takeValue(absent, prior)
	default:
		return away(errReply)
	}
	return nil
}

// takeInt takes the reply that tells how many were changed.
func (c *Command) takeInt(n int64) {
	switch {
	case c.placed == placedOurs && n == 0:
		c.Err = errBodyGone
	case c.placed == placedOurs:
	case c.Kind == QueueMove:
		c.Won = n == 1
	case c.Kind == Incr:
		c.Count = n
	default:
		c.Found = n > 0
	}
}

// takeValue takes the reply that holds what a register held before.
func (c *Command) takeValue(absent bool, prior []byte) {
	switch c.Kind {
	case SetOnce, SetUnless:
		// Our own value means that this batch was sent before, and its reply
		// was lost.
		c.Won = absent || bytes.Equal(prior, c.Value)
		if !c.Won {
			c.Prior = prior
		}
	case Get:
		c.Found = !absent
		c.Prior = prior
	}
}

// logged looks at the replies to the batch's records, the last of which is the
// log's length. If each was appended and the log is as long as it must be,
// nothing was lost and nobody else wrote. Otherwise it is looked at in full.
func (d *redisDriver) logged(ctx context.Context, client redis.UniversalClient, b *Batch, replies []redis.Cmder, failed bool) error {
	n := len(b.Records)
	clean := true
	fresh := make([]byte, n)
	for i, r := range replies[:n] {
		err := r.Err()
		fresh[i] = '1'
		if tooSmall(err) || errors.Is(err, redis.Nil) {
			clean, fresh[i] = false, '0'
			continue
		}
		permanent, transient := judge(err)
		if err := errors.Join(permanent, transient); err != nil {
			d.forget(b.Chain)
			return err
		}
	}
	length := replies[n].(*redis.IntCmd)
	if _, err := judge(length.Err()); err != nil {
		d.forget(b.Chain)
		return err
	}
	first := b.Records[0].Seq
	d.mu.Lock()
	s := d.chains[b.Chain] // zero: nothing is known, or there is nothing yet
	if clean && s.newest == first-1 && s.length+int64(n) == length.Val() {
		d.chains[b.Chain] = chainState{length.Val(), first + uint64(n) - 1}
		d.mu.Unlock()
		return nil
	}
	delete(d.chains, b.Chain)
	d.mu.Unlock()
	if failed {
		return nil // the batch comes again, and is looked at then
	}
	return d.settle(ctx, client, b, fresh)
}

func (d *redisDriver) forget(chain string) {
	d.mu.Lock()
	delete(d.chains, chain)
	d.mu.Unlock()
}

// settle compares the log with what the batch says it holds. A batch that was
// sent before ("id equal or smaller") is there by its hashes; after a failover
// or a FLUSHALL the predecessor is not, and what was appended over the gap is
// taken out again. fresh marks with a '1' each record that was appended just now.
func (d *redisDriver) settle(ctx context.Context, client redis.UniversalClient, b *Batch, fresh []byte) error {
	first := b.Records[0].Seq
	args := make([]any, 0, len(b.Records)+3)
	args = append(args, strconv.FormatUint(first, 10), b.Prev[:], fresh)
	for i := range b.Records {
		args = append(args, b.Records[i].Hash[:])
	}
	reply, err := settleScript.Run(ctx, client, []string{logKey(b.Chain)}, args...).Slice()
	if err != nil {
		return away(err)
	}
	if len(reply) != 2 {
		return away(errReply)
	}
	code, _ := reply[0].(int64)
	newest, _ := reply[1].(string)
	last, err := strconv.ParseUint(newest, 10, 64)
	if err != nil {
		return away(errReply)
	}
	switch code {
	case 0:
		return d.measure(ctx, client, b.Chain, last)
	case 1:
		return &GapError{Chain: b.Chain, Want: first - 1, Last: last}
	case 2:
		return fmt.Errorf("chain %s, record %d: %w", b.Chain, first, ErrFork)
	}
	// One was refused (no memory, say) and one after it was not: all of them
	// were taken out, and come again.
	return away(errors.New("log records are missing"))
}

// measure learns the length of a log that is as it should be.
func (d *redisDriver) measure(ctx context.Context, client redis.UniversalClient, chain string, newest uint64) error {
	n, err := client.XLen(ctx, logKey(chain)).Result()
	if err != nil {
		return away(err)
	}
	d.mu.Lock()
	d.chains[chain] = chainState{n, newest}
	d.mu.Unlock()
	return nil
}
