package proxy

import (
	"time"

	"chaperone/store"
)

// A request that releases legs hands them to the outbox itself, so that they
// need not be looked for in the store and read back. For the store they are
// leased from the start: their score in the queue is the end of the lease. The
// registers stay what counts. If the outcome is not stored at once or is not
// the first, if the policy changes before the leg's turn, if the process ends:
// then the lease runs out or is given back, and whoever finds the leg in the
// store reads its registers, as ever.

const (
	// handedPerWorker bounds the legs that are handed over and not on record.
	// What is beyond it waits in the store alone.
	handedPerWorker = 16
	// handedWait is what a leg that was handed over may wait for its turn.
	handedWait = 10 * time.Second
)

// reserve makes room for a leg that the outcome is about to release. It is nil
// where the leg is to wait in the store. What is reserved is handed over, or
// cancelled.
func (b *outbox) reserve(dest string) *parcel {
	l := b.laneOf(dest)
	if l == nil || l.breaker.isOpen.Load() {
		return nil
	}
	l.mu.Lock()
	room := !l.closed && l.reserved < handedPerWorker*cap(l.slots)
	if room {
		l.reserved++
	}
	l.mu.Unlock()
	if !room {
		return nil
	}
	p, ok := b.parcels.Get().(*parcel)
	if !ok {
		p = new(parcel)
	}
	p.lane, p.handed = l, true
	return p
}

// cancel gives up a reservation, and the parcel.
func (l *lane) cancel(p *parcel) {
	l.mu.Lock()
	l.reserved--
	l.mu.Unlock()
	*p = parcel{message: wipe(p.message)}
	l.b.parcels.Put(p)
}

// hand hands a leg over whose outcome is stored.
func (l *lane) hand(p *parcel) {
	l.b.setBusy(p.item.Member, true)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.b.giveBack(l, p)
		return
	}
	if l.next > 0 && len(l.handed) == cap(l.handed) {
		l.handed = l.handed[:copy(l.handed, l.handed[l.next:])]
		l.next = 0
	}
	l.handed = append(l.handed, p)
	l.sendLocked()
	l.mu.Unlock()
}

// giveBack leaves legs that were handed over to whoever finds them in the
// store, now.
func (b *outbox) giveBack(l *lane, parcels ...*parcel) {
	now := b.s.clock().UnixMilli()
	moves := make([]store.Command, len(parcels))
	for i, p := range parcels {
		b.noteApart(p)
		moves[i] = store.Command{Kind: store.QueueMove, Queue: store.Due, Member: p.item.Member, From: p.item.Score, Score: now}
	}
	b.moveAll(moves)
	for _, p := range parcels {
		l.done(p)
	}
}

// holds reports whether a leg that was handed over may be sent as it is: under
// the policy in force, and before anybody else may take it.
func (p *parcel) holds(y *policy, now time.Time) bool {
	return y == p.policy && !lapsed(p.to.dest, now) && now.Add(p.to.timeout).UnixMilli() < p.item.Score
}

// release adds to the commands those that release a held leg at a time. Where
// the leg can go out from here, its place in the outbox is reserved; a sync leg
// is sent by the request itself (syncleg.go). The commands must become those of
// x.unit.
func (x *exchange) release(commands []store.Command, l *heldLeg, at int64) []store.Command {
	member := store.Member{Dest: l.To, K: x.key, A: x.attempt, N: l.Leg, Group: l.Group}
	name := member.String()
	spec := &x.p.plan.Routes[x.route].Legs[l.Leg]
	to := x.p.upstreams[spec.Destination]
	var p *parcel
	switch {
	case !x.spooled.IsZero(): // not before it is in the store
	case spec.Sync:
		p = &parcel{awaited: true}
		p.item.Score = at + (to.timeout + leaseMargin).Milliseconds()
		x.awaited = append(x.awaited, p)
	case !l.Large: // a large body is not held in memory twice
		if p = x.s.outbox.reserve(l.To); p != nil {
			p.item.Score = at + (to.timeout + leaseMargin + handedWait).Milliseconds()
			x.parcels = append(x.parcels, p)
		}
	}
	if p == nil {
		return append(commands, store.Command{Kind: store.QueueAdd, Queue: store.Due, Member: name, Score: at})
	}
	p.policy, p.to, p.item.Member, p.member, p.released = x.p, to, name, member, at
	if l.Group != "" {
		// Only the oldest of a group is due, which the store alone knows.
		p.turn = len(commands)
	}
	return append(commands, store.Command{Kind: store.QueueAdd, Queue: store.Due, Member: name, Score: p.item.Score})
}

// myTurn reports whether a leg that the stored unit released is the oldest of
// its group, and leased to this process.
func (x *exchange) myTurn(p *parcel) bool { return p.turn == 0 || x.unit.Commands[p.turn].Won }

// handOver gives the released legs to the outbox, if this process's outcome is
// the one that counts; what waits in the store is looked at.
func (x *exchange) handOver(ours bool) {
	if !ours {
		for _, p := range x.parcels {
			p.lane.cancel(p)
		}
		x.parcels = x.parcels[:0]
		return
	}
	// The exchange's own claim borrows from buffers that are used again.
	c := &claim{Request: x.claim.Request, Caller: x.claim.Caller, Route: x.claim.Route, Plan: x.claim.Plan, Subject: x.claim.Subject,
		Purpose: x.claim.Purpose, Keep: x.claim.Keep, Legs: make([]heldLeg, len(x.claim.Legs))}
	if len(x.parcels) < len(c.Legs) {
		x.s.outbox.noteScattered(attempt{x.key, x.attempt}, len(c.Legs))
	}
	// Whole before the first leg goes: when that is delivered, what is to be
	// recorded of it asks for all of them.
	for i := range x.claim.Legs {
		l := &x.claim.Legs[i]
		c.Legs[i] = heldLeg{Leg: l.Leg, Name: l.Name, To: l.To, Method: l.Method, Large: l.Large}
	}
	next := 0
	for i := range x.claim.Legs {
		l := &x.claim.Legs[i]
		if next == len(x.parcels) || x.parcels[next].member.N != l.Leg {
			if !x.p.plan.Routes[x.route].Legs[l.Leg].Sync {
				x.s.outbox.wakeLane(l.To)
			}
			continue
		}
		p := x.parcels[next]
		next++
		if !x.myTurn(p) {
			x.s.outbox.noteScattered(attempt{x.key, x.attempt}, len(c.Legs))
			p.lane.cancel(p) // who is before it makes it due
			continue
		}
		size := len(l.Body)
		if !l.HasBody && !needsBody([]byte(l.Method)) {
			size = -1
		}
		from := &x.legs[l.Leg]
		p.claim, p.leg = c, &c.Legs[i]
		p.message = append(p.to.appendHead(p.message[:0], l.Method, from.target, l.Key, from.fields, size), l.Body...)
		p.lane.hand(p)
	}
	x.parcels = x.parcels[:0]
}
