package proxy

import (
	"strings"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/store/redistest"
)

// onRedis puts a bed on a Redis of its own.
func onRedis(t *testing.T, r *redistest.Server) func(*bed) {
	return func(b *bed) {
		b.open = func() store.Driver {
			// Not to say when the store is away, which the committer does.
			d, err := store.OpenRedis(t.Context(), store.RedisOptions{Addresses: []string{r.Addr}, Timeout: 5 * time.Second, DialTimeout: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
}

func TestMixedBasketOnRedis(t *testing.T) {
	b := newBed(t, onRedis(t, redistest.Start(t, redistest.Options{})))
	if a := b.post("/v1/checkout", checkout(t)); a.status != 200 {
		t.Fatalf("%d %s\n%s", a.status, a.body, b.logs)
	}
	b.ehr.await(t, 1)
	b.ledger.await(t, 1)
	if a := b.post("/v1/checkout", checkout(t)); a.header.Get(headerReplayed) != "true" {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
}

// TestRedisAwayBefore: nothing can be recorded, so nothing is forwarded; once
// the store is back, the same sale goes through, and nothing is in doubt.
func TestRedisAwayBefore(t *testing.T) {
	r := redistest.Start(t, redistest.Options{})
	b := newBed(t, onRedis(t, r))
	r.Pause(t)
	resumed := false
	defer func() {
		if !resumed {
			r.Resume(t)
		}
	}()
	for range 3 {
		a := b.post("/v1/checkout", checkout(t))
		if a.status != 503 || code(a) != "store_unavailable" || a.header.Get("Retry-After") == "" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if n := len(b.processor.all()); n != 0 {
		t.Fatalf("%d requests were forwarded", n)
	}
	r.Resume(t)
	resumed = true
	b.until("the store is back", b.server.committer.Healthy)
	b.until("the sale goes through", func() bool {
		a := b.post("/v1/checkout", checkout(t))
		if a.status != 200 && a.status != 409 && a.status != 503 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return a.status == 200
	})
	if n := len(b.processor.all()); n != 1 {
		t.Errorf("%d requests were forwarded", n)
	}
	b.until("nothing is open", func() bool { return len(b.legs("")) == 0 && len(b.doubts()) == 0 })
}

// TestRedisAwayAfter: the store goes away while the primary works. The caller
// gets the primary's answer; the outcome is kept on local disk and stored when
// the store is back, also by the next process.
func TestRedisAwayAfter(t *testing.T) {
	for _, restart := range []bool{false, true} {
		name := "and comes back"
		if restart {
			name = "and comes back for the next process"
		}
		t.Run(name, func(t *testing.T) {
			r := redistest.Start(t, redistest.Options{})
			b := newBed(t, onRedis(t, r), func(b *bed) { b.tune = func(o *Options) { o.Limits.DrainTimeout = 2 * time.Second } })
			b.processor.setAnswer(func(int, received) reply {
				r.Pause(t)
				return reply{status: 200, body: approved}
			})
			a := b.post("/v1/checkout", checkout(t))
			if a.status != 200 || a.header.Get(headerOutcome) != "released" || !strings.Contains(a.body, "card_token") {
				t.Errorf("%d %v %s", a.status, a.header, a.body)
			}
			if restart {
				b.cancel()
				<-b.served
				r.Resume(t)
				if err := b.driver.Close(); err != nil {
					t.Error(err)
				}
				b.start()
			} else {
				r.Resume(t)
			}
			b.ehr.await(t, 1)
			b.ledger.await(t, 1)
			b.until("the store is back", b.server.committer.Healthy)
			again := b.post("/v1/checkout", checkout(t))
			if again.header.Get(headerReplayed) != "true" || again.body != a.body {
				t.Errorf("the repeat: %d %s", again.status, again.body)
			}
			n := 0
			for _, e := range b.entries() {
				if e.Kind == audit.KindOutcome && e.Result == audit.ResultReleased {
					n++
				}
			}
			// The dead process's own command may have reached the store after
			// all; its entry is then in both chains, the outcome only once.
			if n < 1 || n > 2 || (n == 2 && !restart) || len(b.processor.all()) != 1 || len(b.doubts()) != 0 {
				t.Errorf("%d outcomes on record, %d charges, doubts %v", n, len(b.processor.all()), b.doubts())
			}
		})
	}
}

// without takes the lease of a chain away, and again where its process has
// renewed it meanwhile, until what follows from that is so.
func (b *bed) without(chain, what string, so func() bool) {
	b.t.Helper()
	b.until(what, func() bool {
		if err := b.driver.Apply(b.t.Context(), []store.Command{{Kind: store.Delete, Key: store.AliveKey(chain)}}); err != nil {
			b.t.Fatal(err)
		}
		return so()
	})
}

// TestDeadProcess: a sale whose process died between the call and the outcome
// is in doubt, and is not sent again.
func TestDeadProcess(t *testing.T) {
	b := newBed(t)
	stuck := make(chan struct{})
	b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: stuck} })
	got := make(chan answerOf, 1)
	go func() { got <- b.post("/v1/checkout", checkout(t)) }()
	b.processor.await(t, 1)
	// What another process sees while this one lives, and after its lease.
	if d := b.doubts(); len(d) != 0 {
		t.Errorf("in doubt while in flight: %+v", d)
	}
	chain := b.server.committer.Chain()
	b.without(chain, "it is in doubt", func() bool {
		d := b.doubts()
		if len(d) > 0 && (len(d) != 1 || d[0].Reason != "" || d[0].Chain != chain || d[0].Held != 2) {
			t.Errorf("after its lease: %+v", d)
		}
		return len(d) > 0
	})
	b.without(chain, "its repeat is told so", func() bool {
		a := b.post("/v1/checkout", checkout(t))
		if a.status != 409 || code(a) != "in_doubt" && code(a) != "in_flight" {
			t.Errorf("%d %s", a.status, a.body)
		}
		return code(a) != "in_flight"
	})
	close(stuck)
	if a := <-got; a.status != 200 {
		t.Errorf("the late owner: %d %s", a.status, a.body)
	}
	b.ehr.await(t, 1)
	if d := b.doubts(); len(d) != 0 {
		t.Errorf("after the outcome: %+v", d)
	}
}

// TestAnotherKeyring: a store that was filled under another keyring is not
// taken.
func TestAnotherKeyring(t *testing.T) {
	b := newBed(t)
	b.stop()
	d := b.open()
	defer d.Close()
	c := []store.Command{{Kind: store.Set, Key: store.MetaKey("keyring"), Value: []byte("another")}}
	if err := d.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	plan, engine := load(t, b.policy)
	_, err := New(t.Context(), Options{Plan: plan, Engine: engine, Ring: b.ring, Driver: d, Listen: "127.0.0.1:0", DataDir: b.dir})
	if err == nil || !strings.Contains(err.Error(), "another keyring") {
		t.Errorf("New: %v", err)
	}
}
