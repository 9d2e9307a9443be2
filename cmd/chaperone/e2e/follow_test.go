package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// hookKey is the key of the processor, which calls back.
const hookKey = "chp_qpwoeirutyalskdjfhgmznxbcvlaksjdhfgqpwoeiruty"

// followers adds to medspa what follows a sale: refunds by amount, and what
// the processor tells of a sale that it had left open.
func (r receivers) followers() string {
	return strings.NewReplacer(
		"    routes: [checkout]\n", "    routes: [checkout, refund]\n",
		"routes:\n  - name: checkout\n", fmt.Sprintf("  processor:\n    key_sha256: %s\n    routes: [hook]\nroutes:\n  - name: checkout\n", keyHash(hookKey)),
		"where: {status: [approved, captured]}}\n", "where: {status: [approved, captured]}}\n        pending: {status: [2xx], where: {status: [requires_action]}}\n",
	).Replace(r.rules()) + `
  - name: refund
    match: {method: POST, path: /v1/refunds}
    idempotency: {key: transaction_id}
    follows: {key: original_transaction_id, route: checkout, amount: amount}
    unlink: [transaction_id, original_transaction_id]
    legs:
      - {to: processor, primary: true, items: none, keep: [transaction_id, original_transaction_id, amount], success: {where: {status: [refunded]}}}
      - {to: ehr, items: clinical, keep: [transaction_id, original_transaction_id, amount]}
      - {to: ledger, items: retail, keep: [transaction_id, original_transaction_id, amount]}
  - name: hook
    match: {method: POST, path: /hooks/processor}
    idempotency: {key: event}
    follows:
      key: data.transaction_id
      route: checkout
      group: front-desk
      as: processor
      release: {type: [payment.captured]}
      cancel: {type: [payment.failed]}
    unlink: [data.transaction_id]
    legs:
      - {to: ledger, primary: true, items: none, keep: [type, data.transaction_id], success: http}
`
}

// answers says what the processor answers, by path.
func answers(byPath map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		respond(200, `{"status":"`+byPath[req.URL.Path]+`"}`)(w, req)
	}
}

// to gives what a receiver got at a path.
func (r *receiver) to(path string) (calls []call) {
	for _, c := range r.got() {
		if c.URL == path {
			calls = append(calls, c)
		}
	}
	return calls
}

// arrived waits until a receiver has got n calls at a path.
func (r *receiver) arrived(t *testing.T, path string, n int) []call {
	t.Helper()
	eventually(t, fmt.Sprintf("%d calls at %s", n, path), func() error {
		if got := len(r.to(path)); got < n {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
	return r.to(path)
}

func (i *instance) verified() {
	i.t.Helper()
	if out, err := i.command("log", "verify"); err != nil {
		i.t.Errorf("log verify: %v\n%s", err, out)
	}
}

// TestRefundsFollowTheirSale: a sale of 60000 for the record and 7700 for the
// ledger, and two refunds of part of it, each of which is split as the sale
// was, comes after it, and names it as it was named.
func TestRefundsFollowTheirSale(t *testing.T) {
	for name, infra := range map[string]func(*testing.T) string{
		"embedded": func(*testing.T) string { return "" },
		"Redis":    redisState,
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceivers(t)
			r.processor.answering(answers(map[string]string{"/v1/payments": "approved", "/v1/refunds": "refunded"}))
			r.ehr.answering(respond(503, `{}`))
			c := install(t, r.followers(), infra(t))
			c.start()
			if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa)); a.status != 200 {
				t.Fatalf("status %d %s", a.status, a.body)
			}
			for _, amount := range []int{10000, 1} {
				body := fmt.Sprintf(`{"transaction_id":"refund-%d","original_transaction_id":"sale-1","amount":%d}`, amount, amount)
				a := c.mustPost("/v1/refunds", frontDesk, body)
				if a.status != 200 || a.header.Get("Chaperone-Outcome") != "released" {
					t.Fatalf("status %d %s", a.status, a.body)
				}
			}
			a := c.mustPost("/v1/refunds", frontDesk, `{"transaction_id":"refund-x","original_transaction_id":"sale-2","amount":1}`)
			if a.status != 422 || !strings.Contains(string(a.body), `"sale_unknown"`) {
				t.Errorf("a refund of no sale: status %d %s", a.status, a.body)
			}
			c.kill()
			r.ehr.forget()
			r.ehr.answering(respond(201, `{}`))
			c.start()
			sale := decode(t, r.ehr.arrived(t, "/v1/checkout", 1)[0].Body)
			expect(t, "ehr", sale, "totals.total", "60000")
			refunds := r.ehr.arrived(t, "/v1/refunds", 2)
			for i, want := range []string{"8863", "1"} {
				v := decode(t, refunds[i].Body)
				expect(t, "ehr", v, "amount", want)
				expect(t, "ehr", v, "original_transaction_id", fmt.Sprintf("%q", at(sale, "transaction_id")))
				expect(t, "ehr", v, "items", "null")
			}
			if first := r.ehr.got()[0].URL; first != "/v1/checkout" {
				t.Errorf("the record got %s before the sale", first)
			}
			sale = decode(t, r.ledger.arrived(t, "/v1/checkout", 1)[0].Body)
			for i, want := range []string{"1137", "0"} {
				v := decode(t, r.ledger.arrived(t, "/v1/refunds", 2)[i].Body)
				expect(t, "ledger", v, "amount", want)
				expect(t, "ledger", v, "original_transaction_id", fmt.Sprintf("%q", at(sale, "transaction_id")))
			}
			expect(t, "processor", decode(t, r.processor.to("/v1/refunds")[0].Body), "amount", "10000")
			c.verified()
		})
	}
}

// TestPendingSaleAndItsWebhook: the processor asks for 3-D Secure, and says
// later, by its own name for the sale, that it was paid. Then, and not before,
// the record and the ledger hear of it.
func TestPendingSaleAndItsWebhook(t *testing.T) {
	r := newReceivers(t)
	r.processor.answering(answers(map[string]string{"/v1/payments": "requires_action"}))
	c := install(t, r.followers(), "")
	c.start()
	for _, id := range []string{"sale-1", "sale-2"} {
		a := c.mustPost("/v1/checkout", frontDesk, basket(id, visa))
		if a.status != 200 || a.header.Get("Chaperone-Outcome") != "pending" || a.header.Get("Chaperone-Legs") != "processor=200 ehr=held ledger=held" {
			t.Fatalf("status %d %v", a.status, a.header)
		}
	}
	a := c.mustPost("/v1/refunds", frontDesk, `{"transaction_id":"refund-1","original_transaction_id":"sale-1","amount":1}`)
	if a.status != 409 || !strings.Contains(string(a.body), `"sale_pending"`) {
		t.Errorf("a refund of a pending sale: status %d %s", a.status, a.body)
	}
	c.kill()
	c.start()
	for i, kind := range []string{"payment.captured", "payment.failed"} {
		alias := at(decode(t, r.processor.to("/v1/payments")[i].Body), "transaction_id")
		a := c.mustPost("/hooks/processor", hookKey, fmt.Sprintf(`{"event":"e%d","type":%q,"data":{"transaction_id":%q}}`, i, kind, alias))
		if a.status != 200 {
			t.Fatalf("%s: status %d %s", kind, a.status, a.body)
		}
	}
	sale := decode(t, r.ledger.arrived(t, "/v1/checkout", 1)[0].Body)
	expect(t, "ledger", decode(t, r.ledger.to("/hooks/processor")[0].Body), "data.transaction_id", fmt.Sprintf("%q", at(sale, "transaction_id")))
	expect(t, "ehr", decode(t, r.ehr.arrived(t, "/v1/checkout", 1)[0].Body), "totals.total", "60000")
	again := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa))
	if again.status != 200 || again.header.Get("Chaperone-Replayed") != "true" || !strings.Contains(string(again.body), "requires_action") {
		t.Errorf("the repeat: status %d %s", again.status, again.body)
	}
	if n := len(r.processor.to("/v1/payments")); n != 2 {
		t.Errorf("the processor was called %d times", n)
	}
	c.stop()
	if e, l := len(r.ehr.got()), len(r.ledger.to("/v1/checkout")); e != 1 || l != 1 {
		t.Errorf("the record got %d and the ledger %d of one sale that was paid", e, l)
	}
	c.verified()
}

// TestKilledWhileASyncLegIsAwaited: the process dies while a caller waits for
// the record. The next one delivers the leg under the same key.
func TestKilledWhileASyncLegIsAwaited(t *testing.T) {
	r := newReceivers(t)
	called, hang := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.ehr.answering(func(http.ResponseWriter, *http.Request) {
		once.Do(func() { close(called) })
		<-hang
	})
	c := install(t, strings.Replace(r.rules(), "      - to: ehr\n", "      - to: ehr\n        mode: sync\n", 1), "")
	c.start()
	failed := make(chan error, 1)
	go func() {
		_, err := c.post("/v1/checkout", frontDesk, basket("sale-1", visa))
		failed <- err
	}()
	<-called
	c.kill()
	if err := <-failed; err == nil {
		t.Error("the caller was answered by a dead process")
	}
	close(hang)
	r.ehr.answering(respond(201, `{}`))
	c.start()
	legs := r.ehr.arrived(t, "/v1/checkout", 2)
	if legs[0].Header.Get("Idempotency-Key") != legs[1].Header.Get("Idempotency-Key") || string(legs[0].Body) != string(legs[1].Body) {
		t.Error("the leg is another one after the restart")
	}
	again := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa))
	if again.status != 200 || again.header.Get("Chaperone-Legs") != "processor=200 ehr=queued ledger=queued" {
		t.Errorf("the repeat: status %d %v", again.status, again.header)
	}
	if n := len(r.processor.got()); n != 1 {
		t.Errorf("the processor was called %d times", n)
	}
	// While it is accepted, the caller waits for it, and is told.
	a := c.mustPost("/v1/checkout", frontDesk, basket("sale-2", visa))
	if a.header.Get("Chaperone-Legs") != "processor=200 ehr=201 ledger=queued" {
		t.Errorf("the next sale: %v", a.header)
	}
	c.stop()
	c.verified()
}
