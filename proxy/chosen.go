package proxy

import (
	"sync"
	"sync/atomic"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/rules/rewrite"
)

// prepared is what the log and the metrics make of a choice of the engine. It
// is made once, when a request makes the choice first.
type prepared struct {
	to       string
	template *audit.Template
	counter  admin.Counter
}

// choices are what was prepared of an engine's choices, by their numbers.
// Looking one up takes no lock.
type choices struct {
	list atomic.Pointer[[]atomic.Pointer[prepared]]
	mu   sync.Mutex // over changes
}

// prepare appends what was chosen about what goes to a destination or a caller,
// by its name, as the log has it, and counts it.
//
//go:noinline
func (y *policy) prepare(dst []audit.Prepared, chosen []rewrite.Chosen, to string) []audit.Prepared {
	var known []atomic.Pointer[prepared]
	if list := y.choices.list.Load(); list != nil {
		known = *list
	}
	for i := range chosen {
		c := &chosen[i]
		var p *prepared
		if n := c.Choice.Number; n < len(known) {
			p = known[n].Load()
		}
		if p == nil || p.to != to {
			p = y.prepareChoice(c.Choice, to)
		}
		p.counter.Add(c.Count)
		dst = append(dst, audit.Prepared{Template: p.template, Count: c.Count})
	}
	return dst
}

// prepareChoice prepares a choice.
//
//go:noinline
func (y *policy) prepareChoice(c *rewrite.Choice, to string) *prepared {
	p := &prepared{
		to: to,
		template: y.names.Template(audit.Decision{Rule: audit.Name(c.Rule), Pattern: audit.Name(c.Pattern), Label: audit.Name(c.Label),
			Class: audit.Name(c.Class), Form: audit.Name(c.Form.String()), To: audit.Name(to)}),
		counter: y.metrics.Decided(c.Label, c.Form),
	}
	y.choices.keep(c.Number, p)
	return p
}

func (c *choices) keep(number int, p *prepared) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list.Load()
	if list == nil || number >= len(*list) {
		grown := make([]atomic.Pointer[prepared], 2*number+64)
		if list != nil {
			for i := range *list {
				grown[i].Store((*list)[i].Load())
			}
		}
		c.list.Store(&grown)
		list = &grown
	}
	(*list)[number].Store(p)
}

// count counts what was chosen about what goes to the caller, and prepares it
// for the log.
func (x *exchange) count(chosen []rewrite.Chosen, to string) {
	x.prepared = x.p.prepare(x.prepared[:0], chosen, to)
}
