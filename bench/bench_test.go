package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/rules"
	"chaperone/rules/rewrite"

	"github.com/valyala/fasthttp"
)

// listen serves a handler on a free loopback port until the test ends.
func listen(t *testing.T, handler fasthttp.RequestHandler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fasthttp.Server{Handler: handler, Logger: silent{}}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestForwarderAndStub(t *testing.T) {
	upstream := listen(t, new(stub).handle)
	var mu sync.Mutex
	ids := map[string]bool{}
	f := &forwarder{client: &fasthttp.HostClient{Addr: upstream}}
	address := listen(t, func(ctx *fasthttp.RequestCtx) {
		var body struct {
			ID string `json:"transaction_id"`
		}
		if err := json.Unmarshal(ctx.PostBody(), &body); err != nil {
			t.Errorf("the body is no JSON: %v", err)
		}
		mu.Lock()
		if ids[body.ID] {
			t.Errorf("the id %s came twice", body.ID)
		}
		ids[body.ID] = true
		mu.Unlock()
		f.handle(ctx)
	})
	if _, _, err := get("http://" + upstream + stubArm); err != nil {
		t.Fatal(err)
	}
	r := &rig{stub: upstream}
	for n, path := range []string{"/one", "/three"} {
		before, err := r.calls()
		if err != nil {
			t.Fatal(err)
		}
		s, err := drive(context.Background(), load{address: address, path: path, connections: 4, duration: 50 * time.Millisecond, turn: n})
		if err != nil || s.failed > 0 || s.requests == 0 || len(s.latencies) != s.requests {
			t.Fatalf("%s: %d requests, %d failed with %s, %v", path, s.requests, s.failed, s.failure, err)
		}
		after, err := r.calls()
		if want := int64(s.requests * (1 + 2*n)); err != nil || after-before != want {
			t.Errorf("%s: %d calls, want %d, %v", path, after-before, want, err)
		}
	}
	if err := r.verify(subject{checks: []check{{of: "/processor", holds: card}, {of: "/ledger", holds: `"patient"`, lacks: "no such thing"}}}); err != nil {
		t.Error(err)
	}
	if r.verify(subject{checks: []check{{of: "/ehr", lacks: card}}}) == nil || r.verify(subject{checks: []check{{of: "/ehr", holds: "no such thing"}}}) == nil {
		t.Error("a failed check says nothing")
	}
}

func TestDriveCountsFailures(t *testing.T) {
	address := listen(t, func(ctx *fasthttp.RequestCtx) { ctx.Error("no", fasthttp.StatusTeapot) })
	s, err := drive(context.Background(), load{address: address, path: "/", connections: 1, duration: 10 * time.Millisecond})
	if err != nil || s.failed == 0 || s.requests != 0 || !strings.HasPrefix(s.failure, "status 418: no") {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestPolicy: what is measured is a policy and a basket that Chaperone takes.
func TestPolicy(t *testing.T) {
	if n := len(basket); n < 1500 || n > 1700 || !json.Valid(basket) {
		t.Errorf("the basket has %d bytes, valid: %v", n, json.Valid(basket))
	}
	for _, once := range []string{idPlace, card} {
		if n := bytes.Count(basket, []byte(once)); n != 1 {
			t.Errorf("%s stands %d times in the basket", once, n)
		}
	}
	dir := t.TempDir()
	if _, err := writeConfig(dir, "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4", newCaller()); err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(filepath.Join(dir, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	plan, ds := rules.LoadBytes("rules.yaml", src, func(string) ([]byte, error) { return nil, fs.ErrNotExist })
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	engine, ds := rewrite.Compile(plan)
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	for i, route := range plan.Routes {
		m := engine.NewMessage()
		if err := engine.ScanRequest(m, i, basket, rewrite.Limits{Depth: 128}); err != nil {
			t.Fatalf("%s: %v", route.Name, err)
		}
		for leg := range route.Legs {
			if err := engine.DecideLeg(m, leg, engine.NewView()); err != nil {
				t.Errorf("%s, leg %d: %v", route.Name, leg, err)
			}
		}
	}
}

func TestChosen(t *testing.T) {
	for only, want := range map[string]string{"": "raw-1 identity tokenize raw-3 split", "split": "raw-3 split", "tokenize, raw-1": "raw-1 tokenize", "nothing": ""} {
		var names []string
		for _, s := range chosen(only) {
			names = append(names, s.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q: %s, want %s", only, got, want)
		}
	}
}

func TestResults(t *testing.T) {
	r := newResults(settings{rounds: 2, round: time.Second}, chosen("tokenize"))
	one := func(requests int, cpu time.Duration, latencies ...time.Duration) turn {
		return turn{sent: sent{requests: requests, took: time.Second, latencies: latencies}, delivered: 2 * time.Second, cpu: cpu}
	}
	r.Subjects[0].add(one(100, time.Millisecond, 1*time.Millisecond))
	r.Subjects[0].add(one(200, 2*time.Millisecond, 2*time.Millisecond))
	r.Subjects[1].add(one(50, time.Millisecond, 3*time.Millisecond))
	r.Subjects[1].add(one(50, time.Millisecond, 4*time.Millisecond))
	r.finish()
	base, got := r.Subjects[0], r.Subjects[1]
	if base.Requests != 300 || base.Throughput != 75 || base.Answered != 150 || base.CPU != 10 || base.P99 != 2 {
		t.Errorf("%+v", base)
	}
	if got.ThroughputRatio != 0.375 || got.CPURatio != 2 || got.P50 != 4 {
		t.Errorf("%+v", got)
	}
	var table, document strings.Builder
	if err := r.print(&table); err != nil || !strings.Contains(table.String(), "0.38 ×") || !strings.Contains(table.String(), "0.50") {
		t.Errorf("%v\n%s", err, &table)
	}
	if err := json.NewEncoder(&document).Encode(r); err != nil || !strings.Contains(document.String(), `"throughput_ratio":0.375`) {
		t.Errorf("%v\n%s", err, &document)
	}
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-help"}, 0, "-rounds"},
		{[]string{"-rounds", "0"}, 2, "must be positive"},
		{[]string{"-nonsense"}, 2, "not defined"},
		{[]string{"-only", "nothing"}, 1, "no such subject"},
		{[]string{"serve-stub"}, 1, "ADDRESS"},
		{[]string{"serve-forward"}, 1, "UPSTREAM"},
	} {
		var out, errs strings.Builder
		if code := run(c.args, &out, &errs); code != c.code || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%v: %d, %s", c.args, code, &errs)
		}
	}
}

func TestProcess(t *testing.T) {
	dir := t.TempDir()
	p, err := start(dir, "sh", "sh", "-c", "echo said before it died; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ready(context.Background(), func() error { return errors.New("never") }); err == nil || !strings.Contains(err.Error(), "said before it died") {
		t.Error(err)
	}
	var ps processes
	sleeper, err := start(dir, "sleep", "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	ps.add(sleeper)
	if _, err := cpuTime(sleeper.cmd.Process.Pid); err != nil {
		t.Error(err)
	}
	ps.stop()
	<-sleeper.exited
	if _, err := cpuTime(0); err == nil {
		t.Error("the CPU time of nothing")
	}
	if _, err := start(dir, "none", filepath.Join(dir, "none")); err == nil {
		t.Error("a program that is not there started")
	}
	for range 3 {
		address, err := freeAddress()
		if err != nil || dials(address)() == nil {
			t.Error(fmt.Errorf("%s is in use: %w", address, err))
		}
	}
}
