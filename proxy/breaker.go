package proxy

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// breaker holds back the legs of a destination that fails as a whole: while it
// is open, nothing is sent but one leg now and then, to see. It knows of this
// process's tries alone, so that several proxies look each for themselves. Its
// times are monotonic: a clock that is set does not matter. Safe for concurrent
// use.
type breaker struct {
	after          int           // failures in a row
	first, longest time.Duration // between probes

	isOpen atomic.Bool // for who only wants to know that

	mu      sync.Mutex
	streak  int
	since   time.Time // it has been open since then
	wait    time.Duration
	next    time.Time // when the next leg may be sent, while it is open
	probing bool      // one is
	reason  string    // of the last failure
}

func newBreaker(o OutboxOptions) *breaker {
	return &breaker{after: o.BreakAfter, first: o.FirstProbe, longest: o.LongestProbe}
}

// admission says how much may be sent.
type admission uint8

const (
	admitsNothing admission = iota
	admitsProbe
	admitsAll
)

// admit says what may be sent now. Who is given a probe ends it, by failed,
// works or abandon.
func (k *breaker) admit(now time.Time) admission {
	if !k.isOpen.Load() {
		return admitsAll
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !k.isOpen.Load():
		return admitsAll
	case k.probing, now.Before(k.next):
		return admitsNothing
	}
	k.probing = true
	return admitsProbe
}

// rest is how long nothing can be admitted; 0 where something can, or where
// the end of a probe has to be awaited.
func (k *breaker) rest(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.isOpen.Load() || k.probing {
		return 0
	}
	return max(0, k.next.Sub(now))
}

// failed notes that the destination did not work. retry is what it asked for
// itself; 0: nothing. It reports whether the breaker was open already, and
// whether it is from now on.
func (k *breaker) failed(probe bool, reason string, retry time.Duration, now time.Time) (was, opened bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reason = reason
	k.streak++
	was = k.isOpen.Load()
	switch {
	case was && probe:
		k.probing = false
		k.wait = min(2*k.wait, k.longest)
	case was:
		// It was on its way before; the probes tell.
	case k.streak >= k.after || retry > 0:
		k.isOpen.Store(true)
		k.since, k.wait, k.next, k.probing = now, k.first, time.Time{}, false
		opened = true
	default:
		return false, false
	}
	if opened || probe {
		k.next = now.Add(k.wait/2 + rand.N(k.wait/2+1))
	}
	if asked := now.Add(retry); retry > 0 && k.next.Before(asked) {
		k.next = asked
	}
	return was, opened
}

// works notes that the destination has dealt with a leg. It reports whether
// that closed the breaker.
func (k *breaker) works() (closed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.streak, k.probing = 0, false
	closed = k.isOpen.Load()
	k.isOpen.Store(false)
	return closed
}

// abandon ends a probe that has shown nothing.
func (k *breaker) abandon() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.probing = false
}

// hurry lets the next probe go at once: somebody says that it is worth it.
func (k *breaker) hurry() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next, k.wait = time.Time{}, k.first
}

// look says since when it is open, when the next leg is sent, and why; ok is
// false where it is closed.
func (k *breaker) look() (since, next time.Time, streak int, reason string, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.since, k.next, k.streak, k.reason, k.isOpen.Load()
}
