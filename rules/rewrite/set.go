package rewrite

import (
	"strings"

	"github.com/tidwall/sjson"

	"chaperone/rules"
	"chaperone/rules/reason"
)

// setMember is a member that a party's body is given. What stood at its path
// has been cut by the automaton's mask.
type setMember struct {
	name    []byte   // quoted, with the colon; nil below the root
	deep    string   // the path in sjson's syntax; empty at the root
	json    []byte   // nil for a token, and for what is computed
	index   int      // in the route's answer.set
	formula *formula // nil: it is not computed
}

func (p *party) setMembers(members []rules.SetMember) {
	for i := range members {
		m := &members[i]
		s := setMember{json: m.JSON, index: i}
		if m.Token != nil {
			s.json = nil
		}
		if len(m.Path.Steps) == 1 {
			s.name = append(appendQuoted([]byte{'"'}, []byte(m.Path.Steps[0].Name)), '"', ':')
		} else {
			s.deep = sjsonPath(m.Path)
		}
		p.set = append(p.set, s)
	}
}

// sjsonPath writes an exact path in sjson's syntax: names are kept from being
// read as wildcards, modifiers or indexes that append.
func sjsonPath(p rules.Path) string {
	var b strings.Builder
	for i, s := range p.Steps {
		if i > 0 {
			b.WriteByte('.')
		}
		for _, c := range []byte(s.Name) {
			if strings.IndexByte(`.*?\|#@!{}[]()=<>%"':`, c) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}

// finish ends a walk: what an emptied root becomes, and the set members.
func (v *View) finish(alive bool) *reason.Error {
	root := &v.m.tape[0]
	open := v.m.body[root.start]
	if len(v.party.set) > 0 && open != '{' && v.m.prog.request {
		return refuse(reason.BodyMalformed, int(root.start), "members are to be set, and the body is no object")
	}
	if alive && (len(v.party.set) == 0 || open != '{') {
		return nil
	}
	if !alive {
		v.edits = v.edits[:0]
	}
	from := len(v.text)
	at := [2]uint32{v.rootLast, v.rootLast}
	fresh := !alive || root.next == 1 // nothing is left of it, or it was empty
	if fresh {
		at = [2]uint32{root.start, root.end}
		switch open {
		case '{':
			v.text = append(v.text, '{')
		case '[':
			v.text = append(v.text, "[]"...)
		default:
			v.text = append(v.text, "null"...)
		}
	}
	some := !fresh
	for i := range v.party.set {
		s := &v.party.set[i]
		if open != '{' {
			break // an answer that is no object is given no members
		}
		if s.deep != "" {
			if err := v.setDeep(s); err != nil {
				return err
			}
			continue
		}
		mark := len(v.text)
		if some {
			v.text = append(v.text, ',')
		}
		v.text = append(v.text, s.name...)
		there, err := v.appendSet(s)
		if err != nil {
			return err
		}
		if !there {
			v.text = v.text[:mark]
			continue
		}
		some = true
	}
	if fresh && open == '{' {
		v.text = append(v.text, '}')
	}
	if len(v.text) > from {
		v.put(at[0], at[1], from)
	}
	return nil
}

// appendSet appends a set member's value to v.text. There is false where there
// is none: no token for that caller. The error is expression_undecided.
func (v *View) appendSet(s *setMember) (there bool, err *reason.Error) {
	switch {
	case s.formula != nil:
		return true, v.appendComputed(s.formula)
	case s.json != nil:
		v.text = append(v.text, s.json...)
		return true, nil
	case v.request == nil || s.index >= len(v.request.tokens):
		return false, nil
	}
	return v.appendToken(&v.request.tokens[s.index]), nil
}

// appendToken appends the token of a request's value, as far as the caller may
// see the label.
func (v *View) appendToken(t *requestToken) bool {
	if t.label == rules.NoLabel {
		return false
	}
	token := t.arrived
	if token == nil {
		op := &v.request.ops[t.op]
		if op.Unknown || len(op.Result) == 0 {
			return false
		}
		token = op.Result
	}
	switch v.party.sees.Of(t.label) {
	case rules.Drop, rules.Block:
		return false
	case rules.Mask:
		v.text = append(v.text, '"')
		if t.last4 {
			v.text = appendMask(v.text, token)
		} else {
			v.text = append(v.text, "****"...)
		}
	default:
		v.text = append(append(v.text, '"'), token...)
	}
	v.text = append(v.text, '"')
	return true
}

// setDeep notes a member below the root, which is set in the rendered body.
// The values stand in a buffer of their own, since v.text's bytes between two
// offsets belong to one edit.
func (v *View) setDeep(s *setMember) *reason.Error {
	from := len(v.text)
	there, err := v.appendSet(s)
	if there && err == nil {
		v.deepText = append(v.deepText, v.text[from:]...)
		v.deep = append(v.deep, deepMember{path: s.deep, from: uint32(len(v.deepText) - (len(v.text) - from)), to: uint32(len(v.deepText))})
	}
	v.text = v.text[:from]
	return err
}

// renderDeep sets the members below the root in a rendered body. sjson adds to
// bytes that are valid and hold no such member any more.
func (v *View) renderDeep(body []byte) ([]byte, *reason.Error) {
	for _, d := range v.deep {
		out, err := sjson.SetRawBytes(body, d.path, v.deepText[d.from:d.to])
		if err != nil {
			return nil, refuse(reason.Internal, -1, "a member could not be set")
		}
		body = out
	}
	return body, nil
}
