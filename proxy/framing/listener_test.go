package framing

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// times are too long to come in a test.
var times = Times{Read: time.Hour, Idle: time.Hour, Write: time.Hour, Rest: time.Hour}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// echo serves a listener: for each request, one letter, until a connection
// says that it is over.
type echo struct {
	*Listener
	handed  atomic.Int64 // times that a connection was served
	faults  chan error   // of connections, except io.EOF
	address string
}

func serve(t *testing.T, l net.Listener, of Times) *echo {
	t.Helper()
	e := &echo{Listener: NewListener(l, of), faults: make(chan error, 16), address: l.Addr().String()}
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(e.serve) }()
	t.Cleanup(func() {
		_ = e.Close()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Drain(ctx); err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
	return e
}

func (e *echo) serve(c *Conn) {
	e.handed.Add(1)
	for {
		_, err := c.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, bodyOf{c})
		}
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		if err != nil {
			if err != io.EOF {
				e.faults <- err
			}
			return
		}
	}
}

func local(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func ask(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, get); err != nil {
		t.Fatal(err)
	}
	answer(t, c)
}

func answer(t *testing.T, c net.Conn) {
	t.Helper()
	var b [1]byte
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, b[:]); err != nil || b[0] != 'x' {
		t.Fatalf("%q, %v", b, err)
	}
}

// patience bounds every wait for something that must happen.
const patience = time.Minute

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func restful() Times {
	t := times
	t.Rest = time.Millisecond
	return t
}

// TestRest: what waits after a request rests with the listener, and goes on
// with its next one.
func TestRest(t *testing.T) {
	for _, name := range []string{"plain", "TLS"} {
		t.Run(name, func(t *testing.T) {
			l := local(t)
			if name == "TLS" {
				l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
			}
			e := serve(t, l, restful())
			c, err := net.Dial("tcp", e.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if name == "TLS" {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // it is about waiting
			}
			for n := range 5 {
				ask(t, c)
				until(t, "it rests", func() bool { return e.Resting() == 1 })
				if got := e.handed.Load(); got != int64(n+1) {
					t.Fatalf("the server had it %d times, want %d", got, n+1)
				}
			}
			_ = c.Close()
			until(t, "it is gone", func() bool { return e.Resting() == 0 })
			select {
			case err := <-e.faults:
				t.Errorf("the server saw %v", err)
			default:
			}
		})
	}
}

// TestNoRest: half a request does not rest, nor is a new connection handed out
// before anything came.
func TestNoRest(t *testing.T) {
	for name, sent := range map[string][2]string{
		"half a head":   {get + "GET / HT", "TP/1.1\r\nHost: a\r\n\r\n"},
		"half a body":   {get + post + "Content-Length: 40\r\n\r\n{", strings.Repeat(" ", 39)},
		"an empty line": {get + "\r\n", get},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, local(t), restful())
			c, err := net.Dial("tcp", e.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			other, err := net.Dial("tcp", e.address) // says nothing at all
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if _, err := io.WriteString(c, sent[0]); err != nil {
				t.Fatal(err)
			}
			answer(t, c)
			// Two others that come later rest; by then these would, too.
			for n := range 2 {
				third, err := net.Dial("tcp", e.address)
				if err != nil {
					t.Fatal(err)
				}
				defer third.Close()
				ask(t, third)
				until(t, "the third one rests", func() bool { return e.Resting() == n+2 })
			}
			if got := e.handed.Load(); got != 3 {
				t.Fatalf("connections were handed out %d times, want 3", got)
			}
			if _, err := io.WriteString(c, sent[1]); err != nil {
				t.Fatal(err)
			}
			answer(t, c)
		})
	}
}

// TestTimes: each bound ends what it is for.
func TestTimes(t *testing.T) {
	// What has to come in time has some; what does not come is not waited for.
	short, some := time.Millisecond, time.Second
	tests := []struct {
		name  string
		times Times
		send  string
		fault bool // the server sees it
	}{
		{"nothing comes", Times{short, time.Hour, time.Hour, time.Hour}, "", false},
		{"nothing but an empty line comes", Times{some, time.Hour, time.Hour, short}, get + "\r\n", true},
		{"a request does not end", Times{some, time.Hour, time.Hour, time.Hour}, "GET / HT", true},
		{"the second one does not end", Times{some, time.Hour, time.Hour, short}, get + "GET / HT", true},
		{"no second one comes", Times{time.Hour, short, time.Hour, short}, get, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := local(t)
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, tt.send); err != nil {
				t.Fatal(err)
			}
			e := serve(t, l, tt.times) // it finds all that is sent
			if len(tt.send) >= len(get) {
				answer(t, c)
			}
			if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) || err == nil {
				t.Fatalf("it was not closed: %v", err)
			}
			if !tt.fault {
				return
			}
			select {
			case err := <-e.faults:
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the server saw %v", err)
				}
			case <-time.After(patience):
				t.Error("the server saw nothing")
			}
		})
	}
}

// TestCloseEndsWhatRests: and nothing rests after it.
func TestCloseEndsWhatRests(t *testing.T) {
	e := serve(t, local(t), restful())
	var all []net.Conn
	for n := range 20 {
		c, err := net.Dial("tcp", e.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ask(t, c)
		all = append(all, c)
		until(t, "it rests", func() bool { return e.Resting() == n+1 })
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("it was not closed: %v", err)
		}
	}
	if e.Resting() != 0 {
		t.Error("something still rests")
	}
	if err := e.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
}

// TestCloseEndsWhatWaits: so does a connection that is with its server and waits
// for its next request; one with half a request is let be.
func TestCloseEndsWhatWaits(t *testing.T) {
	e := serve(t, local(t), times)
	var all [2]net.Conn
	for i, more := range []string{"", post + "Content-Length: 2\r\n\r\n{"} {
		c, err := net.Dial("tcp", e.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, get+more); err != nil {
			t.Fatal(err)
		}
		answer(t, c)
		all[i] = c
	}
	if got := e.Resting(); got != 0 {
		t.Fatalf("%d rest", got)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := all[0].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("what waited was not closed: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Drain(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain, while a request is there: %v", err)
	}
	if _, err := io.WriteString(all[1], "}"); err != nil {
		t.Fatal(err)
	}
	answer(t, all[1])
	if _, err := all[1].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after its request it was not closed: %v", err)
	}
}

// failing is a listener whose Accept fails with these errors, one after the
// other, before it works.
type failing struct {
	net.Listener
	errs []error
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	return f.Listener.Accept()
}

// TestAcceptGoesOn: being short of descriptors for a while ends no server.
func TestAcceptGoesOn(t *testing.T) {
	e := serve(t, &failing{local(t), []error{syscall.EMFILE, syscall.ECONNABORTED, syscall.ENFILE}}, times)
	c, err := net.Dial("tcp", e.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask(t, c)
}

func TestAcceptSaysWhyItEnds(t *testing.T) {
	l := NewListener(&failing{local(t), []error{syscall.EINVAL}}, times)
	defer l.Close()
	if err := l.Serve(func(*Conn) {}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Serve: %v", err)
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
