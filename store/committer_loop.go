package store

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	// A batch's limits. They bound what a resend repeats, and how long the
	// store is busy with one.
	batchUnits = 1024
	batchBytes = 4 << 20

	backoffFirst = 5 * time.Millisecond
	backoffMost  = 500 * time.Millisecond
)

// outgoing is the batch being written, with what it was made of. It is used
// again for the next one.
type outgoing struct {
	Batch
	units []*Unit
	own   []Command // the committer's: the lease, the list of chains
	first time.Time // when it was first sent
}

// run writes what nobody else does, one batch after another, until the committer
// is closed and nothing is left.
func (c *Committer) run() {
	defer close(c.done)
	beat := time.NewTicker(c.o.AliveEvery / 4)
	defer beat.Stop()
	b := &c.out
	c.poke() // for the lease, and for what an earlier process has left
	for {
		p, handed, ok := c.awaitTurn(beat.C)
		if !ok || (handed && !c.send(b, p)) {
			return
		}
		for c.next(b, batchUnits, batchBytes) {
			if !c.send(b, nil) {
				return
			}
		}
		c.mu.Lock()
		over := c.closed && len(c.queue) == 0
		c.mu.Unlock()
		if over {
			c.release()
			return
		}
		c.pass()
	}
}

// next makes a batch of what is waiting, of no more than some units and, but for
// the first one, bytes. It reports false if there is nothing to write. The turn
// is the caller's.
func (c *Committer) next(b *outgoing, units, bytes int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	renew := !c.closed && (c.LeaseAge() >= c.o.AliveEvery || c.moved())
	if len(c.queue) == 0 && !renew {
		return false
	}
	clear(b.units)
	b.units = b.units[:0]
	n, size := 0, 0
	for n < len(c.queue) && n < units && (n == 0 || size+c.queue[n].state.size <= bytes) {
		c.queue[n].state.phase = sent
		size += c.queue[n].state.size
		n++
	}
	b.units = append(b.units, c.queue[:n]...)
	rest := copy(c.queue, c.queue[n:])
	clear(c.queue[rest:])
	c.queue = c.queue[:rest]
	c.flight = b.units
	c.since = time.Now()
	b.first = c.since
	c.build(b, renew)
	return true
}

// build chains the units' entries and gathers their commands. The lock is
// held.
func (c *Committer) build(b *outgoing, renew bool) {
	b.Chain, b.Prev = c.chain, c.hash
	clear(b.Records)
	clear(b.Groups)
	b.Records, b.Groups, b.own = b.Records[:0], b.Groups[:0], b.own[:0]
	if renew {
		b.own = append(b.own, Command{
			Kind: Set, Key: AliveKey(c.chain), Value: aliveValue(c.head, c.hash), TTL: c.o.AliveFor,
		})
	}
	if c.head == 0 {
		// Until the first batch is acknowledged nobody knows of the chain.
		b.own = append(b.own, Command{
			Kind: QueueAdd, Queue: ChainList, Member: c.chain, Score: c.o.Clock().UnixMilli(),
		})
	}
	if len(b.own) > 0 {
		b.Groups = append(b.Groups, b.own)
	}
	seq, hash := c.head, c.hash
	for _, u := range b.units {
		if len(u.Commands) > 0 {
			b.Groups = append(b.Groups, u.Commands)
		}
		if u.state.logged {
			continue
		}
		u.Seq = seq + 1
		for _, e := range u.Entries {
			if c.o.Rechain != nil && u.Chain != "" && u.Chain != c.chain {
				e = c.o.Rechain(e, u.Chain, c.chain)
			}
			seq++
			hash = c.chainer.next(hash, seq, e)
			b.Records = append(b.Records, LogRecord{Seq: seq, Entry: e, Hash: hash})
		}
	}
}

// send writes a batch until its fate is known; p is what was begun with it, or
// nil. It reports false when the committer can go on no more.
func (c *Committer) send(b *outgoing, p begun) bool {
	backoff := backoffFirst
	for {
		err := c.write(b, p)
		p = nil
		if err == nil {
			c.acknowledged(b, false)
			return true
		}
		var gap *GapError
		switch {
		case errors.As(err, &gap) || errors.Is(err, ErrFork):
			// The store is not what it was when it acknowledged the last
			// batch. Sending again cannot help; a new chain can.
			if !c.restart(b, err) {
				return false
			}
		case errors.Is(err, ErrClosed) || c.ctx.Err() != nil:
			c.end(ErrClosed)
			return false
		}
		// Nothing is known of the batch: it is sent again as it is, in which
		// what was done already counts as done.
		c.attemptFailed(err)
		select {
		case <-c.ctx.Done():
			return false
		case <-time.After(backoff/2 + rand.N(backoff/2)):
		}
		backoff = min(2*backoff, backoffMost)
	}
}

func (c *Committer) attemptFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Resends++
	now := time.Now()
	if c.failing.IsZero() {
		c.failing = now
	}
	if now.Sub(c.failing) >= c.o.Deadline/4 {
		c.setDown(err)
	}
}

// acknowledged moves the head, and tells the units' waiters. led says that one of
// them has written the batch.
func (c *Committer) acknowledged(b *outgoing, led bool) {
	if c.mirror != nil {
		// Before the waiters use their memory again.
		c.mirror.learn(b.Groups, time.Now())
	}
	stored, late := c.settle(b, led)
	// What a late command gives is safe before the command is forgotten.
	c.tellLate(late)
	if len(stored) > 0 {
		c.journal.forget(stored...)
	}
}

// settle does acknowledged's part under the lock. It gives the journal's
// entries that are stored now, and copies of the commands that were too late.
func (c *Committer) settle(b *outgoing, led bool) (stored []uint64, late []Command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		c.log.Info("store is back", "away", time.Since(c.failing))
	}
	c.down, c.failing = false, time.Time{}
	if n := len(b.Records); n > 0 {
		c.head, c.hash = b.Records[n-1].Seq, b.Records[n-1].Hash
	}
	for i := range b.own {
		// Counted from the first sending, not from the one that was
		// acknowledged: the lease may be older than it seems, never younger.
		if b.own[i].Kind == Set && b.own[i].Err == nil {
			c.renewedLocked(b.first)
		}
	}
	c.stats.Batches++
	if led {
		c.stats.Led++
	}
	c.stats.Units += uint64(len(b.units))
	c.stats.Entries += uint64(len(b.Records))
	var again []*Unit
	for _, u := range b.units {
		c.stats.Commands += uint64(len(u.Commands))
		if u.bodyGone() {
			u.state.phase, u.state.logged = queued, true
			again = append(again, u)
			continue
		}
		err := u.refusals()
		if u.state.told {
			late = c.unheard(u, err, late)
		}
		if u.state.entry != 0 {
			stored = append(stored, u.state.entry)
			if c.disk--; c.disk == 0 {
				c.log.Info("what was on local disk is stored")
			}
		}
		if len(c.overlay) > 0 {
			c.overlay.leave(u)
		}
		u.state.stored = true
		u.finish(err)
	}
	if len(again) > 0 {
		c.queue = slices.Insert(c.queue, 0, again...)
	}
	c.flight = nil
	return stored, late
}

// renewedLocked takes note of a renewal of the lease that was first sent at a
// time, and has just been acknowledged. Between the one before and this the
// lease was there all the time if no more than its life lies between the
// sending of that one and now.
func (c *Committer) renewedLocked(sent time.Time) {
	next := &lease{sent: sent}
	if old := c.lease.Load(); old != nil {
		next.term = old.term
		if Age(old.sent, time.Now()) >= c.o.AliveFor || c.leaseOf != c.chain {
			next.term++
		}
	}
	c.leaseOf = c.chain
	c.lease.Store(next)
}

// bodyGone tells whether a body that went ahead ended before its unit was
// stored, which takes an outage as long as bulkLife. Then it goes with the
// rest.
func (u *Unit) bodyGone() bool {
	gone := false
	for i := range u.Commands {
		if errors.Is(u.Commands[i].Err, errBodyGone) {
			u.Commands[i].placed = unplaced
			gone = true
		}
	}
	return gone
}

// end stops the committer for good: nothing more is taken.
func (c *Committer) end(why error) {
	c.mu.Lock()
	c.broken = why
	c.mu.Unlock()
	c.failAll(&unavailable{cause: why, sent: true})
}

// unheard reports what went wrong with a unit that nobody waits for, and adds
// what Late is to be told. The lock is held.
func (c *Committer) unheard(u *Unit, refused error, late []Command) []Command {
	if refused != nil {
		c.log.Error("store refused commands of a unit that nobody waits for", "cause", refused)
	}
	for i := range u.Commands {
		cmd := &u.Commands[i]
		if !cmd.Kind.once() || cmd.Won || cmd.Err != nil || cmd.mute {
			continue
		}
		if u.state.later {
			late = append(late, *cmd)
		}
		if strings.HasPrefix(cmd.Key, "{r.") {
			c.stats.TooLate++
			c.log.Error("register was written by somebody else first", "register", cmd.Key)
		}
	}
	return late
}

// tellLate calls Late, and queues what it gives.
func (c *Committer) tellLate(late []Command) {
	if c.o.Late == nil {
		return
	}
	for i := range late {
		u := c.o.Late(&late[i])
		if u == nil {
			continue
		}
		if err := u.prepare(); err != nil {
			c.log.Error("what was to be said of a late register is malformed", "cause", err)
			continue
		}
		u.state.told, u.state.later = true, true
		if c.journal != nil {
			entry, err := c.journal.append(u)
			if err != nil {
				c.log.Error("what is to be said of a late register is not on local disk; it is stored next", "cause", err)
			}
			u.state.entry = entry
		}
		c.mu.Lock()
		if u.state.entry != 0 {
			c.disk++
		}
		c.pushLocked(u)
		c.mu.Unlock()
	}
}

// refusals gathers what the store refused for good.
func (u *Unit) refusals() error {
	var errs []error
	for i := range u.Commands {
		if err := u.Commands[i].Err; err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// restart goes on in a new chain, if the committer was given a way to start
// one; otherwise it ends.
func (c *Committer) restart(b *outgoing, cause error) bool {
	c.mu.Lock()
	broken, head := c.chain, c.head
	c.mu.Unlock()
	c.log.Error("chain is broken", "chain", broken, "head", head, "cause", cause)
	if c.o.Restart == nil {
		// The units' commands may have been done, their entries were not.
		c.end(errors.Join(ErrChainBroken, cause))
		return false
	}
	chain, entries := c.o.Restart(broken, head, cause)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chain, c.head, c.hash = chain, 0, ChainStart(chain)
	c.stats.Restarts++
	if len(entries) > 0 {
		start := &Unit{Entries: entries}
		start.state = unitState{phase: sent, told: true}
		b.units = append([]*Unit{start}, b.units...)
		c.flight = b.units
	}
	c.build(b, true)
	return true
}

// release ends the lease, so that peers need not wait for it. If that fails it
// runs out by itself.
func (c *Committer) release() {
	ctx, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	_ = c.d.Apply(ctx, []Command{{Kind: Delete, Key: AliveKey(c.Chain())}})
}

// aliveValue is what the lease holds: the head.
func aliveValue(seq uint64, hash [32]byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 40), seq), hash[:]...)
}

// ParseAlive reads the value of an AliveKey: the head of a chain when its
// lease was renewed last.
func ParseAlive(value []byte) (seq uint64, hash [32]byte, err error) {
	if len(value) != 40 {
		return 0, hash, errors.New("store: malformed lease")
	}
	copy(hash[:], value[8:])
	return binary.BigEndian.Uint64(value), hash, nil
}
