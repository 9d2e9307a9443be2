package rules

import (
	"fmt"

	"chaperone/rules/yamlfile"
)

// setNodes are the places of a member that is set.
type setNodes struct {
	at      Position
	token   yamlfile.Node
	compute yamlfile.Node // of a leg: an expression
}

func (l *loader) answer(n yamlfile.Node, r *Route, nodes *routeNodes) {
	if !n.Written() {
		return
	}
	m := n.Map()
	r.Answer.Set, nodes.answer = l.set(m.Get("set"), true)
	m.Done(yamlfile.Hint{Key: "keep", Text: "write keep under the destination's response"},
		yamlfile.Hint{Key: "labels", Text: "write labels under the destination's response"})
}

// set reads the members that a leg or an answer is given. Only answers can be
// given tokens.
func (l *loader) set(n yamlfile.Node, answer bool) ([]SetMember, []setNodes) {
	var members []SetMember
	var nodes []setNodes
	for _, e := range n.Map().Entries() {
		p, err := ParsePath(e.Key)
		switch {
		case err != nil:
			l.failAt(e.At, "bad_path", fmt.Sprintf("%q is not a path: %s", e.Key, err), "write the name of the member to set, with dots between the levels")
			continue
		case !p.Exact():
			l.failAt(e.At, "path_not_exact", fmt.Sprintf("set writes one place, and %q is a pattern", e.Key), "write the path without #, * and **")
			continue
		}
		l.checkSetClash(e, p, members)
		member := SetMember{Path: p, Position: e.At}
		sn := setNodes{at: e.At}
		if compute, isExpression := computeOf(e.Value); isExpression {
			if answer {
				l.failAt(e.At, "compute_outside_leg", "an answer is given constants and tokens", "compute the value in a leg's set, or write a constant")
				continue
			}
			sn.compute = compute
		} else if token, isToken := tokenOf(e.Value); isToken {
			if !answer {
				l.failAt(e.At, "token_outside_answer", "a leg's set writes constants and computed values", "keep the path on the leg: the destination's form makes the token")
				continue
			}
			sn.token = token
			if member.Token = l.optionalPath(token); member.Token == nil {
				continue
			}
		} else {
			var ok bool
			if member.JSON, ok = e.Value.JSON(); !ok {
				continue
			}
		}
		members, nodes = append(members, member), append(nodes, sn)
	}
	return members, nodes
}

// tokenOf recognizes {token: PATH}.
func tokenOf(n yamlfile.Node) (yamlfile.Node, bool) {
	if n.Kind() != yamlfile.Mapping {
		return yamlfile.Node{}, false
	}
	m := n.Map()
	token := m.Get("token")
	return token, token.Written() && len(m.Entries()) == 1
}

// checkSetClash reports a member that would be written inside another one.
func (l *loader) checkSetClash(e yamlfile.Entry, p Path, members []SetMember) {
	for _, other := range members {
		if _, below := matchExact(other.Path.Steps, p.Steps); below {
			l.failAt(e.At, "conflicting_keys", fmt.Sprintf("%q and %q set the same place", other.Path.Source, e.Key), "set one of them")
			return
		}
		if _, above := matchExact(p.Steps, other.Path.Steps); above {
			l.failAt(e.At, "conflicting_keys", fmt.Sprintf("%q and %q set the same place", other.Path.Source, e.Key), "set one of them")
			return
		}
	}
}
