package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/store"
)

// legDesk is that of the bed's proxy.
func (b *bed) legDesk() LegDesk {
	list := &Outbox{s: b.server, own: b.server.outbox}
	return LegDesk{Outbox: list, Plan: func() *rules.Plan { return b.server.policy.Load().plan }, Commit: b.server.commitEntries}
}

// theLeg waits until there is one leg in a state, and gives it.
func (b *bed) theLeg(state control.LegState) control.Leg {
	b.t.Helper()
	var legs []control.Leg
	b.until("there is one leg that is "+string(state), func() bool { legs = b.legs(state); return len(legs) == 1 })
	return legs[0]
}

func statusOf(err error) int {
	var refused *control.Error
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}

// slowly makes pauses long, so that a leg that waits does so until it is asked.
func slowly(o *Options) {
	o.Outbox.FirstDelay, o.Outbox.LongestWait = 10*time.Hour, 10*time.Hour
}

func TestRetryOfOneLeg(t *testing.T) {
	b := newBed(t, func(b *bed) { b.tune = slowly })
	b.ehr.setAnswer(always(500, ""))
	b.post("/v1/checkout", checkout(t))
	leg := b.theLeg(control.Due)
	b.until("it was tried", func() bool { return b.theLeg(control.Due).Tries == 1 })
	n, err := b.legDesk().Retry(t.Context(), "local:7", control.LegRetry{Leg: leg.Ref, Reason: "why not"})
	if err != nil || n.Retried != 1 {
		t.Fatal(n, err)
	}
	b.ehr.await(t, 2)
	b.until("its tries count anew", func() bool { l := b.legs(control.Due); return len(l) == 1 && l[0].Tries == 1 })
	b.ehr.setAnswer(always(201, ""))
	if _, err := b.legDesk().Retry(t.Context(), "local:7", control.LegRetry{Leg: leg.Key[:8] + "/1/1", Reason: "why not"}); err != nil {
		t.Fatal(err)
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if _, err := b.legDesk().Retry(t.Context(), "local:7", control.LegRetry{Leg: leg.Ref, Reason: "why not"}); statusOf(err) != http.StatusConflict {
		t.Errorf("a delivered leg: %v", err)
	}
	recorded := 0
	for _, e := range b.entries() {
		if e.Action == audit.ActionOutboxRetry {
			recorded++
			if e.Caller != "local:7" || e.Why != "why not" || string(e.Key) != leg.Key || e.Route != "checkout" || e.Result != audit.ResultOK {
				t.Errorf("%+v", e)
			}
		}
	}
	if recorded != 2 {
		t.Errorf("%d retries are on record", recorded)
	}
}

// TestRetryOfTheDead: what was given up goes out once somebody says so, in
// order, and its limits count anew.
func TestRetryOfTheDead(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.tune = func(o *Options) { o.Outbox.Tries, o.Outbox.MaxAge = 2, time.Hour }
		b.policy = strings.Replace(b.policy, "    subject: patient.id              # whose", "    order: patient.id\n    subject: patient.id              # whose", 1)
	})
	b.ehr.setAnswer(always(400, ""))
	const n = 5
	for i := range n {
		b.post("/v1/checkout", sale(t, fmt.Sprint("s", i)))
	}
	b.until("all are dead", func() bool { return len(b.legs(control.Dead)) == n })
	for _, ask := range []control.LegRetry{{Dead: true}, {Reason: "x"}, {Dead: true, Leg: "abcdefgh/1/1", Reason: "x"}, {Leg: "abcdefgh/1/1", Destination: "ehr", Reason: "x"}} {
		if _, err := b.legDesk().Retry(t.Context(), "local:7", ask); statusOf(err) != http.StatusUnprocessableEntity {
			t.Errorf("%+v: %v", ask, err)
		}
	}
	if got, err := b.legDesk().Retry(t.Context(), "local:7", control.LegRetry{Dead: true, Destination: "ledger", Reason: "x"}); err != nil || got.Retried != 0 {
		t.Errorf("of another destination: %+v, %v", got, err)
	}
	seen := len(b.ehr.all())
	b.ehr.setAnswer(always(201, ""))
	got, err := b.legDesk().Retry(t.Context(), "local:7", control.LegRetry{Dead: true, Destination: "ehr", Reason: "they are back"})
	if err != nil || got.Retried != n {
		t.Fatalf("%+v, %v", got, err)
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	var first []string
	for i, r := range b.ehr.all() {
		if i == 0 || r.key != b.ehr.all()[i-1].key {
			first = append(first, r.key)
		}
	}
	all := b.ehr.all()[seen:]
	if len(all) != n {
		t.Fatalf("%d legs came", len(all))
	}
	for i, r := range all {
		if r.key != first[i] {
			t.Errorf("leg %d is not the one that was released then", i)
		}
	}
}

// TestDropOfALeg: it is never sent, and what waits behind it goes.
func TestDropOfALeg(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.tune = slowly
		b.policy = strings.Replace(b.policy, "    subject: patient.id              # whose", "    order: patient.id\n    subject: patient.id              # whose", 1)
	})
	b.ehr.setAnswer(always(500, ""))
	b.post("/v1/checkout", sale(t, "s0"))
	b.until("it was tried", func() bool { l := b.legs(control.Due); return len(l) == 1 && l[0].Tries == 1 })
	leg := b.theLeg(control.Due)
	b.post("/v1/checkout", sale(t, "s1"))
	b.until("the second waits", func() bool { return len(b.legs("")) == 2 })
	b.ehr.setAnswer(always(201, ""))
	before := len(b.ehr.all())
	d, err := b.legDesk().Drop(t.Context(), "local:7", control.LegDrop{Leg: leg.Ref, Reason: "entered by hand"})
	if err != nil || d.State != control.Dropped || d.Ended.IsZero() {
		t.Fatalf("%+v, %v", d, err)
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	got := b.ehr.all()[before:]
	if len(got) != 1 || got[0].key == b.ehr.all()[0].key {
		t.Errorf("%d legs came", len(got))
	}
	if _, err := b.legDesk().Drop(t.Context(), "local:7", control.LegDrop{Leg: leg.Ref, Reason: "again"}); statusOf(err) != http.StatusConflict {
		t.Errorf("again: %v", err)
	}
	// The ledger's leg had ended before: the attempt's registers are not kept.
	claimed := []store.Command{{Kind: store.Expire, Key: store.ClaimKey(leg.Key, 1), TTL: time.Hour}}
	if err := b.driver.Apply(t.Context(), claimed); err != nil || !claimed[0].Found {
		t.Errorf("the claim: %v, %v", claimed[0].Found, err)
	}
	for _, e := range b.entries() {
		if e.Action == audit.ActionOutboxDrop && (e.Caller != "local:7" || e.Why != "entered by hand" || e.Legs[0].State != audit.LegDropped) {
			t.Errorf("%+v", e)
		}
	}
}

// TestALegThatIsBeingSentStays: neither a drop nor a retry touches it.
func TestALegThatIsBeingSentStays(t *testing.T) {
	b := newBed(t)
	stuck := make(chan struct{})
	b.ehr.setAnswer(func(int, received) reply { return reply{status: 201, hang: stuck} })
	b.post("/v1/checkout", checkout(t))
	b.ehr.await(t, 1)
	leg := b.theLeg(control.Sending)
	stranger := b.legDesk()
	stranger.Outbox = &Outbox{s: &Server{driver: b.driver, ring: b.ring, clock: time.Now}, own: newOutbox(b.server, OutboxOptions{})}
	for name, desk := range map[string]LegDesk{"here": b.legDesk(), "another proxy": stranger} {
		if _, err := desk.Drop(t.Context(), "local:7", control.LegDrop{Leg: leg.Ref, Reason: "stop"}); statusOf(err) != http.StatusConflict {
			t.Errorf("%s: a drop: %v", name, err)
		}
		if _, err := desk.Retry(t.Context(), "local:7", control.LegRetry{Leg: leg.Ref, Reason: "go"}); statusOf(err) != http.StatusConflict {
			t.Errorf("%s: a retry: %v", name, err)
		}
	}
	close(stuck)
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if d, err := b.legDesk().Leg(t.Context(), "local:7", leg.Ref); err != nil || d.State != control.Delivered || d.Status != 201 {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestDropOfADeadLeg, and of one in the lists of a store that no proxy has
// open, whose leases are nobody's.
func TestDropOfADeadLeg(t *testing.T) {
	b := newBed(t, func(b *bed) { b.tune = func(o *Options) { o.Outbox.Tries = 1 } })
	b.ehr.setAnswer(always(422, ""))
	b.post("/v1/checkout", sale(t, "s0"))
	leg := b.theLeg(control.Dead)
	if _, err := b.legDesk().Drop(t.Context(), "local:7", control.LegDrop{Leg: leg.Ref, Reason: "no such patient"}); err != nil {
		t.Fatal(err)
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	b.stop()
	b.start()
	b.until("the queues are rebuilt", func() bool { return strings.Count(b.logs.String(), "the queues are rebuilt") == 2 })
	if l := b.legs(""); len(l) != 0 {
		t.Errorf("after a restart: %+v", l)
	}
}

// TestHeldLegsAreNotTouched: their sale decides.
func TestHeldLegsAreNotTouched(t *testing.T) {
	b := newBed(t)
	b.processor.setAnswer(always(500, ""))
	b.post("/v1/checkout", checkout(t))
	for _, leg := range b.legs(control.Held) {
		d, err := b.legDesk().Leg(t.Context(), "local:7", leg.Ref)
		if err != nil || d.State != control.Held || d.Outcome != "" {
			t.Errorf("%+v, %v", d, err)
		}
		if _, err := b.legDesk().Drop(t.Context(), "local:7", control.LegDrop{Leg: leg.Ref, Reason: "stop"}); statusOf(err) != http.StatusConflict {
			t.Errorf("a drop: %v", err)
		}
	}
	if len(b.legs(control.Held)) != 2 {
		t.Error("they are not held any more")
	}
}

// TestDetailsHoldNoValue: what is shown of a leg without its body.
func TestDetailsHoldNoValue(t *testing.T) {
	b := newBed(t, func(b *bed) { b.tune = slowly })
	b.ehr.setAnswer(always(409, ""))
	b.post("/v1/checkout", checkout(t))
	b.until("it was tried", func() bool { l := b.legs(control.Due); return len(l) == 1 && l[0].Tries == 1 })
	d, err := b.legDesk().Leg(t.Context(), "local:7", b.theLeg(control.Due).Ref)
	if err != nil {
		t.Fatal(err)
	}
	if d.Refused != 1 || d.Status != 409 || d.Outcome != "released" || d.LastTry.IsZero() || d.Due.IsZero() || d.Caller != "front-desk" || len(d.Forms) == 0 {
		t.Errorf("%+v", d)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"4111", "AP-20913", "MS-2026"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is shown: %s", secret, text)
		}
	}
}

func TestBodiesAreForThoseWhoAreCleared(t *testing.T) {
	plan := &rules.Plan{Labels: []rules.Label{{Name: "pan"}, {Name: "phi"}}, HasCallers: true}
	sees := func(pan, phi rules.Form) *rules.Caller { return &rules.Caller{Sees: rules.Clearance{pan, phi}} }
	leg := func(forms ...heldForm) *heldLeg { return &heldLeg{Forms: forms} }
	tests := []struct {
		name   string
		caller *rules.Caller
		leg    *heldLeg
		body   string
		want   bool
	}{
		{"the same forms", sees(rules.Mask, rules.Plain), leg(heldForm{"pan", rules.Mask}, heldForm{"phi", rules.Plain}), `{}`, true},
		{"more than that", sees(rules.Plain, rules.Plain), leg(heldForm{"pan", rules.Token}), `{}`, true},
		{"less in one", sees(rules.Mask, rules.Mask), leg(heldForm{"pan", rules.Mask}, heldForm{"phi", rules.Plain}), `{}`, false},
		{"nothing at all", sees(rules.Drop, rules.Drop), leg(heldForm{"pan", rules.Mask}), `{}`, false},
		{"nothing of nothing", sees(rules.Drop, rules.Drop), leg(), `{"a":1}`, true},
		{"a label of the past", sees(rules.Plain, rules.Plain), leg(heldForm{"gone", rules.Mask}), `{}`, false},
		{"a card in the body", sees(rules.Mask, rules.Plain), leg(), `{"a":"4111111111111111"}`, false},
		{"a card that it may see", sees(rules.Plain, rules.Plain), leg(), `{"a":"4111111111111111"}`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := cleared(plan, tt.caller, tt.leg, []byte(tt.body)); got != tt.want {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestAHungDestinationHoldsUpNobody: thousands of legs for a destination that
// never answers cost little memory, and nobody else any time.
func TestAHungDestinationHoldsUpNobody(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.tune = func(o *Options) { o.Limits.UpstreamTimeout = 300 * time.Millisecond }
	})
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	b.ehr.setAnswer(func(int, received) reply { return reply{status: 201, hang: stuck} })
	n := 2000
	if testing.Short() {
		n = 200
	}
	lane := func() *lane { return b.server.outbox.laneOf("ehr") }
	b.until("the lanes are open", func() bool { return lane() != nil })
	most := 0
	for i := range n {
		if a := b.post("/v1/checkout", sale(t, fmt.Sprint("s", i))); a.status != 200 {
			t.Fatal(a.status, a.body)
		}
		l := lane()
		l.mu.Lock()
		most = max(most, l.reserved)
		l.mu.Unlock()
	}
	b.ledger.await(t, n)
	b.until("the ledger's are on record", func() bool { return b.server.outbox.laneOf("ledger").quiet() })
	if limit := handedPerWorker * b.server.outbox.o.Workers; most > limit {
		t.Errorf("%d legs were held in memory, %d may be", most, limit)
	}
	if !lane().breaker.isOpen.Load() {
		t.Error("it is not held back")
	}
	if got := len(b.ehr.all()); got > n/4 {
		t.Errorf("the hung destination was asked %d times", got)
	}
	q, err := b.driver.QueueStats(t.Context(), store.Due, "ehr")
	if err != nil || q.Len != int64(n) {
		t.Errorf("%d legs wait, %v", q.Len, err)
	}
}

// quiet reports whether nothing is on its way or to be recorded.
func (l *lane) quiet() bool {
	l.b.records.mu.Lock()
	defer l.b.records.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reserved == 0 && !l.b.records.busy && len(l.slots) == 0
}
