package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// ofDoubt is the med spa's policy with a way out of doubt. A primary that the
// proxy calls again by itself does not get the CVV.
func (r receivers) ofDoubt(mode string) string {
	rules := strings.Replace(r.rules(), "    subject: patient.id\n", "    subject: patient.id\n    on_doubt: "+mode+"\n", 1)
	if mode == "replay" {
		rules = strings.Replace(rules, "sees: {pan: plain, sad: plain}", "sees: {pan: plain}", 1)
	}
	return rules
}

// diesOnce calls kill at the first request and lets it hang; the others are
// approved.
func diesOnce(kill func()) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, req *http.Request) {
		if n.Add(1) == 1 {
			kill()
			<-req.Context().Done()
			return
		}
		respond(200, `{"status":"approved"}`)(w, req)
	}
}

// doubtful waits until a sale is in doubt, as a repeat is told, and gives its
// name.
func doubtful(t *testing.T, c *instance) (sale string) {
	t.Helper()
	eventually(t, "the sale is in doubt", func() error {
		out, err := c.command("outbox", "doubts", "--json")
		var d struct {
			Key     string
			Attempt int
		}
		if err == nil {
			err = json.Unmarshal([]byte(out), &d)
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		sale = fmt.Sprintf("%s/%d", d.Key, d.Attempt)
		return nil
	})
	return sale
}

// TestKilledBetweenFirstByteAndOutcome: kill -9 while the primary works. The
// next process finds the sale in doubt once the lease of the dead one is over,
// and every way out of it ends with the legs delivered once.
func TestKilledBetweenFirstByteAndOutcome(t *testing.T) {
	if testing.Short() {
		t.Skip("a lease takes a quarter of a minute to run out")
	}
	for name, end := range map[string]func(t *testing.T, c *instance, r receivers) (calls int){
		"retry": func(t *testing.T, c *instance, _ receivers) int {
			doubtful(t, c)
			a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa))
			if a.status != 200 || a.header.Get("Chaperone-Outcome") != "released" || a.header.Get("Chaperone-Replayed") != "" {
				t.Errorf("the repeat: %d %s %v", a.status, a.body, a.header)
			}
			return 2
		},
		"replay": func(t *testing.T, c *instance, r receivers) int {
			r.delivered(t, 1, 1)
			a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa))
			if a.status != 200 || a.header.Get("Chaperone-Replayed") != "true" || !strings.Contains(string(a.body), "card_token") {
				t.Errorf("the repeat: %d %s %v", a.status, a.body, a.header)
			}
			return 2
		},
		"hold": func(t *testing.T, c *instance, _ receivers) int {
			sale := doubtful(t, c)
			if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa)); a.status != 409 || codeOf(a) != "in_doubt" {
				t.Errorf("the repeat: %d %s", a.status, a.body)
			}
			if out, err := c.command("outbox", "resolve", sale, "--charged", "--reason", "the processor says so"); err != nil || !strings.Contains(out, "is released") {
				t.Errorf("%v %s", err, out)
			}
			return 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceivers(t)
			c := install(t, r.ofDoubt(name), "")
			died := make(chan struct{})
			r.processor.answering(diesOnce(func() { close(died) }))
			c.start()
			lost := make(chan error, 1)
			go func() {
				_, err := c.post("/v1/checkout", frontDesk, basket("sale-1", visa))
				lost <- err
			}()
			<-died
			c.kill()
			if err := <-lost; err == nil {
				t.Error("the first request was answered")
			}
			c.start()
			calls := end(t, c, r)
			r.delivered(t, 1, 1)
			outboxIsEmpty(t, c)
			checkDelivered(t, r, calls)
			verify(t, c)
		})
	}
}

// checkDelivered wants the primary called so often under one key, and each leg
// delivered under one.
func checkDelivered(t *testing.T, r receivers, calls int) {
	t.Helper()
	charged := byKey(t, r.processor)
	if len(charged) != 1 || len(r.processor.got()) != calls {
		t.Errorf("the processor was called as %v, want %d calls under one key", charged, calls)
	}
	for name, rec := range map[string]*receiver{"record": r.ehr, "ledger": r.ledger} {
		if n := len(byKey(t, rec)); n != 1 {
			t.Errorf("the %s has %d legs", name, n)
		}
	}
}

// TestPausedPastItsLease: a process that is paused while the primary works, for
// longer than its lease. Its peer sends the POS's repeat; when it wakes up, it
// sends nothing, and its outcome is a late one.
func TestPausedPastItsLease(t *testing.T) {
	if testing.Short() {
		t.Skip("a lease takes a quarter of a minute to run out")
	}
	t.Parallel()
	r := newReceivers(t)
	answer := make(chan struct{})
	called := make(chan struct{})
	var n atomic.Int32
	r.processor.answering(func(w http.ResponseWriter, req *http.Request) {
		if n.Add(1) == 1 {
			close(called)
			<-answer
			respond(402, `{"status":"declined"}`)(w, req)
			return
		}
		respond(200, `{"status":"approved"}`)(w, req)
	})
	all := peersWith(t, 2, r.ofDoubt("retry"), "limits: {upstream_timeout: 5m}\n")
	late := make(chan reply, 1)
	go func() {
		a, _ := all[0].post("/v1/checkout", frontDesk, basket("sale-1", visa))
		late <- a
	}()
	<-called
	if err := all[0].run.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	doubtful(t, all[1])
	a := all[1].mustPost("/v1/checkout", frontDesk, basket("sale-1", visa))
	if a.status != 200 || a.header.Get("Chaperone-Outcome") != "released" {
		t.Errorf("the repeat: %d %s", a.status, a.body)
	}
	r.delivered(t, 1, 1)
	close(answer)
	if err := all[0].run.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if a := <-late; a.status != 402 && a.status != 0 {
		t.Errorf("the one that woke up: %d %s", a.status, a.body)
	}
	eventually(t, "the late outcome is on record", func() error {
		out, err := all[1].command("log", "tail", "-n", "200", "--json")
		if err == nil && !strings.Contains(out, `"reason":"late_outcome"`) {
			err = fmt.Errorf("not yet")
		}
		return err
	})
	for _, c := range all {
		outboxIsEmpty(t, c)
		if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa)); a.status != 200 || a.header.Get("Chaperone-Replayed") != "true" || a.header.Get("Chaperone-Outcome") != "released" {
			t.Errorf("a later repeat: %d %s", a.status, a.body)
		}
		verify(t, c)
	}
	checkDelivered(t, r, 2)
}
