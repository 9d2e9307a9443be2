package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"chaperone/store/redistest"
)

// spoolState is the configuration of a proxy that goes on without its Redis.
func spoolState(redis *redistest.Server, more string) string {
	return fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: spool%s}\n", redis.Addr, more)
}

// tills sell until they are told to stop. Each sells one sale after another,
// and repeats one that is not answered with 200.
type tills struct {
	c    *instance
	next atomic.Int64
	done atomic.Int64
	stop atomic.Bool
	wait sync.WaitGroup

	mu   sync.Mutex
	odd  map[string]int // answers that were not 200
	lost []error        // of a proxy that is not there
}

func open(c *instance, n int) *tills {
	s := &tills{c: c, odd: map[string]int{}}
	for range n {
		s.wait.Go(func() {
			for !s.stop.Load() {
				s.sell(int(s.next.Add(1)))
			}
		})
	}
	return s
}

func (s *tills) sell(n int) {
	body := basket(fmt.Sprintf("sale-%d", n), visa)
	for {
		a, err := s.c.post("/v1/checkout", frontDesk, body)
		if err == nil && a.status == http.StatusOK {
			s.done.Add(1)
			return
		}
		s.mu.Lock()
		if err != nil {
			s.lost = append(s.lost, err)
		} else {
			s.odd[fmt.Sprintf("%d %s", a.status, codeOf(a))]++
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// more waits for some more sales.
func (s *tills) more(t *testing.T, n int64) {
	t.Helper()
	from := s.done.Load()
	eventually(t, fmt.Sprintf("%d more sales", n), func() error {
		if done := s.done.Load() - from; done < n {
			return fmt.Errorf("%d", done)
		}
		return nil
	})
}

// close lets the tills end, and gives the number of sales.
func (s *tills) close() int {
	s.stop.Store(true)
	s.wait.Wait()
	return int(s.done.Load())
}

// reconciled waits until each of n sales is in the record and in the ledger,
// and checks that each was charged once and that the log is whole.
func reconciled(t *testing.T, c *instance, r receivers, n int) {
	t.Helper()
	for who, party := range map[string]*receiver{"record": r.ehr, "ledger": r.ledger} {
		eventually(t, "every leg is at the "+who, func() error {
			if got := len(keysOf(party)); got != n {
				return fmt.Errorf("%d of %d", got, n)
			}
			return nil
		})
	}
	if calls, keys := len(r.processor.got()), len(keysOf(r.processor)); calls != n || keys != n {
		t.Errorf("%d sales, and the processor was called %d times with %d keys", n, calls, keys)
	}
	eventually(t, "nothing is left on local disk", func() error {
		if got := c.metric("chaperone_store_journal_units"); got != "0" {
			return fmt.Errorf("%s units", got)
		}
		return nil
	})
	for _, name := range []string{"chaperone_double_claims_total", "chaperone_late_outcomes_total", "chaperone_doubts", "chaperone_store_late_registers_total"} {
		if got := c.metric(name); got != "0" {
			t.Errorf("%s is %s", name, got)
		}
	}
	if out, err := c.command("log", "verify"); err != nil {
		t.Errorf("log verify: %v\n%s", err, out)
	}
}

// metric reads one metric without labels.
func (i *instance) metric(name string) string {
	i.t.Helper()
	resp, err := http.Get(i.admin + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "not there"
}

// TestOutageUnderLoad kills Redis in the middle of the day. The tills go on;
// when it is back every sale is in the record and in the ledger, once by key,
// and the log is whole.
func TestOutageUnderLoad(t *testing.T) {
	r := newReceivers(t)
	redis := redistest.Start(t, redistest.Options{Fsync: "always"})
	c := install(t, r.rules(), spoolState(redis, ""))
	c.start()
	s := open(c, 12)
	s.more(t, 60)
	for range 2 {
		redis.Kill()
		s.more(t, 120)
		if got := c.metric("chaperone_store_spooling"); got != "1" {
			t.Errorf("spooling is %s while Redis is away", got)
		}
		redis.Restart(t)
		s.more(t, 60)
	}
	n := s.close()
	if len(s.lost) > 0 || len(s.odd) > 0 {
		t.Errorf("tills were told %v, %v", s.odd, s.lost)
	}
	c.waitReady()
	reconciled(t, c, r, n)
	t.Logf("%d sales", n)
}

// TestOutagePausedRedis lets Redis hang in place of dying: what was in flight
// may be stored or not.
func TestOutagePausedRedis(t *testing.T) {
	r := newReceivers(t)
	redis := redistest.Start(t, redistest.Options{Fsync: "always"})
	c := install(t, r.rules(), spoolState(redis, ""))
	c.start()
	s := open(c, 12)
	s.more(t, 60)
	redis.Pause(t)
	s.more(t, 120)
	redis.Resume(t)
	s.more(t, 60)
	n := s.close()
	if len(s.lost) > 0 || len(s.odd) > 0 {
		t.Errorf("tills were told %v, %v", s.odd, s.lost)
	}
	reconciled(t, c, r, n)
}

// TestOutageEndsWithTheProxy kills Redis, and then the proxy: what it had on
// local disk is stored by the next one, and delivered.
func TestOutageEndsWithTheProxy(t *testing.T) {
	r := newReceivers(t)
	redis := redistest.Start(t, redistest.Options{Fsync: "always"})
	c := install(t, r.rules(), spoolState(redis, ""))
	c.start()
	if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-0", visa)); a.status != 200 {
		t.Fatalf("status %d %s", a.status, a.body)
	}
	redis.Kill()
	const sales = 50
	answers := make([]reply, sales)
	var wait sync.WaitGroup
	for n := 1; n < sales; n++ {
		wait.Go(func() {
			a, err := c.post("/v1/checkout", frontDesk, basket(fmt.Sprintf("sale-%d", n), visa))
			if answers[n] = a; err != nil || a.status != 200 {
				t.Errorf("sale %d: %v, status %d %s", n, err, a.status, a.body)
			}
		})
	}
	wait.Wait()
	if legs := len(r.ehr.got()); legs > 1 {
		t.Errorf("%d legs went out before their outcome was in the store", legs-1)
	}
	again := c.mustPost("/v1/checkout", frontDesk, basket("sale-7", visa))
	if again.header.Get("Chaperone-Replayed") != "true" || string(again.body) != string(answers[7].body) {
		t.Errorf("a repeat in the outage: status %d %s", again.status, again.body)
	}
	c.kill()
	redis.Restart(t)
	c.start()
	reconciled(t, c, r, sales)
	again = c.mustPost("/v1/checkout", frontDesk, basket("sale-8", visa))
	if again.header.Get("Chaperone-Replayed") != "true" || string(again.body) != string(answers[8].body) {
		t.Errorf("a repeat after the restart: status %d %s", again.status, again.body)
	}
}

// TestOutageFull leaves no room on local disk: 503, and nothing is forwarded
// that is not on record.
func TestOutageFull(t *testing.T) {
	r := newReceivers(t)
	redis := redistest.Start(t, redistest.Options{})
	c := install(t, r.rules(), spoolState(redis, ", spool_limit: 1MiB"))
	c.start()
	redis.Kill()
	var taken, refused atomic.Int64
	var wait sync.WaitGroup
	var next atomic.Int64
	for range 12 {
		wait.Go(func() {
			for refused.Load() < 20 && next.Load() < 5000 {
				a, err := c.post("/v1/checkout", frontDesk, basket(fmt.Sprintf("sale-%d", next.Add(1)), visa))
				switch {
				case err == nil && a.status == http.StatusOK:
					taken.Add(1)
				case err == nil && a.status == http.StatusServiceUnavailable && codeOf(a) == "store_unavailable":
					refused.Add(1)
				default:
					t.Errorf("%v, status %d %s", err, a.status, a.body)
				}
			}
		})
	}
	wait.Wait()
	if taken.Load() == 0 || refused.Load() < 20 {
		t.Fatalf("%d sales were taken, %d refused", taken.Load(), refused.Load())
	}
	if calls := len(r.processor.got()); int64(calls) != taken.Load() {
		t.Errorf("%d sales were taken, and %d forwarded", taken.Load(), calls)
	}
	redis.Restart(t)
	reconciled(t, c, r, int(taken.Load()))
	t.Logf("%d sales on local disk", taken.Load())
}
