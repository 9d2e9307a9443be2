package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/store/redistest"
	"chaperone/vault/keys"
)

// peersOf installs n proxies on one Redis, with one keyring.
func peersOf(t *testing.T, n int, r receivers, more string) []*instance {
	t.Helper()
	return peersWith(t, n, r.rules(), more)
}

// peersWith is peersOf with a policy of the test's own.
func peersWith(t *testing.T, n int, rules, more string) []*instance {
	t.Helper()
	state := fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: refuse}\n", redistest.Start(t, redistest.Options{}).Addr)
	all := make([]*instance, n)
	for i := range all {
		all[i] = install(t, rules, state+more)
		data := filepath.Join(all[i].dir, "data")
		if i == 0 {
			if err := os.Mkdir(data, 0o700); err != nil {
				t.Fatal(err)
			}
			ring, err := keys.OpenLocal(context.Background(), keys.LocalOptions{Dir: data})
			if err != nil {
				t.Fatal(err)
			}
			ring.Close()
		} else {
			for _, name := range []string{keys.LocalKeyring, keys.LocalKeyFile} {
				b, err := os.ReadFile(filepath.Join(all[0].dir, "data", name))
				if err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(data, name), string(b))
			}
		}
		all[i].start()
	}
	return all
}

// byKey counts what a receiver got, by idempotency key. A key that came with
// two bodies is a fault.
func byKey(t *testing.T, r *receiver) map[string]int {
	t.Helper()
	n, bodies := map[string]int{}, map[string]string{}
	for _, c := range r.got() {
		key := c.Header.Get("Idempotency-Key")
		if before, ok := bodies[key]; ok && before != string(c.Body) {
			t.Errorf("two bodies came under one key")
		}
		bodies[key] = string(c.Body)
		n[key]++
	}
	return n
}

// outboxIsEmpty waits until no leg waits but those of sales in doubt, as a
// proxy sees it.
func outboxIsEmpty(t *testing.T, c *instance) {
	t.Helper()
	eventually(t, "no leg waits", func() error {
		out, err := c.command("outbox", "list", "--json")
		for line := range strings.Lines(out) {
			if !strings.Contains(line, `"state":"held"`) {
				return fmt.Errorf("%s", line)
			}
		}
		return err
	})
}

// working answers after a while, so that there is something on its way.
func working(d time.Duration, then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(d):
		case <-req.Context().Done():
		}
		then(w, req)
	}
}

// TestPeers puts load on three proxies that share a Redis, every sale on two of
// them at once, kills one in the middle, and counts.
func TestPeers(t *testing.T) {
	peersUnderLoad(t, func(r receivers) []*instance { return peersOf(t, 3, r, "limits: {upstream_timeout: 1m}\n") })
}

// TestTwoProxies is the example of docs/deployment.md: two proxies behind one
// Redis and one Vault, each logged in by AppRole, one of which is killed.
func TestTwoProxies(t *testing.T) {
	peersUnderLoad(t, func(r receivers) []*instance {
		infra := backends["Redis, Vault by AppRole"](t) + "limits: {upstream_timeout: 1m}\n"
		all := []*instance{install(t, r.rules(), infra), install(t, r.rules(), infra)}
		for _, c := range all {
			c.start()
			t.Logf("a proxy takes requests on %s", c.url)
		}
		return all
	})
}

// peersUnderLoad sends every sale to two of the proxies at once, kills the first
// in the middle, and counts.
func peersUnderLoad(t *testing.T, start func(r receivers) []*instance) {
	t.Helper()
	r := newReceivers(t)
	r.processor.answering(working(5*time.Millisecond, respond(200, `{"status":"approved"}`)))
	r.ehr.answering(working(20*time.Millisecond, respond(201, `{}`)))
	r.ledger.answering(working(5*time.Millisecond, respond(200, `{}`)))
	all := start(r)
	sales, halfway := 240, 120
	if testing.Short() {
		sales, halfway = 60, 30
	}
	var mu sync.Mutex
	accepted, doubtful := map[string]bool{}, map[string]bool{}
	var answered atomic.Int32
	dead := make(chan struct{})
	pos := func(c *instance, id string) {
		for range 3600 {
			a, err := c.post("/v1/checkout", frontDesk, basket(id, visa))
			if err != nil { // the one that died: the POS turns to the next
				c = all[1]
				continue
			}
			var problem struct{ Code string }
			_ = json.Unmarshal(a.body, &problem)
			mu.Lock()
			switch {
			case a.status == http.StatusOK:
				accepted[id] = true
			case a.status == http.StatusConflict && problem.Code == "in_doubt":
				doubtful[id] = true
			case a.status != http.StatusConflict && problem.Code != "store_unavailable":
				t.Errorf("%s: %d %s", id, a.status, a.body)
			}
			done := accepted[id] || doubtful[id] || a.status != http.StatusConflict && problem.Code != "store_unavailable"
			mu.Unlock()
			if done {
				answered.Add(1)
				return
			}
			select { // in flight elsewhere, or a busy machine could not record it in time
			case <-time.After(50 * time.Millisecond):
			case <-t.Context().Done():
				return
			}
		}
		t.Errorf("%s has no answer", id)
	}
	next := make(chan int)
	var load sync.WaitGroup
	for range 12 {
		load.Go(func() {
			for n := range next {
				id := fmt.Sprintf("sale-%d", n)
				var both sync.WaitGroup
				both.Go(func() { pos(all[n%len(all)], id) })
				both.Go(func() { pos(all[(n+1)%len(all)], id) })
				both.Wait()
			}
		})
	}
	var killer sync.WaitGroup
	for n := range sales {
		next <- n
		if n == halfway {
			killer.Go(func() {
				defer close(dead)
				all[0].run.Kill()
			})
		}
	}
	close(next)
	load.Wait()
	killer.Wait()
	<-dead
	all[0].run = nil

	mu.Lock()
	defer mu.Unlock()
	if len(accepted)+len(doubtful) < sales {
		t.Errorf("%d sales were accepted and %d are in doubt, of %d", len(accepted), len(doubtful), sales)
	}
	for key, n := range byKey(t, r.processor) {
		if n != 1 {
			t.Errorf("the processor was called %d times under %s", n, key)
		}
	}
	outboxIsEmpty(t, all[1])
	// A leg is there twice only if the one that died had sent it and not said
	// so: at most what it may send at once.
	for name, rec := range map[string]*receiver{"record": r.ehr, "ledger": r.ledger} {
		keys, repeats := byKey(t, rec), 0
		for _, n := range keys {
			repeats += n - 1
		}
		if len(keys) < len(accepted) || len(keys) > sales {
			t.Errorf("the %s has %d sales, %d were accepted", name, len(keys), len(accepted))
		}
		if repeats > 16 {
			t.Errorf("the %s got %d legs again", name, repeats)
		}
	}
	t.Logf("one of %d proxies was killed: %d sales accepted, %d in doubt, none twice at the processor", len(all), len(accepted), len(doubtful))
	for _, c := range all[1:] {
		if out, err := c.command("log", "verify"); err != nil || !strings.Contains(out, fmt.Sprint("chains: ", len(all))) {
			t.Errorf("log verify: %v\n%s", err, out)
		}
	}
}

// TestAProxyDiesWithLegsInHand: what a proxy had handed to itself and not sent
// goes out by another one, long before its leases end, once its chain is known
// to be dead; and what it was sending goes out again, under the same key.
func TestAProxyDiesWithLegsInHand(t *testing.T) {
	r := newReceivers(t)
	work := make(chan struct{})
	r.ehr.answering(func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-work:
		case <-req.Context().Done():
		}
		respond(201, `{}`)(w, req)
	})
	// A lease takes ten minutes and more.
	all := peersOf(t, 2, r, "limits: {upstream_timeout: 10m}\n")
	const n = 30
	for i := range n {
		if a := all[0].mustPost("/v1/checkout", frontDesk, basket(fmt.Sprintf("sale-%d", i), visa)); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	r.delivered(t, 16, n)
	all[0].kill()
	close(work)
	r.ehr.answering(respond(201, `{}`))
	eventually(t, "the record has every sale", func() error {
		if got := len(byKey(t, r.ehr)); got < n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
	outboxIsEmpty(t, all[1])
	for key, times := range byKey(t, r.ehr) {
		if times > 2 {
			t.Errorf("%s came %d times", key, times)
		}
	}
	if out, err := all[1].command("log", "verify"); err != nil {
		t.Errorf("log verify: %v\n%s", err, out)
	}
}

// TestTermWithBusyLanes: SIGTERM ends a proxy in time although a destination
// hangs, and what was on its way goes out by the next start, under the same
// key.
func TestTermWithBusyLanes(t *testing.T) {
	r := newReceivers(t)
	r.ehr.answering(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	c := install(t, r.rules(), "limits: {upstream_timeout: 10m, drain_timeout: 2s}\n")
	c.start()
	const n = 20
	for i := range n {
		c.mustPost("/v1/checkout", frontDesk, basket(fmt.Sprintf("sale-%d", i), visa))
	}
	r.delivered(t, 16, n)
	c.stop()
	first := byKey(t, r.ehr)
	r.ehr.answering(respond(201, `{}`))
	c.start()
	outboxIsEmpty(t, c)
	all := byKey(t, r.ehr)
	if len(all) != n {
		t.Errorf("the record has %d sales of %d", len(all), n)
	}
	for key := range first {
		if all[key] != 2 {
			t.Errorf("%s, which was cut off, came %d times", key, all[key])
		}
	}
}

// TestKillInMidDelivery: kill -9 while a leg is being sent. The next process
// sends it again, under the same key.
func TestKillInMidDelivery(t *testing.T) {
	r := newReceivers(t)
	c := install(t, r.rules(), "")
	c.start()
	var once sync.Once
	died := make(chan struct{})
	r.ehr.answering(func(w http.ResponseWriter, req *http.Request) {
		once.Do(func() { close(died) })
		<-req.Context().Done()
	})
	c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa))
	<-died
	c.kill()
	r.ehr.answering(respond(201, `{}`))
	c.start()
	outboxIsEmpty(t, c)
	for key, times := range byKey(t, r.ehr) {
		if times != 2 {
			t.Errorf("%s came %d times", key, times)
		}
	}
	if n := len(byKey(t, r.ehr)); n != 1 {
		t.Errorf("%d keys", n)
	}
}
