package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// soaked is the memory of a Chaperone that sells at a steady rate.
type soaked struct {
	Rate     float64  `json:"requests_per_second"`
	Requests int      `json:"requests"`
	Samples  []sample `json:"samples"`
}

// sample is the memory at one time, in megabytes (10^6 bytes).
type sample struct {
	Seconds  float64 `json:"seconds"`
	Resident float64 `json:"resident_mb"`
	Heap     float64 `json:"heap_mb"` // what the program holds of it, its garbage included
}

// The loads of a soak: requests a second, and on how many connections.
const (
	soakTokenize    = 150.0
	soakSplit       = 50.0
	soakConnections = 16
)

// soak sells for a while, one leg and three, and looks at the memory. The
// state is in Redis: pages of an embedded store's file count as resident, and
// it grows with every sale.
func (r *rig) soak(ctx context.Context, duration time.Duration) (*soaked, error) {
	if err := r.startRedis(ctx); err != nil {
		return nil, err
	}
	i := instance{policy: rulesTemplate, redis: "127.0.0.1:" + r.redisPort, dir: r.dir + "/soak.d"}
	up, err := r.instanceOf(ctx, "soak", &i)
	if err != nil {
		return nil, err
	}
	defer up.proc.stop()
	s := &soaked{Rate: soakTokenize + soakSplit}
	type end struct {
		sent
		err error
	}
	ends := make(chan end, 2)
	send := func(path string, rate float64, turn int) {
		n, err := drive(ctx, load{address: up.address, path: path, key: r.caller.key, connections: soakConnections, duration: duration, rate: rate, turn: turn})
		ends <- end{n, err}
	}
	began := time.Now()
	go send("/tokenize", soakTokenize, 1)
	go send("/split", soakSplit, 2)
	tick := time.NewTicker(duration / 40)
	defer tick.Stop()
	for left := 2; left > 0; {
		select {
		case <-tick.C:
			one, err := s.look(up.proc.cmd.Process.Pid, i.admin, time.Since(began))
			if err != nil {
				return nil, errors.Join(err, ctx.Err())
			}
			s.Samples = append(s.Samples, one)
		case e := <-ends:
			left--
			if e.err != nil {
				return nil, e.err
			}
			if e.failed > 0 {
				return nil, fmt.Errorf("%d requests failed: %s", e.failed, e.failure)
			}
			s.Requests += e.requests
		}
	}
	return s, ctx.Err()
}

func (s *soaked) look(pid int, admin string, at time.Duration) (sample, error) {
	now, _, err := memory(pid)
	if err != nil {
		return sample{}, err
	}
	heap, err := metric(admin, "go_memstats_heap_inuse_bytes")
	return sample{Seconds: at.Seconds(), Resident: megabytes(now), Heap: heap / 1e6}, err
}

// quarter returns the median of resident memory in one quarter of the time, 0
// to 3.
func (s *soaked) quarter(n int) float64 {
	from, to := len(s.Samples)*n/4, len(s.Samples)*(n+1)/4
	var values []float64
	for _, one := range s.Samples[from:to] {
		values = append(values, one.Resident)
	}
	return statOf(values).Median
}

// flatTolerance is what the last quarter may have above the second: what is
// kept for a while is full by then, and the rest is where collections fall.
const flatTolerance = 1.1

func (s *soaked) budget() budget {
	second, last := s.quarter(1), s.quarter(3)
	return budget{fmt.Sprintf("resident memory is flat over %.0f minutes at %.0f requests/s: the last quarter has ≤ %.1f × the second", s.Samples[len(s.Samples)-1].Seconds/60, s.Rate, flatTolerance),
		fmt.Sprintf("%.1f MB and %.1f MB", second, last), last <= flatTolerance*second}
}

// markdown writes every fourth sample.
func (s *soaked) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "## Soak\n\n%d requests at a steady %.0f a second, a quarter of them split into three legs, on Redis; resident memory, MB of 10^6 bytes.\n\n| seconds | resident | of it in use by the heap |\n| --- | --- | --- |\n", s.Requests, s.Rate)
	for chunk := range slices.Chunk(s.Samples, 4) {
		one := chunk[len(chunk)-1]
		fmt.Fprintf(b, "| %.0f | %.1f MB | %.1f MB |\n", one.Seconds, one.Resident, one.Heap)
	}
	b.WriteString("\n")
}
