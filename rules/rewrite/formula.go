package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/expression"
	"chaperone/rules/reason"
)

// Outside is what a request is besides its body, as far as expressions ask for
// it. What it returns is borrowed, and stays as it is until the Message is
// reset.
type Outside interface {
	// CallerName returns the caller's name in the policy.
	CallerName() string
	// HeaderField returns the field of a name in canonical form, and how many
	// of that name there are; QueryMember likewise, decoded. One that cannot be
	// decoded counts as two: nobody can tell what it is.
	HeaderField(name string) (value []byte, count int)
	QueryMember(name string) (value []byte, count int)
}

// formula is an expression of a leg, bound to the places of its route's
// program.
type formula struct {
	x      *rules.Expression
	rule   string // as a refusal names it
	slots  []int  // by read: of the body's value, -1 for none
	number uint32 // in program.formulas
	name   string // of the member that is computed; empty for a condition
}

// formulas adds the places that the expressions of a route's legs read, all of
// which decide something.
func (s *patternSet) formulas(p *program) {
	known := map[string]int{}
	bind := func(x *rules.Expression, rule string) *formula {
		f := &formula{x: x, rule: rule, slots: make([]int, len(x.Paths)), number: uint32(len(p.formulas))}
		p.formulas = append(p.formulas, f)
		for i, path := range x.Paths {
			if f.slots[i] = -1; path == nil {
				continue
			}
			slot, ok := known[path.Source]
			if !ok {
				slot = p.slots
				known[path.Source], p.slots = slot, p.slots+1
				s.slot(path, slot, true)
			}
			f.slots[i] = slot
		}
		return f
	}
	p.conditions, p.computed = make([]*formula, len(p.route.Legs)), make([][]*formula, len(p.route.Legs))
	for i := range p.route.Legs {
		leg := &p.route.Legs[i]
		rule := "routes." + p.route.Name + ".legs." + leg.Name
		if leg.When != nil {
			p.conditions[i] = bind(leg.When, rule+".when")
		}
		for j := range leg.Set {
			var f *formula
			if x := leg.Set[j].Compute; x != nil {
				path := leg.Set[j].Path
				f = bind(x, rule+".set."+path.Source)
				f.name = path.Steps[len(path.Steps)-1].Name
			}
			p.computed[i] = append(p.computed[i], f)
		}
	}
	if p.asks = asks(p.route); p.asks && p.basket != nil && !p.splits {
		s.slot(p.basket.Currency, slotCurrency, true)
	}
}

// asks reports whether a route has an expression.
func asks(r *rules.Route) bool { return anyRead(r, func(expression.Read) bool { return true }) }

// sharesAsked reports whether an expression asks for a class's part of the
// basket's totals, which have to be split for it.
func sharesAsked(r *rules.Route) bool {
	return anyRead(r, func(read expression.Read) bool { return read.Kind == expression.ClassTotal })
}

// anyRead reports whether a read of one of the route's expressions is as asked.
func anyRead(r *rules.Route, is func(expression.Read) bool) bool {
	for i := range r.Legs {
		all := []*rules.Expression{r.Legs[i].When}
		for j := range r.Legs[i].Set {
			all = append(all, r.Legs[i].Set[j].Compute)
		}
		for _, x := range all {
			if x == nil {
				continue
			}
			for _, read := range x.Program.Reads {
				if is(read) {
					return true
				}
			}
		}
	}
	return false
}

// Asks reports whether the expressions of a route ask anything of its requests,
// so that UseOutside has to be called.
func (e *Engine) Asks(route int) bool { return e.requests[route].asks }

// UseOutside gives the expressions of m's route what is known of the request
// besides its body. It is kept until m is reset.
func (m *Message) UseOutside(o Outside) { m.outside = o }

// Wanted reports whether a leg (an index into Route.Legs) is part of the
// scanned request m, as far as its condition says so: one without a condition
// is. v is the leg's view, to be decided afterwards. The error is
// expression_undecided.
func (e *Engine) Wanted(m *Message, leg int, v *View) (bool, *reason.Error) {
	f := m.prog.conditions[leg]
	if f == nil {
		return true, nil
	}
	v.start(m, &m.prog.parties[leg])
	out, _, err := v.evaluate(f, false)
	return out.Flag, err
}
