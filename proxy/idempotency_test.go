package proxy

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"chaperone/audit"
	"chaperone/store"
)

func code(a answerOf) string { return gjson.Get(a.body, "code").String() }

func TestIdempotency(t *testing.T) {
	declined := `{"id":"py_8","status":"declined","reason":"insufficient_funds"}`
	other := func(body string) string { return strings.Replace(body, `"tip": 5000`, `"tip": 5001`, 1) }
	card2 := func(body string) string { return strings.Replace(body, "4242424242424242", "5555555555554444", 1) }
	tests := []struct {
		name      string
		first     func(n int, r received) reply
		second    func(string) string // the repeat's body
		header    string              // Idempotency-Key of both
		status    int
		code      string
		replayed  bool
		processor int // requests after both
	}{
		{"released, the same body", always(200, approved), nil, "", 200, "", true, 1},
		{"released, ignored member differs", always(200, approved), func(s string) string {
			return strings.Replace(s, "10:32:05", "10:33:41", 1)
		}, "", 200, "", true, 1},
		{"released, other spacing", always(200, approved), func(s string) string {
			var v json.RawMessage = json.RawMessage(s)
			b, _ := json.Marshal(v)
			return string(b)
		}, "", 200, "", true, 1},
		{"released, only the CVV differs", always(200, approved), func(s string) string {
			return strings.Replace(s, `"737"`, `"738"`, 1)
		}, "", 200, "", true, 1},
		{"released, another body", always(200, approved), other, "", 422, "body_differs", false, 1},
		{"cancelled, the same body", always(402, declined), nil, "", 402, "", true, 1},
		{"cancelled by a 2xx, the same body", always(200, declined), nil, "", 200, "", true, 1},
		{"cancelled, another card", always(402, declined), card2, "", 402, "", false, 2},
		{"unknown, the same body", always(500, `{}`), nil, "", 409, "in_doubt", false, 1},
		{"unknown, another body", always(500, `{}`), card2, "", 422, "body_differs", false, 1},
		{"the header wins over the body", always(200, approved), func(s string) string {
			return strings.Replace(s, "MS-2026-004411", "MS-2026-004412", 1)
		}, "key-of-the-header", 422, "body_differs", false, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.processor.setAnswer(tt.first)
			var header []string
			if tt.header != "" {
				header = []string{"Idempotency-Key", tt.header}
			}
			body := checkout(t)
			first := b.post("/v1/checkout", body, header...)
			if tt.second != nil {
				body = tt.second(body)
			}
			second := b.post("/v1/checkout", body, header...)
			if second.status != tt.status || code(second) != tt.code {
				t.Errorf("the repeat: %d %s", second.status, second.body)
			}
			if got := second.header.Get(headerReplayed) == "true"; got != tt.replayed {
				t.Errorf("replayed = %v", got)
			}
			if tt.replayed {
				if second.body != first.body || second.header.Get(headerLegs) != first.header.Get(headerLegs) || second.header.Get(headerOutcome) != first.header.Get(headerOutcome) {
					t.Errorf("the repeat differs:\n%v %s\n%v %s", first.header, first.body, second.header, second.body)
				}
				if second.header.Get(headerRequestID) == first.header.Get(headerRequestID) {
					t.Error("the repeat has the first one's request id")
				}
			}
			if tt.status == 409 && second.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if got := len(b.processor.all()); got != tt.processor {
				t.Errorf("%d requests reached the processor, want %d", got, tt.processor)
			}
		})
	}
}

// TestAttemptsHaveTheirOwnKeys: another card after a decline is another
// attempt, and only its legs are delivered.
func TestAttemptsHaveTheirOwnKeys(t *testing.T) {
	b := newBed(t)
	b.processor.setAnswer(always(402, `{"status":"declined"}`))
	b.post("/v1/checkout", checkout(t))
	b.processor.setAnswer(always(200, approved))
	a := b.post("/v1/checkout", strings.Replace(checkout(t), "4242424242424242", "5555555555554444", 1))
	if a.status != 200 {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	got := b.processor.await(t, 2)
	if got[0].key == got[1].key {
		t.Error("two attempts have one key")
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	for _, r := range []*receiver{b.ehr, b.ledger} {
		if all := r.all(); len(all) != 1 || strings.Contains(all[0].body, "4242\"") {
			t.Errorf("%d deliveries", len(all))
		}
	}
}

// TestVoidFreesTheKey: what was never sent may be tried again.
func TestVoidFreesTheKey(t *testing.T) {
	var down string
	b := newBed(t, func(b *bed) {
		down = b.processor.URL
		b.policy = strings.Replace(b.policy, down, "http://127.0.0.1:1", 1)
	})
	a := b.post("/v1/checkout", checkout(t))
	if a.status != 502 || code(a) != "upstream_unreachable" || a.header.Get(headerOutcome) != "void" {
		t.Fatalf("%d %s %v", a.status, a.body, a.header)
	}
	b.policy = strings.Replace(b.policy, "http://127.0.0.1:1", down, 1)
	b.restart()
	if a = b.post("/v1/checkout", checkout(t)); a.status != 200 || a.header.Get(headerReplayed) != "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if len(b.processor.all()) != 1 || len(b.doubts()) != 0 {
		t.Errorf("%d requests, doubts %v", len(b.processor.all()), b.doubts())
	}
}

// TestKeyOfTheSameBody: an operator who frees a key in error does not have the
// card charged twice: the same body is sent under the same key, whichever
// attempt it is.
func TestKeyOfTheSameBody(t *testing.T) {
	b := newBed(t)
	b.processor.setAnswer(func(n int, _ received) reply {
		return reply{status: 200, body: approved, drop: n == 0} // charged, and not heard of
	})
	if a := b.post("/v1/checkout", checkout(t)); code(a) != "primary_in_doubt" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	doubts := b.doubts()
	if len(doubts) != 1 {
		t.Fatalf("doubts %v", doubts)
	}
	key := store.OutcomeKey(doubts[0].Key, doubts[0].Attempt)
	o := outcome{Owner: doubts[0].Request, By: "operator", At: time.Now().UnixMilli(), Result: audit.ResultVoid}
	err := b.driver.Apply(context.Background(), []store.Command{{Kind: store.SetOnce, Key: key, Value: b.ring.Seal(nil, o.append(nil), []byte(key))}})
	if err != nil {
		t.Fatal(err)
	}
	if a := b.post("/v1/checkout", checkout(t)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := b.processor.all(); len(got) != 2 || got[0].key != got[1].key {
		t.Errorf("%d calls, under one key: %v", len(got), got[0].key == got[len(got)-1].key)
	}
}

// TestInFlight: while the first request waits, a second is told so; of many
// at once one is forwarded.
func TestInFlight(t *testing.T) {
	b := newBed(t)
	release := make(chan struct{})
	b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: release} })
	var first answerOf
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		defer group.Done()
		first = b.post("/v1/checkout", checkout(t))
	}()
	b.processor.await(t, 1)
	for range 5 {
		group.Add(1)
		go func() {
			defer group.Done()
			a := b.post("/v1/checkout", checkout(t))
			if a.status != 409 || code(a) != "in_flight" || a.header.Get("Retry-After") == "" {
				t.Errorf("%d %s", a.status, a.body)
			}
		}()
	}
	b.until("all have been refused", func() bool { return strings.Count(b.logs.String(), "") >= 0 && b.refusedCount() >= 5 })
	close(release)
	group.Wait()
	if first.status != 200 || len(b.processor.all()) != 1 {
		t.Errorf("%d, %d requests", first.status, len(b.processor.all()))
	}
}

// TestKeysAreScoped: the same key on another route is another sale.
func TestKeysAreScoped(t *testing.T) {
	b := newBed(t)
	refund := strings.Replace(sampleFile(t, "bodies/refund.json"), gjson.Get(sampleFile(t, "bodies/refund.json"), "transaction_id").String(), "MS-2026-004411", 1)
	if a := b.post("/v1/checkout", checkout(t)); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	if a := b.post("/v1/refunds", refund); a.status != 200 || a.header.Get(headerReplayed) != "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if n := len(b.processor.all()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// TestReplayForWhoSeesLess: a repeat is not given what was rendered for a
// clearance that it does not have any more.
func TestReplayForWhoSeesLess(t *testing.T) {
	b := newBed(t)
	first := b.post("/v1/checkout", checkout(t))
	b.policy = strings.Replace(b.policy, "sees: {pan: token, phi.contact: plain}", "sees: {pan: token}", 1)
	b.restart()
	again := b.post("/v1/checkout", checkout(t))
	if again.status != first.status || again.body != "{}" || again.header.Get(headerReason) != "answer_withheld" {
		t.Errorf("%d %q %v", again.status, again.body, again.header)
	}
}
