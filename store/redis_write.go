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
	line, generation, closed := d.line, d.generation, d.closed
	d.mu.Unlock()
	if closed {
		return ErrClosed
	}
	return d.written(b, line, generation, d.exec(ctx, line, b))
}

// written takes note of how a batch to the masters of a generation ended.
func (d *redisDriver) written(b *Batch, line carrier, generation string, err error) error {
	switch {
	case err == nil:
		b.Generation = generation
	case redis.HasErrorPrefix(errors.Unwrap(err), "READONLY"):
		// It was the master. Should it be that again, its data were another's
		// meanwhile, which only a new connection asks.
		return errors.Join(err, d.dial(line))
	}
	return err
}

// Apply sends commands beside the committer's.
func (d *redisDriver) Apply(ctx context.Context, cmds []Command) error {
	groups := [1][]Command{cmds}
	return d.exec(ctx, pipeline{d.side}, &Batch{Groups: groups[:]})
}

func (d *redisDriver) exec(ctx context.Context, line carrier, b *Batch) error {
	return d.scripted(ctx, line, b, d.execOnce(ctx, line, b))
}

// scripted sends a batch again that failed because the server did not know a
// script.
func (d *redisDriver) scripted(ctx context.Context, line carrier, b *Batch, err error) error {
	if err == nil || !redis.HasErrorPrefix(errors.Unwrap(err), "NOSCRIPT") {
		return err
	}
	if err := d.loadScripts(ctx); err != nil {
		return err
	}
	return d.execOnce(ctx, line, b)
}

// execOnce sends the batch, and takes what was said to it.
func (d *redisDriver) execOnce(ctx context.Context, line carrier, b *Batch) error {
	p := newProgram(d)
	defer p.free()
	p.batch(b)
	if len(p.sinks) == 0 {
		return nil
	}
	p.replicated = d.o.Replicated
	return d.conclude(ctx, line, b, p, line.exchange(ctx, p))
}

// conclude takes what was said to a batch, or why nothing was, and asks what is
// still to be asked.
func (d *redisDriver) conclude(ctx context.Context, line carrier, b *Batch, p *program, err error) error {
	if err != nil {
		d.forget(b.Chain)
		_, transient := judge(err)
		return transient
	}
	if len(b.Records) > 0 {
		if err := d.logged(ctx, line, b, &p.result); err != nil {
			return err
		}
	}
	if p.failed != nil {
		return p.failed
	}
	if len(p.lost) > 0 {
		if err := d.priors(ctx, line, p.lost); err != nil {
			return err
		}
	}
	d.acknowledged(b, p)
	return nil
}

// acknowledged takes note of a batch of which all is done.
func (d *redisDriver) acknowledged(b *Batch, p *program) {
	if p.open != nil {
		p.open.acknowledged()
	} else {
		d.listed(b)
	}
}

var errGone = errors.New("store: a register ended as it was in the way")

// priors reads what is in the way of registers that were not written. To ask for
// it with each of them would cost the many that are.
func (d *redisDriver) priors(ctx context.Context, line carrier, lost []*Command) error {
	p := newProgram(d)
	defer p.free()
	for _, c := range lost {
		p.call(2, "get")
		arg(p, c.Key)
		p.sink(sink{to: toPrior, cmd: c})
	}
	if err := line.exchange(ctx, p); err != nil {
		_, transient := judge(err)
		return transient
	}
	return p.failed
}

// result is what came back of a program, beside what went into the commands.
type result struct {
	fresh     []byte     // for each entry of the log's stream: 1 it was appended now, 0 it was not
	logLength int64      // of the log
	noLog     error      // why the log is not known to be written
	failed    error      // why the commands are not all acknowledged
	lost      []*Command // each SetOnce that was not done
	list      reply
}

// unlogged takes the first error of a command on the log.
func (r *result) unlogged(permanent, transient error) {
	if r.noLog == nil {
		r.noLog = permanent
	}
	if r.noLog == nil {
		r.noLog = transient
	}
}

func (r *result) reset() {
	clear(r.lost)
	*r = result{fresh: r.fresh[:0], lost: r.lost[:0]}
}

// take takes the reply to command i.
func (p *program) take(i int, r reply) {
	s := &p.sinks[i]
	permanent, transient := judge(r.err)
	switch s.to {
	case toLog:
		if r.none || tooSmall(r.err) {
			p.fresh = append(p.fresh, '0')
			return
		}
		p.fresh = append(p.fresh, '1')
		p.unlogged(permanent, transient)
		return
	case toLength:
		p.logLength = r.n
		p.unlogged(permanent, transient)
		return
	}
	if s.to == toOpen && permanent != nil {
		// What is there is no list. The batch comes again, without.
		p.open.off = true
		transient = away(permanent)
	}
	if transient != nil {
		if p.failed == nil || errors.Is(transient, ErrFailover) {
			p.failed = transient
		}
		return
	}
	switch s.to {
	case toList:
		p.list = r
	case toMerge:
		for _, c := range p.queues.merges[s.merge].cmds {
			c.Err = permanent
		}
	case toOnce:
		c := s.cmd
		c.Err, c.Won = permanent, permanent == nil && !r.none
		if r.none {
			p.lost = append(p.lost, c)
		}
	case toPrior:
		c := s.cmd
		switch c.Err = permanent; {
		case permanent != nil:
		case r.none: // it is free now, and nobody has it
			p.failed = away(errGone)
		default:
			c.settle(r.text)
		}
	case toCommand:
		c := s.cmd
		switch c.Err = permanent; {
		case permanent != nil:
		case s.shape == number:
			c.takeInt(r.n)
		default:
			c.takeValue(r.none, r.text)
		}
	}
}

// takeInt takes the reply that tells how many were changed.
func (c *Command) takeInt(n int64) {
	switch {
	case c.placed == placedOurs && n == 0:
		c.Err = errBodyGone
	case c.placed == placedOurs:
	case c.Kind == QueueMove, c.Kind == QueueAdd:
		c.Won = n == 1
	case c.Kind == Incr:
		c.Count = n
	default:
		c.Found = n > 0
	}
}

// takeValue takes the reply that holds what a register held before, and copies
// what is kept of it.
func (c *Command) takeValue(absent bool, prior []byte) {
	switch c.Kind {
	case SetOnce, SetUnless:
		if c.Won = absent; !absent {
			c.settle(prior)
		}
	case Get:
		c.Found = !absent
		c.Prior = bytes.Clone(prior)
	}
}

// settle takes what is in the way of a register. Our own value means that this
// batch was sent before, and its reply was lost.
func (c *Command) settle(prior []byte) {
	c.Won = bytes.Equal(prior, c.Value)
	if !c.Won {
		c.Prior = bytes.Clone(prior)
	}
}

// logged looks at what became of the batch's records. If each was appended and
// the log is as long as it must be, nothing was lost and nobody else wrote.
// Otherwise it is looked at in full.
func (d *redisDriver) logged(ctx context.Context, line carrier, b *Batch, r *result) error {
	if r.noLog != nil {
		d.forget(b.Chain)
		return r.noLog
	}
	if d.follows(b, r) {
		return nil
	}
	d.forget(b.Chain)
	if r.failed != nil {
		return nil // the batch comes again, and is looked at then
	}
	return d.settle(ctx, line, b, r.fresh)
}

// follows tells whether the batch's records were all appended, to a log that is
// as long as it must be, and takes note of it.
func (d *redisDriver) follows(b *Batch, r *result) bool {
	if bytes.IndexByte(r.fresh, '0') >= 0 {
		return false
	}
	first, n := b.Records[0].Seq, uint64(len(b.Records))
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.chains[b.Chain] // zero: nothing is known, or there is nothing yet
	if s.newest != first-1 || s.length+int64(len(r.fresh)) != r.logLength {
		return false
	}
	d.chains[b.Chain] = chainState{r.logLength, first + n - 1}
	return true
}

// logKey names the log of a chain, mostly without an allocation.
func (d *redisDriver) logKey(chain string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.log.chain != chain {
		d.log.chain, d.log.key = chain, logKey(chain)
	}
	return d.log.key
}

func (d *redisDriver) forget(chain string) {
	d.mu.Lock()
	delete(d.chains, chain)
	d.mu.Unlock()
}

// settle compares the log with what the batch says it holds. A batch that was
// sent before ("id equal or smaller") is there by its hashes; after a failover
// or a FLUSHALL the predecessor is not, and what was appended over the gap is
// taken out again. fresh marks with a '1' each of the batch's stream entries that
// was appended just now.
func (d *redisDriver) settle(ctx context.Context, line carrier, b *Batch, fresh []byte) error {
	first := b.Records[0].Seq
	var hashes []byte
	for i := range b.Records {
		hashes = append(hashes, b.Records[i].Hash[:]...)
	}
	args := []string{strconv.FormatUint(first, 10), string(b.Prev[:]), string(fresh), string(hashes)}
	for recs := b.Records; len(recs) > 0; {
		n := packOf(recs)
		args = append(args, strconv.FormatUint(recs[n-1].Seq, 10)+"-0")
		recs = recs[n:]
	}
	r, err := d.ask(ctx, line, settleScript, logKey(b.Chain), args)
	if err != nil {
		return err
	}
	if len(r) != 3 {
		return away(errReply)
	}
	last, err := strconv.ParseUint(string(r[1].text), 10, 64)
	if err != nil {
		return away(errReply)
	}
	code, end := r[0].n, b.Records[len(b.Records)-1].Seq
	switch {
	case code == 0, code == 4 && last == end:
		d.mu.Lock()
		d.chains[b.Chain] = chainState{r[2].n, last}
		d.mu.Unlock()
		return nil
	case code == 1:
		return &GapError{Chain: b.Chain, Want: first - 1, Last: last}
	case code == 2:
		return fmt.Errorf("chain %s, record %d: %w", b.Chain, first, ErrFork)
	case code == 4 && first <= last && last < end:
		// Those that are there were not written by this very batch.
		rest := b.Records[last-first:]
		return d.exec(ctx, line, &Batch{Chain: b.Chain, Prev: rest[0].Hash, Records: rest[1:]})
	}
	// One was refused (no memory, say) and one after it was not: all of them
	// were taken out, and come again.
	return away(errors.New("log records are missing"))
}

// ask runs a script that replies with a list.
func (d *redisDriver) ask(ctx context.Context, line carrier, s *script, key string, args []string) ([]reply, error) {
	for _, known := range []bool{true, false} {
		p := newProgram(d)
		p.script(s, known, key, args)
		err := line.exchange(ctx, p)
		if err == nil {
			err = p.failed
		}
		list := p.list.list
		p.free()
		if err == nil {
			return list, nil
		}
		if !known || !redis.HasErrorPrefix(err, "NOSCRIPT") {
			_, err = judge(err)
			return nil, err
		}
	}
	return nil, away(errReply)
}
