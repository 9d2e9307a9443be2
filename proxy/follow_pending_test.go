package proxy

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/store"
)

// event is what the processor's hook sends about a sale that it knows by an
// alias.
func event(id, kind, of string) string {
	return fmt.Sprintf(`{"event":%q,"type":%q,"data":{"transaction_id":%q}}`, id, kind, of)
}

// openSale makes a sale that the processor leaves open, and gives the alias by
// which that one knows it.
func (b *bed) openSale(id string) (alias string) {
	b.t.Helper()
	a := b.post("/v1/checkout", sale(b.t, id))
	if a.status != 200 || a.header.Get(headerOutcome) != "pending" || a.header.Get(headerLegs) != "processor=200 ehr=held ledger=held" {
		b.t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	for _, r := range b.processor.at("/v1/payments") {
		alias = gjson.Get(r.body, "transaction_id").String()
	}
	return alias
}

// outcomes gives the outcomes of sales that are on record, by their results.
func (b *bed) outcomes(route string) (all []audit.Result) {
	for _, e := range b.entries() {
		if e.Kind == audit.KindOutcome && string(e.Route) == route && e.Result != audit.ResultReplayed {
			all = append(all, e.Result)
		}
	}
	return all
}

// TestDecidingAPendingSale: what a following call makes of a sale that the
// primary left open.
func TestDecidingAPendingSale(t *testing.T) {
	type call struct{ path, body, says string }
	capture := call{"/v1/captures", about("c1", "s1", ""), "captured"}
	void := call{"/v1/voids", about("v1", "s1", ""), "voided"}
	hook := func(kind string) call { return call{"/hooks/processor", kind, ""} }
	tests := []struct {
		name   string
		calls  []call
		status int // of the last one
		code   string
		sale   audit.Result // ResultNone: it is pending still
		ehr    string       // paths there, in the end
	}{
		{"captured", []call{capture}, 200, "", audit.ResultReleased, "/v1/encounters /v1/captures"},
		{"captured twice", []call{capture, {"/v1/captures", about("c2", "s1", ""), "captured"}}, 200, "", audit.ResultReleased, "/v1/encounters /v1/captures /v1/captures"},
		{"the same capture again", []call{capture, capture}, 200, "", audit.ResultReleased, "/v1/encounters /v1/captures"},
		{"a capture that is declined", []call{{capture.path, capture.body, "declined"}}, 200, "", audit.ResultNone, ""},
		{"declined, then captured", []call{{capture.path, capture.body, "declined"}, {capture.path, about("c2", "s1", ""), "captured"}}, 200, "", audit.ResultReleased, "/v1/encounters /v1/captures"},
		{"voided", []call{void}, 200, "", audit.ResultCancelled, ""},
		{"the same void again", []call{void, void}, 200, "", audit.ResultCancelled, ""},
		{"voided, then captured", []call{void, capture}, 422, "sale_unknown", audit.ResultCancelled, ""},
		{"captured, then voided", []call{capture, void}, 200, "", audit.ResultReleased, "/v1/encounters /v1/captures"},
		{"refunded", []call{{"/v1/part-refunds", about("r1", "s1", `,"amount":1`), "refunded"}}, 409, "sale_pending", audit.ResultNone, ""},
		{"a note", []call{{"/v1/notes", about("n1", "s1", ""), ""}}, 409, "sale_pending", audit.ResultNone, ""},
		{"the processor says captured", []call{hook("payment.captured")}, 201, "", audit.ResultReleased, "/v1/encounters"},
		{"the processor says failed", []call{hook("payment.failed")}, 201, "", audit.ResultCancelled, ""},
		{"the processor says canceled", []call{hook("payment.canceled")}, 201, "", audit.ResultCancelled, ""},
		{"the processor says something else", []call{hook("payment.processing")}, 201, "", audit.ResultNone, ""},
		{"the processor says failed, then captured", []call{hook("payment.failed"), hook("payment.captured")}, 422, "sale_unknown", audit.ResultCancelled, ""},
		{"the processor says captured, then failed", []call{hook("payment.captured"), hook("payment.failed")}, 201, "", audit.ResultReleased, "/v1/encounters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, withFollowers)
			b.processor.setAnswer(always(200, `{"status":"requires_action"}`))
			alias := b.openSale("s1")
			desk := b.key
			var last answerOf
			for i, c := range tt.calls {
				b.processor.setAnswer(always(200, `{"status":"`+c.says+`"}`))
				b.key = desk
				if c.path == "/hooks/processor" {
					b.key, c.body = hookKey, event(fmt.Sprint("e", i), c.body, alias)
				}
				last = b.post(c.path, c.body)
			}
			b.key = desk
			if last.status != tt.status || code(last) != tt.code {
				t.Errorf("%d %s", last.status, last.body)
			}
			held, want := b.legs(control.Held), 0
			if tt.sale == audit.ResultNone {
				want = 2
			}
			if len(held) != want {
				t.Errorf("held: %+v", held)
			}
			b.until("what is released is delivered", func() bool { return len(b.legs("")) == want })
			paths := ""
			for _, r := range b.ehr.all() {
				paths += " " + r.path
			}
			if got := strings.TrimSpace(paths); got != tt.ehr {
				t.Errorf("the record got %q", got)
			}
			results := b.outcomes("checkout")
			if tt.sale == audit.ResultNone && len(results) != 1 || tt.sale != audit.ResultNone && (len(results) != 2 || results[1] != tt.sale) {
				t.Errorf("on record: %v", results)
			}
			again := b.post("/v1/checkout", sale(t, "s1"))
			if again.status != 200 || again.header.Get(headerReplayed) != "true" || !strings.Contains(again.body, "requires_action") {
				t.Errorf("the repeat of the sale: %d %s", again.status, again.body)
			}
			if n := len(b.processor.at("/v1/payments")); n != 1 {
				t.Errorf("the sale was sent %d times", n)
			}
		})
	}
}

// TestPendingSaleOnRedis: another proxy is told what becomes of it.
func TestPendingSaleOnRedis(t *testing.T) {
	bothStores(t, func(t *testing.T, on func(*bed)) {
		b := newBed(t, on, withFollowers)
		b.processor.setAnswer(always(200, `{"status":"requires_action"}`))
		alias := b.openSale("s1")
		b.restart()
		b.key = hookKey
		if a := b.post("/hooks/processor", event("e1", "payment.captured", alias)); a.status != 201 {
			t.Fatal(a.status, a.body)
		}
		b.delivered()
		if e, l := len(b.ehr.all()), len(b.ledger.at("/v1/sales")); e != 1 || l != 1 {
			t.Errorf("the record got %d, the ledger %d", e, l)
		}
		if d := b.doubts(); len(d) != 0 {
			t.Errorf("doubts: %+v", d)
		}
	})
}

// TestDecidedByTheSecondTry: a capture is in doubt, its repeat finds out that it
// succeeded; the sale is then decided as if the first had.
func TestDecidedByTheSecondTry(t *testing.T) {
	b := newBed(t, withFollowers, func(b *bed) {
		b.policy = strings.Replace(b.policy, "follows: {key: original_transaction_id, route: checkout, release: success}", "on_doubt: retry\n    follows: {key: original_transaction_id, route: checkout, release: success}", 1)
	})
	b.processor.setAnswer(always(200, `{"status":"requires_action"}`))
	b.openSale("s1")
	b.processor.setAnswer(always(500, ""))
	if a := b.post("/v1/captures", about("c1", "s1", "")); a.status != 502 {
		t.Fatal(a.status, a.body)
	}
	b.processor.setAnswer(always(200, `{"status":"captured"}`))
	if a := b.post("/v1/captures", about("c1", "s1", "")); a.status != 200 || a.header.Get(headerOutcome) != "released" {
		t.Fatal(a.status, a.body)
	}
	b.delivered()
	paths := ""
	for _, r := range b.ehr.all() {
		paths += " " + r.path
	}
	if paths != " /v1/encounters /v1/captures" {
		t.Errorf("the record got %s", paths)
	}
	if got := b.outcomes("checkout"); len(got) != 2 || got[1] != audit.ResultReleased {
		t.Errorf("on record: %v", got)
	}
}

// TestDecidedWhenItsTimeIsOver: a sale that was pending for too long is in
// doubt, and may be decided all the same.
func TestDecidedWhenItsTimeIsOver(t *testing.T) {
	var ahead atomic.Int64 // nanoseconds
	b := newBed(t, withFollowers, func(b *bed) {
		b.tune = func(o *Options) {
			o.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		}
	})
	b.processor.setAnswer(always(200, `{"status":"requires_action"}`))
	b.openSale("s1")
	ahead.Store(int64(2 * time.Hour))
	if a := b.post("/v1/part-refunds", about("r1", "s1", `,"amount":1`)); a.status != 409 {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.processor.setAnswer(always(200, `{"status":"captured"}`))
	if a := b.post("/v1/captures", about("c1", "s1", "")); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.delivered()
	if d := b.doubts(); len(d) != 0 || len(b.ehr.all()) != 2 {
		t.Errorf("doubts: %+v; the record got %d", d, len(b.ehr.all()))
	}
}

// TestTwoDecide: of two calls that decide a sale at the same time the first
// written counts; the other is reported, and nothing is sent twice.
func TestTwoDecide(t *testing.T) {
	b := newBed(t, withFollowers)
	b.processor.setAnswer(always(200, `{"status":"requires_action"}`))
	b.openSale("s1")
	release := make(chan struct{})
	b.processor.setAnswer(func(_ int, r received) reply {
		status := "captured"
		if r.path == "/v1/voids" {
			status = "voided"
		}
		return reply{status: 200, body: `{"status":"` + status + `"}`, hang: release}
	})
	answers := make(chan answerOf, 2)
	go func() { answers <- b.post("/v1/captures", about("c1", "s1", "")) }()
	go func() { answers <- b.post("/v1/voids", about("v1", "s1", "")) }()
	b.processor.await(t, 3)
	close(release)
	for range 2 {
		if a := <-answers; a.status != 200 || a.header.Get(headerOutcome) != "released" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	b.delivered()
	key := b.server.letters("idempotency", []byte("front-desk"), []byte("checkout"), []byte("s1"))
	claims, err := store.LoadClaims(t.Context(), b.driver, []store.Ref{{K: key, A: 1}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.server.openClaim(claims[0].Value, key, 1)
	if err != nil {
		t.Fatal(err)
	}
	o, err := b.server.openOutcome(claims[0].Outcome, key, 1, c)
	if err != nil || o == nil {
		t.Fatal(o, err)
	}
	sent := len(b.ledger.at("/v1/sales"))
	if want := map[audit.Result]int{audit.ResultReleased: 1, audit.ResultCancelled: 0}[o.Result]; sent != want {
		t.Errorf("the sale is %v and the ledger got %d", o.Result, sent)
	}
	late := 0
	for _, e := range b.entries() {
		if e.Kind == audit.KindAlarm {
			late++
		}
	}
	if late != 1 {
		t.Errorf("%d alarms", late)
	}
}

// TestDecidedByAnOperator: who says that a capture in doubt succeeded says so of
// its sale, too.
func TestDecidedByAnOperator(t *testing.T) {
	for name, charged := range map[string]bool{"charged": true, "not charged": false} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, withFollowers)
			b.processor.setAnswer(always(200, `{"status":"requires_action"}`))
			b.openSale("s1")
			b.processor.setAnswer(always(500, ""))
			b.post("/v1/captures", about("c1", "s1", ""))
			capture := b.server.letters("idempotency", []byte("front-desk"), []byte("capture"), []byte("c1"))
			if _, err := b.resolve(capture+"/1", charged); err != nil {
				t.Fatal(err)
			}
			left, want := 2, 0 // the sale's legs are held
			if charged {
				left, want = 0, 2
			}
			b.until("what is released is delivered", func() bool { return len(b.legs("")) == left })
			got := b.ehr.all()
			if len(got) != want || want == 2 && (got[0].path != "/v1/encounters" || got[1].path != "/v1/captures") {
				t.Errorf("the record got %+v", got)
			}
			if all := b.outcomes("checkout"); charged != (len(all) == 2) {
				t.Errorf("on record: %v", all)
			}
		})
	}
}
