package framing

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const post = "POST /v1/checkout HTTP/1.1\r\nHost: a\r\n"

func TestFraming(t *testing.T) {
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"no body", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
		{"length", post + "Content-Length: 2\r\n\r\n{}", true},
		{"length with spaces around", post + "Content-Length: \t2 \r\n\r\n{}", true},
		{"two requests", post + "Content-Length: 2\r\n\r\n{}" + post + "\r\n", true},
		{"an empty line between requests", post + "Content-Length: 2\r\n\r\n{}\r\n" + post + "\r\n", true},
		{"two empty lines", "\r\n\r\n" + post + "\r\n", false},
		{"chunks", post + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", true},
		{"chunks in capitals", post + "Transfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", true},
		{"version 1.0", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", true},
		{"no host in 1.1", "GET / HTTP/1.1\r\n\r\n", false},
		{"empty host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", false},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", false},
		{"length and chunks", post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{"equal lengths twice", post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", false},
		{"a list of lengths", post + "Content-Length: 2, 2\r\n\r\n{}", false},
		{"a signed length", post + "Content-Length: +2\r\n\r\n{}", false},
		{"a length beyond 18 digits", post + "Content-Length: 1000000000000000000\r\n\r\n", false},
		{"underscore in a framing field", post + "Content_Length: 2\r\n\r\n{}", false},
		{"underscore elsewhere", post + "X_Till: 2\r\n\r\n", true},
		{"two content types", post + "Content-Type: a\r\nContent-Type: a\r\n\r\n", false},
		{"two keys", post + "Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", false},
		{"folded line", post + "X: a\r\n b\r\n\r\n", false},
		{"space before the colon", post + "X : a\r\n\r\n", false},
		{"no name", post + ": a\r\n\r\n", false},
		{"no colon", post + "X\r\n\r\n", false},
		{"bare line feed in the head", "GET / HTTP/1.1\nHost: a\n\n", false},
		{"bare return in a value", post + "X: a\rb\r\n\r\n", false},
		{"bare return after the head", post + "\rX", false},
		{"NUL in a value", post + "X: a\x00b\r\n\r\n", false},
		{"absolute form", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", false},
		{"lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"another coding", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false},
		{"chunks in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{"chunk extension", post + "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\n{\r\n0\r\n\r\n", false},
		{"space after a chunk size", post + "Transfer-Encoding: chunked\r\n\r\n1 \r\n{\r\n0\r\n\r\n", false},
		{"chunk longer than its size", post + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", false},
		{"a chunk size of nine digits", post + "Transfer-Encoding: chunked\r\n\r\n000000001\r\n{\r\n0\r\n\r\n", false},
		{"trailer", post + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n\r\n", false},
		{"bytes behind the last request", post + "Connection: close\r\n\r\nGET", false},
		{"bytes behind a 1.0 request", "GET / HTTP/1.0\r\n\r\nGET", false},
		{"1.0 kept open", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET", true},
		{"too many fields", post + strings.Repeat("X: a\r\n", MaxFields) + "\r\n", false},
		{"a line too long", post + "X: " + strings.Repeat("a", MaxLine) + "\r\n\r\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := take([]byte(tt.in), len(tt.in)); !malformed(got.err) != tt.ok {
				t.Errorf("in one piece: %v", got.err)
			}
			got := take([]byte(tt.in), 1)
			if behind := strings.HasPrefix(tt.name, "bytes behind"); behind && len(got.requests) != 1 {
				t.Errorf("byte by byte: %d requests", len(got.requests))
			} else if !behind && !malformed(got.err) != tt.ok {
				t.Errorf("byte by byte: %v", got.err)
			}
		})
	}
}

// script is a connection on which bytes come in pieces.
type script struct {
	net.Conn
	in   []byte
	most int // bytes of a piece
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.in[:min(len(s.in), s.most)])
	s.in = s.in[n:]
	return n, nil
}

func (s *script) SetReadDeadline(time.Time) error { return nil }
func (s *script) Close() error                    { return nil }

func scripted(in []byte, most int) *Conn {
	return &Conn{conn: &script{in: in, most: most}, from: NewListener(nil, times)}
}

// taken is what was read off a connection.
type taken struct {
	requests []request
	err      error // nil: it ended between two requests
}

type request struct {
	method, target, body string
	fields               [][2]string
}

func malformed(err error) bool { return errors.Is(err, ErrMalformed) || errors.Is(err, ErrTooLong) }

// take reads requests in pieces until there are no more.
func take(in []byte, most int) (got taken) {
	c := scripted(in, most)
	defer c.release()
	for {
		h, err := c.Next()
		if err != nil {
			if err != io.EOF {
				got.err = err
			}
			return got
		}
		r := request{method: string(h.Method()), target: string(h.Target())}
		for i := range h.fields {
			p := &h.fields[i]
			r.fields = append(r.fields, [2]string{string(h.text[p.name:p.colon]), string(h.text[p.value:p.end])})
		}
		body, ok, err := c.TakeBody()
		if r.body = string(body); !ok {
			var b []byte
			b, err = io.ReadAll(bodyOf{c})
			r.body = string(b)
		}
		if err != nil {
			got.err = err
			return got
		}
		got.requests = append(got.requests, r)
	}
}

// bodyOf reads the body of a request.
type bodyOf struct{ c *Conn }

func (b bodyOf) Read(p []byte) (int, error) { return b.c.ReadBody(p) }

// TestGoodPart: a request before the malformed one is still good.
func TestGoodPart(t *testing.T) {
	good := post + "Content-Length: 2\r\n\r\n{}"
	got := take([]byte(good+"GET\n"), 1000)
	if len(got.requests) != 1 || got.requests[0].body != "{}" || got.err != ErrMalformed {
		t.Errorf("%+v", got)
	}
}

// TestRequests: what is found in a head and behind it, however it arrives.
func TestRequests(t *testing.T) {
	large := strings.Repeat("0123456789", 10<<10)
	in := post + "content-type: a/b\r\nX-Till:\t 4 \r\nx-till:5\r\nContent-Length: 2\r\n\r\n{}" +
		"\r\nPUT /large?a=b HTTP/1.1\r\nhost:b\r\nContent-Length: " + strconv.Itoa(len(large)) + "\r\n\r\n" + large +
		post + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n19000\r\n" + large + "\r\n1\r\n}\r\n0\r\n\r\n" +
		"GET /end HTTP/1.0\r\n\r\n"
	want := []request{
		{"POST", "/v1/checkout", "{}", [][2]string{{"Host", "a"}, {"content-type", "a/b"}, {"X-Till", "4"}, {"x-till", "5"}, {"Content-Length", "2"}}},
		{"PUT", "/large?a=b", large, [][2]string{{"host", "b"}, {"Content-Length", strconv.Itoa(len(large))}}},
		{"POST", "/v1/checkout", "{" + large + "}", [][2]string{{"Host", "a"}, {"Transfer-Encoding", "chunked"}}},
		{"GET", "/end", "", nil},
	}
	for _, most := range []int{1, 7, 1000, len(in)} {
		got := take([]byte(in), most)
		if !reflect.DeepEqual(got.requests, want) || got.err != nil {
			t.Errorf("in pieces of %d: %d requests, %v", most, len(got.requests), got.err)
		}
	}
}

// TestHead: what a head says of itself.
func TestHead(t *testing.T) {
	c := scripted([]byte("\r\n"+post+"X-Till: 4\r\nOrigin: http://a\r\nx-till: 5\r\nContent-Length: 9\r\n\r\n"), 1000)
	defer c.release()
	h, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	made := NewHead("POST", "/v1/checkout", 9, [][2]string{{"Host", "a"}, {"X-Till", "4"}, {"Origin", "http://a"}, {"x-till", "5"}})
	for name, h := range map[string]*Head{"read": h, "made": made} {
		var tills []string
		for v := range h.All("X-Till") {
			tills = append(tills, string(v))
		}
		if string(h.Method()) != "POST" || string(h.Target()) != "/v1/checkout" || h.Length() != 9 || h.Last() || !h.Is11() ||
			string(h.Get(Host)) != "a" || string(h.Get(Origin)) != "http://a" || h.Get(Authorization) != nil || !slices.Equal(tills, []string{"4", "5"}) {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if c.Taken() {
		t.Error("its body is said to be taken")
	}
	if _, err := c.Next(); err != io.EOF {
		t.Errorf("a next one before its body was taken: %v", err)
	}
	if got := NewHead("GET", "/", -1, nil).Length(); got != -2 {
		t.Errorf("the length of no body: %d", got)
	}
}

// TestNothingStays: what a connection gives back is empty.
func TestNothingStays(t *testing.T) {
	in := post + "Content-Length: 2\r\n\r\n{}" + post + "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n\r\n" + post
	c := scripted([]byte(in), 50)
	for range 2 {
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(bodyOf{c}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Next(); err == nil {
		t.Fatal("half a head was taken for one")
	}
	held := c.in
	c.release()
	if n := bytes.Count(held.buf[:], []byte{0}); n != len(held.buf) || held.w != 0 || held.r != 0 {
		t.Errorf("%d bytes stay", len(held.buf)-n)
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	in := []byte(post + "Content-Type: application/json\r\nUser-Agent: till\r\nContent-Length: 2\r\n\r\n{}")
	s := &script{most: len(in)}
	c := &Conn{conn: s, from: NewListener(nil, times)}
	defer c.release()
	if n := testing.AllocsPerRun(100, func() {
		s.in = in
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := c.TakeBody(); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestCloseLetsARefusalArrive: who is still sending gets the answer, not a
// reset.
func TestCloseLetsARefusalArrive(t *testing.T) {
	e := NewListener(local(t), times)
	defer e.Close()
	go func() {
		_ = e.Serve(func(c *Conn) {
			_, _ = c.Next()
			_, _ = c.Write([]byte("no"))
		})
	}()
	c, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err = c.Write([]byte(post + "Content-Length: 4000000\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err = c.Write(make([]byte, 4000000)); err != nil {
		t.Errorf("the body: %v", err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "no" {
		t.Errorf("%q, %v", got, err)
	}
}

type vector struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	Expect   string          `json:"expect"`
	Raw      []byte          `json:"-"`
	RawB64   string          `json:"raw_b64"`
	HostB64  string          `json:"raw_host_b64"`
	NeedsCfg []any           `json:"needs_cfg"`
	Meta     json.RawMessage `json:"meta"`
}

// vectors reads the request vectors of one file.
func vectors(t testing.TB, file string) []vector {
	t.Helper()
	root := os.Getenv("CHAPERONE_VECTORS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	f, err := os.Open(filepath.Join(root, "http", file))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the vectors are missing: %v", err)
		}
		t.Skip("the HTTP vectors are not here: set CHAPERONE_VECTORS")
	}
	defer f.Close()
	var all []vector
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if v.Kind == "response" {
			continue
		}
		b64 := v.RawB64
		if v.HostB64 != "" {
			b64 = v.HostB64
		}
		if v.Raw, err = base64.StdEncoding.DecodeString(b64); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// TestVectors: what is invalid without a setting of the server that made the
// vector is refused, or is no whole request.
func TestVectors(t *testing.T) {
	for _, file := range []string{"gunicorn.jsonl", "llhttp.jsonl"} {
		for _, v := range vectors(t, file) {
			if v.Expect == "accept" || len(v.NeedsCfg) > 0 {
				continue
			}
			t.Run(v.ID, func(t *testing.T) {
				if got := take(v.Raw, len(v.Raw)); got.err == nil {
					t.Errorf("it was taken: %.200q", v.Raw)
				}
			})
		}
	}
}

// FuzzRequests holds the reader against the scanner that it replaces, against
// net/http, and against itself where the bytes arrive in other pieces.
func FuzzRequests(f *testing.F) {
	f.Add([]byte(post+"Content-Length: 2\r\n\r\n{}"), uint8(3))
	f.Add([]byte(post+"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n"), uint8(1))
	f.Add([]byte("GET / HTTP/1.0\r\n\r\nGET"), uint8(9))
	f.Add([]byte("\r\n"+post+"X: a\r\nContent_Length: 2\r\n\r\n"), uint8(9))
	f.Fuzz(func(t *testing.T, in []byte, cut uint8) {
		whole := take(in, max(len(in), 1))
		parts := take(in, int(cut)+1)
		if errors.Is(whole.err, ErrTooLong) || errors.Is(parts.err, ErrTooLong) {
			t.Skip() // the scanner has no such bound
		}
		var old scanner
		n := old.Feed(in)
		behind := old.bad && old.state == oldStateClosed // what came in time to be seen
		if old.bad != malformed(whole.err) || !behind && old.bad != malformed(parts.err) {
			t.Fatalf("the scanner: %d of %d, bad=%v; whole: %v; parts: %v", n, len(in), old.bad, whole.err, parts.err)
		}
		if !behind && (!old.bad && int(old.messages) != len(whole.requests) || !reflect.DeepEqual(whole.requests, parts.requests)) {
			t.Fatalf("the scanner: %d requests; whole: %+v; parts: %+v", old.messages, whole.requests, parts.requests)
		}
		if whole.err == nil && !old.between() {
			t.Fatalf("the scanner is amid a request")
		}
		// What is accepted is read by net/http in the same way.
		r := bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(in, []byte("\r\n"))))
		for i := range whole.requests[:min(1, len(whole.requests))] {
			want := &whole.requests[i]
			got, err := http.ReadRequest(r)
			if err != nil {
				t.Skip() // net/http refuses more targets and hosts than we do
			}
			body, err := io.ReadAll(got.Body)
			if err != nil || got.Method != want.method || got.RequestURI != want.target || string(body) != want.body {
				t.Fatalf("net/http reads %s %s %q, %v; we %+v", got.Method, got.RequestURI, body, err, want)
			}
			for _, f := range want.fields {
				name := http.CanonicalHeaderKey(f[0])
				if name != "Host" && name != "Transfer-Encoding" && !slices.Contains(got.Header[name], f[1]) {
					t.Fatalf("net/http has no %s %q: %q", f[0], f[1], got.Header)
				}
			}
		}
	})
}
