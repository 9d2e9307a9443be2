package proxy

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/store"
)

// leavingOpen lets the sample's processor leave a sale open, for an hour.
func leavingOpen(b *bed) {
	const success = "success: {status: [2xx], where: {status: [approved, captured]}}"
	b.policy = strings.Replace(b.policy, success, success+"\n        pending: {where: {status: [requires_action]}, within: 1h}", 1)
}

const challenge = `{"id":"py_9","status":"requires_action","card":{"number":"4242424242424242"}}`

// aClock is a clock that a test moves.
type aClock struct{ ahead atomic.Int64 }

func (c *aClock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *aClock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

func (c *aClock) use(b *bed) {
	before := b.tune
	b.tune = func(o *Options) {
		if before != nil {
			before(o)
		}
		o.Clock = c.now
	}
}

// onlyOpen gives the one claim that has no outcome.
func (b *bed) onlyOpen() openClaim {
	b.t.Helper()
	var all []openClaim
	err := b.server.open(b.t.Context(), func(o openClaim) error { all = append(all, o); return nil })
	if err != nil || len(all) != 1 {
		b.t.Fatalf("%d open claims: %v", len(all), err)
	}
	return all[0]
}

// decide ends the only open sale as somebody else than its request does.
func (b *bed) decide(result audit.Result) bool {
	b.t.Helper()
	open := b.onlyOpen()
	o := &outcome{Owner: open.claim.Request, By: "follower", At: b.server.clock().UnixMilli(), Result: result}
	u := new(store.Unit)
	at := b.server.addDecision(u, open.ref, open.claim, o)
	if err := b.server.committer.Commit(b.t.Context(), u); err != nil {
		b.t.Fatal(err)
	}
	return b.server.settled(u, at, open.ref, open.claim, o)
}

// TestPending: what the primary leaves open is answered, held, and in nobody's
// doubt, though its process dies; a repeat is given the first answer.
func TestPending(t *testing.T) {
	var clock aClock
	b := newBed(t, leavingOpen, clock.use)
	b.processor.setAnswer(always(200, challenge))
	first := b.post("/v1/checkout", checkout(t))
	if first.status != 200 || first.header.Get(headerOutcome) != "pending" || first.header.Get(headerLegs) != "processor=200 ehr=held ledger=held" || !strings.Contains(first.body, "requires_action") {
		t.Fatalf("%d %s %v\n%s", first.status, first.body, first.header, b.logs)
	}
	for range 2 {
		again := b.post("/v1/checkout", checkout(t))
		if again.header.Get(headerReplayed) != "true" || again.body != first.body || again.header.Get(headerOutcome) != "pending" || again.header.Get(headerLegs) != first.header.Get(headerLegs) {
			t.Errorf("the repeat: %d %s %v", again.status, again.body, again.header)
		}
		if a := b.post("/v1/checkout", strings.Replace(checkout(t), "4242424242424242", "5555555555554444", 1)); a.status != 422 || code(a) != "body_differs" {
			t.Errorf("another card: %d %s", a.status, a.body)
		}
		b.restart() // its process is dead the second time
	}
	d := b.doubts()
	if len(d) != 1 || !d[0].Pending || d[0].Held != 2 || d[0].Until.Sub(d[0].Since) < time.Hour {
		t.Fatalf("pending: %+v", d)
	}
	if m := b.metrics(); !strings.Contains(m, "chaperone_pending_sales 1") || !strings.Contains(m, "chaperone_doubts 0") {
		t.Error("the metrics do not say so")
	}
	clock.forward(61 * time.Minute)
	if d := b.doubts(); len(d) != 1 || d[0].Pending {
		t.Errorf("after its time: %+v", d)
	}
	if a := b.post("/v1/checkout", checkout(t)); a.status != 409 || code(a) != "in_doubt" {
		t.Errorf("after its time: %d %s", a.status, a.body)
	}
	if n := len(b.processor.all()); n != 1 {
		t.Errorf("%d calls", n)
	}
	found := false
	for _, e := range b.entries() {
		found = found || e.Kind == audit.KindOutcome && e.Result == audit.ResultPending && e.Upstream == 200
	}
	if !found {
		t.Error("it is not on record")
	}
}

// TestPendingForTooLongInALiveProcess: it counts as doubt though its process
// lives, and says why.
func TestPendingForTooLongInALiveProcess(t *testing.T) {
	var clock aClock
	b := newBed(t, leavingOpen, clock.use)
	b.processor.setAnswer(always(200, challenge))
	b.post("/v1/checkout", checkout(t))
	clock.forward(61 * time.Minute)
	if d := b.doubts(); len(d) != 1 || d[0].Pending || d[0].Reason != pendingTooLong {
		t.Errorf("%+v", d)
	}
}

// TestPendingIsDecided: a later call decides. A repeat is given the first
// answer, with the outcome of today.
func TestPendingIsDecided(t *testing.T) {
	for _, tt := range []struct {
		result    audit.Result
		legs      string
		delivered int
	}{
		{audit.ResultReleased, "processor=200 ehr=queued ledger=queued", 2},
		{audit.ResultCancelled, "processor=200 ehr=dropped ledger=dropped", 0},
	} {
		t.Run(tt.result.String(), func(t *testing.T) {
			b := newBed(t, leavingOpen)
			b.processor.setAnswer(always(200, challenge))
			first := b.post("/v1/checkout", checkout(t))
			if !b.decide(tt.result) {
				t.Fatal("the decision lost")
			}
			again := b.post("/v1/checkout", checkout(t))
			if again.status != 200 || again.body != first.body || again.header.Get(headerOutcome) != tt.result.String() || again.header.Get(headerLegs) != tt.legs {
				t.Errorf("the repeat: %d %s %v", again.status, again.body, again.header)
			}
			b.until("nothing is open", func() bool { return len(b.legs("")) == 0 && len(b.doubts()) == 0 })
			b.stop()
			if n := len(b.ehr.all()) + len(b.ledger.all()); n != tt.delivered {
				t.Errorf("%d legs arrived", n)
			}
		})
	}
}

// TestDecidedTwice: the first decision stands, the other is reported.
func TestDecidedTwice(t *testing.T) {
	b := newBed(t, leavingOpen)
	b.processor.setAnswer(always(200, challenge))
	b.post("/v1/checkout", checkout(t))
	open := b.onlyOpen()
	if !b.decide(audit.ResultCancelled) {
		t.Fatal("the first decision lost")
	}
	u := new(store.Unit)
	o := &outcome{Owner: open.claim.Request, By: "follower", At: b.server.clock().UnixMilli(), Result: audit.ResultReleased}
	at := b.server.addDecision(u, open.ref, open.claim, o)
	if err := b.server.committer.Commit(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if b.server.settled(u, at, open.ref, open.claim, o) {
		t.Error("the second decision won")
	}
	if !strings.Contains(b.metrics(), "chaperone_late_outcomes_total 1") {
		t.Error("it is not counted")
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	b.stop()
	if n := len(b.ehr.all()) + len(b.ledger.all()); n != 0 {
		t.Errorf("%d legs of a cancelled sale arrived", n)
	}
}
