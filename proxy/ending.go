package proxy

import (
	"context"
	"math/bits"

	"chaperone/store"
)

// The time to live of an attempt's registers begins when all its legs are
// final. A process that delivers all of them itself knows when that is. Where a
// leg was put back into the store, another process may have delivered it: then
// whoever records an end asks the registers, once it is stored. Of two who end
// at the same time at least one sees the other's.

// ending is what this process knows of the legs of an attempt.
type ending struct {
	legs  uint64 // those that it has delivered, a bit each
	apart bool   // others may deliver some
}

// countedLegs is how many legs an attempt may have for a process to count them.
const countedLegs = 64

// maxEndings bounds the attempts that are remembered. Where it is passed,
// registers may live on that nobody needs.
const maxEndings = 1 << 16

// noteEnding keeps what is known of an attempt. The lock is held.
func (b *outbox) noteEnding(of attempt, e ending) {
	if len(b.ended) >= maxEndings {
		clear(b.ended)
	}
	b.ended[of] = e
}

// noteScattered notes that others may deliver legs of an attempt.
func (b *outbox) noteScattered(of attempt, legs int) {
	if legs < 2 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.ended[of]
	e.apart = true
	b.noteEnding(of, e)
}

// noteApart notes that others may deliver a leg from now on.
func (b *outbox) noteApart(p *parcel) {
	b.noteScattered(attempt{p.member.K, p.member.A}, len(p.claim.Legs))
}

// allEnded notes that a leg is final. last says that all legs of its attempt
// are; unsure that they may be, which the registers tell.
func (b *outbox) allEnded(p *parcel) (last, unsure bool) {
	legs := len(p.claim.Legs)
	switch {
	case legs == 1:
		return true, false
	case p.member.N >= countedLegs:
		return false, true
	}
	of := attempt{p.member.K, p.member.A}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.ended[of]
	e.legs |= 1 << p.member.N
	if bits.OnesCount64(e.legs) < legs {
		b.noteEnding(of, e)
		return false, e.apart || !p.handed && !p.awaited
	}
	delete(b.ended, of)
	return true, false
}

// expireAttempt starts the time to live of an attempt's registers: all its legs
// are final. The registers of the legs of which written is true are written with
// theirs.
func expireAttempt(commands []store.Command, c *claim, of attempt, written func(leg int) bool) []store.Command {
	keep, names := c.keep(), store.NamesOf(of.key, of.number)
	commands = append(commands,
		store.Command{Kind: store.Expire, Key: names.Claim, TTL: keep},
		store.Command{Kind: store.Expire, Key: names.Outcome, TTL: keep})
	for i := range c.Legs {
		if n := c.Legs[i].Leg; !written(n) {
			commands = append(commands, store.Command{Kind: store.Expire, Key: store.DeliveryKey(of.key, of.number, n), TTL: keep})
		}
	}
	return commands
}

// expireEnded asks for the ends of all legs of the attempts of some that are on
// record, and starts the time to live of those that are over. What fails here
// leaves registers that nobody needs.
func (b *outbox) expireEnded(parcels []*parcel) {
	if len(parcels) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(b.s.work, storeTimeout)
	defer cancel()
	var reads []store.Command
	for _, p := range parcels {
		for i := range p.claim.Legs {
			reads = append(reads, store.Command{Kind: store.Get, Key: store.DeliveryKey(p.member.K, p.member.A, p.claim.Legs[i].Leg)})
		}
	}
	if b.s.driver.Apply(ctx, reads) != nil {
		return
	}
	var ends []store.Command
	for _, p := range parcels {
		over := true
		for i := range p.claim.Legs {
			over = over && reads[i].Found
		}
		reads = reads[len(p.claim.Legs):]
		if over {
			of := attempt{p.member.K, p.member.A}
			ends = expireAttempt(ends, p.claim, of, func(int) bool { return false })
			b.mu.Lock()
			delete(b.ended, of)
			b.mu.Unlock()
		}
	}
	if len(ends) > 0 {
		_ = b.s.driver.Apply(ctx, ends)
	}
}
