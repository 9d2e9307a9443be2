package proxy

import (
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/rules"
	"chaperone/store/redistest"
)

// syncLegs makes legs of the first route sync ones.
func syncLegs(names ...string) func(*bed) {
	return func(b *bed) {
		before := b.tune
		b.tune = func(o *Options) {
			if before != nil {
				before(o)
			}
			for _, name := range names {
				legSpec(o.Plan, name).Sync = true
			}
		}
	}
}

// legSpec finds a leg of a plan's first route.
func legSpec(p *rules.Plan, name string) *rules.Leg {
	for i := range p.Routes[0].Legs {
		if l := &p.Routes[0].Legs[i]; l.Name == name {
			return l
		}
	}
	panic("no leg " + name)
}

// timeouts sets how long the destinations of queued legs may take.
func timeouts(d time.Duration) func(*bed) {
	return func(b *bed) {
		b.tune = func(o *Options) {
			for i := range o.Plan.Destinations {
				if to := &o.Plan.Destinations[i]; to.Name != "processor" {
					to.Timeout = d
				}
			}
		}
	}
}

// TestSyncLeg: the answer waits for the first try of a sync leg and says what
// came of it; a repeat is told the same. What was not accepted is tried again,
// under the same key, and is delivered once in the end.
func TestSyncLeg(t *testing.T) {
	tests := []struct {
		name  string
		first reply
		said  string
		tries int
	}{
		{"accepted", reply{status: 201}, "processor=200 ehr=201 ledger=queued", 1},
		{"refused", reply{status: 422}, "processor=200 ehr=queued ledger=queued", 2},
		{"failed", reply{status: 503}, "processor=200 ehr=queued ledger=queued", 2},
		{"hung up", reply{drop: true}, "processor=200 ehr=queued ledger=queued", 2},
		{"silent", reply{silent: true}, "processor=200 ehr=queued ledger=queued", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, syncLegs("ehr"))
			b.ehr.setAnswer(func(n int, _ received) reply {
				if n == 0 {
					return tt.first
				}
				return reply{status: 200}
			})
			a := b.post("/v1/checkout", checkout(t))
			if a.status != 200 || a.header.Get(headerOutcome) != "released" || a.header.Get(headerLegs) != tt.said {
				t.Errorf("%d %v %s", a.status, a.header, a.body)
			}
			if len(b.ehr.all()) == 0 {
				t.Error("the answer came before the leg was tried")
			}
			b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
			got := b.ehr.all()
			if len(got) != tt.tries || got[0].key != got[len(got)-1].key || got[0].body != got[len(got)-1].body {
				t.Errorf("the record got %d, want %d", len(got), tt.tries)
			}
			again := b.post("/v1/checkout", checkout(t))
			if again.header.Get(headerReplayed) != "true" || again.header.Get(headerLegs) != tt.said || again.body != a.body {
				t.Errorf("the repeat: %d %v", again.status, again.header)
			}
			b.until("the delivery is on record", func() bool {
				for _, e := range b.entries() {
					if l, ok := deliveredTo(&e, "ehr"); ok {
						return l.Tries == tt.tries
					}
				}
				return false
			})
		})
	}
}

// TestSyncLegsGoSideBySide: each is answered only when the other has come in.
func TestSyncLegsGoSideBySide(t *testing.T) {
	b := newBed(t, syncLegs("ehr", "ledger"))
	var both sync.WaitGroup
	both.Add(2)
	meet := func(int, received) reply {
		met := make(chan struct{})
		both.Done()
		go func() { both.Wait(); close(met) }()
		return reply{status: 201, hang: met}
	}
	b.ehr.setAnswer(meet)
	b.ledger.setAnswer(meet)
	a := b.post("/v1/checkout", checkout(t))
	if legs := a.header.Get(headerLegs); legs != "processor=200 ehr=201 ledger=201" {
		t.Errorf("%d %s\n%s", a.status, legs, b.logs)
	}
	if left := b.legs(""); len(left) != 0 {
		t.Errorf("the outbox: %+v", left)
	}
}

// TestSyncLegOfADeclinedSale is never sent.
func TestSyncLegOfADeclinedSale(t *testing.T) {
	b := newBed(t, syncLegs("ehr"))
	b.processor.setAnswer(always(402, `{"status":"declined"}`))
	a := b.post("/v1/checkout", checkout(t))
	if legs := a.header.Get(headerLegs); a.status != 402 || legs != "processor=402 ehr=dropped ledger=dropped" {
		t.Errorf("%d %s", a.status, legs)
	}
	b.stop()
	if n := len(b.ehr.all()); n != 0 {
		t.Errorf("the record got %d", n)
	}
}

// TestSyncLegAndOrder: a sync leg whose turn it is not stays queued, and comes
// after the older one, on any kind of store.
func TestSyncLegAndOrder(t *testing.T) {
	for name, change := range map[string]func(*bed){
		"file":    func(*bed) {},
		"redis":   onRedis(t, redistest.Start(t, redistest.Options{})),
		"cluster": onCluster(t),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, change, syncLegs("ehr"), func(b *bed) {
				b.policy = strings.Replace(b.policy, "    subject: patient.id              # whose", "    order: patient.id\n    subject: patient.id              # whose", 1)
			})
			b.ehr.setAnswer(always(503, ""))
			first := b.post("/v1/checkout", sale(t, "s1"))
			second := b.post("/v1/checkout", sale(t, "s2"))
			for _, a := range []answerOf{first, second} {
				if legs := a.header.Get(headerLegs); legs != "processor=200 ehr=queued ledger=queued" {
					t.Errorf("%d %s", a.status, legs)
				}
			}
			keys := map[string]bool{}
			for _, r := range b.ehr.all() {
				keys[r.key] = true
			}
			if len(keys) != 1 {
				t.Errorf("%d legs were sent while the first waits", len(keys))
			}
			b.ehr.setAnswer(always(201, ""))
			b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
			got := b.ehr.all()
			if last := got[len(got)-1]; keys[last.key] {
				t.Error("the second leg did not come last")
			}
			third := b.post("/v1/checkout", sale(t, "s3"))
			if legs := third.header.Get(headerLegs); legs != "processor=200 ehr=201 ledger=queued" {
				t.Errorf("when its turn has come: %s", legs)
			}
		})
	}
}

// TestSyncLegNeedsItsAgreement: nothing is charged where a sync leg could not
// be sent.
func TestSyncLegNeedsItsAgreement(t *testing.T) {
	b := newBed(t, syncLegs("ehr"), func(b *bed) {
		b.policy = strings.Replace(b.policy, "reference: EHR-7, expires: 2031-12-31", "reference: EHR-7, expires: 2020-12-31", 1)
	})
	a := b.post("/v1/checkout", checkout(t))
	if a.status != 403 || code(a) != "agreement_lapsed" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if n := len(b.processor.all()); n != 0 {
		t.Errorf("the processor got %d", n)
	}
}

// TestSyncLegWhileTheStoreIsAway: an outcome that is not stored yet releases
// nothing; the leg goes out once it is.
func TestSyncLegWhileTheStoreIsAway(t *testing.T) {
	r := redistest.Start(t, redistest.Options{})
	b := newBed(t, onRedis(t, r), timeouts(2*time.Second), syncLegs("ehr"))
	b.processor.setAnswer(func(int, received) reply {
		r.Pause(t)
		return reply{status: 200, body: approved}
	})
	a := b.post("/v1/checkout", checkout(t))
	if legs := a.header.Get(headerLegs); a.status != 200 || legs != "processor=200 ehr=queued ledger=queued" || len(b.ehr.all()) != 0 {
		t.Errorf("%d %s, %d sent", a.status, legs, len(b.ehr.all()))
	}
	r.Resume(t)
	b.ehr.await(t, 1)
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
}

// TestSyncLegReleasedByAnOperator: nobody waits for it any more, and it goes as
// any queued leg.
func TestSyncLegReleasedByAnOperator(t *testing.T) {
	b := newBed(t, syncLegs("ehr"))
	b.processor.setAnswer(always(500, ""))
	a := b.post("/v1/checkout", checkout(t))
	if legs := a.header.Get(headerLegs); a.status != 502 || legs != "processor=500 ehr=held ledger=held" {
		t.Errorf("%d %s", a.status, legs)
	}
	if _, err := b.resolve(b.doubts()[0].Key, true); err != nil {
		t.Fatal(err)
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if e, l := len(b.ehr.all()), len(b.ledger.all()); e != 1 || l != 1 {
		t.Errorf("the record got %d, the ledger %d", e, l)
	}
}
