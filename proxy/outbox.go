package proxy

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"chaperone/proxy/admin/control"
	"chaperone/store"
)

// OutboxOptions bound the delivery of queued legs. Zero values mean the
// defaults in parentheses.
type OutboxOptions struct {
	Workers      int           // deliveries at once per destination, within its max_connections (16)
	Poll         time.Duration // how often the store is asked without a reason (1s)
	FirstDelay   time.Duration // the backoff's first bound (500ms)
	LongestWait  time.Duration // and its last, and that of a Retry-After (5m)
	Tries        int           // tries before a leg is given up (100)
	RefusedTries int           // likewise, of those that its destination refuses by a 4xx (5)
	MaxAge       time.Duration // since its release, likewise (72h)
	ParkedWait   time.Duration // until a parked leg is looked at again (1m)
	BreakAfter   int           // failures in a row after which a destination is held back (5)
	FirstProbe   time.Duration // then, until the first leg is sent to see (1s)
	LongestProbe time.Duration // and at last, between such legs (1m)
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
	number(&o.RefusedTries, 5)
	number(&o.BreakAfter, 5)
	span(&o.Poll, time.Second)
	span(&o.FirstDelay, 500*time.Millisecond)
	span(&o.LongestWait, 5*time.Minute)
	span(&o.MaxAge, 72*time.Hour)
	span(&o.ParkedWait, time.Minute)
	span(&o.FirstProbe, time.Second)
	span(&o.LongestProbe, time.Minute)
	return o
}

// outbox delivers queued legs: at least once, in order within a group, each
// destination on its own, so that a slow one holds up no other. What counts is
// in the registers; what it knows besides may be lost.
type outbox struct {
	s      *Server
	o      OutboxOptions
	logger *slog.Logger

	mu      sync.Mutex
	lanes   map[string]*lane     // by destination
	away    map[string]time.Time // parked legs, by member, until when that is believed
	ended   map[attempt]ending   // what is known of the ends of legs
	busy    map[string]bool      // by member
	parcels sync.Pool            // of *parcel, those that are handed over
	records recorder             // of what was delivered
	cuts    cutter               // ends what is being sent when the process has to end
	running sync.WaitGroup
	another chan struct{} // another policy is in force
	done    chan struct{} // closed when run has returned
}

// attempt names an attempt: A at the key K.
type attempt struct {
	key    string
	number int
}

func newOutbox(s *Server, o OutboxOptions) *outbox {
	b := &outbox{s: s, o: o.withDefaults(), logger: s.logger, lanes: map[string]*lane{}, away: map[string]time.Time{}, ended: map[attempt]ending{}, busy: map[string]bool{}, another: make(chan struct{}, 1), done: make(chan struct{})}
	b.records.b = b
	return b
}

// run delivers until ctx ends, then waits for what is being sent, for most of
// the time that the drain may take: what is not answered by then goes out again
// by the next process.
func (b *outbox) run(ctx context.Context) {
	defer close(b.done)
	if err := b.s.recall(ctx); err != nil && ctx.Err() == nil {
		b.logger.Warn("legs that the process before this one has leased wait for the end of their lease", "error", err)
	}
	b.openLanes(ctx)
	b.running.Go(func() { b.s.watchPeers(ctx) })
	poll := time.NewTicker(b.o.Poll * 10)
	defer poll.Stop()
	for before := b.wall(); ; {
		select {
		case <-ctx.Done():
			late := time.AfterFunc(b.s.limits.DrainTimeout*3/4, b.cuts.cut)
			b.running.Wait()
			late.Stop()
			return
		case <-b.another:
			b.openLanes(ctx)
			b.wake()
		case <-poll.C:
			b.openLanes(ctx)
			now := b.wall()
			if now.Before(before) {
				b.logger.Warn("the clock was put back", "by", before.Sub(now))
				if b.s.recallFuture(ctx) != nil {
					continue // again, next time
				}
			}
			before = now
		}
	}
}

// look has lanes opened for the destinations of another policy, and what was
// parked under the one before looked at again.
func (b *outbox) look() {
	b.mu.Lock()
	clear(b.away)
	b.mu.Unlock()
	select {
	case b.another <- struct{}{}:
	default: // it has been told
	}
}

// wall is what the clock on the wall says, which may be put back.
func (b *outbox) wall() time.Time { return b.s.clock().Round(0) }

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
	if l := b.laneOf(dest); l != nil {
		l.ring()
	}
}

// laneOf gives the lane of a destination, nil where there is none yet.
func (b *outbox) laneOf(dest string) *lane {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lanes[dest]
}

// lease takes a few due legs, so that no other worker or proxy does while they
// are being sent, and reads their registers in the same round trip. lost says
// how many of those that it wanted were another's by then. Where there are
// rivals it looks at more legs than it wants, and takes any of them: two proxies
// that both want the oldest are in each other's way.
func (b *outbox) lease(ctx context.Context, dest string, most int, rivals bool) (taken []*parcel, lost int) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	now := b.s.clock().UnixMilli()
	look := most
	if rivals {
		look = most * rivalry
	}
	due, err := b.s.driver.DueBefore(ctx, dest, now, look)
	if err != nil || len(due) == 0 {
		return nil, 0
	}
	if len(due) > most {
		rand.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
		due = due[:most]
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
			store.Command{Kind: store.Get, Key: store.DeliveryKey(m.K, m.A, m.N)},
			store.Command{Kind: store.Get, Key: store.TrialKey(m.K, m.A, m.N)})
	}
	if err := b.s.driver.Apply(ctx, commands); err != nil {
		return nil, 0
	}
	for ; len(commands) >= perParcel; commands = commands[perParcel:] {
		c := commands[:perParcel]
		if !c[0].Won {
			lost++
			continue
		}
		m, _ := store.ParseMember(c[0].Member)
		taken = append(taken, &parcel{item: store.Item{Member: c[0].Member, Score: until}, member: m, read: c[1:4], trial: b.s.openTrial(c[4].Prior, m)})
	}
	return taken, lost
}

// rivalry is how many times as many legs are looked at, as are wanted, where
// other proxies want them, too.
const rivalry = 8

// perParcel is the number of commands that lease one leg and read its
// registers.
const perParcel = 5

// workersFor is how many legs are sent to a destination at once. More than it
// has connections would wait for each other, under a lease.
func (b *outbox) workersFor(dest string) int {
	n := b.o.Workers
	for _, u := range b.s.policy.Load().upstreams {
		if u.dest.Name == dest && u.dest.MaxConns > 0 {
			n = min(n, u.dest.MaxConns)
		}
	}
	return n
}

// resting reports whether the store is away, or does not know yet what is kept
// on local disk: it would give out legs that are delivered.
func (b *outbox) resting() bool {
	stats := b.s.committer.Stats()
	return !stats.Healthy || stats.JournalUnits > 0
}

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

// notePark notes that a leg is parked, or is not any more.
func (b *outbox) notePark(member string, parked bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !parked:
		delete(b.away, member)
	case len(b.away) < maxParked:
		b.away[member] = time.Now().Add(2*b.o.ParkedWait + time.Minute)
	}
}

// maxParked bounds the parked legs that are counted.
const maxParked = 1 << 16

// parked counts the legs of a destination that this process has found not to
// be allowed, and that nobody has taken since.
func (b *outbox) parked(dest string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, now := 0, time.Now()
	for member, until := range b.away {
		if now.After(until) {
			delete(b.away, member) // another process's by now
			continue
		}
		if m, err := store.ParseMember(member); err == nil && m.Dest == dest {
			n++
		}
	}
	return n
}

// breakers lists the destinations that are held back.
func (b *outbox) breakers() (open []control.Breaker) {
	b.mu.Lock()
	lanes := make([]*lane, 0, len(b.lanes))
	for _, l := range b.lanes {
		lanes = append(lanes, l)
	}
	b.mu.Unlock()
	for _, l := range lanes {
		if since, next, streak, why, ok := l.breaker.look(); ok {
			open = append(open, control.Breaker{Destination: l.dest, Since: since.UTC(), Probe: next.UTC(), Failures: streak, Reason: why})
		}
	}
	slices.SortFunc(open, func(x, y control.Breaker) int { return cmp.Compare(x.Destination, y.Destination) })
	return open
}
