package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/store/redistest"
)

// onDoubt changes what the checkout route does with a sale in doubt.
func onDoubt(mode rules.OnDoubt) func(*bed) {
	return func(b *bed) {
		before := b.tune
		b.tune = func(o *Options) {
			if before != nil {
				before(o)
			}
			o.Plan.Routes[0].OnDoubt = mode
			if !o.Plan.Destinations[0].Idempotent {
				b.t.Fatal("the sample's processor is not idempotent")
			}
		}
	}
}

// peer starts another proxy on the same store, with the same policy and
// receivers.
func (b *bed) peer() *bed {
	b.t.Helper()
	p := &bed{t: b.t, processor: b.processor, ehr: b.ehr, ledger: b.ledger, key: b.key, dir: b.t.TempDir(), policy: b.policy,
		ring: b.ring, open: b.open, tune: b.tune, logs: new(lockedBuffer)}
	p.start()
	b.t.Cleanup(p.stop)
	return p
}

// faultThen answers the first n requests with a fault, and the rest well.
func faultThen(n int, fault reply) func(int, received) reply {
	return func(i int, _ received) reply {
		if i < n {
			return fault
		}
		return reply{status: 200, body: approved}
	}
}

// doubtFaults are the faults that leave a sale in doubt.
func doubtFaults() map[string]reply {
	return map[string]reply{
		"timeout":                {silent: true},
		"reset before an answer": {drop: true},
		"reset in the head":      {raw: "HTTP/1.1 200 OK\r\nContent-Ty"},
		"reset in the body":      {raw: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"status\":"},
		"cut chunk":              {raw: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"status\""},
		"5xx":                    {status: 503, body: `{}`},
		"unreadable 2xx":         {status: 200, body: "approved"},
		"truncated 2xx":          {status: 200, body: `{"status":"approved"`},
		"empty 2xx":              {status: 200},
		"conflict":               {status: 409, body: `{}`},
	}
}

// TestRetryEndsDoubt: whatever led into doubt, the caller's repeat leads out of
// it, under the same key, and the legs of the first attempt are delivered once.
func TestRetryEndsDoubt(t *testing.T) {
	for name, fault := range doubtFaults() {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, onDoubt(rules.DoubtRetry))
			b.processor.setAnswer(faultThen(1, fault))
			first := b.post("/v1/checkout", checkout(t))
			if first.header.Get(headerOutcome) != "unknown" || len(b.doubts()) != 1 {
				t.Fatalf("the first: %d %s %v", first.status, first.body, b.doubts())
			}
			second := b.post("/v1/checkout", checkout(t))
			if second.status != 200 || second.header.Get(headerOutcome) != "released" || second.header.Get(headerReplayed) != "" || !strings.Contains(second.body, "card_token") {
				t.Fatalf("the repeat: %d %s %v\n%s", second.status, second.body, second.header, b.logs)
			}
			if got := second.header.Get(headerLegs); got != "processor=200 ehr=queued ledger=queued" {
				t.Errorf("legs: %s", got)
			}
			third := b.post("/v1/checkout", checkout(t))
			if third.header.Get(headerReplayed) != "true" || third.body != second.body || third.header.Get(headerLegs) != second.header.Get(headerLegs) {
				t.Errorf("the repeat's repeat: %d %s %v", third.status, third.body, third.header)
			}
			got := b.processor.await(t, 2)
			if len(got) != 2 || got[0].key == "" || got[0].key != got[1].key || got[0].body != got[1].body {
				t.Errorf("%d calls: %+v", len(got), got)
			}
			b.deliveredOnce()
		})
	}
}

// deliveredOnce waits for the end of the outbox, and checks that each leg has
// arrived, once by its key.
func (b *bed) deliveredOnce() {
	b.t.Helper()
	// A leg that is released just now is in neither of the lists that are read
	// one after the other.
	b.until("the outbox is empty", func() bool {
		return len(b.ehr.all()) > 0 && len(b.ledger.all()) > 0 && len(b.legs("")) == 0 && len(b.doubts()) == 0
	})
	for _, r := range []*receiver{b.ehr, b.ledger} {
		keys := map[string]bool{}
		for _, got := range r.all() {
			keys[got.key] = true
		}
		if len(keys) != 1 {
			b.t.Errorf("%d legs arrived", len(keys))
		}
	}
}

// TestRetryIsTheSameRequest: what is not the same request by the same party is
// not sent again.
func TestRetryIsTheSameRequest(t *testing.T) {
	b := newBed(t, onDoubt(rules.DoubtRetry))
	b.processor.setAnswer(always(500, `{}`))
	b.post("/v1/checkout", checkout(t))
	if a := b.post("/v1/checkout", strings.Replace(checkout(t), "4242424242424242", "5555555555554444", 1)); a.status != 422 || code(a) != "body_differs" {
		t.Errorf("another card: %d %s", a.status, a.body)
	}
	if n := len(b.processor.all()); n != 1 {
		t.Errorf("%d calls", n)
	}
	b.processor.setAnswer(always(200, approved))
	// Another CVV is the same request: it is not part of what is compared.
	if a := b.post("/v1/checkout", strings.Replace(checkout(t), `"737"`, `"738"`, 1)); a.status != 200 {
		t.Errorf("another CVV: %d %s", a.status, a.body)
	}
}

// TestHoldSendsNothingAgain: without the option, and without an idempotent
// primary, a repeat is refused.
func TestHoldSendsNothingAgain(t *testing.T) {
	for name, change := range map[string]func(*bed){
		"hold":   onDoubt(rules.DoubtHold),
		"replay": onDoubt(rules.DoubtReplay), // the sample's primary sees the CVV: nothing was kept
		"not idempotent": func(b *bed) {
			onDoubt(rules.DoubtRetry)(b)
			before := b.tune
			b.tune = func(o *Options) { before(o); o.Plan.Destinations[0].Idempotent = false }
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, change)
			b.processor.setAnswer(always(500, `{}`))
			b.post("/v1/checkout", checkout(t))
			for range 3 {
				if a := b.post("/v1/checkout", checkout(t)); a.status != 409 || code(a) != "in_doubt" || a.header.Get("Retry-After") == "" {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
			if n := len(b.processor.all()); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// TestRefusalOfARepeatSaysNothingOfTheFirst: only an answer about the payment
// ends the doubt.
func TestRefusalOfARepeatSaysNothingOfTheFirst(t *testing.T) {
	for _, tt := range []struct {
		name    string
		second  reply
		outcome string
	}{
		{"the credentials have ended", reply{status: 401, body: `{}`}, "unknown"},
		{"the key was used for other bytes", reply{status: 422, body: `{"status":"rejected"}`}, "unknown"},
		{"too many calls", reply{status: 429, body: `{}`}, "unknown"},
		{"failed again", reply{status: 500, body: `{}`}, "unknown"},
		{"declined", reply{status: 402, body: `{"status":"declined"}`}, "cancelled"},
		{"declined by a 200", reply{status: 200, body: `{"status":"declined"}`}, "cancelled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, onDoubt(rules.DoubtRetry))
			b.processor.setAnswer(func(n int, _ received) reply {
				return []reply{{status: 500}, tt.second, {status: 200, body: approved}}[min(n, 2)]
			})
			b.post("/v1/checkout", checkout(t))
			if a := b.post("/v1/checkout", checkout(t)); a.header.Get(headerOutcome) != tt.outcome {
				t.Fatalf("the repeat: %d %s %v", a.status, a.body, a.header)
			}
			third := b.post("/v1/checkout", checkout(t))
			if tt.outcome == "unknown" {
				// The turn was given back: the next repeat need not wait.
				if third.status != 200 || third.header.Get(headerOutcome) != "released" {
					t.Errorf("the third: %d %s", third.status, third.body)
				}
				b.deliveredOnce()
				return
			}
			if third.header.Get(headerReplayed) != "true" || third.header.Get(headerOutcome) != "cancelled" {
				t.Errorf("the third: %d %v", third.status, third.header)
			}
			b.stop()
			if n := len(b.ehr.all()) + len(b.ledger.all()); n != 0 {
				t.Errorf("%d legs of a cancelled sale arrived", n)
			}
		})
	}
}

// TestRetryStorm: of many repeats at once one is sent, whichever of two proxies
// they come to.
func TestRetryStorm(t *testing.T) {
	b := newBed(t, onRedis(t, redistest.Start(t, redistest.Options{})), onDoubt(rules.DoubtRetry))
	other := b.peer()
	b.processor.setAnswer(always(500, `{}`))
	b.post("/v1/checkout", checkout(t))
	hold := make(chan struct{})
	b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: hold} })
	var all sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for i := range 50 {
		all.Go(func() {
			at := b
			if i%2 == 1 {
				at = other
			}
			a := at.post("/v1/checkout", checkout(t))
			if a.status == 409 && code(a) != "in_flight" {
				t.Errorf("%s", a.body)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[a.status]++
		})
	}
	b.processor.await(t, 2)
	b.until("all others are refused", func() bool { mu.Lock(); defer mu.Unlock(); return answers[409] == 49 })
	close(hold)
	all.Wait()
	if n := len(b.processor.all()); n != 2 || answers[200] != 1 {
		t.Errorf("%d calls, answers %v", n, answers)
	}
	b.deliveredOnce()
}

// TestRetryIsOnRecordFirst: the log says that it is sent again before a byte
// leaves, and whose request does so.
func TestRetryIsOnRecordFirst(t *testing.T) {
	b := newBed(t, onDoubt(rules.DoubtRetry))
	b.processor.setAnswer(always(500, `{}`))
	b.post("/v1/checkout", checkout(t))
	var during []audit.Entry
	b.processor.setAnswer(func(int, received) reply {
		during = b.entries()
		return reply{status: 200, body: approved}
	})
	a := b.post("/v1/checkout", checkout(t))
	last := during[len(during)-1]
	if last.Kind != audit.KindDecision || string(last.Request) != a.header.Get(headerRequestID) || last.Rule != "routes.checkout.on_doubt" || last.Attempt != 1 || len(last.Decisions) == 0 {
		t.Errorf("before the call: %+v", last)
	}
}

// TestLateOwnerLoses: the request that was taken for dead comes back after a
// repeat has found the outcome. What was written first stands, the other is on
// record and counted.
func TestLateOwnerLoses(t *testing.T) {
	b := newBed(t, onDoubt(rules.DoubtRetry))
	stuck := make(chan struct{})
	b.processor.setAnswer(func(n int, _ received) reply {
		if n == 0 {
			return reply{status: 402, body: `{"status":"declined"}`, hang: stuck}
		}
		return reply{status: 200, body: approved}
	})
	got := make(chan answerOf, 1)
	go func() { got <- b.post("/v1/checkout", checkout(t)) }()
	b.processor.await(t, 1)
	b.without(b.server.committer.Chain(), "the repeat goes out", func() bool {
		a := b.post("/v1/checkout", checkout(t))
		if code(a) != "in_flight" && (a.status != 200 || a.header.Get(headerOutcome) != "released") {
			t.Fatalf("the repeat: %d %s", a.status, a.body)
		}
		return a.status == 200
	})
	close(stuck)
	if a := <-got; a.status != 402 {
		t.Errorf("the late owner has its primary's answer: %d", a.status)
	}
	b.until("it is on record", func() bool {
		for _, e := range b.entries() {
			if e.Kind == audit.KindAlarm && e.Reason == "late_outcome" && e.Result == audit.ResultReleased && e.Key != "" {
				return true
			}
		}
		return false
	})
	if m := b.metrics(); !strings.Contains(m, "chaperone_late_outcomes_total 1") || !strings.Contains(m, `chaperone_sent_again_total{by="retry",route="checkout"} 1`) {
		t.Error("it is not counted")
	}
	if a := b.post("/v1/checkout", checkout(t)); a.header.Get(headerReplayed) != "true" || a.header.Get(headerOutcome) != "released" {
		t.Errorf("the repeat's repeat: %d %v", a.status, a.header)
	}
	b.deliveredOnce()
}

// metrics scrapes the proxy.
func (b *bed) metrics() string {
	b.t.Helper()
	resp, err := client.Get("http://" + b.server.AdminAddr().String() + "/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// gauge counts what happens at once.
type gauge struct {
	mu       sync.Mutex
	now, max int
}

func (g *gauge) enter() (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	g.max = max(g.max, g.now)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.now--
	}
}

func (g *gauge) most() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.max
}

// TestClientWentAway: who hangs up while the primary works leaves no doubt; the
// repeat is given the first answer.
func TestClientWentAway(t *testing.T) {
	for _, mode := range []rules.OnDoubt{rules.DoubtHold, rules.DoubtRetry} {
		b := newBed(t, onDoubt(mode))
		work := make(chan struct{})
		b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: work} })
		ctx, hangUp := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "POST", "http://"+b.server.Addr().String()+"/v1/checkout", strings.NewReader(checkout(t)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+b.key)
		gone := make(chan error, 1)
		go func() {
			resp, err := client.Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			gone <- err
		}()
		b.processor.await(t, 1)
		hangUp()
		if err := <-gone; err == nil {
			t.Error("the client did not go away")
		}
		if a := b.post("/v1/checkout", checkout(t)); a.status != 409 || code(a) != "in_flight" {
			t.Errorf("while the primary works: %d %s", a.status, a.body)
		}
		close(work)
		b.deliveredOnce()
		if a := b.post("/v1/checkout", checkout(t)); a.status != 200 || a.header.Get(headerReplayed) != "true" || !strings.Contains(a.body, "card_token") {
			t.Errorf("the repeat: %d %s", a.status, a.body)
		}
		if n := len(b.processor.all()); n != 1 {
			t.Errorf("%d calls", n)
		}
	}
}

// TestAnotherGroupIsAnotherSale: the same key of another group of callers has
// nothing to do with a sale in doubt; another caller of the same group has.
func TestAnotherGroupIsAnotherSale(t *testing.T) {
	sum := func(key string) string { h := sha256.Sum256([]byte(key)); return hex.EncodeToString(h[:]) }
	b := newBed(t, onDoubt(rules.DoubtRetry), func(b *bed) {
		b.policy = strings.Replace(b.policy, "callers:\n", "callers:\n"+
			"  annex: {key_sha256: "+sum("chp_annex")+", routes: [checkout], sees: {pan: token}}\n"+
			"  kiosk: {key_sha256: "+sum("chp_kiosk")+", group: front-desk, routes: [checkout], sees: {pan: token}}\n", 1)
	})
	b.processor.setAnswer(always(500, `{}`))
	b.post("/v1/checkout", checkout(t))
	b.processor.setAnswer(always(200, approved))
	if a := b.post("/v1/checkout", checkout(t), "Authorization", "Bearer chp_annex"); a.status != 200 || a.header.Get(headerReplayed) != "" {
		t.Errorf("another group: %d %s", a.status, a.body)
	}
	got := b.processor.all()
	if len(got) != 2 || got[0].key == got[1].key || len(b.doubts()) != 1 {
		t.Fatalf("%d calls, doubts %v", len(got), b.doubts())
	}
	a := b.post("/v1/checkout", checkout(t), "Authorization", "Bearer chp_kiosk")
	if got = b.processor.all(); a.status != 200 || len(got) != 3 || got[2].key != got[0].key {
		t.Errorf("the same group: %d %s, %d calls", a.status, a.body, len(got))
	}
	if a := b.post("/v1/checkout", checkout(t)); a.header.Get(headerReplayed) != "true" || a.body != "{}" {
		t.Errorf("the first caller, who sees otherwise: %d %s", a.status, a.body)
	}
}
