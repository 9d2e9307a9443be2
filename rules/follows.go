package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chaperone/rules/yamlfile"
)

// The bounds of how long a sale can be followed.
const (
	defaultFollowed = 180 * 24 * time.Hour
	maxFollowed     = 2 * 366 * 24 * time.Hour
)

// followsNodes are the places of what a route says of the sale that it follows.
type followsNodes struct {
	node            yamlfile.Node // absent: the route follows none
	route, group    yamlfile.Node
	as, amount, by  yamlfile.Node
	release, cancel yamlfile.Node
}

// readFollows reads which sale a route's requests are about: the path of its
// key, or a map. The names in it are looked up when all routes are read.
func (l *loader) readFollows(n yamlfile.Node, r *Route, nodes *routeNodes) {
	if !n.Written() {
		return
	}
	f := &Follows{Route: -1, As: -1, Within: defaultFollowed}
	r.Follows, nodes.follows.node = f, n
	key := n
	if n.Kind() != yamlfile.Scalar {
		m := n.Map()
		key = m.Require("key", "write where the key of the sale stands, as in key: original_transaction_id")
		l.followsMap(m, f, nodes)
		m.Done()
	}
	if p := l.keyPath("follows", key, nodes); p != nil {
		f.Key = *p
	}
}

func (l *loader) followsMap(m *yamlfile.Map, f *Follows, nodes *routeNodes) {
	fn := &nodes.follows
	fn.route, fn.group, fn.as = m.Get("route"), m.Get("group"), m.Get("as")
	fn.amount, fn.by = m.Get("amount"), m.Get("by")
	fn.release, fn.cancel = m.Get("release"), m.Get("cancel")
	f.Amount = l.optionalPath(fn.amount)
	if fn.by.Written() {
		switch word, _ := fn.by.Word(); word {
		case "subtotal":
			f.By = ShareSubtotal
		case "tax":
			f.By = ShareTax
		case "tip":
			f.By = ShareTip
		}
		if !fn.amount.Written() {
			fn.by.Fail("amount_missing", "by says how an amount is split, and follows names none", "write amount: and the path of the amount, or remove by")
		}
	}
	if within := m.Get("within"); within.Written() {
		f.Within = within.Span()
	}
	if unknown := m.Get("unknown"); unknown.Written() {
		word, _ := unknown.Word()
		f.Unknown = word == "send"
	}
	f.Release, f.Cancel = l.decides(fn.release), l.decides(fn.cancel)
}

// decides reads when a request decides a sale that is pending: the word
// success, or conditions on the request.
func (l *loader) decides(n yamlfile.Node) *Decides {
	switch {
	case !n.Written():
		return nil
	case n.Kind() == yamlfile.Scalar:
		if _, ok := n.Word(); !ok {
			return nil
		}
		return &Decides{Success: true}
	}
	if where := l.wheres(n, ofRequest); len(where) > 0 {
		return &Decides{Where: where}
	}
	return nil
}

// resolveFollows looks up the names in what the routes say of sales, and tells
// each sale's route what has to be kept.
func (l *loader) resolveFollows() {
	for i := range l.plan.Routes {
		f, nodes := l.plan.Routes[i].Follows, &l.routes[i].follows
		if f == nil {
			continue
		}
		l.followedRoute(i)
		if text, ok := nodes.group.Text(); ok {
			if known := l.groups(); slices.Contains(known, text) {
				f.Group = text
			} else {
				l.undefined(nodes.group, "undefined_group", "caller or group", text, known)
			}
		}
		if text, ok := nodes.as.Text(); ok {
			known := l.destinationNames()
			if f.As = slices.Index(known, text); f.As < 0 {
				l.undefined(nodes.as, "undefined_destination", "destination", text, known)
			}
		}
		if f.Route >= 0 {
			l.plan.Routes[f.Route].followedBy(&l.plan.Routes[i])
		}
	}
}

// followedBy notes what a follower asks to be kept of a route's sales.
func (r *Route) followedBy(follower *Route) {
	if r.Followed == nil {
		r.Followed = new(Followed)
	}
	f := follower.Follows
	r.Followed.Within = max(r.Followed.Within, f.Within)
	r.Followed.Shares = r.Followed.Shares || follower.takesClass()
	if f.As >= 0 && !slices.Contains(r.Followed.Aliases, f.As) {
		r.Followed.Aliases = append(r.Followed.Aliases, f.As)
		slices.Sort(r.Followed.Aliases)
	}
}

// takesClass reports whether a leg of the route takes a class of items.
func (r *Route) takesClass() bool {
	return slices.ContainsFunc(r.Legs, func(leg Leg) bool { return leg.Items == ItemsClass })
}

// groups are the names under which callers' keys are told apart.
func (l *loader) groups() []string {
	var known []string
	for _, c := range l.plan.Callers {
		if !slices.Contains(known, c.Group) {
			known = append(known, c.Group)
		}
	}
	return known
}

// followedRoute finds the route of the sale: the one that is named, or the
// only one that can be meant.
func (l *loader) followedRoute(i int) {
	if nodes := &l.routes[i].follows; nodes.route.Written() {
		l.namedSale(i, nodes.route)
		return
	}
	n := l.routes[i].follows.node
	var sales []int
	var names []string
	for j := range l.plan.Routes {
		if r := &l.plan.Routes[j]; j != i && r.Follows == nil && l.hasKey(j) {
			sales, names = append(sales, j), append(names, r.Name)
		}
	}
	switch len(sales) {
	case 0:
		n.Fail("follows_nothing", "no other route has a key by which its sales could be found", "write idempotency: {key: …} on the route of the sale")
	case 1:
		l.plan.Routes[i].Follows.Route = sales[0]
	default:
		n.Fail("follows_ambiguous", fmt.Sprintf("several routes make sales that can be followed: %s", strings.Join(names, ", ")), fmt.Sprintf("write follows: {key: …, route: %s}", names[0]))
	}
}

// namedSale looks up the route of the sale by its name.
func (l *loader) namedSale(i int, n yamlfile.Node) {
	name, ok := n.Text()
	if !ok {
		return
	}
	var names []string
	for j := range l.plan.Routes {
		if j != i {
			names = append(names, l.plan.Routes[j].Name)
		}
	}
	switch j := slices.IndexFunc(l.plan.Routes, func(r Route) bool { return r.Name == name }); {
	case j < 0:
		l.undefined(n, "undefined_route", "route", name, names)
	case j == i:
		n.Fail("follows_itself", fmt.Sprintf("the route %s follows itself", name), "name the route of the sale")
	case l.plan.Routes[j].Follows != nil:
		n.Fail("follows_follower", fmt.Sprintf("the route %s follows another call itself, so it makes no sale", name), "name the route of the sale")
	case !l.hasKey(j):
		n.Fail("follows_without_key", fmt.Sprintf("requests of the route %s have no key in their body by which a sale could be found", name), "write idempotency: {key: …} on that route")
	default:
		l.plan.Routes[i].Follows.Route = j
	}
}

// hasKey reports whether a route has, or was meant to have, its idempotency key
// in the body.
func (l *loader) hasKey(route int) bool {
	i := l.plan.Routes[route].Idempotency
	return i != nil && (i.Key != nil || l.routes[route].idempotencyKey.Written())
}
