package rules

import (
	"fmt"
	"slices"

	"chaperone/rules/yamlfile"
)

// maxLegs bounds the legs of a route.
const maxLegs = 16

// legNodes are the places of a leg in the file.
type legNodes struct {
	at                        Position
	to, items, totals, path   yamlfile.Node
	keep                      yamlfile.Node
	primary, success, forward yamlfile.Node
	pending, when             yamlfile.Node
	set                       []setNodes
}

func (l *loader) legs(n yamlfile.Node, r *Route, nodes *routeNodes) {
	items := n.Items()
	l.lostLeg = l.lostLeg || len(items) == 0
	if n.Kind() == yamlfile.List && len(items) == 0 {
		n.Fail("value_missing", "the route has no leg", "list the calls that the request becomes")
		return
	}
	if len(items) > maxLegs {
		n.Fail("too_many", fmt.Sprintf("the route has more than %d legs", maxLegs), "")
		items = items[:maxLegs]
	}
	names := map[string]bool{}
	for _, item := range items {
		l.leg(named(item, n.Path(), "name", "to"), r, nodes, names)
	}
	if len(items) > 0 {
		l.primary(n, r, nodes)
	}
}

func (l *loader) leg(n yamlfile.Node, r *Route, nodes *routeNodes, names map[string]bool) {
	m := n.Map()
	leg := Leg{Destination: -1, Position: n.Position()}
	ln := legNodes{
		at: n.Position(), to: m.Require("to", "name the destination"), items: m.Get("items"), totals: m.Get("totals"), path: m.Get("path"),
		primary: m.Get("primary"), success: m.Get("success"),
	}
	l.legName(&leg, ln.to, m.Get("name"), names)
	if ln.primary.Written() {
		leg.Primary = ln.primary.Bool()
	}
	leg.Sync = l.mode(m.Get("mode"), leg.Primary)
	if method := m.Get("method"); method.Written() {
		leg.Method, _ = method.Word()
	}
	if ln.path.Written() {
		leg.Path = l.legPath(ln.path, r)
	}
	l.legItems(&leg, ln.items)
	if ln.totals.Written() {
		word, _ := ln.totals.Word()
		leg.Recompute = word == "recompute"
	}
	ln.keep = m.Require("keep", "list the members that the destination needs, or write keep: all")
	if ln.keep.Written() {
		leg.KeepAll, leg.Keep = l.keep(ln.keep)
		if leg.KeepAll {
			ln.keep.Warn("keep_all", "keep: all sends every member that carries no label", "list the members that the destination needs (45 CFR 164.502(b), minimum necessary)")
		}
	}
	leg.Set, ln.set = l.set(m.Get("set"), false)
	ln.forward = m.Get("forward")
	l.forward(ln.forward, &leg)
	if ln.success.Written() {
		leg.Success = l.success(ln.success)
		if !leg.Primary {
			ln.success.Fail("success_not_primary", "only the primary's answer decides whether the sale happened", "remove success, or make this leg the primary")
		}
	} else if leg.Primary {
		l.failAt(ln.primary.Position(), "missing_key", fmt.Sprintf("%s is the primary and needs the key \"success\"", n.Name()), "write which answers mean that it happened, as in success: {status: [2xx], where: {status: [approved]}}, or success: http for any 2xx")
	}
	l.legPending(m.Get("pending"), &leg, &ln)
	ln.when = m.Get("when")
	m.Done()
	r.Legs = append(r.Legs, leg)
	nodes.legs = append(nodes.legs, ln)
}

// legName reads where a leg goes and what it is called.
func (l *loader) legName(leg *Leg, to, name yamlfile.Node, names map[string]bool) {
	l.lostLeg = l.lostLeg || to.Kind() != yamlfile.Scalar
	if text, ok := to.Text(); ok {
		known := l.destinationNames()
		if leg.Destination = slices.Index(known, text); leg.Destination < 0 {
			l.undefined(to, "undefined_destination", "destination", text, known)
			l.lostLeg = true
		}
		leg.Name = text
	}
	at, hint := to, "legs to the same destination need a name each"
	if name.Written() {
		at, hint = name, "give every leg its own name"
		text, ok := name.Text()
		if !ok || !l.checkName(name.Position(), "leg", text) {
			return
		}
		leg.Name = text
	}
	if leg.Name != "" && names[leg.Name] {
		at.Fail("duplicate_name", fmt.Sprintf("another leg of the route has the name %q", leg.Name), hint)
	}
	names[leg.Name] = true
}

// mode reports whether the leg's first delivery is awaited.
func (l *loader) mode(n yamlfile.Node, primary bool) (sync bool) {
	if !n.Written() {
		return false
	}
	word, ok := n.Word()
	if ok && primary {
		n.Fail("conflicting_keys", "the primary is always called at once, so it has no mode", "remove the key")
	}
	return word == "sync" && !primary
}

func (l *loader) legPending(n yamlfile.Node, leg *Leg, nodes *legNodes) {
	nodes.pending = n
	if !n.Written() {
		return
	}
	p := l.pending(n)
	if !leg.Primary {
		n.Fail("pending_not_primary", "only the primary's answer can leave the sale open", "remove pending, or make this leg the primary")
		return
	}
	leg.Pending = p
}

// legPath reads the path of a leg, whose captures are the route's.
func (l *loader) legPath(n yamlfile.Node, r *Route) *Pattern {
	p := l.pattern(n)
	if p == nil {
		return nil
	}
	for _, s := range p.Segments {
		if s.Capture != "" && r.Path.Source != "" && !r.Path.Captures(s.Capture) {
			n.Fail("undefined_capture", fmt.Sprintf("the route captures no {%s}", s.Capture), "write it into match.path, as in /v1/patients/{id}")
		}
	}
	if p.Rest && !r.Path.Rest {
		n.Fail("undefined_capture", "the leg's path ends with /*, and the route's does not", "end match.path with /* too, or write the path out")
	}
	return p
}

func (l *loader) legItems(leg *Leg, n yamlfile.Node) {
	if !n.Written() {
		return
	}
	text, ok := n.Text()
	switch {
	case !ok:
	case text == "none":
		leg.Items = ItemsNone
	case l.plan.Basket == nil:
		n.Fail("basket_missing", "the leg takes a class of items, and the policy has no basket", "write the basket: where the items are, and their classes")
	default:
		leg.Items, leg.Class = ItemsClass, l.refClass(n)
	}
}

// forward reads what of the request besides its body reaches a leg.
func (l *loader) forward(n yamlfile.Node, leg *Leg) {
	if !n.Written() {
		return
	}
	m := n.Map()
	if headers := m.Get("headers"); headers.Written() {
		leg.ForwardHeaders = l.headerNames(headers.OneOrMore(), l.credentials())
	}
	if query := m.Get("query"); query.Written() {
		for _, item := range query.OneOrMore() {
			name, ok := item.Text()
			switch {
			case !ok:
			case slices.Contains(leg.ForwardQuery, name):
				item.Warn("query_twice", fmt.Sprintf("the query member %q is listed twice", name), "remove one of them")
			default:
				leg.ForwardQuery = append(leg.ForwardQuery, name)
			}
		}
	}
	m.Done()
}

// primary checks that one leg of a route is the primary, and says which.
func (l *loader) primary(n yamlfile.Node, r *Route, nodes *routeNodes) {
	r.Primary = -1
	for i := range r.Legs {
		switch {
		case !r.Legs[i].Primary:
		case r.Primary >= 0:
			nodes.legs[i].primary.Fail("primary_twice", "the route has more than one primary leg", "keep primary: true on the leg whose answer decides the sale")
		default:
			r.Primary = i
		}
	}
	if r.Primary < 0 {
		l.failAt(nodes.at, "primary_missing", fmt.Sprintf("no leg of the route %q is the primary", r.Name), "write primary: true on the leg whose answer the caller gets")
		r.Primary = 0
	}
}
