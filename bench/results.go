package main

import (
	"fmt"
	"slices"
	"time"
)

// results are what is written.
type results struct {
	Machine     machine     `json:"machine"`
	Connections int         `json:"connections"`
	Body        int         `json:"body_bytes"`
	Rounds      int         `json:"rounds"`
	Round       string      `json:"round"`
	Half        string      `json:"half"`
	Short       bool        `json:"short"`
	Subjects    []*result   `json:"subjects"`
	Rewriting   *rewriting  `json:"redis_rewrite,omitempty"`
	LeftOut     []leftOut   `json:"left_out,omitempty"`
	Engine      *speeds     `json:"engine,omitempty"`
	Growth      []*curve    `json:"growth,omitempty"`
	Footprint   *footprints `json:"footprint,omitempty"`
	Soak        *soaked     `json:"soak,omitempty"`
}

// stat is a median over the rounds, and its spread.
type stat struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func statOf(values []float64) stat {
	if len(values) == 0 {
		return stat{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return stat{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// text is the median and, in brackets, its spread.
func (s stat) text(format string) string {
	one := func(v float64) string { return fmt.Sprintf(format, v) }
	return fmt.Sprintf("%s (%s–%s)", one(s.Median), one(s.Min), one(s.Max))
}

// result is that of one subject, over all rounds.
type result struct {
	Name     string `json:"name"`
	About    string `json:"about"`
	Requests int    `json:"requests"`
	// Throughput is requests per second until the last answer, with queued
	// legs until the last delivery.
	Throughput stat `json:"requests_per_second"`
	// CPU is the proxy's own time per request, queued legs included; Redis
	// is that of the store.
	CPU   stat `json:"cpu_us"`
	Redis stat `json:"redis_cpu_us"`
	// Latencies at half of the throughput of the same round, and at all of it.
	Half50 stat `json:"half_p50_ms"`
	Half99 stat `json:"half_p99_ms"`
	Full99 stat `json:"full_p99_ms"`
	// The ratios to the baseline are of turns of one round.
	Baseline        string `json:"baseline,omitempty"`
	ThroughputRatio stat   `json:"throughput_ratio,omitzero"`
	CPURatio        stat   `json:"cpu_ratio,omitzero"`
	// Added99 is what a request waits longer than the baseline's, at half.
	Added99 stat `json:"added_half_p99_ms,omitzero"`

	turns map[int]turn // by round
}

func newResults(s settings, list []subject) *results {
	r := &results{Machine: thisMachine(), Connections: s.connections, Body: len(basket), Rounds: s.rounds, Round: s.round.String(), Half: s.half.String(), Short: s.short}
	if s.has("proxies") {
		for _, sub := range list {
			r.Subjects = append(r.Subjects, &result{Name: sub.name, About: sub.about, Baseline: sub.baseline, turns: map[int]turn{}})
		}
	}
	return r
}

// of returns the result of a subject, or nil.
func (r *results) of(name string) *result {
	for _, s := range r.Subjects {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// add keeps a turn of a round. Its latencies are not kept.
func (r *result) add(round int, t turn) {
	t.p99, t.latencies = t.quantile(99), nil
	r.turns[round] = t
}

// finish computes the figures from the turns, and forgets subjects that have
// none.
func (r *results) finish() {
	r.Machine.end()
	r.Subjects = slices.DeleteFunc(r.Subjects, func(s *result) bool { return len(s.turns) == 0 })
	for _, s := range r.Subjects {
		for _, t := range s.turns {
			s.Requests += t.requests
		}
		s.Throughput = r.alone(s, turn.rate)
		s.CPU = r.alone(s, func(t turn) float64 { return t.each(t.cpu) })
		s.Redis = r.alone(s, func(t turn) float64 { return t.each(t.redis) })
		s.Half50 = r.alone(s, func(t turn) float64 { return milliseconds(t.half50) })
		s.Half99 = r.alone(s, func(t turn) float64 { return milliseconds(t.half99) })
		s.Full99 = r.alone(s, func(t turn) float64 { return milliseconds(t.p99) })
		base := r.of(s.Baseline)
		s.ThroughputRatio = r.beside(s, base, func(t, b turn) float64 { return t.rate() / b.rate() })
		s.CPURatio = r.beside(s, base, cpuRatio)
		s.Added99 = r.beside(s, base, func(t, b turn) float64 { return milliseconds(t.half99 - b.half99) })
	}
}

func cpuRatio(t, b turn) float64 { return t.each(t.cpu) / b.each(b.cpu) }

// alone takes a figure from each turn of a subject.
func (r *results) alone(s *result, f func(turn) float64) stat {
	return r.beside(s, s, func(t, _ turn) float64 { return f(t) })
}

// beside takes a figure from each round in which there are turns of both. There is
// nothing to take it from where base is nil.
func (r *results) beside(s, base *result, f func(t, b turn) float64) stat {
	var values []float64
	for round := range r.Rounds + 1 {
		if base == nil {
			break
		}
		t, here := s.turns[round]
		if b, there := base.turns[round]; here && there && b.requests > 0 && b.cpu > 0 {
			values = append(values, f(t, b))
		}
	}
	return statOf(values)
}

// each is microseconds of something per request.
func (t turn) each(d time.Duration) float64 {
	return float64(d) / float64(time.Microsecond) / float64(t.requests)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
