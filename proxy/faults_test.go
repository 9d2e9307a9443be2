package proxy

import (
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"chaperone/audit"
)

// refusedCount counts the refusals on record.
func (b *bed) refusedCount() int {
	n := 0
	for _, e := range b.entries() {
		if e.Kind == audit.KindRefusal {
			n++
		}
	}
	return n
}

// deliveredTo gives what an entry says of a leg that was delivered to a
// destination, if it does.
func deliveredTo(e *audit.Entry, dest audit.Name) (audit.Leg, bool) {
	if e.Kind != audit.KindDelivery || e.Result != audit.ResultDelivered {
		return audit.Leg{}, false
	}
	i := slices.IndexFunc(e.Legs, func(l audit.Leg) bool { return l.To == dest })
	if i < 0 {
		return audit.Leg{}, false
	}
	return e.Legs[i], true
}

// entries reads the whole log, of all processes.
func (b *bed) entries() []audit.Entry {
	b.t.Helper()
	src := audit.FromStore(b.driver)
	var all []audit.Entry
	chains, err := src.Chains(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, chain := range chains {
		recs, err := src.Records(b.t.Context(), chain, 1, 1<<20)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, r := range recs {
			e, err := audit.NewSealing(b.ring, chain).Open(r.Entry)
			if err != nil {
				b.t.Fatal(err)
			}
			all = append(all, e)
		}
	}
	return all
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

// TestWhatThePrimaryDoes is the fault table after the first byte was sent.
func TestWhatThePrimaryDoes(t *testing.T) {
	never := make(chan struct{}) // stands for one of the case's own
	tests := []struct {
		name    string
		answer  reply
		status  int
		code    string // of a problem
		reason  string // of a withheld body
		outcome audit.Result
	}{
		{"approved", reply{status: 200, body: approved}, 200, "", "", audit.ResultReleased},
		{"approved by 201", reply{status: 201, body: approved}, 201, "", "", audit.ResultReleased},
		{"declined by a 200", reply{status: 200, body: `{"status":"declined"}`}, 200, "", "", audit.ResultCancelled},
		{"declined by a 402", reply{status: 402, body: `{"status":"declined"}`}, 402, "", "", audit.ResultCancelled},
		{"not authorized, nothing said", reply{status: 401}, 401, "", "", audit.ResultCancelled},
		{"a 4xx that is no JSON", reply{status: 403, body: "<html>"}, 502, "primary_in_doubt", "", audit.ResultUnknown},
		{"request timeout", reply{status: 408, body: `{}`}, 502, "primary_in_doubt", "", audit.ResultUnknown},
		{"a status of no class", reply{status: 600, body: `{}`}, 502, "primary_in_doubt", "", audit.ResultUnknown},
		{"conflict", reply{status: 409, body: `{}`}, 502, "primary_in_doubt", "", audit.ResultUnknown},
		{"redirected", reply{status: 307, body: `{}`, header: map[string]string{"Location": "/elsewhere"}}, 502, "primary_in_doubt", "", audit.ResultUnknown},
		{"failed", reply{status: 500, body: `{"status":"approved"}`}, 502, "primary_in_doubt", "", audit.ResultUnknown},
		{"bad gateway", reply{status: 502, body: "<html>"}, 502, "primary_in_doubt", "", audit.ResultUnknown},
		{"a 200 that is no JSON", reply{status: 200, body: "approved"}, 200, "", "answer_unreadable", audit.ResultUnknown},
		{"a 200 that says nothing", reply{status: 200}, 200, "", "answer_unreadable", audit.ResultUnknown},
		{"a 200 cut off in a member", reply{status: 200, body: `{"status":"approved"`}, 200, "", "answer_unreadable", audit.ResultUnknown},
		{"zipped", reply{status: 200, body: zipped(approved), header: map[string]string{"Content-Encoding": "gzip"}}, 200, "", "answer_unreadable", audit.ResultUnknown},
		{"success twice", reply{status: 200, body: `{"status":"declined","status":"approved"}`}, 200, "", "answer_unreadable", audit.ResultUnknown},
		{"hung up", reply{drop: true}, 502, "primary_in_doubt", "", audit.ResultUnknown},
		{"silent", reply{status: 200, body: approved, hang: never}, 504, "primary_timeout", "", audit.ResultUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, func(b *bed) {
				if tt.answer.hang != nil { // the only one that is to be given up
					b.policy = strings.Replace(b.policy, "timeout: 20s", "timeout: 2s", 1)
				}
			})
			if tt.answer.hang != nil {
				hang := make(chan struct{})
				t.Cleanup(func() { close(hang) }) // before the receiver's own
				tt.answer.hang = hang
			}
			b.processor.setAnswer(func(int, received) reply { return tt.answer })
			a := b.post("/v1/checkout", checkout(t))
			if a.status != tt.status || code(a) != tt.code || a.header.Get(headerReason) != tt.reason || a.header.Get(headerOutcome) != tt.outcome.String() {
				t.Errorf("%d %s %v", a.status, a.body, a.header)
			}
			if tt.reason != "" && a.body != "{}" {
				t.Errorf("a withheld body: %s", a.body)
			}
			switch tt.outcome {
			case audit.ResultReleased:
				b.ehr.await(t, 1)
				b.ledger.await(t, 1)
			case audit.ResultUnknown:
				d := b.doubts()
				if len(d) != 1 || d[0].Held != 2 || d[0].Request != a.header.Get(headerRequestID) {
					t.Errorf("doubts: %+v", d)
				}
				if held := b.legs("held"); len(held) != 2 {
					t.Errorf("held: %+v", held)
				}
				if !strings.Contains(a.header.Get(headerLegs), "ehr=held") {
					t.Errorf("legs: %s", a.header.Get(headerLegs))
				}
			case audit.ResultCancelled:
				if all := b.legs(""); len(all) != 0 || len(b.doubts()) != 0 {
					t.Errorf("left over: %v %v", all, b.doubts())
				}
			}
			if n := len(b.processor.all()); n != 1 {
				t.Errorf("%d requests reached the processor", n)
			}
			b.stop()
			if tt.outcome != audit.ResultReleased && len(b.ehr.all())+len(b.ledger.all()) != 0 {
				t.Error("a leg went out")
			}
		})
	}
}

// TestRefusals are the rows of the fault table before anything is sent.
func TestRefusals(t *testing.T) {
	big := strings.Replace(checkout(t), `"Lena"`, `"`+strings.Repeat("x", 1<<20)+`"`, 1)
	deep := strings.Replace(checkout(t), `"Lena"`, strings.Repeat("[", 200)+strings.Repeat("]", 200), 1)
	tests := []struct {
		name, method, path, body string
		header                   []string
		status                   int
		code                     string
	}{
		{"unknown host", "POST", "/v1/checkout", "ok", []string{"Host", "evil.example"}, 421, "host_unknown"},
		{"another site's page", "POST", "/v1/checkout", "ok", []string{"Origin", "https://evil.example"}, 403, "cross_site"},
		{"another site's fetch", "POST", "/v1/checkout", "ok", []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross_site"},
		{"no such key", "POST", "/v1/checkout", "ok", []string{"Authorization", "Bearer no"}, 401, "caller_unknown"},
		{"no such route", "POST", "/v1/nothing", "ok", nil, 404, "route_unknown"},
		{"no such method", "PUT", "/v1/checkout", "ok", nil, 405, "method_not_allowed"},
		{"ambiguous path", "POST", "/v1/x/../checkout", "ok", nil, 400, "head_malformed"},
		{"no body", "POST", "/v1/checkout", "", nil, 400, "body_missing"},
		{"form", "POST", "/v1/checkout", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "content_type"},
		{"another charset", "POST", "/v1/checkout", "ok", []string{"Content-Type", "application/json; charset=utf-16"}, 415, "content_type"},
		{"zipped", "POST", "/v1/checkout", zipped("{}"), []string{"Content-Encoding", "gzip"}, 415, "content_encoding"},
		{"an expectation", "POST", "/v1/checkout", "ok", []string{"Expect", "200-ok"}, 417, "expect_unknown"},
		{"malformed", "POST", "/v1/checkout", `{"a":}`, nil, 400, "body_malformed"},
		{"not UTF-8", "POST", "/v1/checkout", "{\"a\":\"\xff\"}", nil, 400, "body_not_utf8"},
		{"too deep", "POST", "/v1/checkout", deep, nil, 400, "body_too_deep"},
		{"too large", "POST", "/v1/checkout", big, nil, 413, "body_too_large"},
		{"no items", "POST", "/v1/checkout", `{"transaction_id":"x"}`, nil, 422, "basket_shape"},
		{"totals that do not add up", "POST", "/v1/checkout", strings.Replace(checkout(t), "35978", "45978", 1), nil, 422, "totals_mismatch"},
		{"a deciding member twice", "POST", "/v1/checkout", strings.Replace(checkout(t), `"currency": "USD",`, `"currency": "USD", "currency": "EUR",`, 1), nil, 422, "ambiguous_member"},
		{"a key with a control character", "POST", "/v1/checkout", strings.Replace(checkout(t), "MS-2026-004411", `a\u0001`, 1), nil, 400, "key_malformed"},
	}
	b := newBed(t, func(b *bed) {
		b.tune = func(o *Options) { o.Limits.Body = 256 << 10 }
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := tt.body
			if body == "ok" {
				body = checkout(t)
			}
			b.server.refusals.last = map[refusalKey]*refusalCount{} // a second may not have passed
			before := b.refusedCount()
			a := b.do(tt.method, tt.path, body, tt.header...)
			if a.status != tt.status || code(a) != tt.code || a.header.Get("Content-Type") != problemType {
				t.Errorf("%d %s", a.status, a.body)
			}
			if gjson.Get(a.body, "request_id").String() != a.header.Get(headerRequestID) || a.header.Get(headerRequestID) == "" {
				t.Errorf("request id: %s %v", a.body, a.header)
			}
			if strings.Contains(a.body, "4242") || strings.Contains(a.body, "Okonkwo") {
				t.Errorf("a value in a problem: %s", a.body)
			}
			if got := b.refusedCount(); got != before+1 {
				t.Errorf("%d refusals on record, want %d", got, before+1)
			}
		})
	}
	if n := len(b.processor.all()) + len(b.ehr.all()) + len(b.ledger.all()); n != 0 {
		t.Errorf("%d requests got through", n)
	}
}

// TestRefusalsOfStrangersAreLimited: who is not known cannot fill the log.
func TestRefusalsOfStrangersAreLimited(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	b := newBed(t, func(b *bed) { b.tune = func(o *Options) { o.Clock = func() time.Time { return now } } })
	for range 20 {
		if a := b.post("/v1/checkout", checkout(t), "Authorization", "Bearer no"); a.status != 401 {
			t.Fatal(a.status)
		}
	}
	if n := b.refusedCount(); n != 1 {
		t.Errorf("%d refusals on record", n)
	}
}

func TestLapsedAgreementRefusesThePrimary(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.policy = strings.Replace(b.policy, "sees: {pan: plain, sad: plain}", "sees: {pan: plain, sad: plain, phi: plain}", 1)
		b.tune = func(o *Options) { o.Clock = func() time.Time { return time.Date(2031, 6, 1, 0, 0, 0, 0, time.UTC) } }
	})
	a := b.post("/v1/checkout", checkout(t))
	if a.status != 403 || code(a) != "agreement_lapsed" || len(b.processor.all()) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestRecordComesFirst: the decision is in the log before the primary is
// called, and the outcome before the caller is answered.
func TestRecordComesFirst(t *testing.T) {
	b := newBed(t)
	kinds := func() string {
		var s []string
		for _, e := range b.entries() {
			s = append(s, e.Kind.String())
		}
		return strings.Join(s, " ")
	}
	during := make(chan string, 1)
	b.processor.setAnswer(func(int, received) reply {
		during <- kinds()
		return reply{status: 200, body: approved}
	})
	b.post("/v1/checkout", checkout(t))
	if got := <-during; got != "start decision" {
		t.Errorf("while the primary is called: %s", got)
	}
	if got := kinds(); !strings.HasPrefix(got, "start decision outcome") {
		t.Errorf("after the answer: %s", got)
	}
	b.until("the deliveries are on record", func() bool {
		legs := 0
		for _, e := range b.entries() {
			if e.Kind == audit.KindDelivery {
				legs += len(e.Legs)
			}
		}
		return legs == 2
	})
	for _, e := range b.entries() {
		if e.Kind != audit.KindDecision {
			continue
		}
		if e.Subject == "" || strings.Contains(string(e.Subject), "88213") || len(e.Decisions) == 0 || len(e.Legs) != 3 || e.Caller != "front-desk" {
			t.Errorf("the decision: %+v", e)
		}
	}
}
