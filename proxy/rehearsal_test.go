package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// rehearse opens a rehearsal of the sample's policy.
func rehearse(t *testing.T, policy string) *Rehearsal {
	t.Helper()
	plan, engine := load(t, policy)
	r, err := NewRehearsal(t.Context(), RehearsalOptions{Plan: plan, Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *Rehearsal) post(t *testing.T, path, body string, change ...func(*RehearsedRequest)) *Rehearsed {
	t.Helper()
	q := RehearsedRequest{Caller: "front-desk", Method: "POST", Target: path, Body: []byte(body),
		Answer: func(c *Call) StandIn {
			if c.To == "processor" {
				return StandIn{Status: 200, Body: []byte(approved)}
			}
			return StandIn{Status: 201, Body: []byte(`{}`)}
		}}
	for _, f := range change {
		f(&q)
	}
	h, err := r.Send(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *Rehearsed) call(to string) *Call {
	for i := range h.Calls {
		if h.Calls[i].To == to {
			return &h.Calls[i]
		}
	}
	return nil
}

func (h *Rehearsed) legStates() string {
	var b strings.Builder
	for _, l := range h.Legs {
		b.WriteString(l.Name + "=" + l.State + "/" + l.Later + " ")
	}
	return strings.TrimSpace(b.String())
}

func faulty(to string, f Fault) func(*RehearsedRequest) {
	return func(q *RehearsedRequest) {
		usual := q.Answer
		q.Answer = func(c *Call) StandIn {
			if c.To == to {
				return StandIn{Fault: f}
			}
			return usual(c)
		}
	}
}

func answering(to string, status int, body string) func(*RehearsedRequest) {
	return func(q *RehearsedRequest) {
		usual := q.Answer
		q.Answer = func(c *Call) StandIn {
			if c.To == to {
				return StandIn{Status: status, Body: []byte(body)}
			}
			return usual(c)
		}
	}
}

func TestRehearsalOfASale(t *testing.T) {
	r := rehearse(t, sampleFile(t, "rules.yaml"))
	h := r.post(t, "/v1/checkout", checkout(t))
	if h.Status != 200 || h.Outcome != "released" || h.Route != "checkout" || h.Caller != "front-desk" {
		t.Fatalf("%+v", h)
	}
	if got := h.legStates(); got != "processor=200/ ehr=queued/delivered ledger=queued/delivered" {
		t.Error(got)
	}
	if len(h.Calls) != 3 {
		t.Fatalf("%d calls", len(h.Calls))
	}
	for to, path := range map[string]string{"processor": "/v1/payments", "ehr": "/v1/encounters", "ledger": "/v1/sales"} {
		if c := h.call(to); c == nil || c.Leg != to || c.Target != path || c.Method != "POST" {
			t.Errorf("%s: %+v", to, c)
		}
	}
	token := gjson.GetBytes(h.call("ehr").Body, "payment.card.number").String()
	if !r.IsToken(token) || gjson.GetBytes(h.Body, "card_token").String() != token {
		t.Errorf("the record has %s, the answer is %s", token, h.Body)
	}
	if alias := gjson.GetBytes(h.call("ledger").Body, "transaction_id").String(); !r.IsAlias(alias) || r.IsToken(alias) {
		t.Errorf("not an alias: %s", alias)
	}
	if len(h.Items) != 2 || h.Items[0].Class != 1 || h.Items[0].Rule != 0 || h.Items[1].Class != 2 {
		t.Errorf("items: %+v", h.Items)
	}
	masked := false
	for _, d := range h.Decisions {
		masked = masked || d.To == "ledger" && d.Form == "mask" && d.Label == "pan"
	}
	if !masked {
		t.Errorf("decisions: %+v", h.Decisions)
	}
	// The same again is answered by what was kept.
	if again := r.post(t, "/v1/checkout", checkout(t)); again.Status != 200 || len(again.Calls) != 0 || again.Outcome != "released" {
		t.Errorf("%+v", again)
	}
	// And a refund follows it.
	made, err := r.Token(t.Context(), "front-desk", "refund", "pan", "4242424242424242")
	if err != nil || made != token {
		t.Errorf("%s, %v", made, err)
	}
}

func TestRehearsalOfFaults(t *testing.T) {
	for _, c := range []struct {
		name            string
		change          func(*RehearsedRequest)
		status          int
		outcome, states string
		calls           int
	}{
		{"declined", answering("processor", 200, `{"status":"declined"}`), 200, "cancelled", "processor=200/ ehr=dropped/ ledger=dropped/", 1},
		{"no answer in time", faulty("processor", Timeout), 504, "unknown", "processor=unknown/ ehr=held/ ledger=held/", 1},
		{"broken", faulty("processor", Broken), 502, "unknown", "processor=unknown/ ehr=held/ ledger=held/", 1},
		{"no connection", func(q *RehearsedRequest) { q.Refuses = func(to string) bool { return to == "processor" } }, 502, "void", "processor=void/ ehr=dropped/ ledger=dropped/", 0},
		{"the record is away", func(q *RehearsedRequest) { q.Refuses = func(to string) bool { return to == "ehr" } }, 200, "released", "processor=200/ ehr=queued/waiting ledger=queued/delivered", 2},
		{"the ledger fails", answering("ledger", 503, ``), 200, "released", "processor=200/ ehr=queued/delivered ledger=queued/waiting", 3},
		{"nobody", func(q *RehearsedRequest) { q.Caller = Nobody }, 401, "", "", 0},
		{"agreements have lapsed", func(q *RehearsedRequest) { q.At = time.Date(2032, 1, 1, 0, 0, 0, 0, time.UTC) }, 200, "released", "processor=200/ ehr=queued/parked ledger=queued/delivered", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := rehearse(t, sampleFile(t, "rules.yaml")).post(t, "/v1/checkout", checkout(t), c.change)
			if h.Status != c.status || h.Outcome != c.outcome || h.legStates() != c.states || len(h.Calls) != c.calls {
				t.Errorf("%d %q %q, %d calls, code %s", h.Status, h.Outcome, h.legStates(), len(h.Calls), h.Code)
			}
		})
	}
}

// TestRehearsalOfSyncLegs sends two legs side by side, while the caller waits.
func TestRehearsalOfSyncLegs(t *testing.T) {
	policy := strings.NewReplacer("path: /v1/encounters\n        items: clinical\n        totals: recompute\n        keep: [transaction_id, timestamp", "path: /v1/encounters\n        items: clinical\n        totals: recompute\n        mode: sync\n        keep: [transaction_id, timestamp",
		"path: /v1/sales\n        items: retail\n        totals: recompute\n        keep: [transaction_id, timestamp", "path: /v1/sales\n        items: retail\n        totals: recompute\n        mode: sync\n        keep: [transaction_id, timestamp").Replace(sampleFile(t, "rules.yaml"))
	if strings.Count(policy, "mode: sync") != 2 {
		t.Fatal("the sample has changed")
	}
	h := rehearse(t, policy).post(t, "/v1/checkout", checkout(t), answering("ledger", 503, ``))
	if got := h.legStates(); got != "processor=200/ ehr=201/delivered ledger=queued/waiting" || len(h.Calls) != 3 {
		t.Errorf("%s, %d calls", got, len(h.Calls))
	}
}
