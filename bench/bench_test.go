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
	s := &fasthttp.Server{Handler: handler, Logger: silent{}, MaxRequestBodySize: 64 << 20}
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
	r := &rig{stub: upstream, rendered: map[string][]byte{}}
	for n, path := range []string{"/one", "/three"} {
		before, err := r.calls()
		if err != nil {
			t.Fatal(err)
		}
		s, err := drive(context.Background(), load{address: address, path: path, connections: 4, duration: time.Second, turn: n})
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
	s, err := drive(context.Background(), load{address: address, path: "/", connections: 1, duration: time.Second})
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
	i := instance{policy: rulesTemplate, redis: "127.0.0.1:2", body: "16MiB", dir: filepath.Join(t.TempDir(), "d")}
	if err := i.write("127.0.0.1:1", newCaller()); err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(filepath.Join(i.dir, "rules.yaml"))
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
	for only, want := range map[string]string{
		"": strings.Join(subjectNames(), " "), "split": "raw-3 split", "tokenize, raw-1": "raw-1 tokenize",
		"gjson": "raw-1 tokenize gjson", "split-file,nginx": "raw-1 nginx raw-3 split-file", "nothing": "",
	} {
		var names []string
		for _, s := range chosen(only) {
			names = append(names, s.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q: %s, want %s", only, got, want)
		}
	}
	for _, s := range subjects {
		if servers[s.server] == nil {
			t.Errorf("%s: there is no server %s", s.name, s.server)
		}
	}
}

func TestResults(t *testing.T) {
	list := chosen("tokenize")
	r := newResults(settings{rounds: 2, round: time.Second, parts: "proxies"}, append(list, subject{name: "never", baseline: "raw-1"}))
	one := func(requests int, cpu, half time.Duration, latencies ...time.Duration) turn {
		return turn{sent: sent{requests: requests, took: time.Second, latencies: latencies}, delivered: 2 * time.Second, cpu: cpu, half99: half}
	}
	r.Subjects[0].add(1, one(100, time.Millisecond, 2*time.Millisecond, 1*time.Millisecond))
	r.Subjects[0].add(2, one(200, 2*time.Millisecond, 2*time.Millisecond, 3*time.Millisecond))
	r.Subjects[1].add(1, one(50, time.Millisecond, 4*time.Millisecond, 3*time.Millisecond))
	r.Subjects[1].add(2, one(50, time.Millisecond, 5*time.Millisecond, 4*time.Millisecond))
	r.LeftOut = []leftOut{{"nginx", missing{"nginx"}.Error()}}
	r.Rewriting = &rewriting{Requests: 100_000, CPU: 0.6, File: 106}
	r.finish()
	if len(r.Subjects) != 2 {
		t.Fatalf("%d subjects", len(r.Subjects))
	}
	base, got := r.of("raw-1"), r.of("tokenize")
	if base.Requests != 300 || base.Throughput != (stat{75, 50, 100}) || base.CPU.Median != 10 || base.Full99.Median != 2 {
		t.Errorf("%+v", base)
	}
	if got.ThroughputRatio != (stat{0.375, 0.25, 0.5}) || got.CPURatio.Median != 2 || got.Added99 != (stat{2.5, 2, 3}) {
		t.Errorf("%+v", got)
	}
	if beside := r.beside(got, base, cpuRatio); beside != got.CPURatio {
		t.Errorf("%+v", beside)
	}
	text := r.markdown()
	for _, want := range []string{"106 MB of 100000 requests in 0.6 s of CPU. In the long run that is 6.0 µs for each request", "0.38 (0.25–0.50) × raw-1", "| **not met** |", "- `nginx`: not on this machine (Debian: apt-get install nginx)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	var document strings.Builder
	if err := r.give(settings{asJSON: true}, &document); err != nil || !json.Valid([]byte(document.String())) || !strings.Contains(document.String(), `"median": 0.375`) {
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
		{[]string{"-out", "bench_test.go/results"}, 1, "not a directory"},
		{[]string{"serve-stub"}, 1, "ADDRESS"},
		{[]string{"serve-forward"}, 1, "UPSTREAM"},
		{[]string{"serve-httputil"}, 1, "UPSTREAM"},
		{[]string{"-parts", "engine,nonsense"}, 2, `no part "nonsense"`},
		{[]string{"count", "nothing", "1"}, 1, "no route nothing"},
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
