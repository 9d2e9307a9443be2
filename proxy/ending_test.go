package proxy

import (
	"testing"
	"time"

	"chaperone/proxy/admin/control"
	"chaperone/store"
)

// gone reports whether none of some registers is there.
func (b *bed) gone(keys ...string) bool {
	b.t.Helper()
	reads := make([]store.Command, len(keys))
	for i, k := range keys {
		reads[i] = store.Command{Kind: store.Get, Key: k}
	}
	if err := b.driver.Apply(b.t.Context(), reads); err != nil {
		b.t.Fatal(err)
	}
	for i := range reads {
		if reads[i].Found {
			return false
		}
	}
	return true
}

// TestRegistersEnd: however its legs went out, an attempt leaves nothing behind
// once all of them are final and its answer is not kept any more.
func TestRegistersEnd(t *testing.T) {
	tests := []struct {
		name string
		run  func(b *bed)
	}{
		{"both at once", func(*bed) {}},
		{"one of them later", func(b *bed) {
			b.ehr.setAnswer(func(n int, _ received) reply {
				if n < 2 {
					return reply{status: 500}
				}
				return reply{status: 201}
			})
		}},
		{"one of them by another process", func(b *bed) {
			b.ehr.setAnswer(always(500, ""))
		}},
		{"one of them dropped", func(b *bed) {
			b.ehr.setAnswer(always(422, ""))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := new(wallClock)
			b := newBed(t, clock.install, func(b *bed) {
				tune := b.tune
				b.tune = func(o *Options) { tune(o); o.Outbox.BreakAfter = 1000 }
			})
			tt.run(b)
			if a := b.post("/v1/checkout", checkout(t)); a.status != 200 {
				t.Fatal(a.status, a.body)
			}
			key := ""
			switch tt.name {
			case "one of them by another process":
				b.ehr.await(t, 1)
				b.until("the ledger's is delivered", func() bool { return len(b.legs("")) == 1 })
				key = b.legs("")[0].Key
				b.stop()
				b.ehr.setAnswer(always(201, ""))
				b.start()
			case "one of them dropped":
				leg := b.theLeg(control.Dead)
				key = leg.Key
				if _, err := b.legDesk().Drop(t.Context(), "local:7", control.LegDrop{Leg: leg.Ref, Reason: "no"}); err != nil {
					t.Fatal(err)
				}
			}
			b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
			if key == "" {
				refs, _, err := b.driver.ScanClaims(t.Context(), "", 10)
				if err != nil || len(refs) != 1 {
					t.Fatal(refs, err)
				}
				key = refs[0].K
			}
			names := []string{store.ClaimKey(key, 1), store.OutcomeKey(key, 1), store.DeliveryKey(key, 1, 1), store.DeliveryKey(key, 1, 2), store.TrialKey(key, 1, 1)}
			b.until("the deliveries are on record", func() bool { return b.server.outbox.laneOf("ehr").quiet() && b.server.outbox.laneOf("ledger").quiet() })
			if b.gone(names[:1]...) {
				t.Error("the claim ended too early")
			}
			clock.jump(31 * 24 * time.Hour)
			b.until("its registers have ended", func() bool { return b.gone(names...) })
		})
	}
}
