package proxy

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"chaperone/rules"
	"chaperone/store"
)

// A route that says on_doubt: replay gets its sales out of doubt by itself: the
// proxy sends the primary's call again as it was rendered, under the key of the
// first time, until an answer says what became of the sale. Any proxy on the
// store may do so, one at a time.

// replayer looks for sales in doubt that can be sent again.
type replayer struct {
	s       *Server
	slots   chan struct{} // one for each call on its way
	running sync.WaitGroup
	done    chan struct{} // closed when run has returned

	mu     sync.Mutex
	trials map[store.Ref]*replayTrial // of this process: a help against haste, and no more
}

// replayTrial is what this process knows of a sale that it sends again.
type replayTrial struct {
	tries  int
	next   time.Time
	busy   bool
	seen   bool   // in the walk that is under way
	parked string // why the policy does not allow it
}

const (
	// replaysAtOnce bounds the calls on their way: each may be to a processor
	// that has just failed.
	replaysAtOnce = 4
	// walksPerPoll is how many polls of the outbox go on one walk through the
	// open sales.
	walksPerPoll = 5
)

func newReplayer(s *Server) *replayer {
	return &replayer{s: s, slots: make(chan struct{}, replaysAtOnce), done: make(chan struct{}), trials: map[store.Ref]*replayTrial{}}
}

// run sends again what can be until ctx ends, then waits for what is on its
// way.
func (r *replayer) run(ctx context.Context) {
	defer close(r.done)
	defer r.running.Wait()
	every := r.s.outbox.o.Poll * walksPerPoll
	pause := time.NewTimer(every)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		if r.wanted() && r.s.leaseHolds() && !r.s.outbox.resting() {
			r.walk(ctx)
		}
		pause.Reset(every/2 + rand.N(every))
	}
}

// stopped waits until run has returned, or ctx ends.
func (r *replayer) stopped(ctx context.Context) {
	select {
	case <-r.done:
	case <-ctx.Done():
		r.s.logger.Warn("not every sale in doubt that was sent again was answered in time")
	}
}

// wanted reports whether the policy in force has anything to be sent again.
func (r *replayer) wanted() bool {
	y := r.s.policy.Load()
	for i := range y.plan.Routes {
		if y.plan.Routes[i].OnDoubt == rules.DoubtReplay {
			return true
		}
	}
	return false
}

// walk looks through the open sales once, and sends those again whose time has
// come.
func (r *replayer) walk(ctx context.Context) {
	err := r.s.open(ctx, func(o openClaim) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// One that was pending is not asked about without end: a person has to
		// look.
		if o.doubt && o.until.IsZero() && o.claim.Primary != nil && o.claim.Primary.Method != "" {
			r.consider(ctx, o)
		}
		return nil
	})
	if err != nil {
		return // the store is away: what is known of trials stays
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for ref, t := range r.trials {
		if !t.seen && !t.busy {
			delete(r.trials, ref)
		}
		t.seen = false
	}
}

// consider sends a sale again if it is its time, there is a slot, and the
// policy of today allows it.
func (r *replayer) consider(ctx context.Context, o openClaim) {
	if !r.dueNow(o.ref) {
		return
	}
	select {
	case r.slots <- struct{}{}:
	default:
		return
	}
	r.setBusy(o.ref, true)
	r.running.Go(func() {
		defer func() { <-r.slots }()
		defer r.setBusy(o.ref, false)
		call := &replayCall{s: r.s, ref: o.ref, claim: o.claim, policy: r.s.policy.Load()}
		why := call.may(r.s.clock())
		r.park(o, why)
		if why == "" {
			call.run(ctx)
		}
	})
}

// dueNow notes that a sale is in doubt, and reports whether it is to be sent
// again now. At first sight it is not: the first call may just be ending.
func (r *replayer) dueNow(ref store.Ref) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.trials[ref]
	if t == nil {
		t = &replayTrial{}
		r.trials[ref] = t
		r.later(t)
	}
	t.seen = true
	return !t.busy && !time.Now().Before(t.next)
}

// later sets the time of the next try, with full jitter. The lock is held.
func (r *replayer) later(t *replayTrial) {
	t.tries++
	t.next = time.Now().Add(r.s.outbox.delay(t.tries))
}

func (r *replayer) setBusy(ref store.Ref, busy bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.trials[ref]
	if t == nil {
		return
	}
	t.busy = busy
	if !busy {
		r.later(t)
	}
}

// park notes why the policy does not let a sale be sent again, and says so when
// that changes.
func (r *replayer) park(o openClaim, why string) {
	r.mu.Lock()
	t := r.trials[o.ref]
	news := t != nil && t.parked != why
	if news {
		t.parked = why
	}
	r.mu.Unlock()
	if news && why != "" {
		r.s.logger.Error("a sale in doubt is not sent again: the policy does not allow it", "request", o.claim.Request, "route", o.claim.Route, "reason", why)
	}
}
