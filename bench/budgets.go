package main

import (
	"fmt"
	"strings"
)

// budget is one line of DESIGN section 7, or of what else was promised, held
// to what was measured.
type budget struct {
	what     string
	measured string
	met      bool
}

type budgets []budget

// text says in one line how many are met.
func (bs budgets) text() string {
	met := 0
	for _, b := range bs {
		if b.met {
			met++
		}
	}
	return fmt.Sprintf("%d of %d budgets met", met, len(bs))
}

// budgets compares the medians. What was not measured is not among them.
func (r *results) budgets() budgets {
	var list budgets
	add := func(what, measured string, met bool) { list = append(list, budget{what, measured, met}) }
	if s := r.of("tokenize"); s != nil && r.of("raw-1") != nil {
		add("tokenize and record: ≥ 0.5 × the throughput of raw forwarding (aim 0.65)", s.ThroughputRatio.text("%.2f")+" ×", s.ThroughputRatio.Median >= 0.5)
		if lua := r.of("nginx-lua"); lua != nil {
			ratio := r.beside(s, lua, cpuRatio)
			add("less CPU than nginx with Lua and cjson that only rewrites", fmt.Sprintf("%s ×; %.1f µs, nginx %.1f µs", ratio.text("%.2f"), s.CPU.Median, lua.CPU.Median), ratio.Median < 1)
		}
		add("p99 at half of saturation: < 1 ms above raw forwarding's at half of its own", s.Added99.text("%+.2f")+" ms", s.Added99.Median < 1)
	}
	if s := r.of("split"); s != nil && r.of("raw-3") != nil {
		add("split, two legs queued and delivered: ≥ 0.4 × three raw forwards (aim 0.6)", s.ThroughputRatio.text("%.2f")+" ×", s.ThroughputRatio.Median >= 0.4)
	}
	if r.Engine != nil {
		typical, photo := r.Engine.Bodies[1], r.Engine.Bodies[3].Edits[0]
		engine, gjson, standard := typical.Edits[0], typical.Edits[1], typical.Edits[2]
		add("engine, one leg of 1.6 kB: ≥ 400 MB/s", engine.Megabytes.text("%.0f")+" MB/s", engine.Megabytes.Median >= 400)
		add("engine, a photo of 10 MB in base64: ≥ 2 GB/s", photo.Megabytes.text("%.0f")+" MB/s", photo.Megabytes.Median >= 2000)
		add("engine: 0 allocations", fmt.Sprint(engine.Allocations), engine.Allocations == 0)
		add("engine: ≥ 4 × gjson+sjson", gjson.Ratio.text("%.1f")+" ×", gjson.Ratio.Median >= 4)
		add("engine: ≥ 10 × encoding/json", standard.Ratio.text("%.1f")+" ×", standard.Ratio.Median >= 10)
		for _, t := range r.Engine.Tokens {
			add("token "+t.name()+": ≤ 1.5 µs", t.Nanoseconds.text("%.0f")+" ns", t.Nanoseconds.Median <= 1500)
		}
	}
	list = append(list, r.growthBudgets()...)
	if f := r.Footprint; f != nil {
		add("a body of 10 MB costs ≤ 3 × its size, one leg", fmt.Sprintf("%s × allocated; resident %.1f × at first, later %s ×", f.Allocated.text("%.2f"), f.First, f.Peak.text("%.1f")), f.Allocated.Median <= 3 && f.First <= 3)
		add("10,000 idle connections: < 150 MB", fmt.Sprintf("%.0f MB with %d that had sold once, %.0f MB with as many that had sent nothing", f.Connected, f.Connections, f.Quiet), f.Connected < 150 && f.Connections >= 10_000)
		add("idle: < 40 MB", fmt.Sprintf("%.0f MB", f.Idle), f.Idle < 40)
		add("start with 1,000 rules: < 100 ms", f.Start.text("%.0f")+fmt.Sprintf(" ms, the first %.0f ms", f.FirstStart), f.Start.Median < 100)
	}
	if r.Soak != nil {
		list = append(list, r.Soak.budget())
	}
	return list
}

func (t tokenSpeed) name() string { return strings.ReplaceAll(t.Name, ",", "") }

// growthBudgets hold the engine's lines to what growth may be.
func (r *results) growthBudgets() budgets {
	var list budgets
	for _, c := range r.Growth {
		var l line
		for _, one := range c.Lines {
			if one.Name == "engine" {
				l = one
			}
		}
		first := func(x float64) (y float64) {
			for _, p := range l.Points {
				if p[0] <= x {
					y = p[1]
				}
			}
			return y
		}
		switch c.Name {
		case nameBody:
			list = append(list, budget{"linear in the size of the body", fmt.Sprintf("grows as size to the power of %.2f", l.slope()), l.slope() <= 1.1})
		case nameDepth:
			list = append(list, budget{"at any depth of nesting: no more for a byte at the deepest than 1.5 × the flattest", fmt.Sprintf("%.2f ×", l.factor()), l.factor() <= 1.5})
		case nameRules:
			ratio := first(1000) / first(10)
			list = append(list, budget{"1,000 rules cost ≤ 1.2 × 10 rules", fmt.Sprintf("%.2f ×", ratio), ratio <= 1.2})
		case nameWords:
			ratio := first(3000) / first(30)
			list = append(list, budget{"3,000 words of the catalogue cost ≤ 1.2 × 30", fmt.Sprintf("%.2f ×", ratio), ratio <= 1.2})
		}
	}
	return list
}
