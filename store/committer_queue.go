package store

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	// bulkSize is from where on a body travels on a connection of its own.
	bulkSize = 64 << 10
	// bulkLife is how long it stays there if its unit does not follow.
	bulkLife = 10 * time.Minute
	// unitMax bounds a unit.
	unitMax = 32 << 20
)

// phase is where a unit is.
type phase uint8

const (
	idle     phase = iota
	queued         // waits for a batch: nothing of it was sent
	sent           // in the batch in flight
	finished       // its fate is known, or will not be
)

// unitState is the committer's own part of a Unit. It is guarded by the
// committer's lock while the unit is with it.
type unitState struct {
	done  chan error // gets the fate, once; holds one
	phase phase
	at    time.Time // since when it waits
	told  bool      // nobody listens to done any more
	later bool      // must not be lost: stays when its time is up
	// logged says that the entries are stored, and only commands are left.
	logged bool
	entry  uint64 // in the journal; 0: none
	size   int
	// stored says of a finished unit that the store acknowledged it.
	stored bool
}

// prepare readies a unit for its way, and finds what is wrong with it.
func (u *Unit) prepare() error {
	size := 0
	for _, e := range u.Entries {
		size += len(e)
	}
	for i := range u.Commands {
		c := &u.Commands[i]
		if err := c.valid(); err != nil {
			return err
		}
		c.placed = unplaced
		size += len(c.Value)
	}
	if size > unitMax {
		return ErrTooLarge
	}
	done := u.state.done
	if done == nil {
		done = make(chan error, 1)
	}
	u.state = unitState{done: done, size: size}
	u.Stored = false
	return nil
}

// place sends large bodies ahead, each to live for a while only: what is left
// of a unit that never follows ends by itself. Other registers are evidence,
// which must not be seen before their unit is stored: they stay in the batch,
// however large.
func (c *Committer) place(ctx context.Context, u *Unit) error {
	var large []int
	for i := range u.Commands {
		cmd := &u.Commands[i]
		if (cmd.Kind == SetOnce || cmd.Kind == Set) && len(cmd.Value) > bulkSize && isBodyKey(cmd.Key) {
			large = append(large, i)
		}
	}
	if len(large) == 0 {
		return nil
	}
	if err := c.taking(); err != nil {
		return err
	}
	ahead := make([]Command, len(large))
	for j, i := range large {
		ahead[j] = u.Commands[i]
		if ttl := ahead[j].TTL; ttl == 0 || ttl > bulkLife {
			ahead[j].TTL = bulkLife
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Deadline)
	defer cancel()
	if err := c.d.Apply(ctx, ahead); err != nil {
		if errors.Is(err, ErrUnavailable) {
			return &unavailable{cause: err}
		}
		return err
	}
	for j, i := range large {
		cmd := &u.Commands[i]
		cmd.Won, cmd.Prior, cmd.Err = ahead[j].Won, ahead[j].Prior, ahead[j].Err
		switch {
		case cmd.Err != nil:
			continue // refused again with the rest, where it is seen
		case cmd.Kind == SetOnce && !cmd.Won:
			cmd.placed = placedLost
		default:
			cmd.placed = placedOurs
		}
		u.state.size -= len(cmd.Value)
	}
	return nil
}

// taking tells why nothing new is taken now.
func (c *Committer) taking() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takingLocked()
}

var (
	errDown    = errors.New("it did not acknowledge lately")
	errCrowded = errors.New("too many units wait")
	errLate    = errors.New("not acknowledged in time")
)

func (c *Committer) takingLocked() error {
	switch {
	case c.closed:
		return ErrClosed
	case c.broken != nil:
		return c.broken
	case c.down:
		return &unavailable{cause: errDown}
	case len(c.queue) >= c.o.MaxPending:
		return &unavailable{cause: errCrowded}
	}
	return nil
}

// enqueue hands a unit to the writing goroutine.
func (c *Committer) enqueue(u *Unit, later bool) error {
	c.mu.Lock()
	if err := c.takingLocked(); err != nil {
		c.mu.Unlock()
		return err
	}
	u.state.later = later
	c.pushLocked(u)
	c.mu.Unlock()
	c.poke()
	return nil
}

func (c *Committer) pushLocked(u *Unit) {
	u.state.phase = queued
	u.state.at = time.Now()
	c.queue = append(c.queue, u)
}

// poke wakes the writing goroutine.
func (c *Committer) poke() {
	select {
	case c.wake <- struct{}{}:
	default: // it has been told
	}
}

// leave gives up waiting for a unit.
func (c *Committer) leave(u *Unit, why error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case u.state.phase == finished || u.state.told:
		return <-u.state.done // its fate came at the same moment
	case u.state.phase == queued:
		c.queue = slices.DeleteFunc(c.queue, func(v *Unit) bool { return v == u })
		u.state.phase = finished
		return &unavailable{cause: why}
	}
	u.state.told = true
	return &unavailable{cause: why, sent: true}
}

// finish settles a unit's fate. The lock is held.
func (u *Unit) finish(err error) {
	u.state.phase = finished
	u.tell(err)
}

// tell lets the waiter go on, once.
func (u *Unit) tell(err error) {
	if !u.state.told {
		u.state.told = true
		u.state.done <- err
	}
}

// keep puts a unit that the store has not acknowledged into the journal. why
// is what kept the store from it.
func (c *Committer) keep(u *Unit, why error) error {
	if c.journal == nil {
		return why
	}
	entry, err := c.journal.append(u)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		// It may be on its way nonetheless, and stays there.
		return &unavailable{cause: errors.Join(err, why), sent: u.state.phase != idle}
	}
	switch u.state.phase {
	case finished:
		if u.state.stored {
			c.journal.forget(entry)
		}
	case idle:
		u.state.later, u.state.told = true, true
		u.state.entry = entry
		c.pushLocked(u)
		c.poke()
	default:
		u.state.entry = entry
	}
	return nil
}

// sweep ends the waiting of units whose time is up: one goroutine for all of
// them, in place of a timer for each.
func (c *Committer) sweep() {
	tick := time.NewTicker(max(c.o.Deadline/16, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case now := <-tick.C:
			c.expire(now)
		}
	}
}

// expire tells the waiters of what is overdue at a time. Units that were not
// sent leave, unless they must not be lost; those in flight stay, since only
// the store knows their fate.
func (c *Committer) expire(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := now.Add(-c.o.Deadline)
	c.queue = slices.DeleteFunc(c.queue, func(u *Unit) bool {
		if u.state.at.After(before) || u.state.told {
			return false
		}
		u.tell(&unavailable{cause: errLate, sent: u.state.later})
		if !u.state.later {
			u.state.phase = finished
		}
		return !u.state.later
	})
	for _, u := range c.flight {
		if !u.state.at.After(before) {
			u.tell(&unavailable{cause: errLate, sent: true})
		}
	}
	if len(c.flight) > 0 && !c.since.After(before) {
		c.setDown(errLate)
	}
}

// setDown marks the store as away. The lock is held.
func (c *Committer) setDown(cause error) {
	if !c.down {
		c.down = true
		c.log.Warn("store is away", "cause", cause)
	}
}

// failAll settles what is left when the committer ends.
func (c *Committer) failAll(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.queue {
		if u.state.phase != finished {
			u.finish(err)
		}
	}
	for _, u := range c.flight {
		if u.state.phase != finished {
			u.finish(err)
		}
	}
	c.queue, c.flight = nil, nil
}
