package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"chaperone/store/redistest"

	"github.com/valyala/fasthttp"
)

// gateFile holds the figures that a change may not make worse by more than the
// drift beside them. A change that makes them better lowers them.
//
//go:embed gate.json
var gateFile []byte

// gate is gateFile.
type gate struct {
	// Go and Arch are what the instructions were counted with; with others
	// they are not compared.
	Go   string `json:"go"`
	Arch string `json:"arch"`
	// Instructions are of the engine, for each of the corpus's bodies once.
	Instructions      map[string]float64 `json:"instructions"`
	InstructionsDrift float64            `json:"instructions_drift"` // a part
	// Allocations are of the whole process for each request, on Redis, all
	// that follows an answer included.
	Allocations      map[string]float64 `json:"allocations"`
	AllocationsDrift float64            `json:"allocations_drift"` // a part
	// LargeBody is how many bytes the process allocates for a body of 10 MB
	// on one leg, in sizes of it.
	LargeBody      float64 `json:"large_body"`
	LargeBodyDrift float64 `json:"large_body_drift"` // a number
}

func readGate(t *testing.T) gate {
	t.Helper()
	var g gate
	if err := json.Unmarshal(gateFile, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// hold fails if a figure is above its limit, and says when it has become so
// small that the limit is no good any more.
func hold(t *testing.T, what string, got, want, drift float64) {
	t.Helper()
	t.Logf("%s: %.2f, gate.json says %.2f, %.2f more are allowed", what, got, want, drift)
	switch {
	case got > want+drift:
		t.Errorf("%s: %.2f, more than the %.2f of gate.json and the drift of %.2f: find out why, or say why and raise it", what, got, want, drift)
	case got < want-2*drift:
		t.Logf("%s has become better: lower it in gate.json", what)
	}
}

var collected = regexp.MustCompile(`Collected : (\d+)`)

// instructions runs the engine under callgrind.
func instructions(t *testing.T, program string, args ...string) (float64, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "valgrind", append([]string{"--tool=callgrind", "--callgrind-out-file=/dev/null", program, "count"}, args...)...)
	c.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", "GOGC=off", "GOMAXPROCS=1")
	out, err := c.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %.300s", err, out)
	}
	m := collected.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("it counted nothing: %.300s", out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// TestInstructions is the gate of the engine. It counts, so that no other
// program's work trips it.
func TestInstructions(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short")
	}
	g := readGate(t)
	if !strings.HasPrefix(runtime.Version()+".", g.Go+".") || runtime.GOARCH != g.Arch {
		t.Skipf("instructions are not counted: gate.json's are of %s on %s", g.Go, g.Arch)
	}
	if _, err := exec.LookPath("valgrind"); err != nil {
		t.Skip("instructions are not counted: valgrind is not on this machine (Debian: apt-get install valgrind)")
	}
	program := filepath.Join(t.TempDir(), "bench")
	if out, err := goBuild(t.Context(), program, "chaperone/bench"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command(program, "count", "identity", "1", "tokenize", "1", "split", "1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const few, more = 20, 200
	routes := []string{"identity", "tokenize", "split"}
	args := func(counted string) (list []string) {
		for _, r := range routes {
			n := few
			if r == counted {
				n += more
			}
			list = append(list, r, strconv.Itoa(n))
		}
		return list
	}
	base, err := instructions(t, program, args("")...)
	if err != nil {
		t.Skipf("instructions are not counted: valgrind cannot run this program: %v", err)
	}
	for _, route := range routes {
		n, err := instructions(t, program, args(route)...)
		if err != nil {
			t.Skipf("instructions are not counted: valgrind cannot run this program: %v", err)
		}
		want := g.Instructions[route]
		hold(t, "instructions of "+route, (n-base)/more, want, want*g.InstructionsDrift)
	}
}

// sold is a Chaperone in a process of its own, for tests that count what it
// allocates.
type sold struct {
	*server
	admin string
	key   string
}

// startForCounting builds Chaperone without the race detector and starts it,
// with a destination that is this process.
func startForCounting(t *testing.T, i instance) sold {
	t.Helper()
	r := &rig{dir: t.TempDir(), caller: newCaller(), progress: testWriter{t}}
	t.Cleanup(r.children.stop)
	r.stub = listen(t, new(stub).handle)
	if err := r.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	i.dir = filepath.Join(r.dir, "counted")
	up, err := r.instanceOf(t.Context(), "counted", &i)
	if err != nil {
		t.Fatal(err)
	}
	return sold{up, i.admin, r.caller.key}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) { w.t.Logf("%s", p); return len(p), nil }

// metric reads one of the process's own figures.
func (s sold) metric(t *testing.T, name string) float64 {
	t.Helper()
	v, err := metric(s.admin, name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAllocations is the gate of the whole path of a request: what the process
// allocates for each, by its own count, with one caller whose requests come
// one after the other.
func TestAllocations(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short")
	}
	g := readGate(t)
	// A collection empties the pools, and so does another processor: when
	// depends on time.
	t.Setenv("GOGC", "off")
	t.Setenv("GOMAXPROCS", "1")
	s := startForCounting(t, instance{policy: rulesTemplate, redis: redistest.Start(t, redistest.Options{}).Addr})
	const mallocs = "go_memstats_mallocs_total"
	turn := 0
	send := func(route string, n int) {
		t.Helper()
		turn++
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		w := newWorker(c, load{address: s.address, path: "/" + route, key: s.key, turn: turn}, 0)
		var response fasthttp.Response
		for i := range n {
			letters(w.id[6:], i)
			if err := w.exchange(&response); err != nil || response.StatusCode() != fasthttp.StatusOK {
				t.Fatalf("%s: %v, %d, %s", route, err, response.StatusCode(), response.Body())
			}
		}
	}
	// counted returns what was allocated meanwhile, less what asking takes.
	counted := func(meanwhile func()) float64 {
		first := s.metric(t, mallocs)
		before := s.metric(t, mallocs)
		meanwhile()
		return s.metric(t, mallocs) - before - (before - first)
	}
	// What goes on without requests is per second, not per request.
	const idle = time.Second
	beside := counted(func() { <-time.After(idle) }) / idle.Seconds()
	const times = 500
	for _, route := range []string{"identity", "tokenize", "split"} {
		send(route, times) // pools fill
		// The least of a few: what runs beside requests only adds to it.
		least := 0.0
		for n := range 3 {
			began := time.Now()
			each := (counted(func() { send(route, times) }) - beside*time.Since(began).Seconds()) / times
			if n == 0 || each < least {
				least = each
			}
		}
		hold(t, "allocations of "+route, least, g.Allocations[route], g.Allocations[route]*g.AllocationsDrift)
	}
}

// TestLargeBody holds what a large body costs, in bytes that the process
// allocates while it passes on one leg.
func TestLargeBody(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short")
	}
	g := readGate(t)
	s := startForCounting(t, instance{policy: rulesTemplate, body: "16MiB"})
	body := withPhoto(10_000_000)
	most := 0.0 // of the first one: the others use its buffers
	for n := range 4 {
		before := s.metric(t, "go_memstats_alloc_bytes_total")
		if err := post(t.Context(), s.address, s.key, withID(body, n)); err != nil {
			t.Fatal(err)
		}
		times := (s.metric(t, "go_memstats_alloc_bytes_total") - before) / float64(len(body))
		t.Logf("body %d: %.2f × its size", n, times)
		most = max(most, times)
	}
	hold(t, "bytes for a body of 10 MB, in sizes", most, g.LargeBody, g.LargeBodyDrift)
}
