package proxy

import (
	"fmt"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/store/redistest"
)

// beside starts another proxy with the same keyring, policy and receivers.
func (b *bed) beside(t *testing.T, r *redistest.Server, tune func(*Options)) *bed {
	t.Helper()
	return newBed(t, onRedis(t, r), func(x *bed) { x.ring, x.policy, x.tune = b.ring, b.policy, tune })
}

// TestProxiesShareTheQueue: what waits is delivered by all who run on a store,
// each leg by one of them.
func TestProxiesShareTheQueue(t *testing.T) {
	r := redistest.Start(t, redistest.Options{})
	few := func(o *Options) { o.Outbox.Workers = 4 }
	b := newBed(t, onRedis(t, r), func(b *bed) { b.tune = few })
	b.ehr.setAnswer(always(503, ""))
	const n = 120
	for i := range n {
		if a := b.post("/v1/checkout", sale(t, fmt.Sprint("s", i))); a.status != 200 {
			t.Fatal(a.status, a.body)
		}
	}
	b.ledger.await(t, n)
	b.stop()
	before := len(b.ehr.all())
	both := make(chan struct{}) // run
	b.ehr.setAnswer(func(int, received) reply {
		<-both
		late := make(chan struct{})
		time.AfterFunc(10*time.Millisecond, func() { close(late) })
		return reply{status: 201, hang: late}
	})
	b.start()
	other := b.beside(t, r, few)
	b.ehr.await(t, before+2*4) // what both send at once
	close(both)
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if got := len(b.ehr.all()) - before; got != n {
		t.Errorf("%d deliveries of %d legs", got, n)
	}
	share := map[string]int{}
	for _, e := range b.entries() {
		if _, ok := deliveredTo(&e, "ehr"); ok {
			share[string(e.Chain)]++
		}
	}
	mine, theirs := share[b.server.committer.Chain()], share[other.server.committer.Chain()]
	if mine+theirs != n || mine < n/10 || theirs < n/10 {
		t.Errorf("one has delivered %d, the other %d", mine, theirs)
	}
}

// TestLeasesOfTheDead: of the leases that lie in the future, those are known
// that a process gave to itself when it released a leg.
func TestLeasesOfTheDead(t *testing.T) {
	b := newBed(t)
	s := b.server
	c := claim{Request: "r", Chain: "node-dead", Legs: []heldLeg{{Leg: 1, To: "ehr"}}}
	o := outcome{Owner: "r", By: byPrimary, At: 5_000_000, Result: audit.ResultReleased}
	of := store.Claim{Ref: store.Ref{K: "k", A: 1}}
	of.Value = s.ring.Seal(nil, c.append(nil), []byte(store.ClaimKey("k", 1)))
	of.Outcome = s.ring.Seal(nil, o.append(nil), []byte(store.OutcomeKey("k", 1)))
	follower := o
	follower.By = "follower"
	decided := of
	decided.Outcome = s.ring.Seal(nil, follower.append(nil), []byte(store.OutcomeKey("k", 1)))
	none := of
	none.Outcome = nil
	handed := o.At + (s.outbox.leaseFor("ehr") + handedWait).Milliseconds()
	tests := []struct {
		name  string
		claim store.Claim
		end   int64
		want  string
	}{
		{"handed over", of, handed, "node-dead"},
		{"handed over, with an order", of, handed - 1, "node-dead"},
		{"awaited", of, o.At + s.outbox.leaseFor("ehr").Milliseconds(), "node-dead"},
		{"taken from the store by somebody", of, handed - 700, ""},
		{"a pause before the next try", of, handed + 1, ""},
		{"taken in the millisecond in which a follower decided", decided, o.At + s.outbox.leaseFor("ehr").Milliseconds(), ""},
		{"no outcome", none, handed, ""},
		{"no claim", store.Claim{Ref: of.Ref}, handed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.leasedBy(&tt.claim, "ehr", tt.end); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
