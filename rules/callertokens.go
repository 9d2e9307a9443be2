package rules

import (
	"fmt"

	"chaperone/rules/yamlfile"
)

// DefaultScope is the scope of tokens where neither caller nor route names
// one.
const DefaultScope = "default"

// TokenRights is what a caller may do with tokens on the admin listener.
type TokenRights uint8

// The rights.
const (
	RightMake TokenRights = 1 << iota
	RightReveal
	RightRevoke
	RightList
	RightBatch // many at once, besides the right to make them
)

var rightNames = []string{"make", "reveal", "revoke", "list", "batch"}

// Has reports whether r has all of some rights.
func (r TokenRights) Has(some TokenRights) bool { return r&some == some }

// CallerLimits bound what one caller may do with tokens, across all proxies
// of a store: making tokens of many cards is how a dictionary of them would be
// built.
type CallerLimits struct {
	MintsPerDay          int // tokens of values that had none
	RevealsPerDay        int
	FailedRevealsPerHour int
}

// defaultCallerLimits are a caller's where the policy says nothing: more than
// a busy clinic needs, and far less than a search through the ten thousands
// of card numbers that share a BIN and the last four digits.
var defaultCallerLimits = CallerLimits{MintsPerDay: 5000, RevealsPerDay: 20000, FailedRevealsPerHour: 60}

// DefaultCallerLimits are the limits of whom the policy does not speak of.
func DefaultCallerLimits() CallerLimits { return defaultCallerLimits }

const maxCallerLimit = 1e9

// Scope names the scope of the tokens of a caller's requests on a route, by
// their indexes; -1 for none.
func (p *Plan) Scope(caller, route int) string {
	if route >= 0 && route < len(p.Routes) && p.Routes[route].Scope != "" {
		return p.Routes[route].Scope
	}
	if caller >= 0 && caller < len(p.Callers) && p.Callers[caller].Scope != "" {
		return p.Callers[caller].Scope
	}
	return DefaultScope
}

// Scopes lists the scopes of the policy, each once; the default is the first.
func (p *Plan) Scopes() []string {
	scopes := []string{DefaultScope}
	seen := map[string]bool{DefaultScope: true, "": true}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			scopes = append(scopes, name)
		}
	}
	for i := range p.Callers {
		add(p.Callers[i].Scope)
	}
	for i := range p.Routes {
		add(p.Routes[i].Scope)
	}
	return scopes
}

// scope reads the name of a scope, "" for none.
func (l *loader) scope(n yamlfile.Node) string {
	if !n.Written() {
		return ""
	}
	name, ok := n.Text()
	if !ok || !l.checkName(n.Position(), "scope", name) {
		return ""
	}
	return name
}

// callerTokens reads what a caller may do with tokens.
func (l *loader) callerTokens(m *yamlfile.Map, c *Caller) {
	c.Scope = l.scope(m.Get("scope"))
	c.Limits = defaultCallerLimits
	if limits := m.Get("limits"); limits.Written() {
		lm := limits.Map()
		for _, limit := range []struct {
			key string
			to  *int
		}{{"mints_per_day", &c.Limits.MintsPerDay}, {"reveals_per_day", &c.Limits.RevealsPerDay}, {"failed_reveals_per_hour", &c.Limits.FailedRevealsPerHour}} {
			if n := lm.Get(limit.key); n.Written() {
				*limit.to = int(n.Whole())
			}
		}
		lm.Done()
	}
	tokens := m.Get("tokens")
	if !tokens.Written() {
		return
	}
	for _, n := range tokens.OneOrMore() {
		word, ok := n.Word()
		for i, name := range rightNames {
			if ok && name == word {
				c.Tokens |= 1 << i
			}
		}
	}
	if c.Tokens.Has(RightBatch) && !c.Tokens.Has(RightMake) {
		tokens.Fail("right_alone", fmt.Sprintf("the caller %s may make tokens in batches, but none at all", c.Name), "add make")
	}
}

// checkScopes finds callers and routes whose scopes contradict each other.
func (l *loader) checkScopes() {
	if l.lostRoute {
		return
	}
	for i := range l.plan.Callers {
		c := &l.plan.Callers[i]
		for j := range l.plan.Routes {
			r := &l.plan.Routes[j]
			if c.Scope != "" && r.Scope != "" && c.Scope != r.Scope && c.mayCall(j) {
				l.failAt(c.Position, "scope_conflict", fmt.Sprintf("the tokens of the caller %s are of scope %s, and those of its route %s of scope %s", c.Name, c.Scope, r.Name, r.Scope), "name the scope at one of them, or give the caller another route")
			}
		}
	}
}
