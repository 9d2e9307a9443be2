package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"chaperone/store/redistest"
)

// TestKilledProxyDeliversOnce ends the process without warning while the record
// and the ledger are away. What was charged reaches both after the restart,
// once by key.
func TestKilledProxyDeliversOnce(t *testing.T) {
	for name, infra := range map[string]func(*testing.T) string{
		"embedded": func(*testing.T) string { return "" },
		"Redis":    redisState,
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceivers(t)
			r.ehr.answering(respond(503, `{}`))
			r.ledger.answering(respond(503, `{}`))
			c := install(t, r.rules(), infra(t))
			c.start()
			const sales = 40
			var wait sync.WaitGroup
			for n := range sales {
				wait.Add(1)
				go func() {
					defer wait.Done()
					if a, err := c.post("/v1/checkout", frontDesk, basket(fmt.Sprintf("sale-%d", n), visa)); err != nil || a.status != 200 {
						t.Errorf("sale %d: %v, status %d", n, err, a.status)
					}
				}()
			}
			wait.Wait()
			c.kill()
			r.ehr.forget()
			r.ledger.forget()
			r.ehr.answering(respond(200, `{}`))
			r.ledger.answering(respond(200, `{}`))
			c.start()
			for who, party := range map[string]*receiver{"record": r.ehr, "ledger": r.ledger} {
				eventually(t, "every leg is at the "+who, func() error {
					if n := len(keysOf(party)); n != sales {
						return fmt.Errorf("%d of %d", n, sales)
					}
					return nil
				})
			}
			eventually(t, "the queue is empty", func() error {
				out, err := c.command("outbox", "list", "--json")
				if err == nil && strings.TrimSpace(strings.Trim(strings.TrimSpace(out), "[]{}")) != "" && strings.Contains(out, "destination") {
					err = fmt.Errorf("still queued: %s", out)
				}
				return err
			})
			if n := len(keysOf(r.processor)); n != sales {
				t.Errorf("the processor saw %d keys for %d sales", n, sales)
			}
			if n := len(r.processor.got()); n != sales {
				t.Errorf("the processor was called %d times for %d sales", n, sales)
			}
			out, err := c.command("log", "verify")
			if err != nil {
				t.Errorf("log verify: %v\n%s", err, out)
			}
		})
	}
}

func keysOf(r *receiver) map[string]bool {
	keys := map[string]bool{}
	for _, c := range r.got() {
		keys[c.Header.Get("Idempotency-Key")] = true
	}
	return keys
}

// TestKilledBeforeTheOutcomeIsInDoubt ends the process while the processor is
// working. The sale is listed as in doubt after the restart, its legs stay
// held, and its repeat is not sent.
func TestKilledBeforeTheOutcomeIsInDoubt(t *testing.T) {
	r := newReceivers(t)
	called, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.processor.answering(func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { close(called) })
		<-release
	})
	defer close(release)
	c := install(t, r.rules(), "")
	c.start()
	go func() { _, _ = c.post("/v1/checkout", frontDesk, basket("sale-1", visa)) }()
	<-called
	c.kill()
	c.start()
	eventually(t, "the doubt is listed", func() error {
		out, err := c.command("outbox", "doubts", "--json")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if !strings.Contains(out, "checkout") {
			return fmt.Errorf("the list is %q", out)
		}
		return nil
	})
	answer := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa))
	if answer.status != http.StatusConflict {
		t.Errorf("the repeat of a sale in doubt: status %d %s", answer.status, answer.body)
	}
	if n := len(r.processor.got()); n != 1 {
		t.Errorf("the processor was called %d times", n)
	}
	if n := len(r.ehr.got()) + len(r.ledger.got()); n != 0 {
		t.Errorf("%d held legs were sent", n)
	}
}

// TestStoreAway stops Redis before a sale and in the middle of one.
func TestStoreAway(t *testing.T) {
	r := newReceivers(t)
	redis := redistest.Start(t, redistest.Options{})
	c := install(t, r.rules(), fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: refuse}\n", redis.Addr))
	c.start()
	if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-0", visa)); a.status != 200 {
		t.Fatalf("status %d %s", a.status, a.body)
	}
	r.delivered(t, 1, 1)

	// It dies while the processor works: the POS gets the processor's answer.
	r.processor.answering(func(w http.ResponseWriter, req *http.Request) {
		redis.Kill()
		respond(200, `{"status":"approved"}`)(w, req)
	})
	a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa))
	if a.status != 200 || !strings.Contains(string(a.body), "approved") {
		t.Errorf("a charged sale whose outcome could not be stored: status %d %s", a.status, a.body)
	}
	if len(r.processor.got()) != 2 {
		t.Fatalf("the processor was called %d times", len(r.processor.got()))
	}

	// It is away: nothing is forwarded.
	a = c.mustPost("/v1/checkout", frontDesk, basket("sale-2", visa))
	var problem struct{ Code string }
	if err := json.Unmarshal(a.body, &problem); err != nil || a.status != http.StatusServiceUnavailable || problem.Code != "store_unavailable" {
		t.Errorf("status %d, body %s, %v", a.status, a.body, err)
	}
	if len(r.processor.got()) != 2 {
		t.Errorf("the processor was called with the store away")
	}

	// It is back: the kept outcome is stored and its legs go out.
	r.processor.answering(respond(200, `{"status":"approved"}`))
	redis.Restart(t)
	r.delivered(t, 2, 2)
	c.waitReady()
	eventually(t, "the refused sale can be made", func() error {
		if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-2", visa)); a.status != 200 {
			return fmt.Errorf("status %d %s", a.status, a.body)
		}
		return nil
	})
	r.delivered(t, 3, 3)
	out, err := c.command("log", "verify")
	if err != nil {
		t.Errorf("log verify: %v\n%s", err, out)
	}
}
