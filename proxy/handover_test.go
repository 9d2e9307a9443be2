package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/store"
)

// countingDriver counts what is leased from the store.
type countingDriver struct {
	store.Driver
	leases atomic.Int64 // legs that were leased from the store
}

func (d *countingDriver) Apply(ctx context.Context, cmds []store.Command) error {
	for i := range cmds {
		if cmds[i].Kind == store.QueueMove {
			d.leases.Add(1)
		}
	}
	return d.Driver.Apply(ctx, cmds)
}

// scores gives the scores of what waits for a destination.
func (b *bed) scores(d store.Driver, dest string) (all []int64) {
	b.t.Helper()
	items, _, err := d.QueueList(b.t.Context(), store.Due, dest, "", 100)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, item := range items {
		all = append(all, item.Score)
	}
	return all
}

// TestReleasedLegsAreHandedOver: the process that releases a leg sends it
// without taking it from the store, where it is leased meanwhile.
func TestReleasedLegsAreHandedOver(t *testing.T) {
	counted := new(countingDriver)
	b := newBed(t, func(b *bed) {
		open := b.open
		b.open = func() store.Driver { counted.Driver = open(); return counted }
	})
	b.until("the lanes are open", func() bool {
		b.server.outbox.mu.Lock()
		defer b.server.outbox.mu.Unlock()
		return len(b.server.outbox.lanes) > 0
	})
	before := counted.leases.Load()
	stuck := make(chan struct{})
	b.ehr.setAnswer(func(int, received) reply { return reply{status: 201, hang: stuck} })
	began := time.Now()
	if a := b.post("/v1/checkout", checkout(t)); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	b.ehr.await(t, 1)
	if s := b.scores(b.driver, "ehr"); len(s) != 1 || s[0] <= began.UnixMilli() || s[0] >= store.Waiting {
		t.Errorf("scores while it is sent: %v", s)
	}
	if legs := b.legs(control.Sending); len(legs) < 1 {
		t.Errorf("nothing is being sent: %+v", b.legs(""))
	}
	close(stuck)
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if n := counted.leases.Load() - before; n != 0 {
		t.Errorf("%d legs were leased from the store", n)
	}
}

// TestHandedOverLegsAreGivenBack: what a process that ends has not sent is due
// at once, for whoever comes next.
func TestHandedOverLegsAreGivenBack(t *testing.T) {
	b := newBed(t, func(b *bed) { b.tune = func(o *Options) { o.Outbox.Workers = 1 } })
	stuck := make(chan struct{})
	b.ehr.setAnswer(func(int, received) reply { return reply{status: 201, hang: stuck} })
	b.until("the lanes are open", func() bool {
		b.server.outbox.mu.Lock()
		defer b.server.outbox.mu.Unlock()
		return b.server.outbox.lanes["ehr"] != nil
	})
	for _, id := range []string{"s1", "s2", "s3"} {
		if a := b.post("/v1/checkout", sale(t, id)); a.status != 200 {
			t.Fatal(a.status, a.body)
		}
	}
	b.ehr.await(t, 1)
	lane := b.server.outbox.lanes["ehr"]
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.stop()
	}()
	b.until("the lane is shut", func() bool {
		lane.mu.Lock()
		defer lane.mu.Unlock()
		return lane.closed
	})
	close(stuck)
	<-ended
	d := b.open()
	due := 0
	for _, score := range b.scores(d, "ehr") {
		if score <= time.Now().UnixMilli() {
			due++
		}
	}
	if err := d.Close(); err != nil || due != 2 {
		t.Errorf("%d legs are due after the end, want 2 (%v)", due, err)
	}
	if n := len(b.ehr.all()); n != 1 {
		t.Errorf("%d legs were sent", n)
	}
	b.start()
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if n := len(b.ehr.all()); n != 3 {
		t.Errorf("%d legs were sent in the end", n)
	}
}

// TestAnotherPolicyDecidesAgain: a leg that was handed over under one policy
// is not sent under another without being looked at.
func TestAnotherPolicyDecidesAgain(t *testing.T) {
	now := time.Now()
	to := &upstream{dest: new(rules.Destination), timeout: time.Second}
	y := &policy{}
	p := &parcel{policy: y, to: to, item: store.Item{Score: now.Add(2 * time.Second).UnixMilli()}}
	for name, c := range map[string]struct {
		policy *policy
		now    time.Time
		want   bool
	}{
		"as it was released":      {y, now, true},
		"another policy":          {&policy{}, now, false},
		"the lease ends too soon": {y, now.Add(1500 * time.Millisecond), false},
	} {
		if got := p.holds(c.policy, c.now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestTheOldestOfAGroupIsHandedOver: a leg that waits for no other of its order
// goes out without being taken from the store; one that does, waits there.
func TestTheOldestOfAGroupIsHandedOver(t *testing.T) {
	counted := new(countingDriver)
	b := newBed(t, func(b *bed) {
		open := b.open
		b.open = func() store.Driver { counted.Driver = open(); return counted }
		b.policy = strings.Replace(b.policy, "    subject: patient.id              # whose", "    order: patient.id\n    subject: patient.id              # whose", 1)
	})
	b.until("the lanes are open", func() bool {
		b.server.outbox.mu.Lock()
		defer b.server.outbox.mu.Unlock()
		return b.server.outbox.lanes["ehr"] != nil
	})
	before := counted.leases.Load()
	stuck := make(chan struct{})
	b.ehr.setAnswer(func(int, received) reply { return reply{status: 201, hang: stuck} })
	b.post("/v1/checkout", sale(t, "s1"))
	b.ehr.await(t, 1)
	b.until("the ledger has its leg", func() bool { return len(b.scores(b.driver, "ledger")) == 0 })
	if n := counted.leases.Load() - before; n != 0 {
		t.Errorf("%d legs were leased from the store", n)
	}
	b.post("/v1/checkout", sale(t, "s2"))
	if s := b.scores(b.driver, "ehr"); len(s) != 2 || s[1] != store.Waiting {
		t.Errorf("scores while the first is sent: %v", s)
	}
	close(stuck)
	b.ehr.await(t, 2)
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if n := len(b.ehr.all()); n != 2 {
		t.Errorf("%d legs were sent", n)
	}
}

// TestTheDrainEnds: a proxy that stops while a destination hangs ends in time,
// and what it has cut off goes out by the next process, under the same key.
func TestTheDrainEnds(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.tune = func(o *Options) { o.Limits.UpstreamTimeout, o.Limits.DrainTimeout = 10*patience, time.Second }
	})
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	b.ehr.setAnswer(func(int, received) reply { return reply{status: 201, hang: stuck} })
	const n = 40 // more than are sent at once
	for i := range n {
		b.post("/v1/checkout", sale(t, fmt.Sprint("s", i)))
	}
	b.ehr.await(t, b.server.outbox.o.Workers)
	b.ledger.await(t, n)
	b.stop()
	sent := map[string]bool{}
	for _, r := range b.ehr.all() {
		sent[r.key] = true
	}
	before := len(b.ehr.all())
	b.ehr.setAnswer(always(201, ""))
	b.start()
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	again := 0
	for _, r := range b.ehr.all()[before:] {
		if sent[r.key] {
			again++
		}
	}
	if again != before || len(b.ehr.all()) != n+before {
		t.Errorf("%d of %d were sent again, %d in all", again, before, len(b.ehr.all()))
	}
	for _, e := range b.entries() {
		if l, ok := deliveredTo(&e, "ehr"); ok && l.Tries != 1 {
			t.Errorf("%d tries are counted", l.Tries)
		}
	}
}
