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
	// spooled is what its waiter has to wait for when it is taken to local
	// disk.
	spooled spooled
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
	u.Stored, u.Spooled, u.At = false, false, time.Time{}
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
	errBehind  = errors.New("much on local disk is to be stored first")
)

func (c *Committer) takingLocked() error {
	switch {
	case c.closed:
		return ErrClosed
	case c.broken != nil:
		return c.broken
	case c.down:
		return &unavailable{cause: errDown}
	case len(c.queue)-c.disk >= c.o.MaxPending:
		return &unavailable{cause: errCrowded}
	}
	return nil
}

// enqueue hands a unit over; nobody is told of it. errOnDisk says that it is to
// be spooled, and that onDisk is to be waited for.
func (c *Committer) enqueue(u *Unit, later bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spoolingLocked() && !c.closed && c.broken == nil {
		switch {
		case later:
			return &unavailable{cause: errBehind}
		case u.Spool:
			v, err := c.spoolLocked(u)
			switch {
			case err == nil:
				c.pushLocked(v)
				c.poke()
				return errOnDisk
			case c.down:
				return err
			}
			// Where there is no room on disk it waits for the drain.
		}
	}
	if err := c.takingLocked(); err != nil {
		return err
	}
	u.state.later = later
	c.pushLocked(u)
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
	entry, r, err := c.keepLocked(u)
	if err == nil && r != nil {
		err = c.journal.wait(entry, r)
	}
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if u.state.stored {
		return nil
	}
	if u.state.entry != 0 {
		u.state.entry = 0
		c.disk--
	}
	// It may be on its way nonetheless, and stays there.
	return &unavailable{cause: errors.Join(err, why), sent: u.state.phase == queued || u.state.phase == sent}
}

// keepLocked hands a unit to the journal, and to the writing goroutine if that
// does not have it. It takes the lock. Without a round there is nothing to wait
// for.
func (c *Committer) keepLocked(u *Unit) (entry uint64, r *round, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u.state.stored {
		return 0, nil, nil
	}
	entry, r, err = c.journal.enqueue(u, c.o.JournalLimit)
	if err == nil {
		u.state.entry = entry
		c.disk++
	}
	// Without room on disk there may be some in memory.
	if u.state.phase == idle && (err == nil || len(c.queue)-c.disk < c.o.MaxPending) && !c.closed && c.broken == nil {
		u.state.later, u.state.told = true, true
		if c.overlay != nil {
			c.overlayLocked(u, time.Now())
		}
		c.pushLocked(u)
		c.poke()
	}
	return entry, r, err
}

// sweep ends the waiting of units whose time is up: one goroutine for all of
// them, in place of a timer for each; and the wait of a caller that leads.
func (c *Committer) sweep() {
	tick := time.NewTicker(max(min(c.o.Deadline/16, c.o.Patience), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case now := <-tick.C:
			c.expire(now)
			c.hurry(now.Add(-c.o.Patience))
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
	if c.overdueLocked(before) {
		c.setDown(errLate)
	}
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
}

// overdueLocked tells whether the store is too slow to be there: the batch in
// flight was sent before a time, or a unit has waited since then that need not.
func (c *Committer) overdueLocked(before time.Time) bool {
	if len(c.flight) > 0 && !c.since.After(before) {
		return true
	}
	waits := func(u *Unit) bool { return c.maySpool(u) && !u.state.told && !u.state.at.After(before) }
	return slices.ContainsFunc(c.flight, waits) || slices.ContainsFunc(c.queue, waits)
}

// setDown marks the store as away. The lock is held.
func (c *Committer) setDown(cause error) {
	if !c.down {
		c.down = true
		if c.failing.IsZero() {
			c.failing = time.Now()
		}
		c.log.Warn("store is away", "cause", cause)
		c.divertLocked()
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
