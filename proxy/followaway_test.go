package proxy

import "testing"

// TestFollowsWhileTheStoreIsAway: a sale that this process knows can be
// followed. Of another it knows nothing, which is not to say that there is
// none.
func TestFollowsWhileTheStoreIsAway(t *testing.T) {
	var o outage
	b := newBed(t, withFollowers, withOutage(&o))
	if a := b.post("/v1/checkout", sale(t, "known")); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	b.until("the legs are out", func() bool { return len(b.legs("")) == 0 })
	o.begin()
	for _, route := range []string{"/v1/part-refunds", "/v1/notes"} {
		if a := b.post(route, about("r-1"+route, "of another proxy", `,"amount":100`)); a.status != 503 || code(a) != "store_unavailable" {
			t.Errorf("%s of a sale that may be in the store: %d %s", route, a.status, a.body)
		}
	}
	if n := len(b.processor.all()); n != 1 {
		t.Errorf("%d requests were forwarded for one sale", n)
	}
	if a := b.post("/v1/part-refunds", about("r-2", "known", `,"amount":100`)); a.status != 200 {
		t.Errorf("a refund of a sale that is known: %d %s", a.status, a.body)
	}
	o.end()
	if a := b.post("/v1/part-refunds", about("r-3", "of another proxy", `,"amount":100`)); a.status != 422 || code(a) != "sale_unknown" {
		t.Errorf("a refund of no sale: %d %s", a.status, a.body)
	}
}
