package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

// TestDeliveryIsRepeated: a destination that fails gets the same leg again,
// under the same key, until it takes it.
func TestDeliveryIsRepeated(t *testing.T) {
	b := newBed(t)
	b.ehr.setAnswer(func(n int, _ received) reply {
		switch n {
		case 0:
			return reply{status: 500}
		case 1:
			return reply{drop: true}
		case 2:
			return reply{status: 404, body: "no"}
		}
		return reply{status: 201}
	})
	b.post("/v1/checkout", checkout(t))
	got := b.ehr.await(t, 4)
	for _, r := range got {
		if r.key != got[0].key || r.body != got[0].body || r.key == "" {
			t.Errorf("a repeat differs: %s %s", r.key, got[0].key)
		}
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if n := len(b.ledger.all()); n != 1 {
		t.Errorf("the ledger got %d", n)
	}
	b.until("the delivery is on record", func() bool {
		for _, e := range b.entries() {
			if l, ok := deliveredTo(&e, "ehr"); ok {
				return l.Tries == 4
			}
		}
		return false
	})
}

// TestASlowDestinationHoldsUpNobody: neither another destination nor the
// caller waits for it.
func TestASlowDestinationHoldsUpNobody(t *testing.T) {
	b := newBed(t)
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	b.ehr.setAnswer(func(int, received) reply { return reply{status: 201, hang: stuck} })
	const n = 20
	for i := range n {
		if a := b.post("/v1/checkout", sale(t, fmt.Sprint("s", i))); a.status != 200 {
			t.Fatal(a.status, a.body)
		}
	}
	b.ledger.await(t, n)
	if waiting := len(b.legs("")); waiting < n {
		t.Errorf("%d legs wait for the stuck one, want %d", waiting, n)
	}
}

// TestTheOutboxSurvivesARestart: what was released and not delivered goes out
// by the next process, once.
func TestTheOutboxSurvivesARestart(t *testing.T) {
	b := newBed(t)
	b.ehr.setAnswer(always(503, ""))
	b.ledger.setAnswer(always(503, ""))
	const n = 5
	for i := range n {
		b.post("/v1/checkout", sale(t, fmt.Sprint("s", i)))
	}
	b.ehr.await(t, 1)
	b.stop()
	refused := map[string]string{}
	for _, r := range append(b.ehr.all(), b.ledger.all()...) {
		refused[r.key] = r.body
	}
	seen := len(b.ehr.all())
	b.ehr.setAnswer(always(201, ""))
	b.ledger.setAnswer(always(201, ""))
	b.start()
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	keys := map[string]int{}
	for _, r := range b.ehr.all()[seen:] {
		keys[r.key]++
		if body, ok := refused[r.key]; ok && body != r.body {
			t.Error("a leg has changed over the restart")
		}
	}
	if len(keys) != n {
		t.Errorf("%d of %d legs were delivered", len(keys), n)
	}
	for key, times := range keys {
		if times != 1 {
			t.Errorf("%s was taken %d times", key, times)
		}
	}
	report, err := audit.Verify(t.Context(), audit.FromStore(b.driver), audit.VerifyOptions{Sealer: b.ring, Key: audit.NewSigner(b.ring.MAC).Public(), File: audit.CheckpointFile(b.dir)})
	if err != nil || len(report.Findings) != 0 {
		t.Errorf("the log: %v %+v", err, report.Findings)
	}
}

// TestOrder: legs of one destination and order value arrive in the order of
// their sales, whatever fails meanwhile.
func TestOrder(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.policy = strings.Replace(b.policy, "    subject: patient.id              # whose", "    order: patient.id\n    subject: patient.id              # whose", 1)
	})
	b.ehr.setAnswer(func(n int, _ received) reply {
		if n%2 == 0 {
			return reply{status: 503}
		}
		return reply{status: 201}
	})
	const n = 6
	for i := range n {
		body := strings.Replace(sale(t, fmt.Sprint("s", i)), `"AP-20913"`, fmt.Sprintf(`"AP-%d"`, i), 1)
		if a := b.post("/v1/checkout", body); a.status != 200 {
			t.Fatal(a.status, a.body)
		}
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	last := ""
	var order []string
	for _, r := range b.ehr.all() {
		if a := gjson.Get(r.body, "appointment").String(); a != last {
			order, last = append(order, a), a
		}
	}
	if got := strings.Join(order, " "); got != "AP-0 AP-1 AP-2 AP-3 AP-4 AP-5" {
		t.Errorf("order: %s", got)
	}
}

func TestDeadLetters(t *testing.T) {
	b := newBed(t, func(b *bed) { b.tune = func(o *Options) { o.Outbox.Tries = 3 } })
	b.ehr.setAnswer(always(422, ""))
	b.post("/v1/checkout", checkout(t))
	b.until("the leg is dead", func() bool { return len(b.legs(control.Dead)) == 1 })
	if n := len(b.ehr.all()); n != 3 {
		t.Errorf("%d tries", n)
	}
	if d := b.legs(control.Dead)[0]; d.Destination != "ehr" || d.Route != "checkout" || d.Name != "ehr" {
		t.Errorf("%+v", d)
	}
	b.stop()
	d := b.open()
	listed := 0
	err := NewOutbox(d, b.ring).Legs(t.Context(), "", func(l control.Leg) error {
		if l.State == control.Dead && l.Destination == "ehr" {
			listed++
		}
		return nil
	})
	if err != nil || listed != 1 || d.Close() != nil {
		t.Errorf("without a proxy: %d, %v", listed, err)
	}
	b.start()
	b.until("the queues are rebuilt", func() bool { return strings.Count(b.logs.String(), "the queues are rebuilt") == 2 })
	if len(b.legs(control.Dead)) != 1 || len(b.legs(control.Due)) != 0 {
		t.Errorf("after a restart: %+v", b.legs(""))
	}
}

// TestParked: at the delivery the policy of the day decides again.
func TestParked(t *testing.T) {
	tests := []struct {
		name, reason string
		change       func(policy string) string
		clock        time.Time
	}{
		{"the clearance was narrowed", "clearance_narrowed", func(p string) string {
			return strings.Replace(p, "sees: {phi: plain, pan: token}", "sees: {phi: mask, pan: token}", 1)
		}, time.Time{}},
		{"the agreement has lapsed", "agreement_lapsed", func(p string) string { return p }, time.Date(2032, 1, 2, 0, 0, 0, 0, time.UTC)},
		{"the destination is gone", "destination_gone", func(p string) string {
			p = strings.ReplaceAll(p, "- to: ehr", "- to: records")
			return strings.Replace(p, "  ehr:   ", "  records:", 1)
		}, time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.ehr.setAnswer(always(503, ""))
			b.post("/v1/checkout", checkout(t))
			b.ehr.await(t, 1)
			b.stop()
			seen := len(b.ehr.all())
			b.ehr.setAnswer(always(201, ""))
			before := b.policy
			b.policy = tt.change(b.policy)
			if !tt.clock.IsZero() {
				b.tune = func(o *Options) { o.Clock = func() time.Time { return tt.clock } }
			}
			b.start()
			b.until("the leg is parked", func() bool {
				p := b.legs(control.Parked)
				return len(p) == 1 && p[0].Reason == tt.reason
			})
			if n := len(b.ehr.all()); n != seen {
				t.Errorf("%d requests since", n-seen)
			}
			b.policy, b.tune = before, nil
			b.restart()
			b.until("it goes out when the policy allows it", func() bool { return len(b.ehr.all()) > seen })
		})
	}
}

// TestLargeBodies travel beside the claim, and arrive whole.
func TestLargeBodies(t *testing.T) {
	b := newBed(t)
	note := strings.Repeat("long story ", 20000)
	body := strings.Replace(checkout(t), `"appointment"`, `"note": "`+note+`", "appointment"`, 1)
	if a := b.post("/v1/checkout", body); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	if got := gjson.Get(b.ehr.await(t, 1)[0].body, "note").String(); got != note {
		t.Errorf("%d of %d bytes arrived", len(got), len(note))
	}
}
