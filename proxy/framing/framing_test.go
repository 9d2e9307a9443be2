package framing

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const post = "POST /v1/checkout HTTP/1.1\r\nHost: a\r\n"

func TestFeed(t *testing.T) {
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
			var whole Scanner
			if got := whole.Feed([]byte(tt.in)) == len(tt.in); got != tt.ok {
				t.Errorf("in one piece: ok = %v", got)
			}
			var bytewise Scanner
			n := 0
			for i := range len(tt.in) {
				n += bytewise.Feed([]byte{tt.in[i]})
			}
			if got := n == len(tt.in); got != tt.ok {
				t.Errorf("byte by byte: ok = %v after %d of %d bytes", got, n, len(tt.in))
			}
		})
	}
}

// TestFeedHandsOnTheGoodPart: a request before the malformed one is still
// good.
func TestFeedHandsOnTheGoodPart(t *testing.T) {
	good := post + "Content-Length: 2\r\n\r\n{}"
	var s Scanner
	if n := s.Feed([]byte(good + "GET\n")); n != len(good) {
		t.Errorf("Feed handed on %d bytes, want %d", n, len(good))
	}
	if n := s.Feed([]byte(good)); n != 0 {
		t.Errorf("Feed handed on %d bytes after a malformed one", n)
	}
}

func TestFeedDoesNotAllocate(t *testing.T) {
	in := []byte(post + "Content-Type: application/json\r\nUser-Agent: till\r\nContent-Length: 2\r\n\r\n{}")
	var s Scanner
	if n := testing.AllocsPerRun(100, func() { s.Feed(in) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConnReadsUpToTheFault(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		_, _ = theirs.Write([]byte(post + "\r\nGET\n"))
		_ = theirs.Close()
	}()
	c := &Conn{Conn: ours}
	buf := make([]byte, 1024)
	n, err := c.Read(buf)
	if err != nil || string(buf[:n]) != post+"\r\n" {
		t.Fatalf("Read = %q, %v", buf[:n], err)
	}
	if _, err = c.Read(buf); err != ErrMalformed {
		t.Errorf("Read after the fault: %v", err)
	}
}

// TestCloseLetsARefusalArrive: who is still sending gets the answer, not a
// reset.
func TestCloseLetsARefusalArrive(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := NewListener(l, times).Accept()
		if err != nil {
			return
		}
		_, _ = c.Read(make([]byte, 64))
		_, _ = c.Write([]byte("no"))
		_ = c.Close()
	}()
	c, err := net.Dial("tcp", l.Addr().String())
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
				var s Scanner
				if n := s.Feed(v.Raw); n == len(v.Raw) && s.between() {
					t.Errorf("%d bytes were handed on: %.200q", n, v.Raw)
				}
			})
		}
	}
}

func FuzzFeed(f *testing.F) {
	f.Add([]byte(post+"Content-Length: 2\r\n\r\n{}"), uint8(3))
	f.Add([]byte(post+"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n"), uint8(1))
	f.Add([]byte("GET / HTTP/1.0\r\n\r\nGET"), uint8(9))
	f.Fuzz(func(t *testing.T, in []byte, cut uint8) {
		// The verdict does not depend on how the bytes arrive; only how much
		// of a malformed line was handed on before the fault was seen does.
		var whole, parts Scanner
		n := whole.Feed(in)
		m := 0
		for rest := in; len(rest) > 0; {
			k := min(int(cut)+1, len(rest))
			m += parts.Feed(rest[:k])
			rest = rest[k:]
		}
		if whole.bad != parts.bad || (!whole.bad && n != m) {
			t.Fatalf("whole: %d bad=%v; parts of %d: %d bad=%v", n, whole.bad, cut, m, parts.bad)
		}
		// What is accepted up to its end is one that net/http reads as well.
		if n == len(in) && !bytes.HasPrefix(in, []byte("\r\n")) && whole.between() && n > 0 {
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
			if err != nil {
				t.Skip() // net/http refuses more targets and hosts than we do
			}
			if r.ContentLength > int64(len(in)) {
				t.Fatalf("net/http reads a body of %d bytes in %d", r.ContentLength, len(in))
			}
		}
	})
}
