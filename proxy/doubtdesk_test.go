package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/store"
)

func (b *bed) doubtDesk() DoubtDesk {
	return DoubtDesk{Outbox: &Outbox{s: b.server, own: b.server.outbox}, Commit: b.server.commitEntries}
}

func (b *bed) resolve(sale string, charged bool) (control.Resolved, error) {
	return b.doubtDesk().Resolve(b.t.Context(), "local:7", control.Resolve{Sale: sale, Charged: charged, Reason: "portal, ticket 2291"})
}

// refusedWith checks the status of a desk's refusal.
func refusedWith(t *testing.T, err error, status int) {
	t.Helper()
	var refused *control.Error
	if !errors.As(err, &refused) || refused.Status != status {
		t.Errorf("%v, want status %d", err, status)
	}
}

// TestResolveEndsDoubt: whatever led into doubt, an operator's word ends it.
func TestResolveEndsDoubt(t *testing.T) {
	for name, fault := range doubtFaults() {
		for _, charged := range []bool{true, false} {
			if !charged {
				name += ", not charged"
			}
			t.Run(name, func(t *testing.T) {
				b := newBed(t, onDoubt(rules.DoubtHold))
				b.processor.setAnswer(faultThen(1, fault))
				b.post("/v1/checkout", checkout(t))
				d := b.doubts()
				done, err := b.resolve(d[0].Key[:8], charged)
				if err != nil || done.Key != d[0].Key || done.Legs != 2 || done.Request != d[0].Request {
					t.Fatalf("%+v %v", done, err)
				}
				a := b.post("/v1/checkout", checkout(t))
				if charged {
					if done.Outcome != "released" || a.status != 409 || code(a) != "answer_forgotten" {
						t.Errorf("%+v, the repeat: %d %s", done, a.status, a.body)
					}
				} else if done.Outcome != "void" || a.status != 200 || a.header.Get(headerReplayed) != "" {
					t.Errorf("%+v, the repeat: %d %s", done, a.status, a.body)
				}
				b.deliveredOnce()
				_, err = b.resolve(d[0].Key+"/1", true)
				refusedWith(t, err, http.StatusNotFound)
			})
		}
	}
}

// TestResolveIsOnRecord: who, why and what, with the outcome.
func TestResolveIsOnRecord(t *testing.T) {
	b := newBed(t)
	b.processor.setAnswer(always(500, `{}`))
	b.post("/v1/checkout", checkout(t))
	done, err := b.resolve(b.doubts()[0].Key, true)
	if err != nil {
		t.Fatal(err)
	}
	var act, ended *audit.Entry
	for _, e := range b.entries() {
		switch {
		case e.Action == audit.ActionDoubtResolve:
			act = &e
		case e.Kind == audit.KindOutcome && e.Result == audit.ResultReleased:
			ended = &e
		}
	}
	if act == nil || act.Caller != "local:7" || act.Why != "portal, ticket 2291" || !strings.HasSuffix(string(act.Target), "/1 as charged") || string(act.Key) != done.Key {
		t.Errorf("the act: %+v", act)
	}
	if ended == nil || string(ended.Request) != done.Request || ended.Subject == "" || len(ended.Legs) != 2 {
		t.Errorf("the outcome: %+v", ended)
	}
}

// TestResolveRefuses: what is not in doubt is not the operator's to end, nor
// without a reason that the log may hold.
func TestResolveRefuses(t *testing.T) {
	b := newBed(t)
	stuck := make(chan struct{})
	b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: stuck} })
	var all sync.WaitGroup
	all.Go(func() { b.post("/v1/checkout", checkout(t)) })
	b.processor.await(t, 1)
	open := b.onlyOpen()
	_, err := b.resolve(open.ref.K, true)
	refusedWith(t, err, http.StatusConflict)
	if !errors.Is(err, errNotInDoubt) {
		t.Errorf("in flight: %v", err)
	}
	close(stuck)
	all.Wait()
	_, err = b.resolve(open.ref.K, true)
	refusedWith(t, err, http.StatusNotFound)
	_, err = b.resolve("ab", true)
	refusedWith(t, err, http.StatusUnprocessableEntity)
	for _, reason := range []string{"", "card 4111 1111 1111 1111"} {
		_, err = b.doubtDesk().Resolve(t.Context(), "local:7", control.Resolve{Sale: open.ref.K, Charged: true, Reason: reason})
		refusedWith(t, err, http.StatusUnprocessableEntity)
	}
}

// TestResolveWhileItIsSentAgain: the operator waits for the repeat.
func TestResolveWhileItIsSentAgain(t *testing.T) {
	b := newBed(t, onDoubt(rules.DoubtRetry))
	b.processor.setAnswer(always(500, `{}`))
	b.post("/v1/checkout", checkout(t))
	stuck := make(chan struct{})
	b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: stuck} })
	var all sync.WaitGroup
	all.Go(func() {
		if a := b.post("/v1/checkout", checkout(t)); a.status != 200 {
			t.Errorf("the repeat: %d %s", a.status, a.body)
		}
	})
	b.processor.await(t, 2)
	if _, err := b.resolve(b.onlyOpen().ref.K, false); !errors.Is(err, errSentAgain) {
		t.Errorf("%v", err)
	}
	close(stuck)
	all.Wait()
	b.deliveredOnce()
}

// TestResolvePending: an operator may decide what a later call was to.
func TestResolvePending(t *testing.T) {
	b := newBed(t, leavingOpen)
	b.processor.setAnswer(always(200, challenge))
	first := b.post("/v1/checkout", checkout(t))
	if _, err := b.resolve(b.onlyOpen().ref.K, true); err != nil {
		t.Fatal(err)
	}
	if a := b.post("/v1/checkout", checkout(t)); a.body != first.body || a.header.Get(headerOutcome) != "released" {
		t.Errorf("%d %s %v", a.status, a.body, a.header)
	}
	b.deliveredOnce()
}

// TestResolveWithoutAProxy: the store is enough.
func TestResolveWithoutAProxy(t *testing.T) {
	for _, charged := range []bool{true, false} {
		b := newBed(t)
		b.processor.setAnswer(always(500, `{}`))
		b.post("/v1/checkout", checkout(t))
		b.stop()
		d := b.open()
		var entries []*audit.Entry
		desk := DoubtDesk{Outbox: NewOutbox(d, b.ring), Commit: nil}
		desk.Commit = func(ctx context.Context, e []*audit.Entry, cmds []store.Command) error {
			entries = append(entries, e...)
			return d.Apply(ctx, cmds)
		}
		sale := desk.only(t)
		done, err := desk.Resolve(t.Context(), "local:7", control.Resolve{Sale: sale, Charged: charged, Reason: "portal"})
		if err != nil || len(entries) != 2 {
			t.Fatalf("%+v %v, %d entries", done, err, len(entries))
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		b.processor.setAnswer(always(200, approved))
		b.start()
		if a := b.post("/v1/checkout", checkout(t)); (a.status == 200) == charged {
			t.Errorf("charged %v, the repeat: %d %s", charged, a.status, a.body)
		}
		b.deliveredOnce()
	}
}

// only names the only sale in doubt.
func (d DoubtDesk) only(t *testing.T) string {
	t.Helper()
	var names []string
	err := d.Outbox.Doubts(t.Context(), func(c control.Doubt) error {
		names = append(names, control.SaleName(c.Key, c.Attempt))
		return nil
	})
	if err != nil || len(names) != 1 {
		t.Fatalf("%v %v", names, err)
	}
	return names[0]
}
