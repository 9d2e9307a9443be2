package proxy

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"chaperone/store"
)

// OutboxOptions bound the delivery of queued legs. Zero values mean the
// defaults in parentheses.
type OutboxOptions struct {
	Workers     int           // deliveries at once per destination (16)
	Poll        time.Duration // how often the store is asked without a reason (1s)
	FirstDelay  time.Duration // the backoff's first bound (500ms)
	LongestWait time.Duration // and its last (5m)
	Tries       int           // tries of one process before a leg is given up (100)
	MaxAge      time.Duration // since its release, likewise (72h)
	ParkedWait  time.Duration // until a parked leg is looked at again (1m)
}

func (o OutboxOptions) withDefaults() OutboxOptions {
	number := func(n *int, d int) {
		if *n <= 0 {
			*n = d
		}
	}
	span := func(t *time.Duration, d time.Duration) {
		if *t <= 0 {
			*t = d
		}
	}
	number(&o.Workers, 16)
	number(&o.Tries, 100)
	span(&o.Poll, time.Second)
	span(&o.FirstDelay, 500*time.Millisecond)
	span(&o.LongestWait, 5*time.Minute)
	span(&o.MaxAge, 72*time.Hour)
	span(&o.ParkedWait, time.Minute)
	return o
}

// outbox delivers queued legs: at least once, in order within a group, each
// destination on its own, so that a slow one holds up no other. What it knows
// besides the registers (tries, reasons) is a help to people and may be lost.
type outbox struct {
	s      *Server
	o      OutboxOptions
	logger *slog.Logger

	mu      sync.Mutex
	lanes   map[string]*lane             // by destination
	tries   map[string]trial             // by member
	ended   map[attempt]map[int]struct{} // the legs that are delivered
	busy    map[string]bool              // by member
	parcels sync.Pool                    // of *parcel, those that are handed over
	running sync.WaitGroup
	done    chan struct{} // closed when run has returned
}

// attempt names an attempt: A at the key K.
type attempt struct {
	key    string
	number int
}

// trial is what is known of a leg that was tried without success.
type trial struct {
	tries  int
	parked bool
	reason string
}

func newOutbox(s *Server, o OutboxOptions) *outbox {
	return &outbox{s: s, o: o.withDefaults(), logger: s.logger, lanes: map[string]*lane{}, tries: map[string]trial{}, ended: map[attempt]map[int]struct{}{}, busy: map[string]bool{}, done: make(chan struct{})}
}

// run delivers until ctx ends, then waits for what is being sent.
func (b *outbox) run(ctx context.Context) {
	defer close(b.done)
	if err := b.s.recall(ctx); err != nil && ctx.Err() == nil {
		b.logger.Warn("legs that the process before this one has leased wait for the end of their lease", "error", err)
	}
	b.openLanes(ctx)
	poll := time.NewTicker(b.o.Poll * 10)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			b.running.Wait()
			return
		case <-poll.C:
			b.openLanes(ctx)
		}
	}
}

// stopped waits until run has returned, or ctx ends.
func (b *outbox) stopped(ctx context.Context) {
	select {
	case <-b.done:
	case <-ctx.Done():
		b.logger.Warn("not every delivery ended in time")
	}
}

// openLanes starts a lane for every destination of the policy, and for those
// which an earlier policy has left legs for.
func (b *outbox) openLanes(ctx context.Context) {
	names := map[string]bool{}
	for _, d := range b.s.policy.Load().plan.Destinations {
		names[d.Name] = true
	}
	c, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if more, err := b.s.driver.Destinations(c); err == nil {
		for _, name := range more {
			names[name] = true
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range names {
		if b.lanes[name] != nil || ctx.Err() != nil {
			continue
		}
		l := newLane(b, name)
		b.lanes[name] = l
		b.running.Add(1)
		go func() {
			defer b.running.Done()
			l.serve(ctx)
		}()
	}
}

// wake tells every lane to look now.
func (b *outbox) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lanes {
		l.ring()
	}
}

// wakeLane tells the lane of one destination to look now.
func (b *outbox) wakeLane(dest string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lanes[dest]; l != nil {
		l.ring()
	}
}

// lease takes a few due legs, so that no other worker or proxy does while they
// are being sent, and reads their registers in the same round trip.
func (b *outbox) lease(ctx context.Context, dest string, most int) []*parcel {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	now := b.s.clock().UnixMilli()
	due, err := b.s.driver.DueBefore(ctx, dest, now, most)
	if err != nil || len(due) == 0 {
		return nil
	}
	until := now + b.leaseFor(dest).Milliseconds()
	commands := make([]store.Command, 0, len(due)*perParcel)
	for _, item := range due {
		m, err := store.ParseMember(item.Member)
		if err != nil {
			continue // the store takes no other
		}
		commands = append(commands,
			store.Command{Kind: store.QueueMove, Queue: store.Due, Member: item.Member, From: item.Score, Score: until},
			store.Command{Kind: store.Get, Key: store.ClaimKey(m.K, m.A)},
			store.Command{Kind: store.Get, Key: store.OutcomeKey(m.K, m.A)},
			store.Command{Kind: store.Get, Key: store.DeliveryKey(m.K, m.A, m.N)})
	}
	if err := b.s.driver.Apply(ctx, commands); err != nil {
		return nil
	}
	var taken []*parcel
	for ; len(commands) >= perParcel; commands = commands[perParcel:] {
		if c := commands[:perParcel]; c[0].Won {
			m, _ := store.ParseMember(c[0].Member)
			taken = append(taken, &parcel{item: store.Item{Member: c[0].Member, Score: until}, member: m, read: c[1:]})
		}
	}
	return taken
}

// perParcel is the number of commands that lease one leg and read its
// registers.
const perParcel = 4

// leaseFor is longer than any try can take.
func (b *outbox) leaseFor(dest string) time.Duration {
	timeout := b.s.limits.UpstreamTimeout
	for _, u := range b.s.policy.Load().upstreams {
		if u.dest.Name == dest {
			timeout = u.timeout
		}
	}
	return timeout + leaseMargin
}

// leaseMargin is what a try may take besides its timeout: reading and writing
// its registers.
const leaseMargin = 5 * time.Second

// delay is the backoff before the next try, with full jitter: many legs that
// failed together do not come back together.
func (b *outbox) delay(tries int) time.Duration {
	bound := b.o.LongestWait
	if shift := tries - 1; shift < 20 {
		bound = min(bound, b.o.FirstDelay<<shift)
	}
	return rand.N(bound) + time.Millisecond
}

func (b *outbox) noteTrial(member string, t trial) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.tries) < 1<<16 || b.tries[member] != (trial{}) {
		b.tries[member] = t
	}
}

func (b *outbox) trialOf(member string) trial {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tries[member]
}

func (b *outbox) forget(member string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.tries, member)
}

// allEnded notes that a leg is final, and reports whether all legs of its
// attempt are, as far as this process knows. Siblings that another process
// delivered are not known here: their registers then live on.
func (b *outbox) allEnded(of attempt, leg, legs int) bool {
	if legs == 1 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ended := b.ended[of]
	if ended == nil {
		if len(b.ended) >= 1<<16 {
			clear(b.ended)
		}
		ended = map[int]struct{}{}
		b.ended[of] = ended
	}
	ended[leg] = struct{}{}
	if len(ended) < legs {
		return false
	}
	delete(b.ended, of)
	return true
}

// sending reports whether a worker of this process has a leg.
func (b *outbox) sending(member string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.busy[member]
}

func (b *outbox) setBusy(member string, busy bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if busy {
		b.busy[member] = true
	} else {
		delete(b.busy, member)
	}
}

// parked counts the legs of a destination that the policy does not allow now.
func (b *outbox) parked(dest string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for member, t := range b.tries {
		if m, err := store.ParseMember(member); t.parked && err == nil && m.Dest == dest {
			n++
		}
	}
	return n
}
