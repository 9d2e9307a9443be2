package proxy

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/store/redistest"
)

// replaying lets the proxy send sales in doubt again by itself: the sample's
// processor does not get the CVV then.
func replaying(b *bed) {
	b.policy = strings.NewReplacer("sees: {pan: plain, sad: plain}", "sees: {pan: plain}",
		"match: {method: POST, path: /v1/checkout}", "match: {method: POST, path: /v1/checkout}\n    on_doubt: replay").Replace(b.policy)
}

const approvedPlainly = `{"id":"py_7","status":"approved","auth_code":"A1","transaction_id":"x"}`

// TestReplayEndsDoubt: whatever led into doubt, the proxy finds out by itself,
// with the same bytes under the same key, and the caller's repeat is given the
// answer.
func TestReplayEndsDoubt(t *testing.T) {
	for name, fault := range doubtFaults() {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, replaying)
			b.processor.setAnswer(func(n int, _ received) reply {
				if n < 2 {
					return fault
				}
				return reply{status: 200, body: approvedPlainly, header: map[string]string{"Retry-After": "7", "X-Secret": "s"}}
			})
			first := b.post("/v1/checkout", checkout(t))
			if first.header.Get(headerOutcome) != "unknown" {
				t.Fatalf("the first: %d %s", first.status, first.body)
			}
			b.deliveredOnce()
			got := b.processor.all()
			if len(got) < 3 {
				t.Fatalf("%d calls", len(got))
			}
			for _, r := range got[1:] {
				if r.key != got[0].key || r.body != got[0].body || r.path != got[0].path || r.header.Get("Content-Type") != got[0].header.Get("Content-Type") {
					t.Errorf("sent again as %+v, first as %+v", r, got[0])
				}
			}
			a := b.post("/v1/checkout", checkout(t))
			if a.status != 200 || a.header.Get(headerReplayed) != "true" || a.header.Get(headerOutcome) != "released" ||
				!strings.Contains(a.body, "py_7") || !strings.Contains(a.body, "card_token") || a.header.Get("Retry-After") != "7" || a.header.Get("X-Secret") != "" {
				t.Errorf("the repeat: %d %s %v\n%s", a.status, a.body, a.header, b.logs)
			}
			if legs := a.header.Get(headerLegs); legs != "processor=200 ehr=queued ledger=queued" {
				t.Errorf("legs: %s", legs)
			}
			if n := len(b.processor.all()); n != len(got) {
				t.Error("the repeat was sent")
			}
		})
	}
}

// TestReplayKeepsNoCard: an answer that holds a card number is not kept; the
// repeat is given its status.
func TestReplayKeepsNoCard(t *testing.T) {
	for name, body := range map[string]string{
		"a card number":                 approved,
		"sensitive authentication data": `{"status":"approved","cvv":"737"}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, replaying)
			b.processor.setAnswer(func(n int, _ received) reply {
				if n == 0 {
					return reply{status: 500}
				}
				return reply{status: 201, body: body}
			})
			b.post("/v1/checkout", checkout(t))
			b.deliveredOnce()
			a := b.post("/v1/checkout", checkout(t))
			if a.status != 201 || a.body != "{}" || a.header.Get(headerReason) != "answer_withheld" || a.header.Get(headerOutcome) != "released" {
				t.Errorf("%d %s %v", a.status, a.body, a.header)
			}
		})
	}
}

// TestReplayStoresNothingInTheClear: the held call is sealed, and holds no CVV
// at all.
func TestReplayStoresNothingInTheClear(t *testing.T) {
	b := newBed(t, replaying)
	b.processor.setAnswer(always(500, `{}`))
	b.post("/v1/checkout", checkout(t))
	b.processor.await(t, 2)
	if held := b.onlyOpen().claim.Primary; held == nil || !bytes.Contains(held.Body, []byte("4242424242424242")) || bytes.Contains(held.Body, []byte("737")) {
		t.Error("what is held is not the call, or holds the CVV")
	}
	b.stop()
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte("4242424242424242")) || bytes.Contains(content, []byte(`"737"`)) {
			t.Errorf("%s holds the card", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestReplayLargeBody: a large call is held apart, and its body is gone when
// the sale is decided.
func TestReplayLargeBody(t *testing.T) {
	b := newBed(t, replaying, func(b *bed) {
		b.policy = strings.Replace(b.policy, "keep: [transaction_id, currency, totals.total, payment]", "keep: [transaction_id, currency, totals.total, payment, blob]", 1)
	})
	b.processor.setAnswer(faultThen(1, reply{status: 500}))
	b.post("/v1/checkout", strings.Replace(checkout(t), `"transaction_id"`, `"blob": "`+strings.Repeat("x", 2*largeBody)+`", "transaction_id"`, 1))
	b.deliveredOnce()
	got := b.processor.all()
	if len(got) != 2 || got[0].body != got[1].body || len(got[0].body) < 2*largeBody {
		t.Fatalf("%d calls", len(got))
	}
	b.until("its body is gone", func() bool {
		keys, _, err := b.driver.ScanKeys(t.Context(), "{r.", "", 1000)
		for _, key := range keys {
			if strings.Contains(key, "}:b.1.0") {
				return false
			}
		}
		return err == nil
	})
}

// TestReplayAsks: what is not the policy's any more is not sent.
func TestReplayAsks(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"the route holds now": func(s string) string { return strings.Replace(s, "    on_doubt: replay", "    on_doubt: hold", 1) },
		"not idempotent any more": func(s string) string {
			return strings.NewReplacer("idempotent: true", "idempotent: false", "    on_doubt: replay\n", "").Replace(s)
		},
		"the primary sees less cards": func(s string) string { return strings.Replace(s, "sees: {pan: plain}", "sees: {pan: token}", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, replaying)
			b.processor.setAnswer(always(500, `{}`))
			b.post("/v1/checkout", checkout(t))
			b.stop()
			b.policy = change(b.policy)
			b.start()
			before := len(b.processor.all())
			walked := b.server.walks(t, b)
			walked()
			if n := len(b.processor.all()); n != before {
				t.Errorf("%d calls after the change", n-before)
			}
			if len(b.doubts()) != 1 {
				t.Errorf("doubts: %+v", b.doubts())
			}
		})
	}
}

// walks lets the replayer look often enough that it would have sent.
func (s *Server) walks(t *testing.T, b *bed) func() {
	return func() {
		for range 20 {
			s.replayer.walk(t.Context())
			s.replayer.mu.Lock()
			for _, trial := range s.replayer.trials {
				trial.next = time.Time{}
			}
			s.replayer.mu.Unlock()
		}
		b.until("no call is on its way", func() bool { return len(s.replayer.slots) == 0 })
	}
}

// TestReplayRace: of two proxies one at a time sends, and the legs go once.
func TestReplayRace(t *testing.T) {
	b := newBed(t, onRedis(t, redistest.Start(t, redistest.Options{})), replaying)
	other := b.peer()
	var atOnce gauge
	b.processor.setAnswer(func(n int, _ received) reply {
		defer atOnce.enter()()
		if n < 8 {
			return reply{status: 500}
		}
		return reply{status: 200, body: approvedPlainly}
	})
	b.post("/v1/checkout", checkout(t))
	b.deliveredOnce()
	if atOnce.most() != 1 {
		t.Errorf("%d calls at once", atOnce.most())
	}
	for _, at := range []*bed{b, other} {
		if a := at.post("/v1/checkout", checkout(t)); a.header.Get(headerReplayed) != "true" || a.header.Get(headerOutcome) != "released" {
			t.Errorf("%d %s %v", a.status, a.body, a.header)
		}
	}
	outcomes := 0
	for _, e := range b.entries() {
		if e.Kind == audit.KindOutcome && e.Result == audit.ResultReleased {
			outcomes++
		}
	}
	if outcomes != 1 {
		t.Errorf("%d outcomes on record", outcomes)
	}
}

// TestReplayTakesOverFromTheDead: a proxy that died between the call and its
// outcome leaves the sale to another.
func TestReplayTakesOverFromTheDead(t *testing.T) {
	b := newBed(t, onRedis(t, redistest.Start(t, redistest.Options{})), replaying)
	stuck := make(chan struct{})
	b.processor.setAnswer(func(n int, _ received) reply {
		if n == 0 {
			return reply{status: 402, body: `{"status":"declined"}`, hang: stuck}
		}
		return reply{status: 200, body: approvedPlainly}
	})
	late := make(chan answerOf, 1)
	go func() { late <- b.post("/v1/checkout", checkout(t)) }()
	b.processor.await(t, 1)
	other := b.peer()
	b.until("its lease is over", func() bool {
		err := other.driver.Apply(t.Context(), []store.Command{{Kind: store.Delete, Key: store.AliveKey(b.server.committer.Chain())}})
		return err == nil && len(other.doubts()) != 0 || len(b.processor.all()) > 1
	})
	b.processor.await(t, 2)
	other.until("it is decided", func() bool { return len(other.doubts()) == 0 && len(other.legs("")) == 0 })
	close(stuck)
	if a := <-late; a.status != 402 {
		t.Errorf("the late owner: %d", a.status)
	}
	other.until("the late outcome is counted", func() bool { return strings.Contains(b.metrics(), "chaperone_late_outcomes_total 1") })
	b.deliveredOnce()
	if a := other.post("/v1/checkout", checkout(t)); a.header.Get(headerOutcome) != "released" {
		t.Errorf("the repeat: %d %v", a.status, a.header)
	}
}
