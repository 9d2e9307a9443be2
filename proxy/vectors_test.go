package proxy

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// vectorsFolder finds the third-party vectors.
func vectorsFolder(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("CHAPERONE_VECTORS")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "vectors")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the vectors are missing: %v", err)
		}
		t.Skip("the vectors are not here: set CHAPERONE_VECTORS")
	}
	return dir
}

// identityPolicy forwards everything to the processor as it is.
func identityPolicy(b *bed) {
	var routes strings.Builder
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		fmt.Fprintf(&routes, "  - name: all-%s\n    match: {method: %s, path: /*}\n    legs: [{to: processor, primary: true, keep: all, success: http}]\n",
			strings.ToLower(method), method)
	}
	b.policy = "destinations:\n  processor:\n    url: " + b.processor.URL + "\nroutes:\n" + routes.String()
}

// TestJSONVectors: what is JSON is forwarded byte for byte under a policy that
// changes nothing; what is not is refused.
func TestJSONVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectorsFolder(t, "json"), "test_parsing", "*.json"))
	if err != nil || len(files) < 300 {
		t.Fatalf("%d vectors, %v", len(files), err)
	}
	b := newBed(t, identityPolicy)
	b.processor.setAnswer(always(200, `{}`))
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			before := len(b.processor.all())
			a := b.post("/v1/anything", string(body))
			got := b.processor.all()[before:]
			switch {
			case name[0] == 'y' && (a.status != 200 || len(got) != 1 || got[0].body != string(body)):
				t.Errorf("%d %s; %d forwarded", a.status, a.body, len(got))
			case name[0] == 'n' && (a.status != 400 || len(got) != 0):
				t.Errorf("%d %s; %d forwarded", a.status, a.body, len(got))
			case name[0] == 'i' && a.status == 200 && (len(got) != 1 || got[0].body != string(body)):
				t.Errorf("accepted, and not forwarded as it was")
			case name[0] == 'i' && a.status != 200 && (a.status != 400 || len(got) != 0):
				t.Errorf("%d %s; %d forwarded", a.status, a.body, len(got))
			}
		})
	}
}

type httpVector struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Expect   string `json:"expect"`
	Error    string `json:"error"`
	Raw      string `json:"raw_b64"`
	WithHost string `json:"raw_host_b64"`
	Needs    []any  `json:"needs_cfg"`
}

// TestHTTPVectors: of a request that is invalid whatever a server's settings,
// no byte reaches an upstream.
func TestHTTPVectors(t *testing.T) {
	dir := vectorsFolder(t, "http")
	b := newBed(t, identityPolicy, func(b *bed) {
		b.tune = func(o *Options) {
			o.Hosts = []string{"127.0.0.1", "localhost", "example.com", "a", "x", "foo", "www.example.com", "github.com"}
		}
	})
	b.processor.setAnswer(always(200, `{}`))
	n := 0
	for _, file := range []string{"gunicorn.jsonl", "llhttp.jsonl"} {
		f, err := os.Open(filepath.Join(dir, file))
		if err != nil {
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
			if v.Expect == "accept" || v.Kind == "response" || len(v.Needs) > 0 {
				continue
			}
			if v.WithHost != "" {
				v.Raw = v.WithHost
			}
			raw, err := base64.StdEncoding.DecodeString(v.Raw)
			if err != nil {
				t.Fatal(err)
			}
			n++
			t.Run(v.ID, func(t *testing.T) {
				before := len(b.processor.all())
				status := raw2status(t, b.server.Addr().String(), raw)
				if status >= 200 && status < 300 {
					t.Errorf("answered with %d", status)
				}
				if got := b.processor.all()[before:]; len(got) != 0 {
					t.Errorf("%s %s was forwarded", got[0].method, got[0].path)
				}
			})
		}
	}
	if n < 80 {
		t.Errorf("only %d vectors", n)
	}
	// The listener is still well.
	if a := b.do("GET", "/v1/x", ""); a.status != 200 {
		t.Errorf("a good request after them: %d %s", a.status, a.body)
	}
}

// raw2status writes bytes to the proxy and returns the first answer's status,
// 0 where it closed without one.
func raw2status(t *testing.T, addr string, raw []byte) int {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err = c.Write(raw); err != nil {
		return 0
	}
	if err = c.(*net.TCPConn).CloseWrite(); err != nil {
		return 0
	}
	if err = c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestFramingOnTheWire: requests that a lenient parser would mend, and the
// answers that the caller gets.
func TestFramingOnTheWire(t *testing.T) {
	b := newBed(t, identityPolicy)
	b.processor.setAnswer(always(200, `{}`))
	host := "Host: " + b.server.Addr().String() + "\r\nContent-Type: application/json\r\n"
	tests := []struct {
		name, raw string
		status    int
		forwarded int
	}{
		{"whole", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}", 200, 1},
		{"chunked", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 200, 1},
		{"HTTP/1.0", "POST /a HTTP/1.0\r\n" + host + "Content-Length: 2\r\n\r\n{}", 200, 1},
		{"pipelined", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}POST /b HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}", 200, 2},
		{"a length and chunks", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 0},
		{"a chunk extension", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2;x\r\n{}\r\n0\r\n\r\n", 400, 0},
		{"a body cut off", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 9\r\n\r\n{}", 400, 0},
		{"a second request behind a refused body", "POST /a HTTP/1.1\r\n" + strings.Replace(host, "json", "xml", 1) + "Content-Length: 60\r\n\r\nGET /b HTTP/1.1\r\n" + host + "\r\n", 415, 0},
		{"expecting to continue", "POST /a HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", 100, 1},
		{"expecting in vain", "POST /a HTTP/1.1\r\n" + strings.Replace(host, "json", "xml", 1) + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", 415, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(b.processor.all())
			if got := raw2status(t, b.server.Addr().String(), []byte(tt.raw)); got != tt.status {
				t.Errorf("status %d", got)
			}
			b.until("what is to be forwarded is", func() bool { return len(b.processor.all())-before >= tt.forwarded })
			if got := len(b.processor.all()) - before; got != tt.forwarded {
				t.Errorf("%d forwarded", got)
			}
		})
	}
}

// TestAnonymousOnLoopbackOnly: without callers the proxy is for this machine.
func TestAnonymousOnLoopbackOnly(t *testing.T) {
	b := newBed(t, identityPolicy)
	plan, engine := load(t, b.policy)
	_, err := New(t.Context(), Options{Plan: plan, Engine: engine, Ring: b.ring, Driver: b.driver, Listen: "0.0.0.0:0", DataDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "knows no callers") {
		t.Errorf("New: %v", err)
	}
}
