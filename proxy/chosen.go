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
	template *audit.Template
	counter  admin.Counter
}

// choices are what was prepared of an engine's choices, by their numbers.
// Looking one up takes no lock.
type choices struct {
	list atomic.Pointer[[]atomic.Pointer[prepared]]
	mu   sync.Mutex // over changes
}

// prepare returns what is prepared of a choice about what goes to a
// destination or a caller, by its name.
func (y *policy) prepare(c *rewrite.Choice, to string) *prepared {
	if list := y.choices.list.Load(); list != nil && c.Number < len(*list) {
		if p := (*list)[c.Number].Load(); p != nil && p.template.To() == audit.Name(to) {
			return p
		}
	}
	p := &prepared{
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

// count counts what was chosen about what goes to somebody.
func (x *exchange) count(chosen []rewrite.Chosen, to string) {
	for i := range chosen {
		x.p.prepare(chosen[i].Choice, to).counter.Add(chosen[i].Count)
	}
}

// decided adds what was chosen to the exchange's entry.
func (x *exchange) decided(chosen []rewrite.Chosen, to string) {
	for i := range chosen {
		x.entry.Prepared = append(x.entry.Prepared, audit.Prepared{Template: x.p.prepare(chosen[i].Choice, to).template, Count: chosen[i].Count})
	}
}
