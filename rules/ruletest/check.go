package ruletest

import (
	"fmt"
	"slices"
	"strings"

	"chaperone/rules"
	"chaperone/rules/diag"
	"chaperone/rules/yamlfile"
)

// Nobody is written for a request that shows no key of a caller.
const Nobody = "nobody"

// Check says which names of a test file the policy does not have.
func (f *File) Check(p *rules.Plan) diag.Diagnostics {
	c := &checker{p: p}
	for i := range p.Destinations {
		c.destinations = append(c.destinations, p.Destinations[i].Name)
	}
	for i := range p.Routes {
		c.routes = append(c.routes, p.Routes[i].Name)
		for j := range p.Routes[i].Legs {
			c.legs = append(c.legs, p.Routes[i].Legs[j].Name)
		}
	}
	for i := range p.Callers {
		c.callers = append(c.callers, p.Callers[i].Name)
	}
	for i := range p.Labels {
		c.labels = append(c.labels, p.Labels[i].Name)
	}
	if p.Basket != nil {
		for i := range p.Basket.Classes {
			c.classes = append(c.classes, p.Basket.Classes[i].Name)
		}
	}
	for _, t := range f.Tests {
		c.test(t)
	}
	return c.found
}

// checker holds the names of a policy.
type checker struct {
	p                                                    *rules.Plan
	routes, legs, callers, destinations, labels, classes []string
	found                                                diag.Diagnostics
	told                                                 []string // what was said: an answer of the file belongs to every test
}

func (c *checker) unknown(at diag.Position, code, what, name string, known []string) {
	told := at.String() + " " + name
	if slices.Contains(c.told, told) {
		return
	}
	c.told = append(c.told, told)
	hint := yamlfile.Suggest(name, known)
	switch {
	case hint != "":
	case len(known) == 0:
		hint = "the policy has none"
	default:
		hint = "there are: " + strings.Join(slices.Compact(slices.Sorted(slices.Values(known))), ", ")
	}
	c.found.Add(diag.Diagnostic{Position: at, Code: code, Message: fmt.Sprintf("the policy has no %s %q", what, name), Hint: hint})
}

func (c *checker) name(at diag.Position, code, what, name string, known ...[]string) {
	all := slices.Concat(known...)
	if name != "" && at.Line > 0 && !slices.Contains(all, name) {
		c.unknown(at, code, what, name, all)
	}
}

func (c *checker) test(t *Test) {
	q := &t.Request
	c.name(q.Route.At, "unknown_route", "route", q.Route.Text, c.routes)
	if q.Caller.Text != Nobody {
		c.name(q.Caller.At, "unknown_caller", "caller", q.Caller.Text, c.callers)
	}
	c.path(q)
	for i := range t.Answers {
		a := &t.Answers[i]
		c.name(a.At, "unknown_destination", "destination or leg", a.To, c.destinations, c.legs)
		c.body(a.Body)
		c.fields(a.Headers)
	}
	c.body(q.Body)
	c.fields(q.Headers)
	c.fields(q.Query)
	c.uses(usesOf(q.Path.Text, q.Path.At))
	c.expect(&t.Expect)
}

// path looks whether a route's own path can be asked for as it is.
func (c *checker) path(q *Request) {
	i := slices.Index(c.routes, q.Route.Text)
	if i < 0 || q.Path.Written() {
		return
	}
	pattern := &c.p.Routes[i].Path
	for _, s := range pattern.Segments {
		if s.Capture != "" {
			c.found.Add(diag.Diagnostic{Position: q.Route.At, Code: "request_incomplete",
				Message: fmt.Sprintf("the path of route %s is %s, which has a part to fill in", q.Route.Text, pattern.Source),
				Hint:    "write path: beside the route, with a value in the place of {" + s.Capture + "}"})
			return
		}
	}
}

func (c *checker) expect(x *Expect) {
	for _, l := range slices.Concat(x.Legs, x.Later) {
		c.name(l.At, "unknown_leg", "leg", l.Name, c.legs)
	}
	for i := range x.Calls {
		e := &x.Calls[i]
		c.name(e.At, "unknown_destination", "destination or leg", e.To, c.destinations, c.legs)
		c.message(&e.Message)
	}
	if x.Answer != nil {
		c.message(x.Answer)
	}
	for _, d := range x.Decisions {
		c.name(d.At, "unknown_destination", "destination or caller", d.To, c.destinations, c.callers)
		c.name(d.At, "unknown_label", "label", d.Label, c.labels)
		c.name(d.At, "unknown_class", "class", d.Class, c.classes)
	}
}

func (c *checker) message(x *MessageExpect) {
	c.uses(x.Body.uses())
	if x.Exact != nil {
		c.body(x.Exact)
	}
	c.uses(usesOf(x.Path.Text, x.Path.At))
	for _, p := range slices.Concat(x.Has, x.Lacks, x.Headers) {
		c.uses(p.Value.uses())
	}
}

func (c *checker) body(b *Body) {
	if b != nil {
		c.uses(usesOf(string(b.Text), b.At))
	}
}

func (c *checker) fields(fields []Field) {
	for _, f := range fields {
		c.uses(usesOf(f.Text.Text, f.At))
	}
}

func (c *checker) uses(all []refUse) {
	for _, u := range all {
		if u.kind == RefToken {
			c.name(u.at, "unknown_label", "label", u.of, c.labels)
			if l := c.p.Label(u.of); l != rules.NoLabel && c.p.Labels[l].Family == c.p.Label("sad") {
				c.found.Add(diag.Diagnostic{Position: u.at, Code: "token_sad", Message: "sensitive authentication data never becomes a token", Hint: "use another label"})
			}
			continue
		}
		c.name(u.at, "unknown_destination", "destination", u.of, c.destinations)
	}
}
