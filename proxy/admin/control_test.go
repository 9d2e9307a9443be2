package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

// parts stand in for the proxy behind a control socket.
type parts struct {
	mu        sync.Mutex
	recorded  []audit.Entry
	noRecord  error
	noReading error
	tailed    audit.TailOptions
	follow    chan audit.Line // what a follow yields
	legs      []control.Leg
	doubts    []control.Doubt
}

func (p *parts) Record(_ context.Context, e *audit.Entry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.noRecord == nil {
		p.recorded = append(p.recorded, *e)
	}
	return p.noRecord
}

func (p *parts) actions() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, e := range p.recorded {
		names = append(names, e.Kind.String()+" "+e.Action.String()+" "+string(e.Caller))
	}
	return strings.Join(names, ", ")
}

func (p *parts) Tail(ctx context.Context, o audit.TailOptions, yield func(audit.Line) error) error {
	p.mu.Lock()
	p.tailed = o
	p.mu.Unlock()
	if p.noReading != nil {
		return p.noReading
	}
	for i := range o.Last {
		e := audit.Entry{Version: 1, Kind: audit.KindStop, Request: audit.ID("r" + strconv.Itoa(i))}
		l := audit.Line{Chain: "a", Seq: uint64(i + 1), Entry: e}
		if i == 1 {
			l = audit.Line{Chain: "a", Seq: 2, Fault: audit.Unreadable}
		}
		if err := yield(l); err != nil {
			return err
		}
	}
	for o.Follow {
		select {
		case <-ctx.Done():
			return nil
		case l := <-p.follow:
			if err := yield(l); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *parts) Verify(context.Context, ...string) (audit.Report, error) {
	return audit.Report{
		Chains:   []audit.ChainReport{{Chain: "a", Entries: 12, First: 1, Last: 12, Signed: 10, Found: 1}},
		Findings: []audit.Finding{{Kind: audit.Edited, Chain: "a", Seq: 7}},
	}, p.noReading
}

func (p *parts) Legs(_ context.Context, state control.LegState, yield func(control.Leg) error) error {
	for _, l := range p.legs {
		if state == "" || l.State == state {
			if err := yield(l); err != nil {
				return err
			}
		}
	}
	return p.noReading
}

func (p *parts) Doubts(_ context.Context, yield func(control.Doubt) error) error {
	for _, d := range p.doubts {
		if err := yield(d); err != nil {
			return err
		}
	}
	return p.noReading
}

func (p *parts) options(dir string) ControlOptions {
	return ControlOptions{
		DataDir: dir, Log: p, Outbox: p, Record: p, Logger: discard(),
		Status: func(context.Context) control.Status { return control.Status{Version: "0.1.0", Chain: "a", Seq: 12} },
	}
}

// dataDir is a folder whose name is short enough for a socket.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chaperone")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// startControl runs a control socket, until stop or the end of the test.
func startControl(t *testing.T, p *parts, dir string) (stop func()) {
	t.Helper()
	c, err := ListenControl(p.options(dir))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, dir string) *control.Client {
	t.Helper()
	c, err := control.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestControlAnswers(t *testing.T) {
	since := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	p := &parts{
		legs: []control.Leg{
			{State: control.Due, Destination: "ehr", Key: "k", Attempt: 1, Index: 1, Due: since, Since: since},
			{State: control.Dead, Destination: "ledger", Key: "k", Attempt: 1, Index: 2, Due: since, Since: since, Reason: "rejected"},
		},
		doubts: []control.Doubt{{Key: "k", Attempt: 1, Since: since, Held: 2, Reason: "primary_timeout"}},
	}
	dir := dataDir(t)
	startControl(t, p, dir)
	c := dial(t, dir)

	status, err := c.Status(t.Context())
	if err != nil || status.Chain != "a" || status.Seq != 12 {
		t.Errorf("status %+v, %v", status, err)
	}
	var lines []control.LogLine
	if err := c.Tail(t.Context(), 3, false, func(l control.LogLine) error { lines = append(lines, l); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 3 || lines[1].Fault != "unreadable" || lines[1].Entry != nil {
		t.Fatalf("%+v", lines)
	}
	if e, err := audit.Parse(lines[2].Entry); err != nil || e.Request != "r2" {
		t.Errorf("the entry came over as %s: %v", lines[2].Entry, err)
	}
	report, err := c.Verify(t.Context(), nil)
	want, _ := p.Verify(t.Context())
	if d := cmp.Diff(want, report); err != nil || d != "" {
		t.Errorf("%v, verify (-want +got):\n%s", err, d)
	}
	var legs []control.Leg
	for _, state := range []control.LegState{"", control.Dead} {
		if err := c.Legs(t.Context(), state, func(l control.Leg) error { legs = append(legs, l); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(append(p.legs[:2:2], p.legs[1]), legs); d != "" {
		t.Error(d)
	}
	var doubts []control.Doubt
	if err := c.Doubts(t.Context(), func(d control.Doubt) error { doubts = append(doubts, d); return nil }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p.doubts, doubts); d != "" {
		t.Error(d)
	}
	me := "local:" + strconv.Itoa(os.Getuid())
	if got, want := p.actions(), strings.ReplaceAll("log_read log_tail ME, log_read log_verify ME, log_read outbox_list ME, log_read outbox_list ME, log_read outbox_doubts ME", "ME", me); got != want {
		t.Errorf("recorded\n%s\nwant\n%s", got, want)
	}
}

// TestNoRecordNoReading: what cannot be put on record is not shown.
func TestNoRecordNoReading(t *testing.T) {
	p := &parts{noRecord: errors.New("store away"), doubts: []control.Doubt{{Key: "k"}}, legs: []control.Leg{{State: control.Due}}}
	dir := dataDir(t)
	startControl(t, p, dir)
	c := dial(t, dir)
	shown := 0
	count := func() error { shown++; return nil }
	_, verify := c.Verify(t.Context(), nil)
	for name, err := range map[string]error{
		"tail":   c.Tail(t.Context(), 5, false, func(control.LogLine) error { return count() }),
		"follow": c.Tail(t.Context(), 5, true, func(control.LogLine) error { return count() }),
		"legs":   c.Legs(t.Context(), "", func(control.Leg) error { return count() }),
		"doubts": c.Doubts(t.Context(), func(control.Doubt) error { return count() }),
		"verify": verify,
	} {
		var refused *control.Error
		if !errors.As(err, &refused) || refused.Status != 503 || !strings.Contains(refused.Message, "record") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if shown != 0 {
		t.Errorf("%d items shown", shown)
	}
}

func TestFollow(t *testing.T) {
	p := &parts{follow: make(chan audit.Line)}
	dir := dataDir(t)
	stop := startControl(t, p, dir)
	c := dial(t, dir)
	lines := make(chan control.LogLine)
	done := make(chan error, 1)
	go func() {
		done <- c.Tail(t.Context(), 0, true, func(l control.LogLine) error { lines <- l; return nil })
	}()
	for seq := range uint64(3) {
		p.follow <- audit.Line{Chain: "a", Seq: seq + 1, Entry: audit.Entry{Kind: audit.KindStop}}
		if l := <-lines; l.Seq != seq+1 {
			t.Errorf("got %d, want %d", l.Seq, seq+1)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("a follow ends with the proxy: %v", err)
	}

	startControl(t, p, dir)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- c.Tail(ctx, 0, true, func(control.LogLine) error { cancel(); return nil }) }()
	p.follow <- audit.Line{Chain: "a", Seq: 9, Fault: audit.Malformed}
	if err := <-done; err != nil {
		t.Errorf("a follow ends with its reader: %v", err)
	}
}

func TestControlRefuses(t *testing.T) {
	p := &parts{}
	dir := dataDir(t)
	startControl(t, p, dir)
	c := dial(t, dir)
	for name, err := range map[string]error{
		"too many":      c.Tail(t.Context(), maxTail+1, false, nil),
		"negative":      c.Tail(t.Context(), -1, false, nil),
		"unknown state": c.Legs(t.Context(), "lost", nil),
	} {
		var refused *control.Error
		if !errors.As(err, &refused) || refused.Status != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := p.actions(); got != "" {
		t.Errorf("recorded %s", got)
	}
}

func TestStreamThatFails(t *testing.T) {
	p := &parts{noReading: errors.New("store away"), doubts: []control.Doubt{{Key: "k"}}}
	dir := dataDir(t)
	startControl(t, p, dir)
	c := dial(t, dir)
	shown := 0
	err := c.Doubts(t.Context(), func(control.Doubt) error { shown++; return nil })
	var failed *control.Error
	if !errors.As(err, &failed) || failed.Message != "store away" || shown != 1 {
		t.Errorf("%v after %d", err, shown)
	}
	if _, err := c.Verify(t.Context(), nil); !errors.As(err, &failed) || failed.Status != 503 {
		t.Errorf("verify: %v", err)
	}
	stop := errors.New("enough")
	if err := c.Doubts(t.Context(), func(control.Doubt) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestSocket(t *testing.T) {
	dir := dataDir(t)
	path := control.SocketPath(dir)
	if _, err := control.Dial(t.Context(), dir); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	stop := startControl(t, &parts{}, dir)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := ListenControl((&parts{}).options(dir)); !errors.Is(err, ErrInUse) {
		t.Errorf("a second proxy: %v", err)
	}
	if _, err := dial(t, dir).Status(t.Context()); err != nil {
		t.Errorf("after the second one was refused: %v", err)
	}
	stop()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if _, err := control.Dial(t.Context(), dir); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
}

// TestStaleSocket: a process that was killed leaves its socket behind.
func TestStaleSocket(t *testing.T) {
	dir := dataDir(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: control.SocketPath(dir), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Dial(t.Context(), dir); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("a stale socket: %v", err)
	}
	startControl(t, &parts{}, dir)
	if _, err := dial(t, dir).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSocketPathIsTaken(t *testing.T) {
	dir := dataDir(t)
	if err := os.WriteFile(control.SocketPath(dir), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenControl((&parts{}).options(dir)); err == nil {
		t.Fatal("a file was replaced")
	}
	if b, err := os.ReadFile(control.SocketPath(dir)); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestSocketPathIsTooLong(t *testing.T) {
	dir := filepath.Join(dataDir(t), strings.Repeat("d", 110))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := ListenControl((&parts{}).options(dir))
	if err == nil || !strings.Contains(err.Error(), "shorter data folder") {
		t.Errorf("got %v", err)
	}
}

// TestCutStream: a stream without its end is not taken for a whole one.
func TestCutStream(t *testing.T) {
	dir := dataDir(t)
	l, err := net.Listen("unix", control.SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	item, err := json.Marshal(control.Message{Item: json.RawMessage(`{"key":"k"}`)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(append(item, '\n')) // and no more
	}))
	_ = server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	shown := 0
	err = dial(t, dir).Doubts(t.Context(), func(control.Doubt) error { shown++; return nil })
	if !errors.Is(err, control.ErrCut) || shown != 1 {
		t.Errorf("%v after %d", err, shown)
	}
}
