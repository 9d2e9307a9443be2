package chaos

import (
	"sort"
	"syscall"
	"testing"
	"time"
)

// fault is one thing that can go wrong, with its end. Both run on the test's
// goroutine.
type fault struct {
	kind        string
	weight      int
	target      *bool // busy: one fault at a time on one thing
	least, most time.Duration
	begin       func()
	// heal ends it; false: not yet, ask again.
	heal func() bool
}

// The lease of a chain is 15 s, and 7.5 s of it may be used.
const halfLease, lease = 7500 * time.Millisecond, 15 * time.Second

// faults lists what can go wrong in this world. longest bounds each.
func (w *world) faults(longest time.Duration) []*fault {
	var all []*fault
	add := func(kind string, weight int, target *bool, least, most time.Duration, begin func(), heal func()) *fault {
		f := &fault{kind: kind, weight: weight, target: target, least: least, most: min(most, longest), begin: begin,
			heal: func() bool { heal(); return true }}
		if least <= longest {
			all = append(all, f)
		}
		return f
	}
	const moment = 200 * time.Millisecond
	for _, p := range w.proxies {
		busy := new(bool)
		add("proxy killed (kill -9)", 10, busy, moment, 2*time.Second, p.kill, func() { w.start(p) })
		add("proxy paused (SIGSTOP)", 3, busy, moment, 4*time.Second,
			func() { p.signal(syscall.SIGSTOP) }, func() { p.signal(syscall.SIGCONT) })
		add("proxy paused beyond half its lease", 1, busy, halfLease, lease,
			func() { p.signal(syscall.SIGSTOP) }, func() { p.signal(syscall.SIGCONT) })
		add("proxy paused beyond its lease", 1, busy, lease+time.Second, lease+5*time.Second,
			func() { p.signal(syscall.SIGSTOP) }, func() { p.signal(syscall.SIGCONT) })
		stop := add("proxy restarted (SIGTERM)", 5, busy, moment, time.Second, func() {
			p.stopping = true
			p.signal(syscall.SIGTERM)
		}, nil)
		stop.heal = func() bool { return w.stopped(p) }
		if p.link != nil {
			w.linkFaults(add, "Redis", p.link)
		}
	}
	for _, name := range receiverNames {
		w.linkFaults(add, name, w.links[name])
		w.moods(add, w.receivers[name])
	}
	if w.redis != nil {
		w.redisFaults(add)
	}
	for _, d := range w.disks {
		if d.Disk == nil || d.name == "redis" { // which ends of that: see redisFaults
			continue
		}
		add("disk full under a proxy", 3, new(bool), time.Second, 4*time.Second,
			func() { w.must(d.Fill(0)) }, func() { w.must(d.Free()) })
	}
	return all
}

type adder func(kind string, weight int, target *bool, least, most time.Duration, begin func(), heal func()) *fault

// linkFaults are those of the connections to one server.
func (w *world) linkFaults(add adder, to string, r *relay) {
	who := "a receiver"
	if to == "Redis" {
		who = to
	}
	busy := new(bool)
	add("connections to "+who+" reset", 2, busy, 0, 0, r.cut, func() {})
	add("connections to "+who+" reset in mid-stream", 2, busy, 500*time.Millisecond, 2*time.Second,
		func() { r.cutting(12 << 10) }, func() { r.cutting(0) })
	add(who+" in a black hole", 1, busy, 500*time.Millisecond, 5*time.Second, r.hold, r.pass)
	add("connections to "+who+" slow", 1, busy, time.Second, 4*time.Second,
		func() { r.slow(40 * time.Millisecond) }, func() { r.slow(0) })
	down := add(who+" refuses connections", 1, busy, 500*time.Millisecond, 4*time.Second, r.refuse, nil)
	down.heal = func() bool { return r.listen() == nil }
}

// moods are the ways in which a receiver misbehaves.
func (w *world) moods(add adder, r *receiver) {
	busy := new(bool)
	for _, m := range []struct {
		kind string
		mood
	}{
		{"receiver slow", mood{slow: 1500 * time.Millisecond}},
		{"receiver slower than its timeout", mood{slow: 5 * time.Second}},
		{"receiver answers 503 without acting", mood{refuse: 0.7}},
		{"receiver answers 502 after acting", mood{after5xx: 0.4}},
		{"receiver acts and hangs", mood{hang: 0.3}},
		{"receiver acts and closes", mood{drop: 0.4}},
		{"receiver cuts its answers short", mood{truncate: 0.4}},
		{"receiver answers what is no JSON", mood{unreadable: 0.3}},
	} {
		add(m.kind, 1, busy, 500*time.Millisecond, 3*time.Second, func() { r.feel(m.mood) }, func() { r.feel(mood{}) })
	}
}

// redisFaults are those of the server itself.
func (w *world) redisFaults(add adder) {
	r, busy := w.redis, new(bool)
	quiet := func(do func(testing.TB)) func() { return func() { do(w.t) } }
	const moment = 100 * time.Millisecond
	add("Redis killed (kill -9)", 16, busy, moment, 3*time.Second, r.Kill, quiet(r.Restart))
	add("Redis paused (SIGSTOP)", 6, busy, moment, 4*time.Second, quiet(r.Pause), quiet(r.Resume))
	add("Redis paused beyond the leases", 1, busy, halfLease, lease+2*time.Second, quiet(r.Pause), quiet(r.Resume))
	if d := w.disks[0]; d.Disk != nil {
		// With appendfsync always it ends when it cannot write.
		add("disk full under Redis", 4, busy, time.Second, 4*time.Second, func() { w.must(d.Fill(100)) }, func() {
			w.must(d.Free())
			r.Restart(w.t)
		})
	}
}

// stopped starts a proxy again that was asked to stop, once it has.
func (w *world) stopped(p *node) bool {
	select {
	case <-p.run.Exited():
		p.stopping = false
		w.start(p)
		return true
	default:
		return false
	}
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Errorf("seed %d: %v", w.seed, err)
	}
}

// healing is a fault that is to end.
type healing struct {
	f  *fault
	at time.Time
}

// rage injects n faults, spread over a time, and heals all of them. A few kinds
// are in every run, the rest is drawn.
func (w *world) rage(n int, over time.Duration) {
	all := w.faults(max(over/2, 4*time.Second))
	sum := 0
	for _, f := range all {
		sum += f.weight
	}
	always := []string{"proxy killed (kill -9)", "Redis killed (kill -9)", "receiver acts and closes", "proxy restarted (SIGTERM)"}
	draw := func() *fault {
		for len(always) > 0 {
			kind := always[0]
			always = always[1:]
			for _, at := range w.rng.Perm(len(all)) {
				if all[at].kind == kind {
					return all[at]
				}
			}
		}
		dice := w.rng.IntN(sum)
		for _, f := range all {
			if dice -= f.weight; dice < 0 {
				return f
			}
		}
		return all[0]
	}
	var open []healing
	began := time.Now()
	for done := 0; done < n || len(open) > 0; {
		now := time.Now()
		open = w.healDue(open, now)
		w.revive()
		if done < n && now.Sub(began) >= over*time.Duration(done)/time.Duration(n) {
			f, length := draw(), time.Duration(0)
			if f.most > f.least {
				length = f.least + time.Duration(w.rng.Int64N(int64(f.most-f.least)))
			}
			if !*f.target {
				w.t.Logf("%6.2fs %s, for %v", now.Sub(began).Seconds(), f.kind, length.Round(time.Millisecond))
				*f.target = true
				f.begin()
				w.injected[f.kind]++
				done++
				open = append(open, healing{f, now.Add(length)})
			}
			continue
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// healDue ends the faults whose time has come, in its order.
func (w *world) healDue(open []healing, now time.Time) []healing {
	sort.SliceStable(open, func(i, j int) bool { return open[i].at.Before(open[j].at) })
	var left []healing
	for _, h := range open {
		if now.Before(h.at) {
			left = append(left, h)
			continue
		}
		if !h.f.heal() {
			if now.Sub(h.at) > patience {
				w.t.Fatalf("seed %d: %s does not end", w.seed, h.f.kind)
			}
			left = append(left, h)
			continue
		}
		*h.f.target = false
	}
	return left
}

// revive starts the proxies that ended by themselves: a start needs the store.
func (w *world) revive() {
	for _, p := range w.proxies {
		if p.run == nil || p.stopping {
			continue // it is a fault's to start it
		}
		select {
		case <-p.run.Exited():
			w.start(p)
		default:
		}
	}
}
