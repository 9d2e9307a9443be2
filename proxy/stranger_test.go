package proxy

import (
	"testing"

	"chaperone/audit"
	"chaperone/store"
)

// heldSale begins a sale whose processor works until release is closed, and
// gives the sale's registers.
func heldSale(t *testing.T, b *bed) (ref store.Ref, answered chan answerOf, release chan struct{}) {
	t.Helper()
	answered, release = make(chan answerOf, 1), make(chan struct{})
	b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: release} })
	go func() { answered <- b.post("/v1/checkout", checkout(t)) }()
	b.processor.await(t, 1)
	refs, _, err := b.driver.ScanClaims(t.Context(), "", 10)
	if err != nil || len(refs) != 1 {
		t.Fatalf("%d claims, %v", len(refs), err)
	}
	return refs[0], answered, release
}

// put writes a register whatever is there.
func (b *bed) put(key string, plain []byte) {
	b.t.Helper()
	c := []store.Command{{Kind: store.Set, Key: key, Value: b.ring.Seal(nil, plain, []byte(key))}}
	if err := b.driver.Apply(b.t.Context(), c); err != nil || c[0].Err != nil {
		b.t.Fatal(err, c[0].Err)
	}
}

// TestOutcomeOfALostClaim: the claim that stands is another proxy's, as after a
// double claim. Its outcome stays, and its legs are sent; ours is a late one.
func TestOutcomeOfALostClaim(t *testing.T) {
	b := newBed(t)
	ref, answered, release := heldSale(t, b)
	theirs, _ := b.server.standing(ref)
	theirs.Request = "another"
	b.put(store.ClaimKey(ref.K, ref.A), theirs.append(nil))
	o := outcome{Owner: theirs.Request, By: "primary", At: theirs.At, Result: audit.ResultReleased}
	b.put(store.OutcomeKey(ref.K, ref.A), o.append(nil))
	close(release)
	if a := <-answered; a.status != 200 {
		t.Errorf("the POS gets the processor's answer: %d %s", a.status, a.body)
	}
	c, stands := b.server.standing(ref)
	if c == nil || c.Request != "another" || stands == nil || stands.Owner != "another" {
		t.Errorf("the claim is another's: %t; its outcome stands: %t", c != nil && c.Request == "another", stands != nil)
	}
	b.ehr.await(t, 1)
	b.ledger.await(t, 1)
}

// TestOutcomeOfAStranger: somebody whose claim lost was faster with its outcome,
// and the legs were taken out since that says nothing about the sale. Ours takes
// its place, and the legs are sent.
func TestOutcomeOfAStranger(t *testing.T) {
	b := newBed(t)
	ref, answered, release := heldSale(t, b)
	o := outcome{Owner: "another", By: "primary", At: 1, Result: audit.ResultReleased}
	b.put(store.OutcomeKey(ref.K, ref.A), o.append(nil))
	close(release)
	if a := <-answered; a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if c, stands := b.server.standing(ref); c == nil || stands == nil || stands.Owner != c.Request {
		t.Errorf("the outcome that stands is the claim's: %t", stands != nil)
	}
	b.ehr.await(t, 1)
	b.ledger.await(t, 1)
}

// TestOutcomeOfARepeatWhileTheStoreIsAway: a proxy that was started again knows
// nothing of a sale in doubt while the store is away, and sends its repeat under
// the same key. What came of it is what came of the sale, whosever claim stands.
func TestOutcomeOfARepeatWhileTheStoreIsAway(t *testing.T) {
	var o outage
	b := newBed(t, withOutage(&o))
	b.processor.setAnswer(func(int, received) reply { return reply{drop: true} })
	if a := b.post("/v1/checkout", checkout(t)); a.status != 502 || code(a) != "primary_in_doubt" {
		t.Fatal(a.status, a.body)
	}
	b.restart()
	o.begin()
	b.processor.setAnswer(always(200, approved))
	first := b.post("/v1/checkout", checkout(t))
	if first.status != 200 || first.header.Get("Chaperone-Outcome") != "released" {
		t.Errorf("the repeat: %d %s", first.status, first.body)
	}
	o.end()
	b.ehr.await(t, 1)
	b.ledger.await(t, 1)
	if d := b.doubts(); len(d) != 0 {
		t.Errorf("the sale is still in doubt: %+v", d)
	}
	again := b.post("/v1/checkout", checkout(t))
	if again.status != 200 || again.body != first.body || again.header.Get("Chaperone-Replayed") == "" {
		t.Errorf("the repeat after the outage: %d %s", again.status, again.body)
	}
	calls := b.processor.all()
	if len(calls) != 2 || calls[0].key != calls[1].key {
		t.Errorf("the processor was called %d times, or under two keys", len(calls))
	}
}

// TestReleasedOverVoid: another proxy counted its attempts alike while the store
// was away, and could not reach the processor; this one sold the same body. The
// sale stands, and its legs are sent.
func TestReleasedOverVoid(t *testing.T) {
	var o outage
	b := newBed(t, withOutage(&o))
	o.begin()
	release := make(chan struct{})
	b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: release} })
	answered := make(chan answerOf, 1)
	go func() { answered <- b.post("/v1/checkout", checkout(t)) }()
	key := b.processor.await(t, 1)[0].key
	close(release)
	if a := <-answered; a.status != 200 || a.header.Get("Chaperone-Outcome") != "released" {
		t.Fatal(a.status, a.body)
	}
	ref := store.Ref{K: b.server.letters("idempotency", []byte("front-desk"), []byte("checkout"), []byte("MS-2026-004411")), A: 1}
	known := []store.Command{{Kind: store.Get, Key: store.ClaimKey(ref.K, ref.A)}}
	if _, err := b.server.committer.Read(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	theirs, err := b.server.openClaim(known[0].Prior, ref.K, ref.A)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Request = "another"
	void := outcome{Owner: theirs.Request, By: "proxy", At: 1, Result: audit.ResultVoid}
	b.driver = o.Driver // that of the other proxy, which is there again
	b.put(store.ClaimKey(ref.K, ref.A), theirs.append(nil))
	b.put(store.OutcomeKey(ref.K, ref.A), void.append(nil))
	b.driver = o.Faults
	o.end()
	b.ehr.await(t, 1)
	b.ledger.await(t, 1)
	if a := b.post("/v1/checkout", checkout(t)); a.status != 200 || a.header.Get("Chaperone-Replayed") == "" {
		t.Errorf("the repeat: %d %s", a.status, a.body)
	}
	if calls := b.processor.all(); len(calls) != 1 || calls[0].key != key {
		t.Errorf("the processor was called %d times", len(calls))
	}
}
