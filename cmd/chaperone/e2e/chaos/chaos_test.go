package chaos

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestChaos is the proof; see the package. Two worlds run side by side: two
// proxies that share a Redis, with three quarters of the sales and faults, and
// one proxy on the embedded store with the rest.
func TestChaos(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d: %d sales, %d faults, over %v", seed, *salesFlag, *faultsFlag, *timeFlag)
	var mu sync.Mutex
	var results []*result
	t.Run("worlds", func(t *testing.T) {
		run := func(name string, seed uint64, proxies int, onRedis bool, sales, faults int) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, seed, proxies, onRedis)
				r := w.run(name, sales, faults, *timeFlag)
				mu.Lock()
				defer mu.Unlock()
				results = append(results, r)
			})
		}
		run("two proxies on Redis", seed, 2, true, *salesFlag-*salesFlag/4, *faultsFlag-*faultsFlag/4)
		run("one proxy on the embedded store", seed+1, 1, false, *salesFlag/4, *faultsFlag/4)
	})
	if t.Failed() {
		t.Errorf("run it again with -chaos.seed %d -chaos.sales %d -chaos.faults %d -chaos.time %v", seed, *salesFlag, *faultsFlag, *timeFlag)
	}
	text := report(results, seed)
	t.Logf("\n%s", text)
	if *reportFlag != "" {
		if err := writeReport(*reportFlag, text); err != nil {
			t.Error(err)
		}
	}
}

// run makes the sales while faults come and go, heals everything, and
// reconciles.
func (w *world) run(name string, sales, faults int, over time.Duration) *result {
	began := time.Now()
	for _, p := range w.proxies {
		w.ready(p)
	}
	var sold sync.WaitGroup
	sold.Go(func() { w.sell(sales, over) })
	w.rage(faults, over)
	sold.Wait()
	raged := time.Since(began)
	w.settle()
	r := w.reconcile(name)
	r.raged, r.took = raged, time.Since(began)
	return r
}

// sell makes sales evenly over a time.
func (w *world) sell(n int, over time.Duration) {
	rng := rand.New(rand.NewPCG(w.seed, 2))
	began := time.Now()
	for k := range n {
		s := newSale(rng, k, w.routes)
		w.books.open(s)
		time.Sleep(time.Until(began.Add(over * time.Duration(k) / time.Duration(n))))
		w.pos.sell(s)
	}
}

// settle waits until everything is decided and delivered: by the POS's own
// repeats, by the proxies, and in the end by an operator.
func (w *world) settle() {
	for _, p := range w.proxies {
		w.ready(p)
	}
	w.eventually("every sale is decided or in doubt", func() error { return w.undecided(true) })
	w.operate()
	w.eventually("nothing is queued", w.queued)
}

// undecided says which sales are not decided; doubts says that those may stay
// which only an operator decides.
func (w *world) undecided(doubts bool) error {
	open := 0
	var last *sale
	for _, s := range w.books.all() {
		s.mu.Lock()
		mayStay := doubts && s.doubted && s.route.onDoubt == ""
		if s.told == "" && !mayStay && len(s.wrong) == 0 {
			open++
			last = s
		}
		s.mu.Unlock()
	}
	if open > 0 {
		return fmt.Errorf("%d are not, as %s%s", open, last.story(), w.seen(last))
	}
	return nil
}

// queued says what is still on its way.
func (w *world) queued() error {
	for _, state := range []string{"due", "sending", "parked", "dead"} {
		out, err := w.command(w.proxies[0], "outbox", "list", "--state", state, "--json")
		if err != nil {
			return err
		}
		if out != "" {
			return fmt.Errorf("%s: %.2000s", state, out)
		}
	}
	return nil
}

// stop ends the proxies in good order.
func (w *world) stop() {
	for _, p := range w.proxies {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range w.proxies {
		select {
		case <-p.run.Exited():
			if code := p.run.ExitCode(); code != 0 {
				w.t.Errorf("seed %d: %s ended with exit code %d:\n%s", w.seed, p.name, code, tail(p.output.String()))
			}
		case <-time.After(patience):
			w.t.Errorf("seed %d: %s did not end after SIGTERM", w.seed, p.name)
			p.run.Kill()
		}
		p.run = nil
	}
}
