package rules

import (
	"fmt"
	"slices"

	"chaperone/rules/detect"
)

func (l *loader) checkRoutes() {
	for i := range l.plan.Routes {
		r, nodes := &l.plan.Routes[i], l.routes[i]
		l.checkReachable(i)
		l.checkSADKeys(nodes)
		l.checkAnswer(i)
		classes := false
		for j := range r.Legs {
			classes = classes || r.Legs[j].Items == ItemsClass
			l.checkLegItems(&r.Legs[j], nodes.legs[j], nodes.follows.node.Written())
			l.checkTotals(&r.Legs[j], nodes.legs[j])
			l.checkCaptures(r, &r.Legs[j], nodes.legs[j])
			l.checkSADForward(&r.Legs[j], nodes.legs[j])
		}
		if nodes.items.Written() && !classes {
			nodes.items.Warn("items_unused", "no leg of the route takes a class of items", "remove the key")
		}
	}
}

// checkReachable finds a route whose requests an earlier one takes.
func (l *loader) checkReachable(i int) {
	r := &l.plan.Routes[i]
	if r.Path.Source == "" {
		return
	}
	for j := range i {
		earlier := &l.plan.Routes[j]
		if earlier.Path.Source != "" && earlier.Method == r.Method && earlier.Path.Covers(r.Path) {
			l.routes[i].path.Fail("route_unreachable", fmt.Sprintf("the route %s, above, takes every request of %s", earlier.Name, r.Name), "the first match wins: move the narrower route up, or remove it")
			return
		}
	}
}

// checkSADKeys keeps sensitive authentication data out of what is stored as a
// key, even as a keyed hash (PCI DSS 3.3.1).
func (l *loader) checkSADKeys(nodes routeNodes) {
	for _, k := range nodes.keys {
		if l.isSAD(k.path) {
			k.node.Fail("sad_key", fmt.Sprintf("%s lies at sensitive authentication data, which must never be kept", k.what), "name another member")
		}
	}
}

// checkSADForward keeps query members and headers with one of the usual names
// of sensitive authentication data from legs whose destination may not see it.
func (l *loader) checkSADForward(leg *Leg, nodes legNodes) {
	if leg.Destination >= 0 && leg.Primary && l.plan.Destinations[leg.Destination].Sees.Of(l.plan.Label(labelSAD)) == Plain {
		return
	}
	for _, name := range slices.Concat(leg.ForwardQuery, leg.ForwardHeaders) {
		if detect.SAD([]byte(name)) {
			nodes.forward.Fail("sad_forward", fmt.Sprintf("%q is the name of sensitive authentication data, which the leg %s may not carry", name, leg.Name), "remove it from forward")
		}
	}
}

// isSAD reports whether a path lies at or under sensitive authentication data:
// by a label's path, or by one of the usual names.
func (l *loader) isSAD(p Path) bool {
	for _, s := range p.Steps {
		if s.Kind == StepName && detect.SAD([]byte(s.Name)) {
			return true
		}
	}
	for id, label := range l.plan.Labels {
		if !l.plan.inFamily(LabelID(id), labelSAD) {
			continue
		}
		for _, lp := range label.Paths {
			if lp.Source != SourceBody {
				continue
			}
			if _, ok := matchExact(lp.Path.Steps, p.Steps); ok {
				return true
			}
		}
	}
	return false
}

// checkAnswer lets a token into an answer only where every caller of the route
// may have it.
func (l *loader) checkAnswer(route int) {
	for i, member := range l.plan.Routes[route].Answer.Set {
		n := l.routes[route].answer[i].token
		if member.Token == nil {
			continue
		}
		if l.isSAD(*member.Token) {
			n.Fail("sad_token", "sensitive authentication data must never become a token", "name another member")
			continue
		}
		labels := l.plan.labelsAt(*member.Token)
		switch {
		case len(labels) == 0:
			n.Fail("token_unlabelled", fmt.Sprintf("%q carries no label, so there is no token of it", member.Token.Source), "write the path under a label, as in labels.pan.paths")
		case !l.plan.HasCallers:
			n.Fail("token_not_seen", "the policy has no callers, and an anonymous one gets no token", "write a callers block, and let the caller see the label as token")
		default:
			l.checkAnswerToken(route, i, labels)
		}
	}
}

func (l *loader) checkAnswerToken(route, member int, labels []LabelID) {
	for c := range l.plan.Callers {
		caller := &l.plan.Callers[c]
		if !caller.mayCall(route) {
			continue
		}
		for _, id := range labels {
			if form := caller.Sees.Of(id); form != Plain && form != Token {
				name := l.plan.Labels[id].Name
				l.routes[route].answer[member].token.Fail("token_not_seen", fmt.Sprintf("the caller %s may call the route and sees %s as %s", caller.Name, name, form), fmt.Sprintf("let it see %s as token, or do not let it call the route", name))
			}
		}
	}
}

// checkLegItems holds what a leg says of items against what it keeps. Bodies
// that follow a sale may have none.
func (l *loader) checkLegItems(leg *Leg, nodes legNodes, follows bool) {
	b := l.plan.Basket
	if b == nil || b.Items.Source == "" {
		return
	}
	kept := leg.KeepAll || touchesAny(leg.Keep, &b.Items)
	if leg.Items == ItemsNone && !leg.KeepAll && kept {
		nodes.keep.Warn("keep_without_effect", fmt.Sprintf("the leg keeps %s and carries no items", b.Items.Source), "remove it from keep, or give the leg a class of items")
	}
	if leg.Items != ItemsClass || leg.Class == NoClass {
		return
	}
	if !kept && !follows && nodes.keep.Present() {
		nodes.items.Fail("items_not_kept", fmt.Sprintf("the leg takes items, and its keep lets none of %s through", b.Items.Source), fmt.Sprintf("add %s to keep", b.Items.Source))
	}
	l.checkClassSeen(leg, nodes)
}

// checkClassSeen holds a leg's class against what its destination may see.
func (l *loader) checkClassSeen(leg *Leg, nodes legNodes) {
	class := l.plan.Basket.Classes[leg.Class-1]
	if class.Label == NoLabel || leg.Destination < 0 {
		return
	}
	d, label := l.plan.Destinations[leg.Destination], l.plan.Labels[class.Label].Name
	hint := fmt.Sprintf("let %s see %s, or give the leg another class", d.Name, label)
	switch form := d.Sees.Of(class.Label); form {
	case Plain:
	case Drop:
		nodes.items.Fail("class_not_seen", fmt.Sprintf("%s items are %s, which %s may not see", class.Name, label, d.Name), hint)
	case Block:
		nodes.items.Fail("class_not_seen", fmt.Sprintf("%s items are %s, which %s blocks: every request would be refused", class.Name, label, d.Name), hint)
	default:
		nodes.items.Warn("class_not_plain", fmt.Sprintf("%s items are %s, so every value of theirs reaches %s as %s", class.Name, label, d.Name, aForm(form)), "check that this is meant")
	}
}

// checkTotals asks for all that recomputing needs, and warns of totals that
// would speak of other items.
func (l *loader) checkTotals(leg *Leg, nodes legNodes) {
	b := l.plan.Basket
	if !leg.Recompute {
		if b != nil && leg.Items == ItemsClass && !leg.KeepAll && l.keepsTotals(leg) {
			nodes.keep.Warn("totals_not_recomputed", "the leg carries some of the items, and the totals of all", "write totals: recompute, or keep no totals")
		}
		return
	}
	switch {
	case b == nil:
		nodes.totals.Fail("basket_missing", "there are no totals to recompute, as the policy has no basket", "write the basket")
	case leg.Items != ItemsClass:
		nodes.totals.Fail("recompute_without_class", "only a leg with a class of items has totals of its own", "write items: and a class, or remove totals")
	case !l.basket.totals.Written():
		nodes.totals.Fail("totals_missing", "the policy does not say where the basket's totals are", "write basket.totals")
	case !l.basket.line.Written():
		nodes.totals.Fail("line_missing", "the policy does not say where an item's amounts are", "write basket.line")
	case !leg.KeepAll && nodes.keep.Present() && b.Totals != (TotalPaths{}) && !l.keepsTotals(leg):
		nodes.totals.Warn("totals_not_kept", "the leg recomputes totals, and its keep lets none through", "add them to keep, or remove totals")
	}
}

func (l *loader) keepsTotals(leg *Leg) bool {
	t := l.plan.Basket.Totals
	for _, p := range []*Path{t.Subtotal, t.Tax, t.Tip, t.Discount, t.Total} {
		if p != nil && touchesAny(leg.Keep, p) {
			return true
		}
	}
	return false
}

func touchesAny(patterns []Path, exact *Path) bool {
	for _, p := range patterns {
		if touches(p.Steps, exact.Steps) {
			return true
		}
	}
	return false
}

// checkCaptures finds a URL that cannot be built, because a part of it is a
// value that the destination may not see.
func (l *loader) checkCaptures(r *Route, leg *Leg, nodes legNodes) {
	if leg.Destination < 0 {
		return
	}
	path := &r.Path
	if leg.Path != nil {
		path = leg.Path
	}
	d := &l.plan.Destinations[leg.Destination]
	for id, label := range l.plan.Labels {
		for _, lp := range label.Paths {
			if lp.Source != SourceCapture || !path.Captures(lp.Name) || d.Sees.Of(LabelID(id)) != Drop {
				continue
			}
			at, where := nodes.at, "the request's path"
			if leg.Path != nil {
				at, where = nodes.path.Position(), "its path"
			}
			l.failAt(at, "capture_not_seen", fmt.Sprintf("the leg %s uses {%s} in %s, which is %s and dropped for %s", leg.Name, lp.Name, where, label.Name, d.Name), "write a path without it, or let the destination see the label")
		}
	}
}
