package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"
)

// While the store is away, units that say so (Unit.Spool) are judged by what
// this process knows, written to the journal in order, and taken for stored.
// The committer alone switches:
//
//	direct    the store acknowledges; nothing is on local disk
//	spooling  the store is away
//	draining  the store is back, and what is on local disk goes first
//
// Whatever was in flight when the store went away is sent again as it was, and
// keeps its place, for only the store knows whether it is there already.

const (
	defaultMirrorBytes = 32 << 20
	mirrorAge          = 24 * time.Hour
	// spoolShare is the part of the journal that new requests may fill: the
	// rest is for the outcomes of those that have begun.
	spoolShare = 7.0 / 8
)

// errOnDisk tells a waiter that its unit goes to local disk.
var errOnDisk = errors.New("store: unit goes to local disk")

// spooled is what a waiter has to wait for, and the unit that took its place
// with the committer.
type spooled struct {
	twin  *Unit
	round *round
}

// maySpool tells whether a unit may be stored on local disk in place of the
// store.
func (c *Committer) maySpool(u *Unit) bool { return u.Spool && c.overlay != nil }

// spoolingLocked tells whether a unit that may be spooled is spooled now: the
// store is away, or there is much to drain before it.
func (c *Committer) spoolingLocked() bool {
	return c.overlay != nil && (c.down || c.disk > batchUnits)
}

// spoolLocked judges a unit by what is known here, and gives the unit that is
// to be stored in its place: with the caller's commands, which the driver may
// be writing results into, while u gets others, with results. The lock is
// held. On an error u is as it was.
func (c *Committer) spoolLocked(u *Unit) (*Unit, error) {
	now := time.Now()
	v := &Unit{Entries: u.Entries, Chain: u.Chain, Seq: u.Seq}
	v.state = u.state
	v.state.told, v.state.later, v.state.done = true, true, nil
	told := c.judge(u.Commands, now)
	v.Commands = u.Commands
	inFlight := u.state.phase == sent
	if inFlight {
		// It is sent again as it is, whatever we think of it.
		for i := range told {
			v.Commands[i].mute = told[i].mute
		}
	} else {
		v.Commands = standing(u.Commands, told)
	}
	id, r, err := c.journal.enqueue(v, c.spoolLimit)
	if err != nil {
		if inFlight {
			c.overlayLocked(u, now) // until its fate is known nobody may claim the same
		}
		return nil, &unavailable{cause: err, sent: inFlight}
	}
	v.state.entry = id
	c.disk++
	c.overlayLocked(v, now)
	c.laters.Add(1)
	u.Commands, u.Entries = told, nil
	u.Seq, u.At = 0, now
	if u.state.phase != idle {
		u.At = u.state.at // in flight since then: the store may have it
	}
	u.state.phase = finished
	u.state.spooled = spooled{twin: v, round: r}
	return v, nil
}

// judge answers commands by what is known here. The driver may be writing
// results into cmds, which are not read.
func (c *Committer) judge(cmds []Command, now time.Time) []Command {
	told := make([]Command, len(cmds))
	for i := range cmds {
		from, to := &cmds[i], &told[i]
		*to = Command{Kind: from.Kind, Queue: from.Queue, Key: from.Key, Member: from.Member, Value: from.Value,
			TTL: from.TTL, Score: from.Score, From: from.From, Unless: from.Unless}
		c.answer(to, now)
		to.mute = to.Kind.once() && !to.Won
	}
	return told
}

// answer gives a command the results that it would have if all that the store
// holds were known here. The lock is held.
func (c *Committer) answer(cmd *Command, now time.Time) {
	if !cmd.Kind.register() {
		return
	}
	value, found := c.recallLocked(cmd.Key, now)
	switch cmd.Kind {
	case SetOnce, SetUnless:
		if cmd.Kind == SetUnless && !found {
			value, found = c.recallLocked(cmd.Unless, now)
		}
		cmd.Won = !found || bytes.Equal(value, cmd.Value)
		if !cmd.Won {
			cmd.Prior = value
		}
	case Get:
		cmd.Found, cmd.Prior = found, value
	case Delete, Expire, Persist:
		cmd.Found = found
	case Incr:
		cmd.Count = cmd.Score
	}
}

// recallLocked gives a copy of what a register holds as far as is known here.
func (c *Committer) recallLocked(key string, now time.Time) (value []byte, found bool) {
	if r, ok := c.overlay[key]; ok {
		if r.gone || (r.ends != 0 && now.UnixMilli() >= r.ends) {
			return nil, false
		}
		return bytes.Clone(r.value), true
	}
	if key == AliveKey(c.chain) {
		return aliveValue(c.head, c.hash), true
	}
	return c.mirror.get(key, now)
}

// standing leaves out of a unit that was never sent what would decide an
// attempt that is known to be somebody else's.
func standing(cmds, told []Command) []Command {
	kept := make([]Command, 0, len(cmds))
	for i := range cmds {
		if told[i].mute && minded(cmds[i].Key) {
			continue
		}
		kept = append(kept, cmds[i])
		kept[len(kept)-1].mute = told[i].mute
	}
	return kept
}

// overlayLocked makes the registers of a unit known that is not in the store
// yet.
func (c *Committer) overlayLocked(u *Unit, now time.Time) {
	for i := range u.Commands {
		cmd := &u.Commands[i]
		switch cmd.Kind {
		case SetOnce, SetUnless:
			_, barred := c.recallLocked(cmd.Unless, now)
			if _, found := c.recallLocked(cmd.Key, now); !found && !barred {
				c.overlay[cmd.Key] = overlaid{value: cmd.Value, ends: ends(now, cmd.TTL), by: u}
			}
		case Set:
			c.overlay[cmd.Key] = overlaid{value: cmd.Value, ends: ends(now, cmd.TTL), by: u}
		case Delete:
			c.overlay[cmd.Key] = overlaid{gone: true, by: u}
		case Expire, Persist:
			if value, found := c.recallLocked(cmd.Key, now); found {
				c.overlay[cmd.Key] = overlaid{value: value, ends: ends(now, cmd.TTL), by: u}
			}
		}
	}
}

// onDisk waits until a unit that was spooled is on disk.
func (c *Committer) onDisk(u *Unit) error {
	defer c.laters.Done()
	v, r := u.state.spooled.twin, u.state.spooled.round
	u.state.spooled = spooled{}
	err := c.journal.wait(v.state.entry, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil || (v.state.phase == finished && v.state.stored) {
		u.Spooled = true
		c.stats.Spooled++
		return nil
	}
	c.disk--
	v.state.entry = 0
	switch v.state.phase {
	case queued:
		c.queue = slices.DeleteFunc(c.queue, func(w *Unit) bool { return w == v })
		v.state.phase = finished
		c.overlay.leave(v)
		return &unavailable{cause: err}
	default:
		return &unavailable{cause: err, sent: true}
	}
}

// divertLocked takes what waits to local disk, when the store is found to be
// away: what may be spooled, in its place and order, before anything newer is
// judged; and what must not be lost is told to go there.
func (c *Committer) divertLocked() {
	if c.overlay == nil {
		return
	}
	now := time.Now()
	divert := func(u *Unit) (*Unit, bool) {
		switch {
		case u.state.told || u.state.phase == finished:
			return u, true
		case u.state.later:
			c.overlayLocked(u, now)
			u.tell(&unavailable{cause: errDown, sent: true})
			return u, true
		case !u.Spool:
			return u, true
		}
		v, err := c.spoolLocked(u)
		if err != nil {
			u.tell(err)
			if u.state.phase == queued {
				u.state.phase = finished
				return nil, false
			}
			return u, true
		}
		u.tell(errOnDisk)
		return v, true
	}
	for i, u := range c.flight {
		c.flight[i], _ = divert(u)
	}
	kept := c.queue[:0]
	for _, u := range c.queue {
		if v, stays := divert(u); stays {
			kept = append(kept, v)
		}
	}
	clear(c.queue[len(kept):])
	c.queue = kept
}

// leftover makes the units known that an earlier process left in the journal.
func (c *Committer) leftover(units []*Unit) {
	c.disk = len(units)
	if c.overlay == nil {
		return
	}
	now := time.Now()
	for _, u := range units {
		c.overlayLocked(u, now)
	}
}

// Read does commands beside the log: Gets, and SetOnces of what may as well
// be written later. Where the store is away, and units are spooled, it answers
// them from what this process knows, says so (local), and writes nothing: a
// register that it does not find may be in the store all the same, and a
// SetOnce that won has to ride in a unit. While that is being drained, it
// comes before what the store says.
func (c *Committer) Read(ctx context.Context, cmds []Command) (local bool, err error) {
	c.mu.Lock()
	away, draining := c.overlay != nil && c.down, c.overlay != nil && c.disk > 0
	c.mu.Unlock()
	if !away {
		err = c.d.Apply(ctx, cmds)
		if err == nil && !draining {
			return false, nil
		}
		if err != nil && (c.overlay == nil || !errors.Is(err, ErrUnavailable)) {
			return false, err
		}
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range cmds {
		cmd := &cmds[i]
		if away || err != nil {
			cmd.reset()
			c.answer(cmd, now)
		} else if _, ours := c.overlay[cmd.Key]; ours && cmd.Kind == Get {
			cmd.reset()
			c.answer(cmd, now)
		}
	}
	return away || err != nil, nil
}

// Takes tells whether Commit has a chance now, of a unit that may be spooled
// or of one that may not.
func (c *Committer) Takes(spool bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed || c.broken != nil:
		return false
	case !c.down:
		return true
	}
	return spool && c.overlay != nil && c.journal.room(c.spoolLimit)
}

// Spooling tells whether the store is away and units are spooled.
func (c *Committer) Spooling() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.overlay != nil && c.down
}
