package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// rig is everything that runs.
type rig struct {
	settings
	dir       string
	stub      string // address
	servers   map[string]*server
	redis     *process
	redisPort string
	built     string // Chaperone's binary
	caller    caller
	turn      int
	recorded  int // requests to Chaperone whose records are in Redis
	children  processes
	rendered  map[string][]byte // by subject: what the processor got
	left      []leftOut
	progress  io.Writer
}

// leftOut is a subject that was not measured, or not to the end.
type leftOut struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// newRig starts the stub. The caller stops the rig.
func newRig(ctx context.Context, s settings, progress io.Writer) (*rig, error) {
	dir, err := os.MkdirTemp("", "chaperone-bench")
	if err != nil {
		return nil, err
	}
	r := &rig{settings: s, dir: dir, servers: map[string]*server{}, caller: newCaller(), rendered: map[string][]byte{}, progress: progress}
	self, err := os.Executable()
	if err == nil {
		r.stub, err = freeAddress()
	}
	if err == nil {
		_, err = r.launch(ctx, "stub", self, dials(r.stub), "serve-stub", r.stub)
	}
	if err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// stop ends all servers and removes what they wrote.
func (r *rig) stop() {
	r.children.stop()
	// A folder in /tmp that stays does no harm.
	_ = os.RemoveAll(r.dir)
}

// leave notes that a subject is not measured, once.
func (r *rig) leave(name string, why error) {
	if !r.isLeft(name) {
		r.left = append(r.left, leftOut{name, strings.TrimSpace(why.Error())})
		fmt.Fprintf(r.progress, "left out: %s: %v\n", name, why)
	}
}

func (r *rig) isLeft(name string) bool {
	return slices.ContainsFunc(r.left, func(l leftOut) bool { return l.Name == name })
}

// serve starts the servers of the subjects. A peer that does not start is left
// out, with the reason; Chaperone and the baseline must.
func (r *rig) serve(ctx context.Context, list []subject) error {
	for _, s := range list {
		if r.isLeft(s.name) || r.servers[s.server] != nil {
			continue
		}
		up, err := servers[s.server](r, ctx)
		switch {
		case err == nil:
			r.servers[s.server] = up
		case needed(s.server) || ctx.Err() != nil:
			return fmt.Errorf("%s: %w", s.server, err)
		default:
			for _, other := range list {
				if other.server == s.server {
					r.leave(other.name, err)
				}
			}
		}
	}
	return nil
}

// needed says that nothing can be compared without a server.
func needed(server string) bool {
	return server == "forward" || server == "chaperone" || server == "embedded"
}

// rounds drives the subjects in turns: to saturation, then at half of what
// they did. The first round warms up, and looks at what arrives.
func (r *rig) rounds(ctx context.Context, list []subject, res *results) error {
	for round := range r.settings.rounds + 1 {
		order := slices.Clone(list)
		if round%2 == 0 {
			slices.Reverse(order)
		}
		if round == 0 {
			order = list // what is compared with comes first
		}
		for _, s := range order {
			if r.isLeft(s.name) {
				continue
			}
			t, err := r.both(ctx, s, round == 0)
			if err != nil {
				err = fmt.Errorf("%s: %w", s.name, errors.Join(err, ctx.Err()))
				if needed(s.server) || ctx.Err() != nil {
					return err
				}
				r.leave(s.name, err)
				continue
			}
			if round > 0 {
				res.of(s.name).add(round, t)
			}
		}
		if round == 0 {
			fmt.Fprintln(r.progress, "warmed up; bodies agree")
		} else {
			fmt.Fprintf(r.progress, "round %d of %d\n", round, r.settings.rounds)
		}
	}
	return nil
}

// both is a turn to saturation and one at half of it; when warming up, a turn
// after which the bodies are looked at.
func (r *rig) both(ctx context.Context, s subject, warm bool) (turn, error) {
	if warm {
		if _, _, err := get("http://" + r.stub + stubArm); err != nil {
			return turn{}, err
		}
		t, err := r.turnOf(ctx, s, load{duration: min(r.round, time.Second), connections: r.connections})
		if err == nil {
			err = r.verify(s)
		}
		return t, err
	}
	t, err := r.turnOf(ctx, s, load{duration: r.round, connections: r.connections})
	if err != nil {
		return t, err
	}
	half, err := r.turnOf(ctx, s, load{duration: r.half, connections: r.connections, rate: t.rate() / 2})
	t.half50, t.half99 = half.quantile(50), half.quantile(99)
	return t, err
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
	delivered      time.Duration // from the first request to the last delivery
	cpu            time.Duration // of the proxy's processes
	redis          time.Duration
	p99            time.Duration // latency, of the turn
	half50, half99 time.Duration // and at half of its rate
}

// rate is requests per second, deliveries included.
func (t turn) rate() float64 { return float64(t.requests) / t.delivered.Seconds() }

// turnOf drives one subject, and waits until what it has queued is delivered.
func (r *rig) turnOf(ctx context.Context, s subject, l load) (t turn, err error) {
	r.turn++
	up := r.servers[s.server]
	before, err := r.calls()
	if err != nil {
		return t, err
	}
	cpu, redis, err := r.cpu(up)
	if err != nil {
		return t, err
	}
	l.address, l.path, l.turn = up.address, s.path, r.turn
	if up.ours {
		l.key = r.caller.key
	}
	began := time.Now()
	if t.sent, err = drive(ctx, l); err != nil {
		return t, fmt.Errorf("%w: %s", err, up.proc.tail())
	}
	if t.failed > 0 || t.requests == 0 {
		return t, fmt.Errorf("%d of %d requests failed, the first with %s: %s", t.failed, t.failed+t.requests, t.failure, up.proc.tail())
	}
	if up.ours && up.redis {
		r.recorded += t.requests
	}
	t.delivered = t.took
	if s.queued > 0 {
		if err := r.drained(ctx, up, before+int64(t.requests*(1+s.queued))); err != nil {
			return t, err
		}
		t.delivered = time.Since(began)
	}
	cpuAfter, redisAfter, err := r.cpu(up)
	t.cpu, t.redis = cpuAfter-cpu, redisAfter-redis
	return t, err
}

// cpu returns the CPU time of a server's processes, and of Redis.
func (r *rig) cpu(s *server) (own, redis time.Duration, err error) {
	if own, err = s.proc.cpu(); err != nil || !s.redis {
		return own, 0, err
	}
	redis, err = r.redis.cpu()
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
func (r *rig) drained(ctx context.Context, up *server, want int64) error {
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
			return fmt.Errorf("%d queued legs were not delivered within %v: %s", want-n, r.drain, up.proc.tail())
		case <-tick.C:
		}
	}
}
