package proxy

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
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"chaperone/proxy/framing"
)

// asked is what was read of one request.
type asked struct {
	method, target, body string
	length               int
	known                []string            // the values of singles
	several              map[string][]string // by the names of fields
	last                 bool
}

// singles are the fields that are looked up by framing.Field.
var singles = []struct {
	field framing.Field
	name  string
}{
	{framing.Host, "Host"}, {framing.ContentType, "Content-Type"}, {framing.ContentEncoding, "Content-Encoding"},
	{framing.Authorization, "Authorization"}, {framing.IdempotencyKey, "Idempotency-Key"}, {framing.Origin, "Origin"},
	{framing.Expect, "Expect"}, {framing.SecFetchSite, "Sec-Fetch-Site"},
}

// several are names of fields that a head may have many of.
var several = []string{"X-Till", "X-Clinic", "Accept", "X_till"}

// readAsked reads the first request of some bytes as the server does; ok is
// false where it refuses it.
func readAsked(t *testing.T, raw []byte) (got asked, ok bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	long := time.Hour
	front := framing.NewListener(l, framing.Times{Read: long, Idle: long, Write: long, Rest: long})
	ended := make(chan struct{})
	go func() {
		_ = front.Serve(func(c *framing.Conn) {
			defer close(ended)
			h, err := c.Next()
			if err != nil {
				return
			}
			got = asked{method: string(h.Method()), target: string(h.Target()), length: h.Length(), last: h.Last(), several: map[string][]string{}}
			for _, s := range singles {
				got.known = append(got.known, string(h.Get(s.field)))
			}
			for _, name := range several {
				for value := range h.All(name) {
					got.several[name] = append(got.several[name], string(value))
				}
			}
			body, whole, err := c.TakeBody()
			if got.body = string(body); !whole {
				var b []byte
				for done := false; !done && err == nil; {
					b = slices.Grow(b, 64)
					var n int
					n, err = c.ReadBody(b[len(b):cap(b)])
					b, done = b[:len(b)+n], err == io.EOF
				}
				if got.body = string(b); err == io.EOF {
					err = nil
				}
			}
			ok = err == nil
		})
	}()
	defer front.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("waited in vain for the end of a request")
	}
	return got, ok
}

// TestReadsAsFasthttp: what is taken is what fasthttp's own parser reads, field
// for field.
func TestReadsAsFasthttp(t *testing.T) {
	post := "POST /v1/checkout?a=b&c HTTP/1.1\r\nHost: till.example:80\r\n"
	var raws [][]byte
	for _, raw := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		post + "content-type:application/json; charset=utf-8\r\nCONTENT-LENGTH: 2\r\nauthorization: Bearer  k \r\n\r\n{}",
		post + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\nA\r\n0123456789\r\n1\r\n}\r\n0\r\n\r\n",
		post + "Idempotency-Key:\t\"x\" \r\nOrigin: http://a\r\nSec-Fetch-Site: none\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
		post + "X-Till: 4\r\nx-till: 5\r\nX-Clinic:\r\nAccept: a, b\r\nX_till: 6\r\nX-TILL: \xc3\xa9\r\n\r\n",
	} {
		raws = append(raws, []byte(raw))
	}
	raws = append(raws, vectorRequests(t)...)
	taken := 0
	for i, raw := range raws {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			got, ok := readAsked(t, raw)
			if !ok {
				return
			}
			taken++
			var req fasthttp.Request
			if err := req.Read(bufio.NewReaderSize(bytes.NewReader(raw), framing.MaxHead)); err != nil {
				t.Fatalf("%.300q: fasthttp refuses it: %v", raw, err)
			}
			h := &req.Header
			if got.method != string(h.Method()) || got.target != string(h.RequestURI()) || got.body != string(req.Body()) {
				t.Errorf("%.300q: %+v; fasthttp reads %s %s %q", raw, got, h.Method(), h.RequestURI(), req.Body())
			}
			if got.length > 0 && got.length != h.ContentLength() || h.ConnectionClose() && !got.last {
				t.Errorf("%.300q: length %d, last %v; fasthttp reads %d, %v", raw, got.length, got.last, h.ContentLength(), h.ConnectionClose())
			}
			for i, s := range singles {
				if want := h.Peek(s.name); got.known[i] != string(want) {
					t.Errorf("%.300q: %s is %q; fasthttp reads %q", raw, s.name, got.known[i], want)
				}
			}
			for _, name := range several {
				var want []string
				for _, v := range h.PeekAll(name) {
					want = append(want, string(v))
				}
				if !slices.Equal(got.several[name], want) {
					t.Errorf("%.300q: %s is %q; fasthttp reads %q", raw, name, got.several[name], want)
				}
			}
		})
	}
	if taken < 9 {
		t.Errorf("only %d requests were taken", taken)
	}
}

// vectorRequests are the requests of the third-party vectors, good and bad ones.
func vectorRequests(t *testing.T) (all [][]byte) {
	dir := filepath.Join("..", "..", "shared", "vectors")
	if root := os.Getenv("CHAPERONE_VECTORS"); root != "" {
		dir = root
	}
	for _, file := range []string{"gunicorn.jsonl", "llhttp.jsonl"} {
		f, err := os.Open(filepath.Join(dir, "http", file))
		if errors.Is(err, os.ErrNotExist) && os.Getenv("CI") == "" {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var v httpVector
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			if v.WithHost != "" {
				v.Raw = v.WithHost
			}
			raw, err := base64.StdEncoding.DecodeString(v.Raw)
			if err != nil {
				t.Fatal(err)
			}
			if v.Kind != "response" {
				all = append(all, raw)
			}
		}
	}
	return all
}

// TestAnswersOnTheWire: what the caller gets, and what becomes of the connection.
func TestAnswersOnTheWire(t *testing.T) {
	b := newBed(t, identityPolicy)
	large := `{"a":"` + strings.Repeat("x", 3*oneWrite) + `"}`
	b.processor.setAnswer(always(200, large))
	host := "Host: " + b.server.Addr().String() + "\r\n"
	body := "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	tests := []struct {
		name, raw string
		status    int
		body      string
		stays     bool
		is        map[string]string // fields of the answer
	}{
		{"a body", "POST /a HTTP/1.1\r\n" + host + body, 200, large, true, map[string]string{"Connection": "", "Server": "", "Content-Type": "application/json"}},
		{"no body", "GET /a HTTP/1.1\r\n" + host + "\r\n", 200, large, true, nil},
		{"HEAD", "HEAD /a HTTP/1.1\r\n" + host + "\r\n", 200, "", true, nil},
		{"the last one", "POST /a HTTP/1.1\r\nConnection: x, Close\r\n" + host + body, 200, large, false, nil},
		{"HTTP/1.0", "POST /a HTTP/1.0\r\n" + host + body, 200, large, false, nil},
		{"HTTP/1.0 that is kept", "POST /a HTTP/1.0\r\nConnection: keep-alive\r\n" + host + body, 200, large, true, map[string]string{"Connection": "keep-alive"}},
		{"an unread body", "POST /nowhere/../a HTTP/1.1\r\n" + host + body, 400, "*", false, map[string]string{"Content-Type": "application/problem+json"}},
		{"malformed", "POST /a HTTP/1.1\r\nX : a\r\n\r\n", 400, "*", false, map[string]string{"Content-Type": "application/problem+json"}},
		{"too long a head", "POST /a HTTP/1.1\r\n" + host + strings.Repeat("X: "+strings.Repeat("a", 7000)+"\r\n", 3) + "\r\n", 400, "*", false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("tcp", b.server.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(c)
			method, _, _ := strings.Cut(tt.raw, " ")
			for n := range 2 { // the same again, where there may be another
				if _, err := io.WriteString(c, tt.raw); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(r, &http.Request{Method: method})
				if err != nil {
					t.Fatalf("answer %d: %v", n, err)
				}
				got, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != tt.status || tt.body != "*" && string(got) != tt.body {
					t.Errorf("answer %d: %d, %d bytes, %v", n, resp.StatusCode, len(got), err)
				}
				if resp.Close == tt.stays {
					t.Errorf("answer %d says that the connection ends: %v", n, resp.Close)
				}
				for name, want := range tt.is {
					if got := resp.Header.Get(name); got != want {
						t.Errorf("%s: %q", name, got)
					}
				}
				if !tt.stays {
					if _, err := r.ReadByte(); err != io.EOF {
						t.Errorf("after the last answer: %v", err)
					}
					return
				}
			}
		})
	}
}
