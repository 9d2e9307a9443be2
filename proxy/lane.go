package proxy

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// lane is the delivery to one destination. Legs come to it from the requests
// of this process that have just released them (handover.go), and from the
// store: those of other processes and of groups, and whatever did not go out
// at the first try. No more of them are sent at once than there are slots; a
// slot is free again when the answer is there, while the delivery is yet to be
// recorded.
type lane struct {
	b       *outbox
	dest    string
	breaker *breaker
	alarm   chan struct{} // something became due in the store
	slots   chan struct{} // one for each leg that is being sent
	tasks   sync.WaitGroup
	rivals  bool // other proxies want the same legs; serve's own

	mu       sync.Mutex
	closed   bool
	reserved int       // legs that were or may be handed over, until they are on record
	handed   []*parcel // wait for a slot
	next     int       // the first of handed that still waits
}

func newLane(b *outbox, dest string) *lane {
	return &lane{b: b, dest: dest, breaker: newBreaker(b.o), alarm: make(chan struct{}, 1), slots: make(chan struct{}, b.workersFor(dest))}
}

// ring says that something may be due in the store.
func (l *lane) ring() {
	select {
	case l.alarm <- struct{}{}:
	default:
	}
}

// serve takes what is due at the destination from the store until ctx ends,
// and then waits for what is being sent.
func (l *lane) serve(ctx context.Context) {
	defer l.shut()
	idle := time.NewTimer(0)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.alarm:
		case <-idle.C:
		}
		for ctx.Err() == nil && l.fetch(ctx) {
		}
		rest := l.b.o.Poll/2 + rand.N(l.b.o.Poll)
		if held := l.breaker.rest(time.Now()); held > 0 {
			rest = held
		}
		idle.Reset(rest)
	}
}

// fetch leases what is due and sends it. Only what can be sent at once is
// leased: a leg that waits here for a slot is one that no other proxy may
// send. Whoever gives a slot back rings the alarm. While the store is away, or
// the breaker is open, nothing is asked for.
func (l *lane) fetch(ctx context.Context) (more bool) {
	if l.b.resting() {
		return false
	}
	most, probe := cap(l.slots), false
	switch l.breaker.admit(time.Now()) {
	case admitsNothing:
		return false
	case admitsProbe:
		most, probe = 1, true
	}
	free := 0
	for free < most && l.take() {
		free++
	}
	var leased []*parcel
	again := false
	if free > 0 {
		lost := 0
		leased, lost = l.b.lease(ctx, l.dest, free, l.rivals)
		// Once: with rivals it looks elsewhere.
		again = lost > 0 && !l.rivals
		l.rivals = lost > 0
	}
	if probe && len(leased) == 0 {
		l.breaker.abandon()
	}
	for _, p := range leased {
		p.probe, p.lane = probe, l
		l.tasks.Add(1)
		go func() {
			defer l.tasks.Done()
			l.b.setBusy(p.item.Member, true)
			l.b.deliver(ctx, l, p)
			l.give()
			l.ring() // what waited behind it may be due now
		}()
	}
	for range free - len(leased) {
		l.give()
	}
	return again || len(leased) > 0
}

// take takes a slot if one is free.
func (l *lane) take() bool {
	select {
	case l.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// give gives a slot back, to a leg that was handed over if one waits.
func (l *lane) give() {
	<-l.slots
	l.mu.Lock()
	l.sendLocked()
	l.mu.Unlock()
}

// sendLocked starts a sender for what was handed over, if there is a slot. The
// lock is held.
func (l *lane) sendLocked() {
	if l.next < len(l.handed) && !l.closed && l.take() {
		l.tasks.Add(1)
		go l.sender()
	}
}

// sender sends what was handed over until nothing waits.
func (l *lane) sender() {
	defer l.tasks.Done()
	for {
		l.mu.Lock()
		if l.next == len(l.handed) || l.closed {
			l.handed, l.next = l.handed[:0], 0
			// Under the lock: who hands over next finds the slot free.
			<-l.slots
			l.mu.Unlock()
			return
		}
		p := l.handed[l.next]
		l.handed[l.next] = nil
		l.next++
		l.mu.Unlock()
		// What has begun may end, whatever happens to the process's work.
		l.b.deliver(l.b.s.work, l, p)
	}
}

// done ends the process's part in a leg.
func (l *lane) done(p *parcel) {
	l.b.setBusy(p.item.Member, false)
	if p.handed {
		l.cancel(p)
	}
}

// shut takes nothing more, gives back what was handed over and not sent, and
// waits for the rest.
func (l *lane) shut() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.clear()
	l.tasks.Wait()
}

// clear gives back what was handed over and waits for a slot.
func (l *lane) clear() {
	l.mu.Lock()
	left := append([]*parcel(nil), l.handed[l.next:]...)
	clear(l.handed)
	l.handed, l.next = l.handed[:0], 0
	l.mu.Unlock()
	l.b.giveBack(l, left...)
}

// trouble tells the breaker that a try has shown the destination not to work,
// for a reason, and that it asked to be left alone for so long (0: it did not).
// It reports whether the destination was held back already: then the try was
// none of the leg's own.
func (l *lane) trouble(p *parcel, why string, retry time.Duration) (held bool) {
	held, opened := l.breaker.failed(p.probe, why, retry, time.Now())
	if opened {
		_, next, streak, _, _ := l.breaker.look()
		l.b.logger.Error("a destination does not take legs: they are held back", "destination", l.dest, "failures", streak, "reason", why, "probe_in", time.Until(next).Round(time.Millisecond))
		l.clear()
	}
	return held
}

// showsNothing ends a leg's part as a probe, if it is one, that has not come so
// far as to show anything.
func (l *lane) showsNothing(p *parcel) {
	if p.probe {
		l.breaker.abandon()
	}
}

// works tells the breaker that the destination has dealt with a leg.
func (l *lane) works() {
	if l.breaker.works() {
		l.b.logger.Warn("a destination takes legs again", "destination", l.dest)
		l.ring()
	}
}
