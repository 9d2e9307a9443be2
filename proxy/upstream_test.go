package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"chaperone/rules"
)

// rawServer answers connections with a script of the test's.
func rawServer(t *testing.T, serve func(n int, c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(n, c)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

func testUpstream(t *testing.T, url string, timeout time.Duration) *upstream {
	t.Helper()
	p := &rules.Plan{Destinations: []rules.Destination{{Name: "d", URL: url, Timeout: timeout}}}
	u, err := newUpstream(p, 0, time.Second, 1<<20, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.close)
	return u
}

func post(u *upstream, resp *fasthttp.Response, may func() bool) (sending, error) {
	if may == nil {
		may = func() bool { return true }
	}
	message := append(u.appendHead(nil, "POST", []byte("/x"), "key", nil, 2), "{}"...)
	return u.call(time.Now().Add(u.timeout), "POST", message, nil, resp, may)
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

// readRequest reads one request off a connection.
func readRequest(r *bufio.Reader) error {
	req, err := http.ReadRequest(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err
}

func TestCall(t *testing.T) {
	tests := []struct {
		name  string
		serve func(n int, c net.Conn)
		want  sending
		time  bool
	}{
		{"answered", func(_ int, c net.Conn) {
			if readRequest(bufio.NewReader(c)) == nil {
				_, _ = io.WriteString(c, okAnswer)
			}
		}, answered, false},
		{"continue first", func(_ int, c net.Conn) {
			if readRequest(bufio.NewReader(c)) == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"+okAnswer)
			}
		}, answered, false},
		{"closed after the request", func(_ int, c net.Conn) {
			_ = readRequest(bufio.NewReader(c))
		}, sentSome, false},
		{"reset after the first byte", func(_ int, c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
		}, sentSome, false},
		{"silent", func(_ int, c net.Conn) {
			_, _ = io.Copy(io.Discard, c)
		}, sentSome, true},
		{"half an answer", func(_ int, c net.Conn) {
			if readRequest(bufio.NewReader(c)) == nil {
				_, _ = io.WriteString(c, okAnswer[:len(okAnswer)-1])
			}
		}, sentSome, false},
		{"no HTTP", func(_ int, c net.Conn) {
			if readRequest(bufio.NewReader(c)) == nil {
				_, _ = io.WriteString(c, "4111111111111111\r\n\r\n")
			}
		}, sentSome, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			most := patience
			if tt.time {
				most = time.Second
			}
			u := testUpstream(t, rawServer(t, tt.serve), most)
			var resp fasthttp.Response
			how, err := post(u, &resp, nil)
			if how != tt.want || (err == nil) != (tt.want == answered) || (err != nil && timedOut(err) != tt.time) {
				t.Errorf("call = %d, %v", how, err)
			}
			if err != nil && strings.Contains(causeOf(err), "4111") {
				t.Errorf("the cause quotes the answer: %s", causeOf(err))
			}
		})
	}
}

func TestCallNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	u := testUpstream(t, "http://"+at, patience)
	how, err := post(u, new(fasthttp.Response), nil)
	if how != sentNothing || err == nil || causeOf(err) != "cannot connect" {
		t.Errorf("call = %d, %v", how, err)
	}
}

func TestCallWithoutALease(t *testing.T) {
	var requests atomic.Int32
	u := testUpstream(t, rawServer(t, func(_ int, c net.Conn) {
		if readRequest(bufio.NewReader(c)) == nil {
			requests.Add(1)
		}
	}), patience)
	how, err := post(u, new(fasthttp.Response), func() bool { return false })
	if how != sentNothing || !errors.Is(err, errNotOurs) || requests.Load() != 0 {
		t.Errorf("call = %d, %v, %d requests", how, err, requests.Load())
	}
}

// TestCallOnAClosedConnection: an upstream that closes its connections after
// each answer without saying so makes no request fail, and sees none twice.
func TestCallOnAClosedConnection(t *testing.T) {
	var requests atomic.Int32
	closed := make(chan struct{}, 64)
	u := testUpstream(t, rawServer(t, func(_ int, c net.Conn) {
		if readRequest(bufio.NewReader(c)) == nil {
			requests.Add(1)
			_, _ = io.WriteString(c, okAnswer)
		}
		_ = c.Close()
		closed <- struct{}{}
	}), patience)
	const n = 20
	for i := range n {
		var resp fasthttp.Response
		if how, err := post(u, &resp, nil); how != answered {
			t.Fatalf("call %d = %d, %v", i, how, err)
		}
		<-closed
	}
	if got := requests.Load(); got != n {
		t.Errorf("%d requests were seen, want %d", got, n)
	}
}

// TestCallNeverRepeats: whatever the method, what may have arrived is not sent
// a second time.
func TestCallNeverRepeats(t *testing.T) {
	for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
		t.Run(method, func(t *testing.T) {
			var requests atomic.Int32
			u := testUpstream(t, rawServer(t, func(_ int, c net.Conn) {
				if readRequest(bufio.NewReader(c)) == nil {
					requests.Add(1)
				}
			}), patience)
			message := u.appendHead(nil, method, []byte("/x"), "k", nil, -1)
			how, err := u.call(time.Now().Add(patience), method, message, nil, new(fasthttp.Response), func() bool { return true })
			if how != sentSome || err == nil || requests.Load() != 1 {
				t.Errorf("call = %d, %v, %d requests", how, err, requests.Load())
			}
		})
	}
}

func TestCallReusesConnections(t *testing.T) {
	var conns atomic.Int32
	u := testUpstream(t, rawServer(t, func(_ int, c net.Conn) {
		conns.Add(1)
		for r := bufio.NewReader(c); readRequest(r) == nil; {
			_, _ = io.WriteString(c, okAnswer)
		}
	}), patience)
	for range 10 {
		var resp fasthttp.Response
		if how, err := post(u, &resp, nil); how != answered {
			t.Fatal(how, err)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections for 10 calls", conns.Load())
	}
}

func TestHeadOfACall(t *testing.T) {
	p := &rules.Plan{Destinations: []rules.Destination{{Name: "d", URL: "http://d.example:8081/base", Headers: []rules.HeaderValue{
		{Name: "Authorization", Prefix: "Bearer ", Value: "secret"}, {Name: "X-Fixed", Value: "f"}}}}}
	u, err := newUpstream(p, 0, time.Second, 1<<20, false)
	if err != nil {
		t.Fatal(err)
	}
	got := string(u.appendHead(nil, "POST", []byte("/v1?x=1"), "key", []field{{"X-Till", []byte("4")}, {"X-Fixed", []byte("the caller's")}}, 2))
	want := "POST /base/v1?x=1 HTTP/1.1\r\nHost: d.example:8081\r\nContent-Type: application/json\r\nContent-Length: 2\r\n" +
		"Accept: application/json\r\nAccept-Encoding: identity\r\nIdempotency-Key: key\r\nAuthorization: Bearer secret\r\nX-Fixed: f\r\nX-Till: 4\r\n\r\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestClosed: the other end of each of these connections has closed it, and
// that has arrived. Only one that is in steady use is written to without a
// look.
func TestClosed(t *testing.T) {
	tests := []struct {
		name    string
		answers int
		idle    time.Duration
		hasty   bool
		want    bool
		learns  bool // that the destination closes early
	}{
		{name: "after its first answer", answers: 1, want: true, learns: true},
		{name: "in steady use", answers: provenAnswers, idle: youngIdle - 1},
		{name: "idle for a moment", answers: provenAnswers, idle: youngIdle, want: true, learns: true},
		{name: "idle for long", answers: 100, idle: earlyClose, want: true},
		{name: "in steady use, of one that closes early", answers: 100, hasty: true, want: true, learns: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			end := make(chan struct{})
			url := rawServer(t, func(_ int, c net.Conn) { <-end })
			dialled, err := dial(strings.TrimPrefix(url, "http://"), patience, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer dialled.Close()
			c := dialled.(*upConn)
			close(end)
			// When the end has arrived a read finds it; it stays to be found.
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			var u upstream
			u.hasty.Store(tt.hasty)
			now := time.Now()
			c.answers, c.idle = tt.answers, now.Add(-tt.idle)
			if got := u.closed(c, now); got != tt.want {
				t.Errorf("closed is %v, want %v", got, tt.want)
			}
			if got := u.hasty.Load(); got != (tt.hasty || tt.learns) {
				t.Errorf("that it closes early: %v", got)
			}
		})
	}
}
