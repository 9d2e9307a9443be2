package store

import (
	"context"
	"errors"
	"time"
)

// A Redis whose master dies may lose what it had acknowledged and not yet
// passed on. So the committer keeps what it had acknowledged lately, and sends
// it again when another master took over or one was restarted: before it
// writes anything new there, so that a repeat of a sale finds the claim that
// was lost. The records that the log has lost are appended again, under the
// same numbers and hashes.

// watchEvery is how often the committer asks who the masters are. A batch that
// finds another one asks by itself; this is for a proxy that has nothing to
// write, and for shards that it does not write to.
const watchEvery = time.Second

// sighting is who the masters were at a time.
type sighting struct {
	generation string
	at         time.Time
}

// keeping is what a committer holds for a store that may lose acknowledged
// writes. It belongs to whoever has the turn to write.
type keeping struct {
	recent     *recent // nil: the store loses nothing, or nothing is to be kept
	generation string  // the masters that have all that is in recent; empty before the first batch
	stale      bool    // the masters must be asked for
	caught     bool    // the commands were sent again since the last acknowledged batch
	listed     Command // what put the chain into the list
}

var errRestored = errors.New("the log had lost its end, which is restored")

// watch asks once in a while who the masters are, until the committer ends.
func (c *Committer) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(c.ctx, 2*watchEvery)
		gen, err := c.d.Generation(ctx)
		cancel()
		if err != nil {
			continue // the next batch will tell
		}
		if gen == "" {
			return
		}
		old := c.sighted.Swap(&sighting{gen, began})
		if old == nil || old.generation != gen {
			c.poke()
		}
	}
}

// moved tells whether the masters were seen to be others than those written
// to.
func (c *Committer) moved() bool {
	s := c.sighted.Load()
	return s != nil && c.kept.recent != nil && c.kept.generation != "" && s.generation != c.kept.generation
}

// write sends a batch, after whatever the store has lost; or sees to the end of
// what was begun with it.
func (c *Committer) write(b *outgoing, p begun) error {
	if c.kept.recent == nil {
		b.Generation = "" // it may be of the batch before
		return c.d.Write(c.ctx, &b.Batch)
	}
	err := c.writeKept(b, p)
	if errors.Is(err, ErrFailover) {
		c.kept.stale = true
	}
	return err
}

func (c *Committer) writeKept(b *outgoing, p begun) error {
	var err error
	if p != nil {
		err = p.finish(c.ctx)
	} else {
		if err := c.catchUp(); err != nil {
			return err
		}
		b.Generation = c.kept.generation
		err = c.d.Write(c.ctx, &b.Batch)
	}
	if err == nil && c.kept.caught && len(b.Records) == 0 {
		err = c.probe() // a batch of records would have told
	}
	if err == nil {
		c.remember(b)
		return nil
	}
	var gap *GapError
	switch {
	case errors.As(err, &gap):
		return c.restore(gap)
	case errors.Is(err, ErrFork):
		// The chain is beyond repair; what its units did need not be.
		if again := c.sendAgain(c.kept.generation); again != nil {
			return again
		}
	}
	return err
}

// remember keeps a batch that was acknowledged, before anybody is told.
func (c *Committer) remember(b *outgoing) {
	k := &c.kept
	if b.Generation == "" {
		k.recent = nil // such a store loses nothing
		return
	}
	k.generation, k.caught = b.Generation, false
	now := time.Now()
	groups := b.Groups
	if len(b.own) > 0 {
		groups = groups[1:] // the lease is renewed, not repeated
		for i := range b.own {
			if b.own[i].Queue == ChainList && b.own[i].Member != k.listed.Member {
				k.listed = b.own[i]
				k.recent.nextChain()
			}
		}
	}
	prev := &b.Prev
	for i := range b.Records {
		k.recent.addRecord(prev, &b.Records[i], now)
		prev = &b.Records[i].Hash
	}
	for _, g := range groups {
		k.recent.addCommands(g, now)
	}
	// What was acknowledged before the masters were last seen to be the same
	// has had its time to reach a replica or a disk. While they cannot be
	// seen, nothing ages.
	if s := c.sighted.Load(); s != nil && s.generation == k.generation {
		k.recent.expire(s.at.Add(-recentWindow))
	}
}

// catchUp sends again what was acknowledged lately, if the masters are others
// than those that acknowledged it.
func (c *Committer) catchUp() error {
	k := &c.kept
	if !k.stale && !c.moved() {
		return nil
	}
	now := time.Now()
	gen, err := c.d.Generation(c.ctx)
	if err != nil {
		return err
	}
	if gen != k.generation {
		lossy := losesSome(k.generation, gen)
		if lossy {
			c.log.Warn("another master has taken over, or one was restarted: what was acknowledged lately is sent again")
		} else {
			c.log.Info("a master joined, or one changed its replication id, and none has lost anything: what was acknowledged lately is sent again all the same")
		}
		if err := c.sendAgain(gen); err != nil {
			return err
		}
		if lossy {
			c.mu.Lock()
			c.stats.Failovers++
			c.mu.Unlock()
		}
		k.generation = gen
	}
	k.stale = false
	c.sighted.Store(&sighting{gen, now})
	return nil
}

// probe looks whether the log has lost its end.
func (c *Committer) probe() error {
	head, _ := c.Head()
	chain := c.Chain()
	last, _, err := c.d.LogLast(c.ctx, chain)
	if err == nil && last.Seq < head {
		return &GapError{Chain: chain, Want: head, Last: last.Seq}
	}
	return err
}

// restore appends what the log has lost of its end, if all of that is known
// here, and sends the commands again. The error is never nil: either the batch
// has to be sent again, or the chain is broken.
func (c *Committer) restore(gap *GapError) error {
	k := &c.kept
	recs, prev := k.recent.records(gap.Last+1, gap.Want)
	whole := recs
	for len(recs) > 0 {
		n, size := 0, 0
		for n < len(recs) && n < batchUnits && (n == 0 || size+len(recs[n].Entry) <= batchBytes) {
			size += len(recs[n].Entry)
			n++
		}
		err := c.d.Write(c.ctx, &Batch{Chain: gap.Chain, Prev: prev, Records: recs[:n], Generation: k.generation})
		if err != nil {
			return err
		}
		prev, recs = recs[n-1].Hash, recs[n:]
	}
	if !k.caught {
		if err := c.sendAgain(k.generation); err != nil {
			return err
		}
	}
	if len(whole) == 0 {
		return gap
	}
	c.log.Error("the store has lost the end of the log, which was written again", "chain", gap.Chain, "from", gap.Last+1, "to", gap.Want)
	c.mu.Lock()
	c.stats.Restored += uint64(len(whole))
	c.mu.Unlock()
	return away(errRestored)
}

// sendAgain sends the commands of the units that were acknowledged lately, in
// their order. They are what they were, so most of them find themselves done.
func (c *Committer) sendAgain(generation string) error {
	k := &c.kept
	seq, hash := c.Head()
	var batch []Command
	if seq > 0 {
		batch = append(batch, Command{Kind: Set, Key: AliveKey(c.Chain()), Value: aliveValue(seq, hash), TTL: c.o.AliveFor}, k.listed)
	}
	units, size := 0, 0
	var lost []Command
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := c.d.Write(c.ctx, &Batch{Groups: [][]Command{batch}, Generation: generation}); err != nil {
			return err
		}
		for i := range batch {
			if cmd := &batch[i]; cmd.Kind.once() && !cmd.Won && cmd.Err == nil {
				lost = append(lost, *cmd)
			}
		}
		batch, size = batch[:0], 0
		return nil
	}
	for cmds := range k.recent.units(time.Now()) {
		for i := range cmds {
			batch = append(batch, cmds[i])
			size += len(cmds[i].Value)
		}
		if units++; len(batch) >= batchUnits || size >= batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	k.caught = true
	c.sentAgain(units, lost)
	return nil
}

// sentAgain counts what was sent again, and reports what could not be brought
// back: registers that somebody else wrote in the meantime.
func (c *Committer) sentAgain(units int, lost []Command) {
	c.log.Warn("what was acknowledged lately was sent again", "units", units)
	c.mu.Lock()
	c.stats.Resent += uint64(units)
	c.stats.TooLate += uint64(len(lost))
	c.mu.Unlock()
	for i := range lost {
		c.log.Error("the store has lost a register, and somebody else has written it since", "register", lost[i].Key)
	}
	c.tellLate(lost)
}
