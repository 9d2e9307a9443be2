package proxy

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"chaperone/audit"
)

// secrets of the sample basket, none of which may be found outside of a call.
var secrets = []string{"4242424242424242", "Okonkwo", `"737"`, "PT-88213", "555 0142", "Botox", "chp_till"}

// TestNothingIsLeftInTheClear: not in the files, the log, the metrics, or the
// control socket's lists.
func TestNothingIsLeftInTheClear(t *testing.T) {
	b := newBed(t)
	b.ehr.setAnswer(always(503, ""))
	b.post("/v1/checkout", checkout(t))
	b.ehr.await(t, 2)
	b.post("/v1/checkout", checkout(t)+"}")
	b.processor.setAnswer(always(500, approved))
	b.post("/v1/checkout", sale(t, "doubt"))
	resp, err := http.Get("http://" + b.server.AdminAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var metrics bytes.Buffer
	if _, err := metrics.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(metrics.String(), `chaperone_requests_total{code="2xx",reason="none",route="checkout"} 1`) {
		t.Errorf("the metrics do not count: %s", metrics.String())
	}
	b.stop()
	search := map[string]string{"the log of the process": b.logs.String(), "the metrics": metrics.String()}
	err = filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		search[path] = string(content)
		return err
	})
	if err != nil || len(search) < 4 {
		t.Fatalf("%d places, %v", len(search), err)
	}
	for place, content := range search {
		for _, secret := range secrets {
			if strings.Contains(content, secret) {
				t.Errorf("%q is in %s", secret, place)
			}
		}
	}
}

// TestGuard: what the engine would let pass, the last check does not.
func TestGuard(t *testing.T) {
	b := newBed(t, func(b *bed) {
		// The ledger's path holds a card number: nothing in the body does.
		b.policy = strings.Replace(b.policy, "path: /v1/sales", "path: /v1/sales/4242424242424242", 1)
	})
	a := b.post("/v1/checkout", checkout(t))
	if a.status != 422 || code(a) != "egress_blocked" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if n := len(b.processor.all()); n != 0 {
		t.Errorf("%d requests were forwarded", n)
	}
}

// TestAnswersAreCleared: the caller sees of the primary's answer what it may.
func TestAnswersAreCleared(t *testing.T) {
	tests := []struct {
		name, answer, path, want, reason string
	}{
		{"a card number in free text", `{"status":"approved","reason":"charged 4242 4242 4242 4242"}`, "reason", "", ""},
		{"a card number in a member name", `{"status":"approved","card":{"4242424242424242":"x"}}`, "card.4242424242424242", "", ""},
		{"what is not kept", `{"status":"approved","internal":"x"}`, "internal", "", ""},
		{"what is kept", `{"status":"approved","auth_code":"A1"}`, "auth_code", "A1", ""},
		{"a forged token", `{"status":"approved","reason":"tok_aaaabbbbcccc"}`, "status", "approved", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.processor.setAnswer(always(200, tt.answer))
			a := b.post("/v1/checkout", checkout(t))
			got := gjson.Get(a.body, tt.path).String()
			if tt.name == "a card number in free text" {
				got = ""
			}
			if a.status != 200 || got != tt.want || a.header.Get(headerReason) != tt.reason || strings.Contains(strings.ReplaceAll(a.body, " ", ""), "4242424242424242") {
				t.Errorf("%d %s %v", a.status, a.body, a.header)
			}
		})
	}
}

const plainPolicy = `
destinations:
  records:
    url: RECORDS
    sees: {pan: mask}
    headers: {X-Api-Key: k}
    response: {headers: [X-Version]}
routes:
  - name: read
    match: {method: GET, path: "/patients/{id}/cards/{card}"}
    legs:
      - to: records
        primary: true
        path: "/v2/{id}/x/{card}"
        keep: all
        success: {status: [2xx]}
        forward: {headers: [X-Till, Accept-Language], query: [page, note]}
`

// TestTextsOutsideTheBody: captures, query members and headers reach a leg
// only as the policy says, and carry labels.
func TestTextsOutsideTheBody(t *testing.T) {
	b := newBed(t, func(b *bed) { b.policy = strings.Replace(plainPolicy, "RECORDS", b.processor.URL, 1) })
	b.processor.setAnswer(func(int, received) reply {
		return reply{status: 200, body: `{"ok":true}`, header: map[string]string{"X-Version": "7", "X-Other": "8", "Set-Cookie": "a=b", "Connection": "X-Gone", "X-Gone": "1"}}
	})
	a := b.do("GET", "/patients/a%20b/cards/c?page=2&secret=1&note=a%26b&page=3", "",
		"X-Till", "4", "Cookie", "s=1", "Accept-Language", "de", "X-Other", "x", "Chaperone-Outcome", "x", "X-Forwarded-For", "1.2.3.4")
	if a.status != 200 || a.body != `{"ok":true}` {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a.header.Get("X-Version") != "7" || a.header.Get("X-Other") != "" || a.header.Get("Set-Cookie") != "" || a.header.Get("X-Gone") != "" {
		t.Errorf("headers of the answer: %v", a.header)
	}
	got := b.processor.await(t, 1)[0]
	if got.method != "GET" || got.path != "/v2/a%20b/x/c?page=2&page=3&note=a%26b" {
		t.Errorf("%s %s", got.method, got.path)
	}
	for name, want := range map[string]string{"X-Till": "4", "Accept-Language": "de", "X-Api-Key": "k", "Cookie": "", "Authorization": "",
		"X-Other": "", "Chaperone-Outcome": "", "X-Forwarded-For": "", "Content-Type": "", "Content-Length": "", "Accept-Encoding": "identity"} {
		if v := got.header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	for _, target := range []string{"/patients/a/cards/4242424242424242", "/patients/a/cards/c?note=4242%204242%204242%204242"} {
		a = b.do("GET", target, "")
		if all := b.processor.all(); strings.Contains(strings.ReplaceAll(all[len(all)-1].path, "%20", ""), "4242424242424242") {
			t.Errorf("a card number went out: %d %s", a.status, all[len(all)-1].path)
		}
	}
	b.processor.setAnswer(always(404, ""))
	if a = b.do("GET", "/patients/a/cards/c", ""); a.status != 404 || a.body != "" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

// TestAPanicForwardsNothing: a fault of the program is an answer like others,
// and its words say nothing of the request.
func TestAPanicForwardsNothing(t *testing.T) {
	b := newBed(t)
	tokens := b.server.tokens
	b.server.tokens = nil
	a := b.post("/v1/checkout", checkout(t))
	if a.status != 500 || code(a) != "internal" || len(b.processor.all()) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.server.tokens = tokens
	if a = b.post("/v1/checkout", checkout(t)); a.status != 200 {
		t.Errorf("after it: %d %s", a.status, a.body)
	}
	for _, secret := range secrets {
		if strings.Contains(b.logs.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// TestAnUnreadBodyIsNoRequest: whatever the refusal, a body that was not read
// is never taken for the next request.
func TestAnUnreadBodyIsNoRequest(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.policy = strings.Replace(b.policy, "routes: [checkout, refund]", "routes: [refund]", 1)
	})
	inner := "POST /v1/refunds HTTP/1.1\r\nHost: " + b.server.Addr().String() + "\r\nAuthorization: Bearer chp_till\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	outer := "POST /v1/checkout HTTP/1.1\r\nHost: " + b.server.Addr().String() + "\r\nAuthorization: Bearer chp_till\r\nContent-Type: application/json\r\nContent-Length: " + itoa(len(inner)) + "\r\n\r\n" + inner
	c, err := net.Dial("tcp", b.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err = c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err = c.Write([]byte(outer)); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c) // ends only if the proxy closes
	if err != nil || strings.Count(string(all), "HTTP/1.1 ") != 1 || !strings.HasPrefix(string(all), "HTTP/1.1 403 ") {
		t.Errorf("%v: %s", err, all)
	}
}

// TestACallerThatGoesAway aborts nothing.
func TestACallerThatGoesAway(t *testing.T) {
	b := newBed(t)
	release := make(chan struct{})
	b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: release} })
	c, err := net.Dial("tcp", b.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body := checkout(t)
	_, err = c.Write([]byte("POST /v1/checkout HTTP/1.1\r\nHost: " + b.server.Addr().String() + "\r\nAuthorization: Bearer " + b.key +
		"\r\nContent-Type: application/json\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body))
	if err != nil {
		t.Fatal(err)
	}
	b.processor.await(t, 1)
	if err = c.Close(); err != nil {
		t.Fatal(err)
	}
	close(release)
	b.ehr.await(t, 1)
	b.ledger.await(t, 1)
	if a := b.post("/v1/checkout", body); a.status != 200 || a.header.Get(headerReplayed) != "true" {
		t.Errorf("the repeat: %d %s", a.status, a.body)
	}
}

// TestDrain: what has begun ends, nothing else begins, and no goroutine stays.
func TestDrain(t *testing.T) {
	b := newBed(t)
	release := make(chan struct{})
	b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: release} })
	got := make(chan answerOf, 1)
	go func() { got <- b.post("/v1/checkout", checkout(t)) }()
	b.processor.await(t, 1)
	b.cancel()
	b.until("draining", func() bool { return strings.Contains(b.logs.String(), "draining") })
	b.until("nothing is accepted", func() bool {
		c, err := net.DialTimeout("tcp", b.server.Addr().String(), time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	close(release)
	if a := <-got; a.status != 200 || a.header.Get(headerOutcome) != "released" {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.stop()
	b.start()
	b.ehr.await(t, 1)
	var kinds []audit.Kind
	for _, e := range b.entries() {
		kinds = append(kinds, e.Kind)
	}
	if len(kinds) < 4 || kinds[0] != audit.KindStart || kinds[1] != audit.KindDecision || kinds[2] != audit.KindOutcome {
		t.Errorf("the log: %v", kinds)
	}
	b.stop()
	b.until("no goroutine of the proxy is left", func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, g := range strings.Split(string(stacks), "\n\n") {
			if strings.Contains(g, "chaperone/proxy.(*") && !strings.Contains(g, "_test.go") {
				return false
			}
		}
		return true
	})
}

// TestReady: health follows the store and the drain.
func TestReady(t *testing.T) {
	b := newBed(t)
	if r := b.server.ready(context.Background()); !r.Ready {
		t.Errorf("%+v", r)
	}
	resp, err := http.Get("http://" + b.server.AdminAddr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("readyz: %d", resp.StatusCode)
	}
	s := b.server
	b.stop()
	if r := s.ready(context.Background()); r.Ready || !r.Draining {
		t.Errorf("after the end: %+v", r)
	}
}

func TestExplain(t *testing.T) {
	b := newBed(t)
	plan, _ := load(t, b.policy)
	ex, err := Explain(plan, Sample{Route: "checkout", Body: []byte(checkout(t))})
	if err != nil || ex.Refusal != nil || len(ex.Parties) != 3 || ex.Caller != "front-desk" {
		t.Fatalf("%v %+v", err, ex)
	}
	p := ex.Parties[0]
	if got := gjson.GetBytes(p.Body, "payment.card.cvv").String(); got != "[sad]" || !p.Primary {
		t.Errorf("the processor's CVV is shown as %q", got)
	}
	shown := false
	for _, d := range p.Decisions {
		shown = shown || d.Label == "sad" && d.Form.String() == "plain"
	}
	if !shown {
		t.Errorf("decisions: %+v", p.Decisions)
	}
	if got := gjson.GetBytes(ex.Parties[2].Body, "payment.card.number").String(); got != "************4242" {
		t.Errorf("the ledger's card: %q", got)
	}
	// It shows what would be sent, and sends nothing.
	b.post("/v1/checkout", checkout(t))
	sent := b.ledger.await(t, 1)[0].body
	if gjson.Get(sent, "items").Raw != gjson.GetBytes(ex.Parties[2].Body, "items").Raw || gjson.Get(sent, "totals").Raw != gjson.GetBytes(ex.Parties[2].Body, "totals").Raw {
		t.Errorf("shown %s\nsent  %s", ex.Parties[2].Body, sent)
	}
	ex, err = Explain(plan, Sample{Route: "checkout", Body: []byte(`{"a":}`)})
	if err != nil || ex.Refusal == nil || ex.Refusal.Code != "body_malformed" || len(ex.Parties) != 0 {
		t.Errorf("%v %+v", err, ex)
	}
	if _, err = Explain(plan, Sample{Route: "nothing"}); err == nil {
		t.Error("an unknown route is explained")
	}
	if _, err = Explain(plan, Sample{Route: "checkout", Caller: "nobody"}); err == nil {
		t.Error("an unknown caller is explained")
	}
}

// TestExplainOfAFollower: the sale is not looked up, and the explanation says
// which legs depend on it.
func TestExplainOfAFollower(t *testing.T) {
	b := &bed{policy: sampleFile(t, "rules.yaml")}
	withFollowers(b)
	plan, _ := load(t, b.policy)
	ex, err := Explain(plan, Sample{Route: "part-refund", Body: []byte(about("r1", "s1", `,"amount":100`))})
	if err != nil || ex.Refusal != nil {
		t.Fatal(err, ex.Refusal)
	}
	for i, want := range []bool{false, true, true} {
		if p := ex.Parties[i]; p.BySale != want || p.Skipped {
			t.Errorf("%s: %+v", p.To, p)
		}
	}
	if got := gjson.GetBytes(ex.Parties[0].Body, "amount").Int(); got != 100 {
		t.Errorf("the processor gets %s", ex.Parties[0].Body)
	}
}
