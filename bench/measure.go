package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// rig is everything that runs.
type rig struct {
	settings
	dir    string
	stub   string // addresses
	server map[bool]string
	proc   map[bool]*process // by subject.proxy
	redis  *process
	caller caller
	turn   int
}

// measure starts everything, drives it and ends it.
func measure(ctx context.Context, s settings, progress io.Writer) (*results, error) {
	list := chosen(s.only)
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no such subject: %s", s.only)
	}
	dir, err := os.MkdirTemp("", "chaperone-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var children processes
	defer children.stop()
	r := &rig{settings: s, dir: dir, server: map[bool]string{}, proc: map[bool]*process{}, caller: newCaller()}
	if err := r.start(ctx, &children, list); err != nil {
		return nil, err
	}
	res := newResults(s, list)
	for round := range s.rounds + 1 {
		for i, sub := range list {
			duration := s.round
			if round == 0 {
				fmt.Fprintf(progress, "warming up: %s\n", sub.name)
				duration = min(s.round, time.Second)
				if _, _, err := get("http://" + r.stub + stubArm); err != nil {
					return nil, err
				}
			}
			t, err := r.turnOf(ctx, sub, duration)
			if err == nil && round == 0 {
				err = r.verify(sub)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sub.name, errors.Join(err, ctx.Err()))
			}
			if round > 0 {
				res.Subjects[i].add(t)
			}
		}
		if round > 0 {
			fmt.Fprintf(progress, "round %d of %d\n", round, s.rounds)
		}
	}
	res.finish()
	return res, nil
}

// start starts the servers in the order of their dependence.
func (r *rig) start(ctx context.Context, children *processes, list []subject) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	launch := func(name, program string, check func() error, args ...string) (*process, error) {
		p, err := start(r.dir, name, program, args...)
		if err != nil {
			return nil, err
		}
		children.add(p)
		return p, p.ready(ctx, check)
	}
	address := make([]string, 5)
	for i := range address {
		if address[i], err = freeAddress(); err != nil {
			return err
		}
	}
	r.stub, r.server[false], r.server[true] = address[0], address[1], address[2]
	if _, err = launch("stub", self, dials(r.stub), "serve-stub", r.stub); err != nil {
		return err
	}
	if r.proc[false], err = launch("forward", self, dials(r.server[false]), "serve-forward", r.server[false], r.stub); err != nil {
		return err
	}
	needed := false
	for _, s := range list {
		needed = needed || s.proxy
	}
	if !needed {
		return nil
	}
	redis, admin := address[3], address[4]
	_, port, _ := strings.Cut(redis, ":")
	if r.redis, err = launch("redis", "redis-server", dials(redis), "--bind", "127.0.0.1", "--port", port, "--save", "",
		"--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"); err != nil {
		return fmt.Errorf("%w (Debian: apt-get install redis-server)", err)
	}
	if r.binary == "" {
		r.binary = filepath.Join(r.dir, "chaperone")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", r.binary, "./cmd/chaperone")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build ./cmd/chaperone: %w: %s", err, out)
		}
	} else if r.binary, err = filepath.Abs(r.binary); err != nil {
		return err
	}
	config, err := writeConfig(r.dir, r.stub, redis, r.server[true], admin, r.caller)
	if err != nil {
		return err
	}
	r.proc[true], err = launch("chaperone", r.binary, isReady(admin), "run", "--config", config)
	return err
}

// isReady returns a check that Chaperone's admin listener says so.
func isReady(admin string) func() error {
	return func() error {
		status, _, err := get("http://" + admin + "/readyz")
		if err == nil && status != fasthttp.StatusOK {
			err = fmt.Errorf("/readyz says %d", status)
		}
		return err
	}
}

// get asks for something outside of what is measured.
func get(url string) (status int, body []byte, err error) {
	return fasthttp.GetTimeout(nil, url, 2*time.Second)
}

// turn is what one subject did in one round.
type turn struct {
	sent
	delivered time.Duration // from the first request to the last delivery
	cpu       time.Duration // of the proxy's process
	redis     time.Duration
}

// turnOf drives one subject, and waits until what it has queued is delivered.
func (r *rig) turnOf(ctx context.Context, s subject, duration time.Duration) (t turn, err error) {
	r.turn++
	before, err := r.calls()
	if err != nil {
		return t, err
	}
	cpu, redis, err := r.cpu(s)
	if err != nil {
		return t, err
	}
	l := load{address: r.server[s.proxy], path: s.path, connections: r.connections, duration: duration, turn: r.turn}
	if s.proxy {
		l.key = r.caller.key
	}
	began := time.Now()
	if t.sent, err = drive(ctx, l); err != nil {
		return t, fmt.Errorf("%w: %s", err, r.proc[s.proxy].tail())
	}
	if t.failed > 0 || t.requests == 0 {
		return t, fmt.Errorf("%d of %d requests failed, the first with %s: %s", t.failed, t.failed+t.requests, t.failure, r.proc[s.proxy].tail())
	}
	t.delivered = t.took
	if s.queued > 0 {
		if err := r.drained(ctx, before+int64(t.requests*(1+s.queued))); err != nil {
			return t, err
		}
		t.delivered = time.Since(began)
	}
	cpuAfter, redisAfter, err := r.cpu(s)
	t.cpu, t.redis = cpuAfter-cpu, redisAfter-redis
	return t, err
}

// cpu returns the CPU time of a subject's process, and of Redis.
func (r *rig) cpu(s subject) (own, redis time.Duration, err error) {
	if own, err = cpuTime(r.proc[s.proxy].cmd.Process.Pid); err != nil || !s.proxy {
		return own, 0, err
	}
	redis, err = cpuTime(r.redis.cmd.Process.Pid)
	return own, redis, err
}

// calls returns how many calls the stub has answered.
func (r *rig) calls() (int64, error) {
	_, body, err := get("http://" + r.stub + stubCounts)
	if err != nil {
		return 0, err
	}
	var counts map[string]int64
	if err := json.Unmarshal(body, &counts); err != nil {
		return 0, err
	}
	var n int64
	for _, c := range counts {
		n += c
	}
	return n, nil
}

// drained waits until the stub has answered that many calls.
func (r *rig) drained(ctx context.Context, want int64) error {
	ctx, cancel := context.WithTimeout(ctx, r.drain)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := r.calls()
		if err != nil || n >= want {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d queued legs were not delivered within %v: %s", want-n, r.drain, r.proc[true].tail())
		case <-tick.C:
		}
	}
}

// verify holds what the stub got to the subject's checks.
func (r *rig) verify(s subject) error {
	for _, c := range s.checks {
		_, body, err := get("http://" + r.stub + stubLast + "?of=" + c.of)
		if err != nil {
			return err
		}
		if c.holds != "" && !strings.Contains(string(body), c.holds) {
			return fmt.Errorf("%s did not get %s", c.of, c.holds)
		}
		if c.lacks != "" && strings.Contains(string(body), c.lacks) {
			return fmt.Errorf("%s got %s", c.of, c.lacks)
		}
	}
	return nil
}
