package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// results are what is printed.
type results struct {
	Connections int       `json:"connections"`
	Body        int       `json:"body_bytes"`
	Rounds      int       `json:"rounds"`
	Round       string    `json:"round"`
	CPUs        int       `json:"cpus"`
	Go          string    `json:"go"`
	Subjects    []*result `json:"subjects"`
}

// result is that of one subject, over all rounds.
type result struct {
	Name     string `json:"name"`
	About    string `json:"about"`
	Requests int    `json:"requests"`
	// Throughput is requests per second until the last answer, with queued
	// legs until the last delivery: the median of the rounds.
	Throughput float64 `json:"requests_per_second"`
	// Answered is the same until the last answer.
	Answered float64 `json:"answered_per_second"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	// CPU is the proxy's own per request, queued legs included; Redis is
	// that of the store.
	CPU   float64 `json:"cpu_us"`
	Redis float64 `json:"redis_cpu_us"`
	// The ratios to the baseline.
	Baseline        string  `json:"baseline,omitempty"`
	ThroughputRatio float64 `json:"throughput_ratio,omitempty"`
	CPURatio        float64 `json:"cpu_ratio,omitempty"`
	Budget          string  `json:"budget,omitempty"`

	turns []turn
}

func newResults(s settings, list []subject) *results {
	r := &results{Connections: s.connections, Body: len(basket), Rounds: s.rounds, Round: s.round.String(), CPUs: runtime.NumCPU(), Go: runtime.Version()}
	for _, sub := range list {
		r.Subjects = append(r.Subjects, &result{Name: sub.name, About: sub.about, Baseline: sub.baseline, Budget: sub.budget})
	}
	return r
}

func (r *result) add(t turn) { r.turns = append(r.turns, t) }

// finish computes the figures from the turns. A ratio is the median of the
// rounds' ratios: subject and baseline of one round ran next to each other.
func (r *results) finish() {
	by := map[string]*result{}
	for _, s := range r.Subjects {
		by[s.Name] = s
		var latencies []time.Duration
		var cpu, redis time.Duration
		var throughput, answered []float64
		for _, t := range s.turns {
			s.Requests += t.requests
			cpu += t.cpu
			redis += t.redis
			latencies = append(latencies, t.latencies...)
			throughput = append(throughput, t.rate())
			answered = append(answered, float64(t.requests)/t.took.Seconds())
		}
		slices.Sort(latencies)
		s.P50, s.P99 = milliseconds(quantile(latencies, 50)), milliseconds(quantile(latencies, 99))
		s.Throughput, s.Answered = median(throughput), median(answered)
		s.CPU = microseconds(cpu) / float64(s.Requests)
		s.Redis = microseconds(redis) / float64(s.Requests)
		if base := by[s.Baseline]; base != nil {
			var throughput []float64
			for i, t := range s.turns {
				throughput = append(throughput, t.rate()/base.turns[i].rate())
			}
			s.ThroughputRatio = median(throughput)
			if base.CPU > 0 {
				s.CPURatio = s.CPU / base.CPU
			}
		}
	}
}

// rate is requests per second, deliveries included.
func (t turn) rate() float64 { return float64(t.requests) / t.delivered.Seconds() }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// quantile returns the value below which percent of the sorted values are.
func quantile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// print writes the table.
func (r *results) print(out io.Writer) error {
	fmt.Fprintf(out, "%d connections, body of %d bytes, %d rounds of %s, %d CPUs shared by all processes, %s\n\n",
		r.Connections, r.Body, r.Rounds, r.Round, r.CPUs, r.Go)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\treq/s\tanswers/s\tp50 ms\tp99 ms\tCPU µs/req\tRedis µs/req\tbeside\tthroughput\tbudget\tCPU\t")
	for _, s := range r.Subjects {
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.1f\t%.1f\t", s.Name, s.Throughput, s.Answered, s.P50, s.P99, s.CPU, s.Redis)
		if s.Baseline != "" {
			fmt.Fprintf(w, "%s\t%.2f ×\t%s\t%.2f ×\t", s.Baseline, s.ThroughputRatio, s.Budget, s.CPURatio)
		} else {
			fmt.Fprint(w, "\t\t\t\t")
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, s := range r.Subjects {
		fmt.Fprintf(out, "%-9s %s\n", s.Name, s.About)
	}
	_, err := fmt.Fprintln(out, "\nreq/s counts until the last queued leg is delivered; CPU is that of the proxy's process alone.")
	return err
}
