package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// startServer runs an admin listener until the end of the test.
func startServer(t *testing.T, ready func(context.Context) Readiness) *Server {
	t.Helper()
	s, err := Listen(Options{
		Address: "127.0.0.1:0", Hosts: []string{"Admin.Clinic.Internal"},
		Metrics: NewMetrics(Build{}), Ready: ready, Logger: discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

func isReady(context.Context) Readiness {
	return Readiness{Ready: true, Store: Part{OK: true}, Keyring: Part{OK: true}, Plan: Part{OK: true}}
}

// ask sends one request with a Host of its own.
func ask(t *testing.T, s *Server, method, path, host string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func TestListenerShowsThreePages(t *testing.T) {
	s := startServer(t, isReady)
	for _, c := range []struct {
		method, path string
		status       int
		holds        string
	}{
		{"GET", "/metrics", 200, "chaperone_build_info"},
		{"GET", "/healthz", 200, "ok"},
		{"GET", "/readyz", 200, `"ready":true`},
		{"HEAD", "/healthz", 200, ""},
		{"GET", "/", 404, ""},
		{"GET", "/v1/log/tail", 404, ""},
		{"GET", "/metrics/", 404, ""},
		{"GET", "/debug/pprof/", 404, ""},
		{"POST", "/metrics", 405, ""},
	} {
		answer := ask(t, s, c.method, c.path, "")
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != c.status || !strings.Contains(string(body), c.holds) {
			t.Errorf("%s %s: %d %.100s", c.method, c.path, answer.StatusCode, body)
		}
		if got := answer.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q", c.path, got)
		}
	}
}

func TestReadyzSaysWhy(t *testing.T) {
	want := Readiness{Store: Part{OK: true}, Keyring: Part{Detail: "Vault is sealed"}, Plan: Part{OK: true}, Draining: true}
	s := startServer(t, func(context.Context) Readiness { return want })
	answer := ask(t, s, "GET", "/readyz", "")
	var got Readiness
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s, %s", answer.Status, answer.Header.Get("Content-Type"))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestHostIsChecked(t *testing.T) {
	s := startServer(t, isReady)
	for host, want := range map[string]int{
		"localhost":                  200,
		"LOCALHOST:9090":             200,
		"localhost.":                 200,
		"127.0.0.1":                  200,
		"127.0.0.1:1":                200,
		"[::1]:9090":                 200,
		"admin.clinic.internal":      200,
		"admin.clinic.internal:9090": 200,
		"evil.example":               421,
		"localhost.evil.example":     421,
		"192.0.2.7":                  421,
		"0.0.0.0":                    421,
	} {
		if got := ask(t, s, "GET", "/metrics", host).StatusCode; got != want {
			t.Errorf("Host %s: %d, want %d", host, got, want)
		}
	}
}

func TestHostMayNotBeMissing(t *testing.T) {
	s := startServer(t, isReady)
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprint(c, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("got %s", answer.Status)
	}
}

func TestListenOnATakenAddress(t *testing.T) {
	s := startServer(t, isReady)
	_, err := Listen(Options{Address: s.Addr().String(), Metrics: NewMetrics(Build{}), Ready: isReady, Logger: discard()})
	if err == nil {
		t.Fatal("no error")
	}
}

func TestCloseWithoutServing(t *testing.T) {
	s, err := Listen(Options{Address: "127.0.0.1:0", Metrics: NewMetrics(Build{}), Ready: isReady, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("still listening")
	}
}
