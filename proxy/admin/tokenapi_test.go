package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/store"
	"chaperone/store/storetest"
	"chaperone/vault/keys"
)

const apiPolicy = `
labels:
  pan: {paths: [card]}
  phi: {paths: [name], token: vaulted}
destinations:
  till: {url: "https://till.example", sees: {pan: token}}
callers:
  maker: {key_sha256: %s, tokens: [make, batch], sees: {pan: token, phi: token}, limits: {mints_per_day: 1500}}
  single: {key_sha256: %s, tokens: make, sees: {pan: token}}
  teller: {key_sha256: %s, tokens: [reveal, list], sees: {pan: plain, phi: mask}, limits: {reveals_per_day: 3, failed_reveals_per_hour: 4}}
  eraser: {key_sha256: %s, tokens: [revoke], sees: {}}
  north: {key_sha256: %s, tokens: [make, reveal, revoke, list], scope: north, sees: {pan: plain}}
  nobody: {key_sha256: %s, routes: [sale]}
routes:
  - name: sale
    match: {method: POST, path: /sale}
    legs: [{to: till, primary: true, keep: [id], success: http}]
`

// apiBed is the API over an embedded store.
type apiBed struct {
	t      *testing.T
	server *httptest.Server
	desk   *TokenDesk

	mu      sync.Mutex
	entries []audit.Entry
	refuse  error // of the log
}

func newAPIBed(t *testing.T) *apiBed {
	t.Helper()
	var hashes []any
	for _, name := range []string{"maker", "single", "teller", "eraser", "north", "nobody"} {
		sum := sha256.Sum256([]byte("chp_" + name))
		hashes = append(hashes, hex.EncodeToString(sum[:]))
	}
	plan, ds := rules.LoadBytes("rules.yaml", fmt.Appendf(nil, apiPolicy, hashes...), nil)
	if plan == nil {
		t.Fatalf("%v", ds)
	}
	ring := keys.Ephemeral()
	t.Cleanup(ring.Close)
	d := storetest.Open(t)
	b := &apiBed{t: t}
	logger := slog.New(slog.DiscardHandler)
	metrics := NewMetrics(Build{})
	b.desk = &TokenDesk{Plan: func() *rules.Plan { return plan }, Ring: ring, Driver: d, Clock: time.Now, Logger: logger,
		Limiter: &Limiter{Apply: d.Apply, Clock: time.Now, Metrics: metrics, Logger: logger},
		Commit: func(ctx context.Context, e *audit.Entry, cmds []store.Command) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.refuse != nil {
				return b.refuse
			}
			if e != nil {
				b.entries = append(b.entries, *e)
			}
			if len(cmds) == 0 {
				return nil
			}
			return d.Apply(ctx, cmds)
		}}
	mux := http.NewServeMux()
	(&tokenAPI{desk: b.desk}).register(mux)
	b.server = httptest.NewServer(mux)
	t.Cleanup(b.server.Close)
	return b
}

// call does one call as a caller, and reads the answer into v.
func (b *apiBed) call(caller, method, path string, body, v any) int {
	b.t.Helper()
	var text []byte
	switch body := body.(type) {
	case nil:
	case string:
		text = []byte(body)
	default:
		text, _ = json.Marshal(body)
	}
	r, err := http.NewRequest(method, b.server.URL+path, bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	if caller != "" {
		r.Header.Set("Authorization", "Bearer chp_"+caller)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode != 200 && resp.Header.Get("Content-Type") != "application/problem+json" {
		b.t.Errorf("%s %s: %d is no problem document", method, path, resp.StatusCode)
	}
	if v != nil {
		if err := json.Unmarshal(answer, v); err != nil {
			b.t.Fatalf("%s %s: %d, %v", method, path, resp.StatusCode, err)
		}
	}
	return resp.StatusCode
}

func (b *apiBed) last() audit.Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.entries[len(b.entries)-1]
}

type problemDoc struct{ Code, Detail string }

func TestTokenAPI(t *testing.T) {
	b := newAPIBed(t)
	const card = "4242424242424242"
	var made control.Token
	if s := b.call("maker", "POST", control.PathTokens, control.TokenMake{Label: "pan", Value: card, Reason: "phone"}, &made); s != 200 || made.Format != "pan" {
		t.Fatalf("make: %d %+v", s, made)
	}
	if e := b.last(); e.Kind != audit.KindMint || e.Caller != "maker" || e.Why != "phone" || !e.Origin.IsLoopback() || len(e.Tokens) != 1 || string(e.Tokens[0].Key) != made.ID {
		t.Errorf("the entry: %s", e.Append(nil))
	}
	var value control.TokenValue
	if s := b.call("teller", "POST", control.PathTokensReveal, control.TokenReveal{Token: made.Token, Reason: "dispute"}, &value); s != 200 || value.Value != card || value.ID != made.ID {
		t.Errorf("reveal: %d", s)
	}
	if s := b.call("north", "POST", control.PathTokensReveal, control.TokenReveal{Token: made.Token, Reason: "dispute"}, nil); s != 422 {
		t.Errorf("reveal in another scope: %d", s)
	}
	var page control.TokenPage
	if s := b.call("teller", "GET", control.PathTokens+"?max=10", nil, &page); s != 200 {
		t.Errorf("list: %d", s)
	}
	if s := b.call("teller", "GET", control.PathTokens+"?cursor="+page.Next, nil, &page); s != 200 || len(page.Tokens) != 1 || page.Tokens[0].ID != made.ID || page.Tokens[0].Last4 != "4242" {
		t.Errorf("list: %d %+v", s, page)
	}
	var revoked control.TokenRevoked
	if s := b.call("eraser", "POST", control.PathTokensRevoke, control.TokenRevoke{ID: made.ID, Reason: "erasure"}, &revoked); s != 200 || revoked.ID != made.ID {
		t.Errorf("revoke: %d %+v", s, revoked)
	}
	if s := b.call("teller", "POST", control.PathTokensReveal, control.TokenReveal{Token: made.Token, Reason: "dispute"}, nil); s != 422 {
		t.Errorf("reveal of a revoked token: %d", s)
	}
	var all control.TokensMade
	batch := control.TokenBatch{Label: "phi", Reason: "migration"}
	for i := range control.MaxBatch {
		batch.Values = append(batch.Values, fmt.Sprint("patient ", i%900))
	}
	if s := b.call("maker", "POST", control.PathTokensBatch, batch, &all); s != 200 || len(all.Tokens) != control.MaxBatch {
		t.Fatalf("batch: %d, %d tokens", s, len(all.Tokens))
	}
	distinct := map[string]bool{}
	for i, tok := range all.Tokens {
		distinct[tok.Token] = true
		if tok.Token != all.Tokens[i%900].Token {
			t.Error("equal values of one batch have two tokens")
		}
	}
	if len(distinct) != 900 {
		t.Errorf("%d tokens of 900 values", len(distinct))
	}
}

func TestTokenAPIRefuses(t *testing.T) {
	b := newAPIBed(t)
	var made control.Token
	b.call("maker", "POST", control.PathTokens, control.TokenMake{Label: "phi", Value: "Ada", Reason: "x"}, &made)
	pan := control.TokenMake{Label: "pan", Value: "4242424242424242", Reason: "x"}
	for _, c := range []struct {
		name, caller, method, path string
		body                       any
		status                     int
		code                       string
	}{
		{"no key", "", "POST", control.PathTokens, pan, 401, "caller_unknown"},
		{"another key", "somebody", "POST", control.PathTokens, pan, 401, "caller_unknown"},
		{"no right at all", "nobody", "POST", control.PathTokens, pan, 403, "caller_forbidden"},
		{"another right", "teller", "POST", control.PathTokens, pan, 403, "caller_forbidden"},
		{"no right to reveal", "maker", "POST", control.PathTokensReveal, control.TokenReveal{Token: made.Token, Reason: "x"}, 403, "caller_forbidden"},
		{"no right to batches", "single", "POST", control.PathTokensBatch, control.TokenBatch{Label: "pan", Values: []string{"1"}, Reason: "x"}, 403, "caller_forbidden"},
		{"no right to list", "maker", "GET", control.PathTokens, nil, 403, "caller_forbidden"},
		{"a label that is not to be seen plain", "teller", "POST", control.PathTokensReveal, control.TokenReveal{Token: made.Token, Reason: "x"}, 403, "caller_forbidden"},
		{"a label without a token for the caller", "single", "POST", control.PathTokens, control.TokenMake{Label: "phi", Value: "x", Reason: "x"}, 403, "caller_forbidden"},
		{"no such label", "maker", "POST", control.PathTokens, control.TokenMake{Label: "no", Value: "x", Reason: "x"}, 422, "body_malformed"},
		{"authentication data", "maker", "POST", control.PathTokens, control.TokenMake{Label: "sad", Value: "123", Reason: "x"}, 422, "body_malformed"},
		{"no reason", "maker", "POST", control.PathTokens, control.TokenMake{Label: "pan", Value: "x"}, 422, "body_malformed"},
		{"a card for a reason", "maker", "POST", control.PathTokens, control.TokenMake{Label: "pan", Value: "x", Reason: "4242 4242 4242 4242"}, 422, "body_malformed"},
		{"a scope", "maker", "POST", control.PathTokens, control.TokenMake{Label: "pan", Value: "x", Reason: "x", Scope: "north"}, 400, "body_malformed"},
		{"an unknown member", "maker", "POST", control.PathTokens, `{"label":"pan","value":"x","reason":"x","more":1}`, 400, "body_malformed"},
		{"two documents", "maker", "POST", control.PathTokens, `{"label":"pan","value":"x","reason":"x"}{}`, 400, "body_malformed"},
		{"too much", "maker", "POST", control.PathTokens, `{"label":"` + strings.Repeat("x", maxAsked) + `"}`, 413, "body_too_large"},
		{"an empty batch", "maker", "POST", control.PathTokensBatch, control.TokenBatch{Label: "pan", Reason: "x"}, 422, "body_malformed"},
		{"a batch too large", "maker", "POST", control.PathTokensBatch, control.TokenBatch{Label: "pan", Values: make([]string, 1001), Reason: "x"}, 422, "body_malformed"},
		{"a page too large", "teller", "GET", control.PathTokens + "?max=5000", nil, 422, "body_malformed"},
		{"no cursor", "teller", "GET", control.PathTokens + "?cursor=7.x", nil, 422, "body_malformed"},
		{"revoke of nothing", "eraser", "POST", control.PathTokensRevoke, control.TokenRevoke{Reason: "x"}, 422, "body_malformed"},
		{"revoke of a stranger", "eraser", "POST", control.PathTokensRevoke, control.TokenRevoke{Token: "vt_x", Reason: "x"}, 422, "token_unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p problemDoc
			if s := b.call(c.caller, c.method, c.path, c.body, &p); s != c.status || p.Code != c.code {
				t.Errorf("%d %+v, want %d %s", s, p, c.status, c.code)
			}
		})
	}
	r, _ := http.NewRequest("GET", b.server.URL+control.PathTokens, nil)
	r.Header.Set("Authorization", "Bearer chp_teller")
	r.Header.Set("Origin", "https://evil.example")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("a web page: %d", resp.StatusCode)
	}
}

func TestTokenAPILimits(t *testing.T) {
	b := newAPIBed(t)
	var made control.Token
	b.call("maker", "POST", control.PathTokens, control.TokenMake{Label: "pan", Value: "4242424242424242", Reason: "x"}, &made)
	reveal := control.TokenReveal{Token: made.Token, Reason: "x"}
	for i := range 5 {
		want := 200
		if i >= 3 {
			want = 429
		}
		var p problemDoc
		if s := b.call("teller", "POST", control.PathTokensReveal, reveal, &p); s != want || want == 429 && p.Code != "token_limit" {
			t.Errorf("reveal %d: %d %+v", i, s, p)
		}
	}
	for i := range 6 {
		want := 422
		if i >= 4 {
			want = 429
		}
		if s := b.call("teller", "POST", control.PathTokensReveal, control.TokenReveal{Token: "7000000000004242", Reason: "x"}, nil); s != want {
			t.Errorf("failed reveal %d: %d", i, s)
		}
	}
	batch := control.TokenBatch{Label: "phi", Reason: "x"}
	for i := range 1000 {
		batch.Values = append(batch.Values, fmt.Sprint(i))
	}
	if s := b.call("maker", "POST", control.PathTokensBatch, batch, nil); s != 200 {
		t.Errorf("first batch: %d", s)
	}
	for i := range batch.Values {
		batch.Values[i] += "x"
	}
	if s := b.call("maker", "POST", control.PathTokensBatch, batch, nil); s != 429 {
		t.Errorf("second batch: %d", s)
	}
}

// TestNothingWithoutTheLog: what is not on record is not answered, and not
// done.
func TestNothingWithoutTheLog(t *testing.T) {
	b := newAPIBed(t)
	var made control.Token
	b.call("maker", "POST", control.PathTokens, control.TokenMake{Label: "pan", Value: "4242424242424242", Reason: "x"}, &made)
	b.refuse = errors.New("away")
	for _, c := range []struct {
		caller, path string
		body         any
	}{
		{"maker", control.PathTokens, control.TokenMake{Label: "pan", Value: "5555555555554444", Reason: "x"}},
		{"teller", control.PathTokensReveal, control.TokenReveal{Token: made.Token, Reason: "x"}},
		{"eraser", control.PathTokensRevoke, control.TokenRevoke{Token: made.Token, Reason: "x"}},
	} {
		var p map[string]any
		if s := b.call(c.caller, "POST", c.path, c.body, &p); s != 503 || p["token"] != nil || p["value"] != nil {
			t.Errorf("%s: %d", c.path, s)
		}
	}
	b.refuse = nil
	if s := b.call("teller", "POST", control.PathTokensReveal, control.TokenReveal{Token: made.Token, Reason: "x"}, nil); s != 200 {
		t.Errorf("the token was revoked without a record: %d", s)
	}
}

// TestOpenAPI holds the document against the handlers: the same operations, the
// statuses that they give, and schemas with the members of the Go types.
func TestOpenAPI(t *testing.T) {
	b := newAPIBed(t)
	resp, err := http.Get(b.server.URL + pathOpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Responses   map[string]any
			RequestBody struct {
				Content map[string]struct{ Schema map[string]string }
			}
		}
		Components struct {
			Schemas map[string]struct {
				Required   []string
				Properties map[string]any
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatalf("%s, %v", doc.OpenAPI, err)
	}
	n := 0
	for path, methods := range doc.Paths {
		for method, o := range methods {
			n++
			if !slices.ContainsFunc(operations, func(op operation) bool { return op.path == path && strings.EqualFold(op.method, method) }) {
				t.Errorf("the document has %s %s, and no handler does", method, path)
			}
			for _, status := range []string{"200", "401", "403", "422", "429", "503"} {
				if o.Responses[status] == nil {
					t.Errorf("%s %s: no %s", method, path, status)
				}
			}
			// What the document asks for is what the handler takes: an empty
			// object lacks a reason, and never a member's name.
			if method == "post" {
				if s := b.call("north", "POST", path, `{"unknown":1}`, nil); s != 400 && s != 403 {
					t.Errorf("%s takes what the document does not have: %d", path, s)
				}
			}
		}
	}
	if n != len(operations) {
		t.Errorf("%d operations in the document, %d handlers", n, len(operations))
	}
	for _, v := range []any{control.TokenMake{}, control.TokenBatch{}, control.Token{}, control.TokensMade{}, control.TokenReveal{}, control.TokenValue{},
		control.TokenRevoke{}, control.TokenRevoked{}, control.TokenInfo{}, control.TokenPage{}} {
		typ := reflect.TypeOf(v)
		schema, ok := doc.Components.Schemas[typ.Name()]
		if !ok {
			t.Errorf("no schema %s", typ.Name())
			continue
		}
		members := map[string]bool{}
		for i := range typ.NumField() {
			name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if name == "scope" && typ.Name() != "TokenInfo" {
				continue // the socket's alone
			}
			members[name] = true
			if schema.Properties[name] == nil {
				t.Errorf("%s has no %s", typ.Name(), name)
			}
			if required := slices.Contains(schema.Required, name); required == strings.Contains(options, "omit") {
				t.Errorf("%s.%s: required %v", typ.Name(), name, required)
			}
		}
		for name := range schema.Properties {
			if !members[name] {
				t.Errorf("%s has %s, which the type has not", typ.Name(), name)
			}
		}
	}
}

func TestLimiterSharesAndRenews(t *testing.T) {
	d := storetest.Open(t)
	now := time.Unix(1_700_000_000, 0)
	limits := rules.CallerLimits{MintsPerDay: 250}
	newLimiter := func() *Limiter {
		return &Limiter{Apply: d.Apply, Clock: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)}
	}
	a, b := newLimiter(), newLimiter()
	taken := 0
	for i := 0; ; i++ {
		l := a
		if i%2 == 1 {
			l = b
		}
		ok, err := l.Take(t.Context(), "till", limits, LimitMints, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		taken++
	}
	if taken > 250 || taken < 245 {
		t.Errorf("%d of 250 were allowed", taken)
	}
	if ok, err := newLimiter().Take(t.Context(), "till", limits, LimitMints, 5); ok || err != nil {
		t.Errorf("a third proxy allows more: %v", err)
	}
	if ok, _ := a.Take(t.Context(), "other", limits, LimitMints, 1); !ok {
		t.Error("one caller's limit is another's")
	}
	if ok, _ := a.Take(t.Context(), "till", rules.CallerLimits{MintsPerDay: 1000}, LimitMints, 1); !ok {
		t.Error("a limit that was raised is not")
	}
	now = now.Add(24 * time.Hour)
	if ok, _ := a.Take(t.Context(), "till", limits, LimitMints, 1); !ok {
		t.Error("the next day has no new limit")
	}
	if ok, _ := a.Take(t.Context(), "none", rules.CallerLimits{}, LimitMints, 1); ok {
		t.Error("a limit of none allows one")
	}
}

// TestAdminOverTLS asks the whole listener, with the token API on it.
func TestAdminOverTLS(t *testing.T) {
	b := newAPIBed(t)
	// Only its certificate is wanted: it is for 127.0.0.1.
	lender := httptest.NewTLSServer(http.NotFoundHandler())
	defer lender.Close()
	s, err := Listen(Options{Address: "127.0.0.1:0", Metrics: NewMetrics(Build{}), Ready: func(context.Context) Readiness { return Readiness{Ready: true} },
		Tokens: b.desk, TLS: &tls.Config{Certificates: lender.TLS.Certificates}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	client := lender.Client()
	for _, c := range []struct {
		scheme, path, key string
		status            int
	}{
		{"https", "/healthz", "", 200}, {"https", pathOpenAPI, "", 200},
		{"https", control.PathTokens, "", 401}, {"https", control.PathTokens, "teller", 200},
		{"http", "/healthz", "", 400},
	} {
		r, _ := http.NewRequest("GET", c.scheme+"://"+s.Addr().String()+c.path, nil)
		if c.key != "" {
			r.Header.Set("Authorization", "Bearer chp_"+c.key)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.scheme, c.path, resp.StatusCode, c.status)
		}
	}
	client.CloseIdleConnections()
}
