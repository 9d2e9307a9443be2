package proxy

import (
	"chaperone/audit"
	"chaperone/rules"
)

// planNames gathers the names of a plan that entries of the log bear. One that
// is missing is written all the same, at a higher price.
func planNames(p *rules.Plan) *audit.Names {
	names := []audit.Name{TokenScope}
	add := func(s string) { names = append(names, audit.Name(s)) }
	for i := range p.Labels {
		l := &p.Labels[i]
		add(l.Name)
		for j := range l.Paths {
			add(l.Paths[j].Path.Source)
		}
		for _, name := range l.Detect {
			add("detect." + name)
		}
	}
	if p.Basket != nil {
		add(p.Basket.Items.Source + ".#")
		for i := range p.Basket.Classes {
			add(p.Basket.Classes[i].Name)
		}
	}
	for i := range p.Destinations {
		d := &p.Destinations[i]
		add(d.Name)
		for j := range d.Response.Labels {
			add(d.Response.Labels[j].Path.Source)
		}
	}
	for i := range p.Callers {
		add(p.Callers[i].Name)
	}
	for i := range p.Routes {
		r := &p.Routes[i]
		add(r.Name)
		add(r.Purpose)
		add(r.Scope)
		for j := range r.Legs {
			add(r.Legs[j].Name)
		}
	}
	return audit.NewNames(audit.ID(p.Hash), names...)
}

// newSealing returns the Sealing of a chain, which knows the names of the plan
// in force.
func (s *Server) newSealing(chain string) *audit.Sealing {
	sealing := audit.NewSealing(s.ring, chain)
	sealing.Use(func() *audit.Names { return s.policy.Load().names })
	return sealing
}
