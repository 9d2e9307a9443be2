package proxy

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/store"
	"chaperone/store/storetest"
)

// outage puts a bed on a store that can go away, and lets it spool.
type outage struct {
	*storetest.Faults
	b *bed
}

func withOutage(o *outage) func(*bed) {
	return func(b *bed) {
		open := b.open
		b.open = func() store.Driver {
			o.Faults, o.b = storetest.NewFaults(open()), b
			return o.Faults
		}
		tune := b.tune
		b.tune = func(op *Options) {
			op.OnOutage, op.Spool = rules.OutageSpool, 8<<20
			if tune != nil {
				tune(op)
			}
		}
	}
}

// begin makes the store go away, and waits until it is known: by a request that
// waits for it, as any would.
func (o *outage) begin() {
	o.b.t.Helper()
	o.Down(true)
	done := make(chan error, 1)
	u := &store.Unit{Entries: [][]byte{o.b.server.sealing().Seal(nil, &audit.Entry{Time: time.Now(), Kind: audit.KindAdmin, Action: audit.ActionStatus})}, Spool: true}
	go func() { done <- o.b.server.committer.Commit(o.b.t.Context(), u) }()
	if err := <-done; (err == nil) != o.b.server.spoolsAny() {
		o.b.t.Fatal(err)
	}
	o.b.until("the outage is known", func() bool { return !o.b.server.committer.Healthy() })
}

// end lets it come back, and waits until all is stored.
func (o *outage) end() {
	o.b.t.Helper()
	o.Down(false)
	o.b.until("all is stored", func() bool {
		s := o.b.server.committer.Stats()
		return s.Healthy && s.JournalUnits == 0
	})
}

// intact checks that the log is whole, and counts its entries of a kind.
func (b *bed) intact(kind audit.Kind) (n int) {
	b.t.Helper()
	r := &audit.Reader{Source: audit.FromStore(b.driver), Sealer: b.ring, Key: audit.NewSigner(b.ring.MAC).Public(), File: audit.CheckpointFile(b.dir)}
	report, err := r.Verify(b.t.Context())
	if err != nil || len(report.Findings) > 0 {
		b.t.Errorf("log verify: %v, %+v", err, report.Findings)
	}
	for _, e := range b.entries() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// page gets a page of the admin listener.
func (b *bed) page(path string) (int, string) {
	b.t.Helper()
	resp, err := client.Get("http://" + b.server.AdminAddr().String() + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestOutage sells while the store is away: once by key, with every repeat
// answered as ever, and the legs delivered when it is back.
func TestOutage(t *testing.T) {
	var o outage
	b := newBed(t, withOutage(&o))
	before := b.post("/v1/checkout", sale(t, "before"))
	if before.status != 200 {
		t.Fatalf("%d %s", before.status, before.body)
	}
	b.ehr.await(t, 1)
	b.ledger.await(t, 1)
	o.begin()
	a := b.post("/v1/checkout", sale(t, "during"))
	if a.status != 200 || a.header.Get(headerOutcome) != "released" || a.header.Get(headerLegs) != "processor=200 ehr=queued ledger=queued" ||
		!gjson.Get(a.body, "card_token").Exists() {
		t.Fatalf("%d %v %s\n%s", a.status, a.header, a.body, b.logs)
	}
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
		first  answerOf
	}{
		"a repeat":                          {sale(t, "during"), 200, "", a},
		"a repeat of a sale before":         {sale(t, "before"), 200, "", before},
		"another body under the key":        {strings.Replace(sale(t, "during"), "Okonkwo", "Okonkwu", 1), 422, "body_differs", answerOf{}},
		"another body under an earlier one": {strings.Replace(sale(t, "before"), "Okonkwo", "Okonkwu", 1), 422, "body_differs", answerOf{}},
	} {
		got := b.post("/v1/checkout", c.body)
		if got.status != c.status || got.body != c.first.body && c.code == "" || c.code != "" && code(got) != c.code ||
			(got.header.Get(headerReplayed) == "true") != (c.code == "") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if status, text := b.page("/readyz"); status != 200 || !strings.Contains(text, "recorded on local disk") {
		t.Errorf("readyz: %d %s", status, text)
	}
	if _, text := b.page("/metrics"); !strings.Contains(text, "chaperone_store_spooling 1") || !strings.Contains(text, "chaperone_store_up 0") {
		t.Error("the metrics do not tell of the outage")
	}
	if st := b.server.status(t.Context()); !st.Spooling || st.Journal == 0 || st.JournalBytes == 0 || !st.Ready {
		t.Errorf("status: %+v", st)
	}
	if n := len(b.ehr.all()) + len(b.ledger.all()); n != 2 {
		t.Errorf("%d legs were delivered before the outcome was in the store", n-2)
	}
	o.end()
	b.ehr.await(t, 2)
	b.ledger.await(t, 2)
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if got := b.post("/v1/checkout", sale(t, "during")); got.header.Get(headerReplayed) != "true" || got.body != a.body {
		t.Errorf("a repeat after it: %d %s", got.status, got.body)
	}
	if n := len(b.processor.all()); n != 2 || len(b.ehr.all()) != 2 || len(b.ledger.all()) != 2 || len(b.doubts()) != 0 {
		t.Errorf("%d charges, %d and %d legs, doubts %v", n, len(b.ehr.all()), len(b.ledger.all()), b.doubts())
	}
	if n := b.intact(audit.KindAlarm); n != 0 {
		t.Errorf("%d alarms", n)
	}
	if n := b.server.committer.Stats().TooLate; n != 0 {
		t.Errorf("%d registers were too late", n)
	}
}

// TestOutageOutcomes takes the other outcomes through an outage.
func TestOutageOutcomes(t *testing.T) {
	var o outage
	b := newBed(t, withOutage(&o))
	o.begin()
	b.processor.setAnswer(always(402, `{"status":"declined"}`))
	if a := b.post("/v1/checkout", sale(t, "one")); a.status != 402 || a.header.Get(headerOutcome) != "cancelled" {
		t.Errorf("declined: %d %s", a.status, a.body)
	}
	b.processor.setAnswer(always(200, approved))
	if a := b.post("/v1/checkout", strings.Replace(sale(t, "one"), "4242424242424242", "5555555555554444", 1)); a.status != 200 {
		t.Errorf("another card under the key: %d %s", a.status, a.body)
	}
	b.processor.setAnswer(func(int, received) reply { return reply{drop: true} })
	if a := b.post("/v1/checkout", sale(t, "two")); a.status != 502 || code(a) != "primary_in_doubt" {
		t.Errorf("in doubt: %d %s", a.status, a.body)
	}
	if a := b.post("/v1/checkout", sale(t, "two")); a.status != 409 || code(a) != "in_doubt" {
		t.Errorf("a repeat of a sale in doubt: %d %s", a.status, a.body)
	}
	stuck := make(chan struct{})
	b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: stuck} })
	got := make(chan answerOf, 1)
	n := len(b.processor.all())
	go func() { got <- b.post("/v1/checkout", sale(t, "three")) }()
	b.processor.await(t, n+1)
	if a := b.post("/v1/checkout", sale(t, "three")); a.status != 409 || code(a) != "in_flight" {
		t.Errorf("a repeat in flight: %d %s", a.status, a.body)
	}
	close(stuck)
	if a := <-got; a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	o.end()
	b.ehr.await(t, 2)
	b.until("the outbox is empty", func() bool { return len(b.legs("due")) == 0 && len(b.legs("sending")) == 0 })
	if d := b.doubts(); len(d) != 1 || d[0].Held != 2 {
		t.Errorf("doubts %+v", d)
	}
	if n := b.intact(audit.KindAlarm); n != 0 {
		t.Errorf("%d alarms", n)
	}
}

// TestOutageRoutes asks who spools.
func TestOutageRoutes(t *testing.T) {
	for name, c := range map[string]struct {
		state      rules.OnOutage
		spool      int64
		route      rules.OnOutage
		idempotent bool
		want       bool
	}{
		"by default, idempotent":          {rules.OutageSpool, 1, rules.OutageDefault, true, true},
		"by default, not idempotent":      {rules.OutageSpool, 1, rules.OutageDefault, false, false},
		"the route spools, idempotent":    {rules.OutageRefuse, 1, rules.OutageSpool, true, true},
		"the route spools all the same":   {rules.OutageSpool, 1, rules.OutageSpool, false, true},
		"the route refuses":               {rules.OutageSpool, 1, rules.OutageRefuse, true, false},
		"the state refuses":               {rules.OutageRefuse, 1, rules.OutageDefault, true, false},
		"the state says nothing":          {rules.OutageDefault, 1, rules.OutageDefault, true, false},
		"there is nothing to spool it to": {rules.OutageSpool, 0, rules.OutageSpool, true, false},
	} {
		s := &Server{o: Options{OnOutage: c.state, Spool: c.spool}}
		y := &policy{plan: &rules.Plan{Destinations: []rules.Destination{{Idempotent: c.idempotent}}}}
		r := &rules.Route{OnOutage: c.route, Legs: []rules.Leg{{}}}
		if got := s.spools(y, r); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestOutageRefuses lets a route that may not spool refuse, before anything is
// sent.
func TestOutageRefuses(t *testing.T) {
	var o outage
	b := newBed(t, withOutage(&o), func(b *bed) { b.policy = strings.Replace(b.policy, "idempotent: true", "idempotent: false", 1) })
	o.begin()
	if a := b.post("/v1/checkout", checkout(t)); a.status != 503 || code(a) != "store_unavailable" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if status, text := b.page("/readyz"); status != 503 {
		t.Errorf("readyz: %d %s", status, text)
	}
	if n := len(b.processor.all()); n != 0 {
		t.Errorf("%d requests were forwarded", n)
	}
	o.end()
	if a := b.post("/v1/checkout", checkout(t)); a.status != 200 {
		t.Errorf("after it: %d %s", a.status, a.body)
	}
}

// TestOutageFull fills the local disk: nothing more is forwarded, and what was
// forwarded keeps its outcome.
func TestOutageFull(t *testing.T) {
	var o outage
	b := newBed(t, withOutage(&o), func(b *bed) {
		tune := b.tune
		b.tune = func(o *Options) { tune(o); o.Spool = 40 << 10 }
	})
	o.begin()
	n := 0
	for ; n < 100; n++ {
		a := b.post("/v1/checkout", sale(t, fmt.Sprint("sale-", n)))
		if a.status == 200 {
			continue
		}
		if a.status != 503 || code(a) != "store_unavailable" {
			t.Errorf("%d %s", a.status, a.body)
		}
		break
	}
	if n == 0 || n == 100 {
		t.Fatalf("%d sales were taken", n)
	}
	if got := len(b.processor.all()); got != n {
		t.Errorf("%d of %d were forwarded", got, n)
	}
	if status, text := b.page("/readyz"); status != 503 || !strings.Contains(text, "no more room") {
		t.Errorf("readyz: %d %s", status, text)
	}
	o.end()
	b.ehr.await(t, n)
	b.ledger.await(t, n)
	if d := b.doubts(); len(d) != 0 {
		t.Errorf("doubts %+v", d)
	}
	b.intact(audit.KindAlarm)
}

// TestOutagePaused does not act on a claim on local disk that is too old.
func TestOutagePaused(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		at   time.Time
		want bool
	}{
		"just now":             {now, true},
		"too long ago":         {now.Add(-leaseLimit), false},
		"a suspended machine":  {time.Unix(0, now.Add(-leaseLimit).UnixNano()), false},
		"by the wall clock ok": {time.Unix(0, now.UnixNano()), true},
	} {
		if got := (&exchange{spooled: c.at}).mayAct(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestOutageOfTwo lets two proxies sell under one key while neither reaches the
// store: the first claim stands, the other is an alarm, and each leg is
// delivered once.
func TestOutageOfTwo(t *testing.T) {
	var o, peer outage
	b := newBed(t, withOutage(&o))
	second := &bed{t: t, key: b.key, dir: t.TempDir(), policy: b.policy, ring: b.ring, logs: new(lockedBuffer),
		processor: b.processor, ehr: b.ehr, ledger: b.ledger, open: func() store.Driver { return unclosed{o.Faults.Driver} }}
	withOutage(&peer)(second)
	second.start()
	t.Cleanup(second.stop)
	o.begin()
	peer.begin()
	for _, p := range []*bed{b, second} {
		if a := p.post("/v1/checkout", checkout(t)); a.status != 200 {
			t.Fatalf("%d %s\n%s", a.status, a.body, p.logs)
		}
	}
	sent := b.processor.all()
	if len(sent) != 2 || sent[0].key == "" || sent[0].key != sent[1].key {
		t.Errorf("the processor cannot know the second as a repeat: %d calls", len(sent))
	}
	o.end()
	b.ehr.await(t, 1)
	peer.end()
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if len(b.ehr.all()) != 1 || len(b.ledger.all()) != 1 || len(b.doubts()) != 0 {
		t.Errorf("%d and %d legs, doubts %v", len(b.ehr.all()), len(b.ledger.all()), b.doubts())
	}
	alarms := map[reason.Code]int{}
	var merged []audit.Entry
	for _, e := range b.entries() {
		if e.Kind == audit.KindAlarm {
			alarms[e.Reason]++
			if e.Route != "checkout" || e.Request == "" || e.Key == "" || e.Attempt != 1 {
				t.Errorf("alarm %+v", e)
			}
		}
		if e.Action == audit.ActionSubjectMerged {
			merged = append(merged, e)
		}
	}
	if alarms[reason.DoubleClaim] != 1 || alarms[reason.LateOutcome] != 1 {
		t.Errorf("alarms %v", alarms)
	}
	if len(merged) != 1 || merged[0].Subject == "" || merged[0].Target == "" || string(merged[0].Target) == string(merged[0].Subject) {
		t.Errorf("one person with two ids: %+v", merged)
	}
	if _, text := second.page("/metrics"); !strings.Contains(text, "chaperone_double_claims_total 1") || !strings.Contains(text, "chaperone_late_outcomes_total 1") {
		t.Error("the metrics do not tell of the double claim")
	}
	b.intact(audit.KindAlarm)
	// From now on the person has one id, and the sale one answer.
	a, again := b.post("/v1/checkout", checkout(t)), second.post("/v1/checkout", checkout(t))
	if a.header.Get(headerReplayed) != "true" || again.body != a.body {
		t.Errorf("repeats: %d %s, %d %s", a.status, a.body, again.status, again.body)
	}
}

// unclosed is a driver that somebody else closes.
type unclosed struct{ store.Driver }

func (unclosed) Close() error { return nil }

// TestOutageAcrossRestart ends the process in an outage: the next one stores
// what is on local disk, and delivers.
func TestOutageAcrossRestart(t *testing.T) {
	var o outage
	b := newBed(t, withOutage(&o), func(b *bed) {
		tune := b.tune
		b.tune = func(o *Options) { tune(o); o.Limits.DrainTimeout = 500 * time.Millisecond }
	})
	o.begin()
	first := b.post("/v1/checkout", checkout(t))
	if first.status != 200 {
		t.Fatalf("%d %s", first.status, first.body)
	}
	b.cancel()
	if err := <-b.served; err == nil {
		t.Error("it ended with work left, and does not say so")
	}
	if err := b.driver.Close(); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.ehr.await(t, 1)
	b.ledger.await(t, 1)
	if a := b.post("/v1/checkout", checkout(t)); a.header.Get(headerReplayed) != "true" || a.body != first.body {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if n := len(b.processor.all()); n != 1 || len(b.ehr.all()) != 1 || len(b.ledger.all()) != 1 {
		t.Errorf("%d charges, %d and %d legs", n, len(b.ehr.all()), len(b.ledger.all()))
	}
	if n := b.intact(audit.KindDecision); n != 2 { // the sale's and its repeat's
		t.Errorf("%d decisions on record", n)
	}
	if fi, err := filepath.Glob(filepath.Join(b.dir, "journal*")); err != nil || len(fi) != 1 {
		t.Errorf("files %v %v", fi, err)
	}
}

// TestOutageTokens makes and reveals tokens while the store is away: as far as
// this process knows them.
func TestOutageTokens(t *testing.T) {
	var o outage
	b := newShelf(t, shelf{panToken: "pan", phiToken: "sealed", limits: ", limits: {mints_per_day: 3}"}, withOutage(&o), func(b *bed) {
		b.policy = strings.ReplaceAll(b.policy, "    legs:", "    on_outage: spool\n    legs:")
	})
	known := gjson.Get(b.tokenize(`{"card":"4242424242424242"}`), "card").String()
	o.begin()
	during := gjson.Get(b.tokenize(`{"card":"5555555555554444"}`), "card").String()
	if during == "" || during == "5555555555554444" {
		t.Fatalf("the card is %q", during)
	}
	for name, token := range map[string]string{"of a moment ago": known, "of this outage": during} {
		if a, got := b.reveal(`{"card":"` + token + `"}`); a.status != 200 || strings.Contains(got, token) {
			t.Errorf("a token %s: %d %s", name, a.status, a.body)
		}
	}
	b.server.recent.clear()
	if a, _ := b.reveal(`{"card":"` + known + `"}`); a.status != http.StatusServiceUnavailable || code(a) != "store_unavailable" {
		t.Errorf("a token of which nothing is at hand: %d %s", a.status, a.body)
	}
	if a, _ := b.reveal(`{"card":"` + during + `"}`); a.status != 200 {
		t.Errorf("a token that is on local disk: %d %s", a.status, a.body)
	}
	if a := b.post("/tokens", `{"card":"378282246310005"}`); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := b.post("/tokens", `{"card":"6011111111111117"}`); a.status != 429 {
		t.Errorf("the limit does not hold: %d %s", a.status, a.body)
	}
	o.end()
	if a, _ := b.reveal(`{"card":"` + during + `"}`); a.status != 200 {
		t.Errorf("after the outage: %d %s", a.status, a.body)
	}
}
