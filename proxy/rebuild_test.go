package proxy

import (
	"strings"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/store"
)

// registers counts what the store holds of sales.
func (b *bed) registers() int {
	b.t.Helper()
	n := 0
	for cursor := ""; ; {
		keys, next, err := b.driver.ScanKeys(b.t.Context(), "{r.", cursor, 1000)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, key := range keys {
			if !strings.HasSuffix(key, "}:s") {
				n++
			}
		}
		if cursor = next; cursor == "" {
			return n
		}
	}
}

// TestRebuildEndsWhatIsOver: registers whose end nobody saw end when they are
// found, and not a moment before their time; what waits stays.
func TestRebuildEndsWhatIsOver(t *testing.T) {
	var clock aClock
	b := newBed(t, clock.use, onDoubt(rules.DoubtHold))
	b.post("/v1/checkout", sale(t, "released"))
	b.processor.setAnswer(always(402, `{"status":"declined"}`))
	b.post("/v1/checkout", sale(t, "declined"))
	b.processor.setAnswer(always(500, `{}`))
	b.post("/v1/checkout", sale(t, "in doubt"))
	b.until("two are over", func() bool { return len(b.legs("due")) == 0 && len(b.legs("sending")) == 0 })
	// Their end was not seen.
	var keys []string
	for _, ref := range b.allClaims() {
		keys = append(keys, store.ClaimKey(ref.K, ref.A), store.OutcomeKey(ref.K, ref.A), store.UnknownKey(ref.K, ref.A),
			store.DeliveryKey(ref.K, ref.A, 1), store.DeliveryKey(ref.K, ref.A, 2))
	}
	for _, key := range keys {
		if err := b.driver.Apply(t.Context(), []store.Command{{Kind: store.Persist, Key: key}}); err != nil {
			t.Fatal(err)
		}
	}
	before := b.registers()
	ended := func() int {
		found, err := store.Rebuild(t.Context(), b.driver, b.server.index)
		if err != nil {
			t.Fatal(err)
		}
		return found.Ended
	}
	clock.forward(23 * time.Hour)
	if n := ended(); n != 0 {
		t.Errorf("%d ended before their time", n)
	}
	clock.forward(2 * time.Hour)
	if n := ended(); n != 2 {
		t.Errorf("%d ended, want 2", n)
	}
	if n := b.registers(); n != before {
		t.Errorf("%d of %d registers are left at once", n, before)
	}
	if len(b.doubts()) != 1 || len(b.legs("held")) != 2 {
		t.Errorf("doubts %v, held %v", b.doubts(), b.legs("held"))
	}
}

func (b *bed) allClaims() []store.Ref {
	b.t.Helper()
	refs, next, err := b.driver.ScanClaims(b.t.Context(), "", 1000)
	if err != nil || next != "" {
		b.t.Fatal(err, next)
	}
	return refs
}

// TestRebuildFindsWhatAnIndexLost: a sale in doubt and a released leg that are
// in no queue.
func TestRebuildFindsWhatAnIndexLost(t *testing.T) {
	b := newBed(t)
	b.processor.setAnswer(always(500, `{}`))
	b.post("/v1/checkout", checkout(t))
	open := b.onlyOpen()
	gone := []store.Command{{Kind: store.QueueRemove, Queue: store.Doubt, Member: store.DoubtMember(open.ref.K, open.ref.A)}}
	if err := b.driver.Apply(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	b.server.rebuild(t.Context())
	if len(b.doubts()) != 1 {
		t.Fatal("the sale in doubt is not found")
	}
	// Its outcome is written, and the process dies before its legs are queued.
	o := &outcome{Owner: open.claim.Request, By: "operator", At: time.Now().UnixMilli(), Result: audit.ResultReleased}
	key := store.OutcomeKey(open.ref.K, open.ref.A)
	only := []store.Command{{Kind: store.SetOnce, Key: key, Value: b.ring.Seal(nil, o.append(nil), []byte(key))}}
	if err := b.driver.Apply(t.Context(), only); err != nil {
		t.Fatal(err)
	}
	b.server.rebuild(t.Context())
	b.deliveredOnce()
}

// TestOneRebuildsForAll: of processes on one store one at a time does so.
func TestOneRebuildsForAll(t *testing.T) {
	b := newBed(t)
	turn := func() bool { return b.server.myRebuild(t.Context(), "rebuilt", time.Minute) }
	if !turn() || turn() {
		t.Error("it is not once")
	}
}
