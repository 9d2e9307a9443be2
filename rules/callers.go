package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"chaperone/rules/yamlfile"
)

// callerNodes are the places of a caller in the file.
type callerNodes struct {
	at   Position
	sees map[LabelID]yamlfile.Node
}

func (l *loader) readCallers(n yamlfile.Node) {
	if !n.Written() {
		c := Caller{Name: Anonymous, Group: Anonymous, AllRoutes: true, Sees: make(Clearance, len(l.plan.Labels))}
		for i := range c.Sees {
			c.Sees[i] = Drop
		}
		c.Limits = defaultCallerLimits
		l.plan.Callers = []Caller{c}
		return
	}
	l.plan.HasCallers = true
	entries := n.Map().Entries()
	if n.Kind() == yamlfile.Mapping && len(entries) == 0 {
		n.Fail("value_missing", "callers is there and names nobody, so nobody may call", "name a caller, or remove the block")
	}
	owners := map[[32]byte]string{}
	for _, e := range entries {
		if l.checkName(e.At, "caller", e.Key) && e.Key == Anonymous {
			l.failAt(e.At, "bad_name", "anonymous is the name of a caller that shows no key", "choose another name")
		}
		l.caller(e, owners)
	}
}

func (l *loader) caller(e yamlfile.Entry, owners map[[32]byte]string) {
	m := e.Value.Map()
	c := Caller{Name: e.Key, Group: e.Key, Position: e.At}
	keys := m.Require("key_sha256", "write the SHA-256 of the caller's key, in hex")
	for _, n := range keys.OneOrMore() {
		l.keyHash(n, &c, owners)
	}
	l.callerTokens(m, &c)
	routes := m.Get("routes")
	if c.Tokens == 0 { // else it may have business on the admin listener alone
		routes = m.Require("routes", "list the routes that it may call, or write all")
	}
	if routes.Written() {
		l.callerRoutes(routes, &c)
	} else if c.Tokens == 0 {
		l.lostRoute = true
	}
	nodes := callerNodes{at: e.At}
	c.Sees, nodes.sees = l.clearance(m.Get("sees"), aCaller)
	if group := m.Get("group"); group.Written() {
		if name, ok := group.Text(); ok && l.checkName(group.Position(), "group", name) {
			c.Group = name
		}
	}
	m.Done(yamlfile.Hint{Key: "key", Text: "write key_sha256: the key itself stays with the caller"})
	l.plan.Callers = append(l.plan.Callers, c)
	l.callers = append(l.callers, nodes)
}

// keyHash reads the hash of a key. Messages never hold it.
func (l *loader) keyHash(n yamlfile.Node, c *Caller, owners map[[32]byte]string) {
	text, ok := n.Text()
	if !ok {
		return
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != sha256.Size {
		n.Fail("bad_hash", fmt.Sprintf("%s is not a SHA-256 in hex", n.Name()), "write 64 hexadecimal digits, as sha256sum prints them")
		return
	}
	hash := [32]byte(raw)
	owner, taken := owners[hash]
	switch {
	case hash == sha256.Sum256(nil):
		n.Fail("bad_hash", fmt.Sprintf("%s is the hash of an empty key", n.Name()), "hash the key that the caller sends")
	case taken:
		n.Fail("key_twice", fmt.Sprintf("the caller %s has the same key as %s", c.Name, owner), "give every caller a key of its own")
	default:
		owners[hash] = c.Name
		c.KeyHashes = append(c.KeyHashes, hash)
	}
}

func (l *loader) callerRoutes(n yamlfile.Node, c *Caller) {
	if text, _, ok := scalarText(n); ok && text == "all" {
		c.AllRoutes = true
		return
	}
	var names []string
	for _, r := range l.plan.Routes {
		names = append(names, r.Name)
	}
	for _, item := range n.OneOrMore() {
		name, ok := item.Text()
		if !ok {
			continue
		}
		found := false
		for i, r := range l.plan.Routes {
			if r.Name == name {
				c.Routes, found = append(c.Routes, i), true
				break
			}
		}
		if !found {
			l.undefined(item, "undefined_route", "route", name, names)
			l.lostRoute = true
		}
	}
}

// mayCall reports whether a caller may use a route.
func (c *Caller) mayCall(route int) bool {
	if c.AllRoutes {
		return true
	}
	for _, r := range c.Routes {
		if r == route {
			return true
		}
	}
	return false
}

// identify reads which headers besides Authorization show a caller's key.
func (l *loader) identify(n yamlfile.Node, callers bool) {
	if !n.Written() {
		return
	}
	m := n.Map()
	one, many := m.Get("header"), m.Get("headers")
	m.Done()
	if m.Present() && !callers {
		n.Warn("identify_unused", "the policy has no callers to identify", "write a callers block")
	}
	var nodes []yamlfile.Node
	switch {
	case one.Written() && many.Written():
		one.Fail("conflicting_keys", "identify has both header and headers", "keep headers")
		return
	case one.Written():
		nodes = []yamlfile.Node{one}
	case many.Written():
		nodes = many.OneOrMore()
	case m.Present():
		n.Fail("missing_key", `identify needs the key "headers"`, "name the headers that may hold a caller's key")
	}
	l.plan.Identify.Headers = l.headerNames(nodes, map[string]string{"Authorization": "is read in any case"})
}
