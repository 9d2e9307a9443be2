package rules

import (
	"fmt"
	"time"

	"chaperone/rules/yamlfile"
)

// The bounds of a route's settings.
const (
	maxRoutes  = 1000
	defaultTTL = 24 * time.Hour
	minTTL     = time.Minute
	maxTTL     = 90 * 24 * time.Hour

	defaultPending = 24 * time.Hour
)

// methods are those that a route may match and a leg may use.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

// maxPurpose bounds the text of a purpose, in bytes.
const maxPurpose = 100

// routeNodes are the places of a route in the file.
type routeNodes struct {
	at     Position
	path   yamlfile.Node // match.path
	items  yamlfile.Node
	legs   []legNodes
	answer []setNodes // those of Answer.Set
	// keys are the places of paths whose value decides something or is kept:
	// idempotency.key, subject, order, unlink, follows.
	keys []pathNode

	idempotencyKey, order, onDoubt, onOutage yamlfile.Node
	follows                                  followsNodes
}

// pathNode is a path and its place.
type pathNode struct {
	what string
	path Path
	node yamlfile.Node
}

func (l *loader) readRoutes(n yamlfile.Node) {
	items := n.Items()
	if n.Kind() == yamlfile.List && len(items) == 0 {
		n.Fail("value_missing", "the policy has no route", "write at least one route")
	}
	if len(items) > maxRoutes {
		n.Fail("too_many", fmt.Sprintf("the policy has more than %d routes", maxRoutes), "")
		items = items[:maxRoutes]
	}
	names := map[string]bool{}
	for _, item := range items {
		l.route(named(item, "routes", "name"), names)
	}
}

// named lets messages speak of an element by its name instead of its number.
// The name is the text of the first key that has one.
func named(n yamlfile.Node, path string, keys ...string) yamlfile.Node {
	if n.Kind() != yamlfile.Mapping {
		return n
	}
	m := n.Map()
	for _, key := range keys {
		if name, _, ok := scalarText(m.Get(key)); ok && nameShape.MatchString(name) {
			return n.As(path + "." + name)
		}
	}
	return n
}

func (l *loader) route(n yamlfile.Node, names map[string]bool) {
	m := n.Map()
	r := Route{Position: n.Position()}
	nodes := routeNodes{at: n.Position(), items: m.Get("items")}
	if name := m.Require("name", "give the route a name; logs, metrics and callers use it"); name.Written() {
		r.Name, _ = name.Text()
		if r.Name != "" && l.checkName(name.Position(), "route", r.Name) && names[r.Name] {
			name.Fail("duplicate_name", fmt.Sprintf("another route has the name %q", r.Name), "give every route its own name")
		}
		names[r.Name] = true
	}
	l.match(m.Require("match", "write what the route takes, as in match: {method: POST, path: /v1/checkout}"), &r, &nodes)
	if nodes.items.Written() {
		word, _ := nodes.items.Word()
		r.ItemsOptional = word == "optional"
	}
	l.idempotency(m.Get("idempotency"), &r, &nodes)
	r.Subject = l.keyPath("subject", m.Get("subject"), &nodes)
	l.purpose(m.Get("purpose"), &r)
	if unlink := m.Get("unlink"); unlink.Written() {
		for _, item := range unlink.OneOrMore() {
			if ps := l.paths([]yamlfile.Node{item}); len(ps) == 1 {
				r.Unlink = append(r.Unlink, ps[0])
				nodes.keys = append(nodes.keys, pathNode{"unlink", ps[0], item})
			}
		}
	}
	r.Scope = l.scope(m.Get("scope"))
	nodes.order = m.Get("order")
	r.Order = l.keyPath("order", nodes.order, &nodes)
	l.ways(m.Get("on_doubt"), m.Get("on_outage"), &r, &nodes)
	l.readFollows(m.Get("follows"), &r, &nodes)
	l.legs(m.Require("legs", "list the calls that the request becomes"), &r, &nodes)
	l.answer(m.Get("answer"), &r, &nodes)
	m.Done()
	l.plan.Routes = append(l.plan.Routes, r)
	l.routes = append(l.routes, nodes)
}

func (l *loader) match(n yamlfile.Node, r *Route, nodes *routeNodes) {
	m := n.Map()
	if method := m.Require("method", "write the HTTP method, as in method: POST"); method.Written() {
		r.Method, _ = method.Word()
	}
	nodes.path = m.Require("path", "write the path, as in path: /v1/checkout")
	if nodes.path.Written() {
		if p := l.pattern(nodes.path); p != nil {
			r.Path = *p
		}
	}
	m.Done()
}

// pattern reads a path template.
func (l *loader) pattern(n yamlfile.Node) *Pattern {
	text, ok := n.Text()
	if !ok {
		return nil
	}
	p, err := ParsePattern(text)
	if err != nil {
		n.Fail("bad_pattern", fmt.Sprintf("%q is not a path of a URL: %s", text, err), "write segments, {name} for a captured one, and perhaps /* at the end")
		return nil
	}
	return &p
}

func (l *loader) idempotency(n yamlfile.Node, r *Route, nodes *routeNodes) {
	if !n.Written() {
		return
	}
	m := n.Map()
	nodes.idempotencyKey = m.Get("key")
	i := &Idempotency{TTL: defaultTTL, Key: l.keyPath("idempotency.key", nodes.idempotencyKey, nodes)}
	if ignore := m.Get("ignore"); ignore.Written() {
		i.Ignore = l.paths(ignore.OneOrMore())
	}
	if ttl := m.Get("ttl"); ttl.Written() {
		i.TTL = ttl.Span()
	}
	m.Done()
	r.Idempotency = i
}

// keyPath reads an exact path whose value decides something.
func (l *loader) keyPath(what string, n yamlfile.Node, nodes *routeNodes) *Path {
	p := l.optionalPath(n)
	if p != nil {
		nodes.keys = append(nodes.keys, pathNode{what, *p, n})
	}
	return p
}

func (l *loader) purpose(n yamlfile.Node, r *Route) {
	if !n.Written() {
		return
	}
	text, ok := n.Text()
	if ok && (len(text) > maxPurpose || !validHeaderValue(text)) {
		n.Fail("bad_purpose", "the purpose is too long or has unusual characters", fmt.Sprintf("write treatment, payment, operations, or another purpose in at most %d ASCII characters", maxPurpose))
		return
	}
	r.Purpose = text
}

// ways reads what happens where the outcome is not known, or the store away.
func (l *loader) ways(doubt, outage yamlfile.Node, r *Route, nodes *routeNodes) {
	nodes.onDoubt, nodes.onOutage = doubt, outage
	if doubt.Written() {
		switch word, _ := doubt.Word(); word {
		case "retry":
			r.OnDoubt = DoubtRetry
		case "replay":
			r.OnDoubt = DoubtReplay
		}
	}
	if outage.Written() {
		switch word, _ := outage.Word(); word {
		case "spool":
			r.OnOutage = OutageSpool
		case "refuse":
			r.OnOutage = OutageRefuse
		}
	}
}
