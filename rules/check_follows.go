package rules

import (
	"fmt"
	"slices"

	"chaperone/rules/yamlfile"
)

// checkFollows holds what a route says of the sale that it follows against
// what that sale's route leaves behind.
func (l *loader) checkFollows() {
	for i := range l.plan.Routes {
		r, nodes := &l.plan.Routes[i], &l.routes[i]
		if r.Follows == nil {
			continue
		}
		if text, _, ok := scalarText(nodes.items); ok && text == "required" {
			nodes.items.Warn("items_not_required", "a call that follows a sale may come without line items: then each class's part in the sale counts", "remove the key")
		}
		if nodes.order.Written() && !r.Follows.Unknown {
			nodes.order.Warn("order_without_effect", "the legs of a call that follows a sale come after those of the sale, in its order", "remove the key")
		}
		l.checkAmount(r, nodes)
		l.checkDecides(r, &nodes.follows)
		if r.Follows.Route < 0 {
			continue
		}
		l.checkUnlinked(r, &nodes.follows)
		l.checkAs(r.Follows, &nodes.follows)
		l.checkGroups(i)
		sale := &l.plan.Routes[r.Follows.Route]
		if !leavesOpen(sale) {
			decidesNothing(nodes.follows.release, r.Follows.Release, sale, "release")
			decidesNothing(nodes.follows.cancel, r.Follows.Cancel, sale, "cancel")
		}
	}
}

func decidesNothing(n yamlfile.Node, d *Decides, sale *Route, what string) {
	if d != nil {
		n.Warn("decides_nothing", fmt.Sprintf("no answer leaves a sale of the route %s open, so there is nothing to %s", sale.Name, what), "write pending: {…} on that route's primary, or remove the key")
	}
}

// leavesOpen reports whether some answers of a route's primary leave the sale
// open.
func leavesOpen(r *Route) bool {
	return slices.ContainsFunc(r.Legs, func(leg Leg) bool { return leg.Pending != nil })
}

// checkAmount asks for all that splitting an amount without items needs.
func (l *loader) checkAmount(r *Route, nodes *routeNodes) {
	n, f, b := nodes.follows.amount, r.Follows, l.plan.Basket
	if !n.Written() {
		return
	}
	switch {
	case b == nil:
		n.Fail("basket_missing", "there is nothing to split an amount by, as the policy has no basket", "write the basket, or remove amount")
		return
	case !r.takesClass():
		n.Fail("amount_without_class", fmt.Sprintf("no leg of the route %s takes a class of items, so its amount is not split", r.Name), "write items: and a class on a leg, or remove amount")
		return
	case !l.basket.line.Written():
		n.Fail("line_missing", "the policy does not say where an item's amounts are, so no share of a sale is known", "write basket.line")
	}
	if f.Amount == nil {
		return
	}
	if b.Items.Source != "" {
		if _, under := matchExact(b.Items.Steps, f.Amount.Steps); under {
			n.Fail("amount_in_items", fmt.Sprintf("%q lies in the line items, and an amount to be split is one of the whole call", f.Amount.Source), "name the member that holds the whole amount")
			return
		}
	}
	for _, leg := range r.Legs {
		if leg.Items == ItemsClass && (leg.KeepAll || touchesAny(leg.Keep, f.Amount)) {
			return
		}
	}
	n.Warn("amount_not_kept", "no leg with a class of items lets the amount through", "add it to their keep, or remove amount")
}

// checkDecides keeps one request from both releasing and cancelling a sale.
func (l *loader) checkDecides(r *Route, nodes *followsNodes) {
	release, cancel := r.Follows.Release, r.Follows.Cancel
	if release == nil || cancel == nil || apart(release, cancel) {
		return
	}
	nodes.cancel.Fail("decides_both", "a request could both release and cancel the sale", "let release and cancel look at the same member, and ask for different values")
}

// apart reports whether no request can meet both.
func apart(a, b *Decides) bool {
	for _, x := range a.Where {
		for _, y := range b.Where {
			if x.Path.same(y.Path) && !slices.ContainsFunc(x.Values, func(v Scalar) bool { return slices.Contains(y.Values, v) }) {
				return true
			}
		}
	}
	return false
}

// same reports whether two paths name the same places.
func (p Path) same(q Path) bool { return slices.Equal(p.Steps, q.Steps) }

// unlinks reports whether every destination gets an alias of its own of what
// stands at an exact path.
func (r *Route) unlinks(exact *Path) bool {
	return slices.ContainsFunc(r.Unlink, func(p Path) bool { _, ok := matchExact(p.Steps, exact.Steps); return ok })
}

// checkUnlinked finds a sale's key that goes out as it is, where the sale
// itself went out under aliases.
func (l *loader) checkUnlinked(r *Route, nodes *followsNodes) {
	f := r.Follows
	sale := &l.plan.Routes[f.Route]
	if key := sale.Idempotency.Key; key == nil || !sale.unlinks(key) || len(f.Key.Steps) == 0 || r.unlinks(&f.Key) {
		return
	}
	for _, leg := range r.Legs {
		if leg.Destination >= 0 && leg.Destination != f.As && (leg.KeepAll || touchesAny(leg.Keep, &f.Key)) {
			nodes.node.Warn("follows_linked", fmt.Sprintf("the route %s gives every destination an alias of its key, and the leg %s gets %s as it came", sale.Name, leg.Name, f.Key.Source), fmt.Sprintf("write unlink: [%s] on the route %s", f.Key.Source, r.Name))
			return
		}
	}
}

// checkAs asks that the destination whose alias names a sale has been told it.
func (l *loader) checkAs(f *Follows, nodes *followsNodes) {
	sale := &l.plan.Routes[f.Route]
	if f.As < 0 || sale.Idempotency.Key == nil {
		return
	}
	key, to := *sale.Idempotency.Key, l.plan.Destinations[f.As].Name
	if !sale.unlinks(&key) {
		nodes.as.Fail("alias_missing", fmt.Sprintf("the route %s does not unlink %s, so %s has no alias of it", sale.Name, key.Source, to), fmt.Sprintf("remove as, or write unlink: [%s] on that route", key.Source))
		return
	}
	legs, told := 0, false
	for _, leg := range sale.Legs {
		if leg.Destination == f.As {
			legs++
			told = told || leg.KeepAll || touchesAny(leg.Keep, &key)
		}
	}
	switch {
	case legs == 0 && !l.lostLeg:
		nodes.as.Fail("alias_unknown_to", fmt.Sprintf("no leg of the route %s goes to %s, so it knows no sale", sale.Name, to), "name a destination of that route")
	case legs > 0 && !told:
		nodes.as.Fail("alias_unknown_to", fmt.Sprintf("no leg of the route %s tells %s its %s", sale.Name, to, key.Source), fmt.Sprintf("add %s to the leg's keep", key.Source))
	}
}

// checkGroups finds followers whose callers can name no sale: keys are told
// apart by their callers' groups.
func (l *loader) checkGroups(route int) {
	f, nodes := l.plan.Routes[route].Follows, &l.routes[route].follows
	if l.lostRoute || nodes.group.Written() && f.Group == "" {
		return
	}
	selling := map[string]bool{}
	first := ""
	for i := range l.plan.Callers {
		if c := &l.plan.Callers[i]; c.mayCall(f.Route) {
			selling[c.Group] = true
			if first == "" {
				first = c.Group
			}
		}
	}
	sale := l.plan.Routes[f.Route].Name
	if f.Group != "" {
		if !selling[f.Group] {
			nodes.group.Warn("group_without_sales", fmt.Sprintf("no caller of the group %s may call the route %s", f.Group, sale), "name the group of those who make the sales")
		}
		return
	}
	for i := range l.plan.Callers {
		c := &l.plan.Callers[i]
		if c.mayCall(route) && !selling[c.Group] && first != "" {
			nodes.node.Warn("group_without_sales", fmt.Sprintf("the caller %s is in the group %s, which makes no sale by the route %s", c.Name, c.Group, sale), fmt.Sprintf("write group: %s into follows, if it is about that group's sales", first))
		}
	}
}
