package ruletest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chaperone/rules"
	"chaperone/rules/diag"
)

// Point is something in a policy that a test can reach.
type Point struct {
	Kind    string // route, leg, condition, caller, destination, label, path, detector, class, matcher
	Name    string
	At      diag.Position
	Reached bool
}

// Coverage counts what tests have reached of a policy.
type Coverage struct {
	plan   *rules.Plan
	points []*Point
	index  map[string]*Point
}

// NewCoverage lists the points of a policy; none is reached yet.
func NewCoverage(p *rules.Plan) *Coverage {
	c := &Coverage{plan: p, index: map[string]*Point{}}
	for i := range p.Labels {
		c.label(&p.Labels[i])
	}
	if p.Basket != nil {
		for i := range p.Basket.Classes {
			class := &p.Basket.Classes[i]
			c.add("class", class.Name, class.Position)
			for j := range class.Any {
				c.add("matcher", matcherName(class, j), class.Any[j].Position)
			}
		}
	}
	for i := range p.Destinations {
		d := &p.Destinations[i]
		c.add("destination", d.Name, d.Position)
		for _, l := range d.Response.Labels {
			c.add("path", pathName(p.Labels[l.Label].Name, l.Path.Source), d.Position)
		}
	}
	for i := range p.Callers {
		if p.HasCallers {
			c.add("caller", p.Callers[i].Name, p.Callers[i].Position)
		}
	}
	for i := range p.Routes {
		r := &p.Routes[i]
		c.add("route", r.Name, r.Position)
		for j := range r.Legs {
			c.add("leg", r.Name+" "+r.Legs[j].Name, r.Legs[j].Position)
			if x := r.Legs[j].When; x != nil {
				c.add("condition", conditionName(r.Name, r.Legs[j].Name, true), x.Position)
				c.add("condition", conditionName(r.Name, r.Legs[j].Name, false), x.Position)
			}
		}
	}
	return c
}

func (c *Coverage) label(l *rules.Label) {
	if len(l.Paths)+len(l.Detect) == 0 {
		return // the parent of others, or one that the policy does not write
	}
	c.add("label", l.Name, l.Position)
	for _, p := range l.Paths {
		c.add("path", pathName(l.Name, sourceOf(p)), p.Position)
	}
	for _, d := range l.Detect {
		c.add("detector", l.Name+" "+d, l.Position)
	}
}

// sourceOf is a label's path as decisions name it.
func sourceOf(p rules.LabelPath) string {
	switch p.Source {
	case rules.SourceQuery:
		return "@query." + p.Name
	case rules.SourceHeader:
		return "@header." + p.Name
	case rules.SourceCapture:
		return "@path." + p.Name
	}
	return p.Path.Source
}

func pathName(label, path string) string { return label + " " + path }

// matcherName says an alternative in short: its fields, and its number.
func matcherName(class *rules.Class, i int) string {
	var fields []string
	for _, cond := range class.Any[i].Conditions {
		text := cond.Field.Source
		switch {
		case cond.File != "":
			text += " words of " + cond.File
		case len(cond.Words) > 0:
			text += " words"
		default:
			text += ": " + strings.Join(append(slices.Clone(cond.Equal), cond.Globs...), ", ")
		}
		fields = append(fields, text)
	}
	return class.Name + " " + strconv.Itoa(i+1) + " (" + strings.Join(fields, "; ") + ")"
}

// conditionName is one of the two ways in which a leg's condition comes out.
func conditionName(route, leg string, holds bool) string {
	return route + " " + leg + " is " + strconv.FormatBool(holds)
}

func (c *Coverage) add(kind, name string, at diag.Position) {
	key := kind + " " + name
	if c.index[key] == nil {
		p := &Point{Kind: kind, Name: name, At: at}
		c.index[key], c.points = p, append(c.points, p)
	}
}

func (c *Coverage) reach(kind, name string) {
	if p := c.index[kind+" "+name]; p != nil {
		p.Reached = true
	}
}

// Note counts what one request has reached.
func (c *Coverage) Note(o *Observed) {
	c.reach("route", o.Route)
	c.reach("caller", o.Caller)
	for _, call := range o.Calls {
		c.reach("destination", call.To)
		c.reach("leg", o.Route+" "+call.Leg)
	}
	for _, l := range o.Legs {
		c.reach("condition", conditionName(o.Route, l.Name, true))
	}
	for _, d := range o.Decisions {
		if rule, ok := strings.CutPrefix(d.Rule, "routes."+o.Route+".legs."); ok {
			if leg, ok := strings.CutSuffix(rule, ".when"); ok {
				c.reach("condition", conditionName(o.Route, leg, false))
			}
		}
		if d.Label != "" {
			c.reach("label", d.Label)
			c.reach("path", pathName(d.Label, d.Path))
		}
		if detector, ok := strings.CutPrefix(d.Rule, "detect."); ok {
			c.reach("detector", d.Label+" "+detector)
		}
	}
	for _, item := range o.Items {
		if c.plan.Basket == nil || item.Class < 1 || item.Class > len(c.plan.Basket.Classes) {
			continue
		}
		class := &c.plan.Basket.Classes[item.Class-1]
		c.reach("class", class.Name)
		if item.Rule >= 0 && item.Rule < len(class.Any) {
			c.reach("matcher", matcherName(class, item.Rule))
		}
	}
}

// Points lists what can be reached, in the order of the policy file.
func (c *Coverage) Points() []Point {
	all := make([]Point, len(c.points))
	for i, p := range c.points {
		all[i] = *p
	}
	slices.SortStableFunc(all, func(a, b Point) int {
		if a.At.Line != b.At.Line {
			return a.At.Line - b.At.Line
		}
		return a.At.Column - b.At.Column
	})
	return all
}

// Tally counts points, and those that were reached.
type Tally struct{ Reached, Points int }

// Tally counts.
func (c *Coverage) Tally() Tally {
	t := Tally{Points: len(c.points)}
	for _, p := range c.points {
		if p.Reached {
			t.Reached++
		}
	}
	return t
}

// Add adds another policy's counts.
func (t Tally) Add(u Tally) Tally { return Tally{t.Reached + u.Reached, t.Points + u.Points} }

// Percent is rounded down: a hundred means that nothing is missing.
func (t Tally) Percent() float64 {
	if t.Points == 0 {
		return 100
	}
	return float64(t.Reached*1000/t.Points) / 10
}

// String is the tally for a person.
func (t Tally) String() string {
	return fmt.Sprintf("%g %% (%d of %d)", t.Percent(), t.Reached, t.Points)
}
