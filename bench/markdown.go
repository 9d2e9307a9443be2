package main

import (
	"fmt"
	"strings"
)

// peersNote says how the peers are written, and what they leave undone.
const peersNote = `How the peers are written (` + "`bench/peers`" + `): nginx with a worker for each processor, kept connections on both sides without a limit of requests, no access log, bodies in memory; HAProxy with a thread for each processor, shared kept connections, no log; the Lua edits with everything local and loaded before the workers are forked, the Redis client with kept connections; the Go ones with kept connections and pooled buffers. Each one's first body was held to mean the same as Chaperone's of the same basket (or, of those that only forward, as the basket) before it was measured.

None of the peers judges duplicated members, looks for card numbers elsewhere, authenticates its caller, knows a repeat, labels the answer or keeps an outcome; their token is a constant. nginx-lua, gjson and httputil record nothing; nginx-lua-redis (lua-resty-redis, as Debian packages it) appends one plain entry before it forwards, and nothing afterwards.
`

// markdown is RESULTS.md.
func (r *results) markdown() string {
	var b strings.Builder
	b.WriteString("# Results\n\nWritten by `make bench`; what is measured and how is in [README.md](README.md), what it means in [docs/performance.md](../docs/performance.md).\n\n")
	if r.Short {
		b.WriteString("**A quick look (`-short`), or on a busy machine: no figures to keep.**\n\n")
	}
	b.WriteString(r.Machine.text() + "\n")
	if list := r.budgets(); len(list) > 0 {
		fmt.Fprintf(&b, "## Budgets: %s\n\n| budget | measured | |\n| --- | --- | --- |\n", list.text())
		for _, one := range list {
			verdict := "met"
			if !one.met {
				verdict = "**not met**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", one.what, one.measured, verdict)
		}
		b.WriteString("\n")
	}
	if len(r.Subjects) > 0 {
		r.proxies(&b)
	}
	if len(r.LeftOut) > 0 {
		b.WriteString("## Left out\n\n")
		for _, l := range r.LeftOut {
			fmt.Fprintf(&b, "- `%s`: %s\n", l.Name, strings.ReplaceAll(l.Why, "\n", " "))
		}
		b.WriteString("\n")
	}
	if r.Engine != nil {
		r.engine(&b)
	}
	if len(r.Growth) > 0 {
		r.growth(&b)
	}
	if r.Footprint != nil {
		r.footprint(&b)
	}
	if r.Soak != nil {
		b.WriteString("\n")
		r.Soak.markdown(&b)
	}
	return b.String()
}

func (r *results) proxies(b *strings.Builder) {
	fmt.Fprintf(b, "## Proxies\n\n%d connections, a body of %d bytes, %d interleaved rounds of %s to saturation and %s at half of it for each. All figures are medians over the rounds, with the least and the most in brackets.\n\n", r.Connections, r.Body, r.Rounds, r.Round, r.Half)
	b.WriteString("| | requests/s | throughput | CPU µs/request | CPU | Redis µs | p50 ms, half | p99 ms, half | p99 ms, full |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range r.Subjects {
		ratio, cpu, redis := "", "", ""
		if r.of(s.Baseline) != nil {
			ratio, cpu = s.ThroughputRatio.text("%.2f")+" × "+s.Baseline, fmt.Sprintf("%.2f ×", s.CPURatio.Median)
		}
		if s.Redis.Median > 0 {
			redis = fmt.Sprintf("%.1f", s.Redis.Median)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s | %.2f | %s | %.1f |\n", s.Name, s.Throughput.text("%.0f"), ratio, s.CPU.text("%.1f"), cpu, redis, s.Half50.Median, s.Half99.text("%.2f"), s.Full99.Median)
	}
	b.WriteString("\n")
	for _, s := range r.Subjects {
		fmt.Fprintf(b, "- `%s`: %s\n", s.Name, s.About)
	}
	b.WriteString("\nRequests/s count until the last queued leg is delivered. CPU is the time that the proxy's processes ran, in user and system mode, deliveries included; Redis's own is beside it. Ratios are to the baseline of the same round. Driver, stub, proxy and Redis share the processors, so that throughput is of all of them together. Latency at half is under a steady rate of half the throughput of the turn before; a request that has to wait for a free connection waits on the record.\n\n")
	if w := r.Rewriting; w != nil {
		fmt.Fprintf(b, "Redis rewrites its file when that has doubled; here it did so once, after the last turn: %.0f MB of %d requests in %.1f s of CPU. In the long run that is %.1f µs for each request, in none of the figures above.\n\n", w.File, w.Requests, w.CPU, w.each())
	}
	b.WriteString(peersNote + "\n")
}

func (r *results) engine(b *strings.Builder) {
	b.WriteString("## The engine by itself\n\nScan, decide and render of one leg in one thread (route tokenize), next to the same edits by others, in turns. Times are CPU time, that of the garbage collector included.\n\n| body | program | µs | MB/s | allocations | time, in engines |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, body := range r.Engine.Bodies {
		for _, e := range body.Edits {
			us := stat{e.Nanoseconds.Median / 1000, e.Nanoseconds.Min / 1000, e.Nanoseconds.Max / 1000}
			fmt.Fprintf(b, "| %s, %d bytes | %s | %s | %s | %.0f | %s |\n", body.Name, body.Bytes, e.Name, us.text("%.1f"), e.Megabytes.text("%.0f"), e.Allocations, e.Ratio.text("%.1f"))
		}
	}
	b.WriteString("\n| token | ns |\n| --- | --- |\n")
	for _, t := range r.Engine.Tokens {
		fmt.Fprintf(b, "| %s | %s |\n", t.Name, t.Nanoseconds.text("%.0f"))
	}
	b.WriteString("\n")
}

func (r *results) growth(b *strings.Builder) {
	b.WriteString("## Growth\n\n![how cost grows](growth.svg)\n\nMedians of interleaved turns, CPU time. The exponent is that of the whole line: 1 is linear, 0 is no growth, 2 is quadratic. A line ends where one call takes too long to be measured.\n\n| with | line | from | to | exponent |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range r.Growth {
		for _, l := range c.Lines {
			if len(l.Points) == 0 {
				continue
			}
			end := func(p [2]float64) string { return number(p[1]) + " " + c.Y + " at " + number(p[0]) + " " + c.X }
			fmt.Fprintf(b, "| %s | %s | %s | %s | %.2f |\n", c.Name, l.Name, end(l.Points[0]), end(l.Points[len(l.Points)-1]), l.slope())
		}
	}
	b.WriteString("\n")
}

func (r *results) footprint(b *strings.Builder) {
	f := r.Footprint
	b.WriteString("## Memory and start\n\nOn the embedded store, with the local keyring; resident memory, MB of 10^6 bytes.\n\n| | |\n| --- | --- |\n")
	fmt.Fprintf(b, "| idle | %.0f MB |\n", f.Idle)
	fmt.Fprintf(b, "| with %d idle connections, on each of which a sale was made | %.0f MB |\n", f.Connections, f.Connected)
	fmt.Fprintf(b, "| with as many that had sent nothing yet | %.0f MB |\n", f.Quiet)
	fmt.Fprintf(b, "| allocated for a body of %d bytes, one leg, in sizes of it | %s |\n", f.Body, f.Allocated.text("%.2f"))
	fmt.Fprintf(b, "| most above idle while it passes, the remains of earlier ones included, in sizes of it | %.1f at first, then %s |\n", f.First, f.Peak.text("%.1f"))
	fmt.Fprintf(b, "| afterwards | %.0f MB |\n", f.Settled)
	fmt.Fprintf(b, "| from start to ready, policy of 1,000 path rules | %s ms; the first start, which makes the keys, %.0f ms |\n", f.Start.text("%.0f"), f.FirstStart)
}
