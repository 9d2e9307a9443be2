package rules

import "fmt"

// checkLabels finds labels that nothing uses, tags that are not distinct, and
// captures that no route has.
func (l *loader) checkLabels() {
	tags := map[[4]byte]string{}
	used := l.usedLabels()
	for id, label := range l.plan.Labels {
		if other, taken := tags[label.Tag]; taken {
			l.failAt(label.Position, "tag_collision", fmt.Sprintf("the labels %s and %s happen to get the same tag in sealed tokens", other, label.Name), "rename one of them, if no token of it has been made yet")
		}
		tags[label.Tag] = label.Name
		if _, written := l.labelNodes[LabelID(id)]; written && !used[LabelID(id)] && !l.lostLabel[LabelID(id)] {
			l.warnAt(label.Position, "label_unused", fmt.Sprintf("nothing bears the label %s", label.Name), "write paths, or remove it")
		}
		for _, p := range label.Paths {
			if p.Source == SourceCapture && !l.captured(p.Name) {
				l.failAt(p.Position, "undefined_capture", fmt.Sprintf("no route captures {%s}", p.Name), "write it into a route's match.path, as in /v1/patients/{id}")
			}
		}
	}
}

// usedLabels are those that a value can come to bear, and their ancestors.
func (l *loader) usedLabels() map[LabelID]bool {
	used := map[LabelID]bool{}
	use := func(id LabelID) {
		for ; id != NoLabel; id = l.plan.Labels[id].Parent {
			used[id] = true
		}
	}
	for id, label := range l.plan.Labels {
		if len(label.Paths) > 0 || len(label.Detect) > 0 || l.plan.inFamily(LabelID(id), labelSAD) || label.Name == labelPAN {
			use(LabelID(id))
		}
	}
	if b := l.plan.Basket; b != nil {
		for _, c := range b.Classes {
			use(c.Label)
		}
	}
	for _, d := range l.plan.Destinations {
		for _, r := range d.Response.Labels {
			use(r.Label)
		}
	}
	return used
}

func (l *loader) captured(name string) bool {
	for _, r := range l.plan.Routes {
		if r.Path.Captures(name) {
			return true
		}
	}
	return false
}

// checkDestinations holds every destination's clearance against its agreement,
// its address and its legs.
func (l *loader) checkDestinations() {
	for i := range l.plan.Destinations {
		d, nodes := &l.plan.Destinations[i], l.destinations[i]
		l.checkAgreement(d, nodes)
		l.checkClearText(d, nodes)
		legs, primary := 0, 0
		for _, r := range l.plan.Routes {
			for _, leg := range r.Legs {
				if leg.Destination == i {
					legs++
					if leg.Primary {
						primary++
					}
				}
			}
		}
		if legs == 0 && !l.lostLeg {
			l.warnAt(d.Position, "destination_unused", fmt.Sprintf("no leg goes to %s", d.Name), "write a leg, or remove it")
		}
		if legs > 0 && primary == 0 && nodes.response.Written() {
			nodes.response.Warn("response_unused", fmt.Sprintf("%s is never the primary, and only a primary's answer reaches the caller", d.Name), "remove the key")
		}
		l.checkSAD(i, nodes)
		l.checkPANQueued(i, nodes)
	}
}

// checkAgreement asks for a contract where health data may be seen
// (45 CFR 164.504(e)).
func (l *loader) checkAgreement(d *Destination, nodes destinationNodes) {
	if d.SeesPHI && !nodes.expires.Written() && d.Agreement == nil {
		at := d.Position
		for id := range l.plan.Labels { // in this order, so that the place is always the same
			n, written := nodes.sees[LabelID(id)]
			if written && l.plan.inFamily(LabelID(id), labelPHI) && d.Sees[id] < Drop {
				at = n.Position()
				break
			}
		}
		l.failAt(at, "agreement_missing", fmt.Sprintf("%s may see health data, and there is no agreement with it", d.Name), "write agreement: {kind: BAA, reference: …, expires: …}, or let it see no phi")
	}
	if d.Agreement != nil && !d.Agreement.Expires.IsZero() && !l.now.Before(d.Agreement.Expires) {
		nodes.expires.Warn("agreement_lapsed", fmt.Sprintf("the agreement with %s has lapsed", d.Name), "renew it: until then primary and sync legs are refused and queued legs are parked")
	}
}

// checkClearText asks for encryption on the way (PCI DSS 4.2.1).
func (l *loader) checkClearText(d *Destination, nodes destinationNodes) {
	if d.URL == "" || !clearText(d.URL) {
		return
	}
	cards, others := false, false
	for id, form := range d.Sees {
		if form != Plain {
			continue
		}
		if l.plan.inFamily(LabelID(id), labelPAN) || l.plan.inFamily(LabelID(id), labelSAD) {
			cards = true
		} else {
			others = true
		}
	}
	switch far := reachOf(d.URL); {
	case far == onThisMachine:
	case cards && far == onTheInternet:
		nodes.url.Fail("cleartext_card_data", fmt.Sprintf("%s would get card data over the internet without encryption", d.Name), "use https:// (PCI DSS 4.2.1)")
	case cards:
		nodes.url.Warn("cleartext_card_data", fmt.Sprintf("%s gets card data without encryption, on a network that is taken for your own", d.Name), "use https:// where you can")
	case others && far == onTheInternet:
		nodes.url.Warn("cleartext_data", fmt.Sprintf("%s gets labelled values over the internet without encryption", d.Name), "use https:// (45 CFR 164.312(e))")
	}
}

// checkSAD lets sensitive authentication data reach only destinations that are
// called at once: what is queued is stored (PCI DSS 3.3.1).
func (l *loader) checkSAD(destination int, nodes destinationNodes) {
	for id := range l.plan.Labels {
		id := LabelID(id)
		n, written := nodes.sees[id]
		if !written || !l.plan.inFamily(id, labelSAD) || l.plan.Destinations[destination].Sees.Of(id) != Plain {
			continue
		}
		for _, r := range l.plan.Routes {
			for _, leg := range r.Legs {
				if leg.Destination == destination && !leg.Primary {
					n.Fail("sad_queued", fmt.Sprintf("the leg %s of the route %s is %s, and sensitive authentication data must never be stored", leg.Name, r.Name, leg.kept()), "use drop, or name the same system as a second destination for its queued legs")
				}
			}
		}
	}
}

// kept says, for messages, how a leg that is no primary waits.
func (leg *Leg) kept() string {
	if leg.Sync {
		return "stored until it is delivered"
	}
	return "queued"
}

// checkPANQueued speaks up where card numbers would lie in the outbox, sealed,
// until they are delivered.
func (l *loader) checkPANQueued(destination int, nodes destinationNodes) {
	for id := range l.plan.Labels {
		n, written := nodes.sees[LabelID(id)]
		if !written || !l.plan.inFamily(LabelID(id), labelPAN) || l.plan.Destinations[destination].Sees[id] != Plain {
			continue
		}
		for _, r := range l.plan.Routes {
			for _, leg := range r.Legs {
				if leg.Destination == destination && !leg.Primary {
					n.Warn("pan_queued", fmt.Sprintf("the leg %s of the route %s is %s with card numbers in it", leg.Name, r.Name, leg.kept()), "use token or mask, unless the destination needs them; they are kept sealed until delivered")
				}
			}
		}
	}
}

// checkCallers finds routes that nobody may call.
func (l *loader) checkCallers() {
	if !l.plan.HasCallers || l.lostRoute {
		return
	}
	for i := range l.plan.Routes {
		called := false
		for c := range l.plan.Callers {
			called = called || l.plan.Callers[c].mayCall(i)
		}
		if !called {
			l.warnAt(l.routes[i].at, "route_uncalled", fmt.Sprintf("no caller may call the route %s", l.plan.Routes[i].Name), "list it under a caller's routes, or remove it")
		}
	}
}

// labelsAt returns the labels that decide for a value of the body at an exact
// path: of each family, those whose pattern ends deepest, and of these the
// most special kinds.
func (p *Plan) labelsAt(exact Path) []LabelID {
	type rank struct{ steps, kind int }
	ranks := make([]rank, len(p.Labels)) // zero: the label is not there
	best := make([]rank, len(p.Labels))  // by family
	for id, label := range p.Labels {
		for _, lp := range label.Paths {
			if steps, ok := matchExact(lp.Path.Steps, exact.Steps); ok && lp.Source == SourceBody {
				ranks[id] = rank{max(ranks[id].steps, steps), label.Depth}
			}
		}
		b := &best[label.Family]
		if r := ranks[id]; r.steps > b.steps || r.steps == b.steps && r.kind > b.kind {
			*b = r
		}
	}
	var ids []LabelID
	for id, label := range p.Labels {
		if ranks[id].steps > 0 && ranks[id] == best[label.Family] {
			ids = append(ids, LabelID(id))
		}
	}
	return ids
}
