package proxy

import (
	"crypto/sha256"
	"net"
	"slices"
	"strings"
	"testing"

	"chaperone/proxy/framing"
	"chaperone/rules"
	"chaperone/rules/reason"
)

func TestHosts(t *testing.T) {
	bound := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	h := newHosts(bound, "127.0.0.1:8080", []string{"Till.clinic.example", "pos.example:9443", "[2001:db8::1]"})
	local := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 8080}
	tests := []struct {
		name, host string
		ok         bool
	}{
		{"the address", "127.0.0.1:8080", true},
		{"localhost", "localhost:8080", true},
		{"localhost in capitals", "LocalHost:8080", true},
		{"IPv6 loopback", "[::1]:8080", true},
		{"localhost without its port", "localhost", false},
		{"another port", "localhost:8081", false},
		{"a configured name", "till.clinic.example", true},
		{"a configured name, any port", "TILL.clinic.example:1234", true},
		{"a configured name and port", "pos.example:9443", true},
		{"that name, another port", "pos.example:9444", false},
		{"a configured IPv6 address", "[2001:db8::1]:8080", true},
		{"where the connection arrived", "192.0.2.7:8080", true},
		{"an address, not that one", "192.0.2.8:8080", false},
		{"a name that was rebound to us", "evil.example:8080", false},
		{"empty", "", false},
		{"too long", strings.Repeat("a", 300), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := h.has([]byte(tt.host), local); got != tt.ok {
				t.Errorf("has(%q) = %v", tt.host, got)
			}
		})
	}
}

func TestSameSite(t *testing.T) {
	h := newHosts(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}, "127.0.0.1:8080", nil)
	tests := []struct {
		name, origin, fetch string
		ok                  bool
	}{
		{"neither", "", "", true},
		{"our own page", "http://localhost:8080", "same-origin", true},
		{"typed by the user", "", "none", true},
		{"another site", "https://evil.example", "", false},
		{"a null origin", "null", "", false},
		{"cross-site", "", "cross-site", false},
		{"same-site is another origin", "", "same-site", false},
		{"our origin, said to be cross-site", "http://localhost:8080", "cross-site", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := h.sameSite([]byte(tt.origin), []byte(tt.fetch), nil); got != tt.ok {
				t.Errorf("sameSite = %v", got)
			}
		})
	}
}

func TestIdentify(t *testing.T) {
	plan := &rules.Plan{HasCallers: true, Identify: rules.Identify{Headers: []string{"X-Till-Key"}}, Callers: []rules.Caller{
		{Name: "front", KeyHashes: [][32]byte{sha256.Sum256([]byte("one")), sha256.Sum256([]byte("two"))}},
		{Name: "back", KeyHashes: [][32]byte{sha256.Sum256([]byte("three"))}},
	}}
	c := newCallers(plan)
	tests := []struct {
		name string
		head [][2]string
		want int
	}{
		{"bearer", [][2]string{{"Authorization", "Bearer one"}}, 0},
		{"bearer, a second key", [][2]string{{"Authorization", "bearer two"}}, 0},
		{"bearer, another caller", [][2]string{{"Authorization", "Bearer three"}}, 1},
		{"identify header", [][2]string{{"X-Till-Key", "three"}}, 1},
		{"authorization wins", [][2]string{{"Authorization", "Bearer one"}, {"X-Till-Key", "three"}}, 0},
		{"a wrong key is not mended by another header", [][2]string{{"Authorization", "Bearer no"}, {"X-Till-Key", "three"}}, noCaller},
		{"two keys", [][2]string{{"X-Till-Key", "three"}, {"X-Till-Key", "one"}}, noCaller},
		{"basic", [][2]string{{"Authorization", "Basic one"}}, noCaller},
		{"empty bearer", [][2]string{{"Authorization", "Bearer "}}, noCaller},
		{"none", nil, noCaller},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.identify(framing.NewHead("GET", "/", -1, tt.head)); got != tt.want {
				t.Errorf("identify = %d, want %d", got, tt.want)
			}
		})
	}
	open := newCallers(&rules.Plan{Callers: []rules.Caller{{Name: rules.Anonymous}}})
	if got := open.identify(framing.NewHead("GET", "/", -1, nil)); got != 0 {
		t.Errorf("without callers: %d", got)
	}
}

func pattern(source string) rules.Pattern {
	p := rules.Pattern{Source: source}
	source = strings.TrimPrefix(source, "/")
	if source == "*" {
		return rules.Pattern{Source: "/*", Rest: true}
	}
	if cut, ok := strings.CutSuffix(source, "/*"); ok {
		p.Rest, source = true, cut
	}
	for _, s := range strings.Split(source, "/") {
		if s == "" {
			continue
		}
		if s[0] == '{' {
			p.Segments = append(p.Segments, rules.Segment{Capture: s[1 : len(s)-1]})
		} else {
			p.Segments = append(p.Segments, rules.Segment{Literal: s})
		}
	}
	return p
}

func TestTarget(t *testing.T) {
	tests := []struct {
		name, raw, pattern string
		parses, matches    bool
	}{
		{"literal", "/v1/checkout", "/v1/checkout", true, true},
		{"query", "/v1/checkout?a=b", "/v1/checkout", true, true},
		{"encoded literal", "/v1/check%6Fut", "/v1/checkout", true, true},
		{"capture", "/sales/4%2C2/refund", "/sales/{id}/refund", true, true},
		{"too short", "/v1", "/v1/checkout", true, false},
		{"too long", "/v1/checkout/x", "/v1/checkout", true, false},
		{"rest", "/v1/a/b", "/v1/*", true, true},
		{"rest of nothing", "/v1", "/v1/*", true, true},
		{"root", "/", "/*", true, true},
		{"empty segment", "/v1//checkout", "/v1/*", false, false},
		{"trailing slash", "/v1/", "/v1/*", false, false},
		{"dots", "/v1/../admin", "/v1/*", false, false},
		{"encoded dots", "/v1/%2e%2E/admin", "/v1/*", false, false},
		{"encoded slash", "/v1/a%2Fb", "/v1/*", false, false},
		{"encoded backslash", "/v1/a%5cb", "/v1/*", false, false},
		{"encoded NUL", "/v1/a%00b", "/v1/*", false, false},
		{"half an escape", "/v1/a%2", "/v1/*", false, false},
		{"no escape", "/v1/a%zz", "/v1/*", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var g target
			if ok := g.parse([]byte(tt.raw)); ok != tt.parses {
				t.Fatalf("parse = %v", ok)
			}
			p := pattern(tt.pattern)
			if tt.parses && g.matches(&p) != tt.matches {
				t.Errorf("matches = %v", !tt.matches)
			}
		})
	}
}

func TestTargetCaptureAndRest(t *testing.T) {
	var g target
	if !g.parse([]byte("/sales/a%20b/lines/4/5%2c?x")) {
		t.Fatal("does not parse")
	}
	p := pattern("/sales/{id}/*")
	if got, ok := g.capture(&p, "id"); !ok || string(got) != "a b" {
		t.Errorf("capture = %q, %v", got, ok)
	}
	if got := g.rest(&p); string(got) != "/lines/4/5%2c" {
		t.Errorf("rest = %q", got)
	}
	if got := string(appendSegment(nil, []byte("a b/c?"))); got != "a%20b%2Fc%3F" {
		t.Errorf("appendSegment = %q", got)
	}
}

func TestFind(t *testing.T) {
	routes := []rules.Route{
		{Method: "POST", Path: pattern("/a/{x}")},
		{Method: "GET", Path: pattern("/a/{x}")},
		{Method: "POST", Path: pattern("/a/b")},
	}
	var g target
	g.parse([]byte("/a/b"))
	if got, _ := find(routes, []byte("POST"), &g); got != 0 {
		t.Errorf("the first match wins: %d", got)
	}
	if got, others := find(routes, []byte("PUT"), &g); got != -1 || others != "POST, GET, POST" {
		t.Errorf("find = %d, %q", got, others)
	}
	g.parse([]byte("/b"))
	if got, others := find(routes, []byte("PUT"), &g); got != -1 || others != "" {
		t.Errorf("find = %d, %q", got, others)
	}
}

func TestJSONType(t *testing.T) {
	tests := []struct {
		in string
		ok bool
	}{
		{"application/json", true},
		{"Application/JSON", true},
		{"application/json; charset=utf-8", true},
		{`application/json;charset="UTF-8"`, true},
		{"application/fhir+json", true},
		{"application/json; charset=utf-16", false},
		{"application/json; charset=latin1", false},
		{"text/json", false},
		{"text/plain", false},
		{"application/x-www-form-urlencoded", false},
		{"multipart/form-data; boundary=x", false},
		{"+json", false},
		{"", false},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			if got := jsonType([]byte(tt.in)); got != tt.ok {
				t.Errorf("jsonType = %v", got)
			}
		})
	}
}

func TestForwardable(t *testing.T) {
	tests := []struct {
		name, header, connection string
		ok                       bool
	}{
		{"plain", "X-Till", "", true},
		{"named by Connection", "X-Till", "close, x-till", false},
		{"hop-by-hop", "Keep-Alive", "", false},
		{"credentials", "Authorization", "", false},
		{"cookie", "Cookie", "", false},
		{"proxy credentials", "Proxy-Authorization", "", false},
		{"our own", "Chaperone-Outcome", "", false},
		{"how the caller shows its key", "X-Till-Key", "", false},
		{"the caller's idempotency key", "Idempotency-Key", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := forwardable(tt.header, []string{"X-Till-Key"}, slices.Values([][]byte{[]byte(tt.connection)})); got != tt.ok {
				t.Errorf("forwardable = %v", got)
			}
		})
	}
}

func TestProblemIsJSON(t *testing.T) {
	e := &reason.Error{Code: reason.Blocked, Detail: "a \"quoted\" \\ detail\x01", Rule: "labels.pan", Pattern: "a.#.b", Offset: 7}
	got := string(appendProblem(nil, e, 422, "abc"))
	want := `{"type":"about:blank","title":"Unprocessable Entity","status":422,"code":"blocked","detail":"a \"quoted\" \\ detail\u0001",` +
		`"rule":"labels.pan","pattern":"a.#.b","offset":7,"request_id":"abc"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
