package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// footprints are what memory and a start take, on the embedded store.
type footprints struct {
	// Start is from the start of the process to ready, with the local keyring
	// and a policy of 1,000 path rules; the first one makes keys and folder.
	Start      stat    `json:"start_ms"`
	FirstStart float64 `json:"first_start_ms"`
	// Resident memory, in megabytes (10^6 bytes).
	Idle        float64 `json:"idle_mb"`
	Connections int     `json:"connections"`
	Connected   float64 `json:"connected_mb"` // with that many idle connections, each of which had sent a request
	// Quiet is the same where none of them had sent anything.
	Quiet float64 `json:"quiet_mb"`
	// Body is the size of the large body. In sizes of it: Allocated is what
	// the process allocates while one passes, and Peak how much more than
	// idle it had in memory at most, the remains of earlier ones included.
	Body      int     `json:"body_bytes"`
	Allocated stat    `json:"body_allocated_times"`
	First     float64 `json:"first_body_peak_times"`
	Peak      stat    `json:"body_peak_times"`
	// Settled is what it keeps at most when many have passed.
	Settled float64 `json:"settled_mb"`
}

// footprint starts Chaperones of its own.
func (r *rig) footprint(ctx context.Context) (*footprints, error) {
	f := &footprints{Connections: 10_000, Body: 10_000_000}
	if r.short {
		f.Connections, f.Body = 1000, 2_000_000
	}
	if err := r.starts(ctx, f); err != nil {
		return nil, err
	}
	if err := r.idle(ctx, f); err != nil {
		return nil, err
	}
	return f, r.large(ctx, f)
}

// starts starts Chaperone a few times in the same folder.
func (r *rig) starts(ctx context.Context, f *footprints) error {
	if err := r.build(ctx); err != nil {
		return err
	}
	i := instance{policy: bytes.Replace(rulesTemplate, []byte(phiPaths), []byte(withRules(1000)), 1), dir: r.dir + "/starts.d"}
	if err := i.write(r.stub, r.caller); err != nil {
		return err
	}
	var took []float64
	for n := range 8 {
		began := time.Now()
		p, err := start(r.dir, fmt.Sprint("start-", n), r.built, "run", "--config", i.file())
		if err != nil {
			return err
		}
		r.children.add(p)
		if err := p.readyWithin(ctx, time.Millisecond, isReady(i.admin)); err != nil {
			return err
		}
		ms := milliseconds(time.Since(began))
		p.stop()
		if n == 0 {
			f.FirstStart = ms
			continue
		}
		took = append(took, ms)
	}
	f.Start = statOf(took)
	return nil
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// idle opens connections, sends a request on each, and looks at the memory
// when they have been left alone for a while.
func (r *rig) idle(ctx context.Context, f *footprints) error {
	up, err := r.instance(ctx, "idle", instance{policy: rulesTemplate})
	if err != nil {
		return err
	}
	defer up.proc.stop()
	now, _, err := memory(up.proc.cmd.Process.Pid)
	if err != nil {
		return err
	}
	f.Idle = megabytes(now)
	if f.Quiet, err = r.connected(ctx, up, f.Connections, false); err != nil {
		return err
	}
	f.Connected, err = r.connected(ctx, up, f.Connections, true)
	return err
}

// connected returns the memory of a server with so many connections, on each
// of which a request was sent, or none.
func (r *rig) connected(ctx context.Context, up *server, n int, send bool) (float64, error) {
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	l := load{address: up.address, path: "/tokenize", key: r.caller.key, turn: 1}
	for n := range n {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		c, err := net.DialTimeout("tcp", up.address, 5*time.Second)
		if err != nil {
			return 0, fmt.Errorf("connection %d: %w", n, err)
		}
		conns = append(conns, c)
		if !send {
			continue
		}
		w := newWorker(c, l, n)
		response := fasthttp.AcquireResponse()
		if err := w.exchange(response); err != nil {
			return 0, fmt.Errorf("connection %d: %w", n, err)
		}
		if response.StatusCode() != fasthttp.StatusOK {
			return 0, fmt.Errorf("connection %d: status %d: %.200s", n, response.StatusCode(), response.Body())
		}
		fasthttp.ReleaseResponse(response)
	}
	now, _, err := memory(up.proc.cmd.Process.Pid)
	return megabytes(now), err
}

// large sends bodies with a photo on one connection.
func (r *rig) large(ctx context.Context, f *footprints) error {
	i := instance{policy: rulesTemplate, body: "16MiB", dir: filepath.Join(r.dir, "large.d")}
	up, err := r.instanceOf(ctx, "large", &i)
	if err != nil {
		return err
	}
	defer up.proc.stop()
	pid := up.proc.cmd.Process.Pid
	body := withPhoto(f.Body)
	var times, allocated []float64
	for n := range 6 {
		bytes, err := metric(i.admin, "go_memstats_alloc_bytes_total")
		if err != nil {
			return err
		}
		if err := forgetPeak(pid); err != nil {
			return err
		}
		before, _, err := memory(pid)
		if err != nil {
			return err
		}
		if n > 0 {
			// What the first one has left behind is part of what the next costs.
			before = int64(f.Idle * 1e6)
		}
		if err := post(ctx, up.address, r.caller.key, withID(body, n)); err != nil {
			return err
		}
		now, peak, err := memory(pid)
		if err != nil {
			return err
		}
		after, err := metric(i.admin, "go_memstats_alloc_bytes_total")
		if err != nil {
			return err
		}
		allocated = append(allocated, (after-bytes)/float64(len(body)))
		cost := float64(peak-before) / float64(len(body))
		if f.Settled = megabytes(now); n == 0 {
			f.First = cost
		}
		times = append(times, cost)
	}
	f.Peak, f.Allocated = statOf(times), statOf(allocated)
	return nil
}

// metric reads one figure from a Chaperone's admin listener.
func metric(admin, name string) (float64, error) {
	_, body, err := get("http://" + admin + "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}

// withID gives the body an id of its own.
func withID(body []byte, n int) []byte {
	id := make([]byte, len(idPlace))
	letters(id, n)
	return bytes.Replace(body, []byte(idPlace), id, 1)
}

// post sends one body on a connection of its own.
func post(ctx context.Context, address, key string, body []byte) error {
	d := net.Dialer{Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	head := "POST /tokenize HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: application/json\r\nAuthorization: Bearer " + key + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	w := newWorker(c, load{}, 0)
	w.request = append([]byte(head), body...)
	response := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(response)
	if err := w.exchange(response); err != nil {
		return err
	}
	if response.StatusCode() != fasthttp.StatusOK {
		return fmt.Errorf("status %d: %.200s", response.StatusCode(), response.Body())
	}
	return nil
}
