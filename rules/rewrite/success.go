package rewrite

import "chaperone/rules"

// Succeeded reports whether the scanned answer, which came with this HTTP
// status, is what the route's success asks for: the status, and every value of
// where. A value that is absent, null or a container equals null only.
func (m *Message) Succeeded(status int) bool {
	p := m.prog
	s := p.route.Legs[p.route.Primary].Success
	return s != nil && s.Admits(status) && m.hold(s.Where, p.whereSlot)
}

// Pending reports whether the scanned answer, which came with this HTTP status,
// leaves the sale open until a later call decides it: it is no success, and is
// what the primary's pending asks for.
func (m *Message) Pending(status int) bool {
	p := m.prog
	w := p.route.Legs[p.route.Primary].Pending
	return w != nil && rules.InRanges(w.Status, status) && m.hold(w.Where, p.pendingSlot) && !m.Succeeded(status)
}

// hold reports whether all conditions are met, whose values are in slots from
// first on.
func (m *Message) hold(where []rules.Where, first int) bool {
	for i := range where {
		if !m.whereHolds(&where[i], m.at(first+i)) {
			return false
		}
	}
	return true
}

func (m *Message) whereHolds(w *rules.Where, n *node) bool {
	if n == nil {
		return false
	}
	kind := rules.ScalarNumber
	switch m.body[n.start] {
	case '"':
		kind = rules.ScalarString
	case 't', 'f':
		kind = rules.ScalarBool
	case 'n':
		kind = rules.ScalarNull
	case '{', '[':
		return false
	}
	text := m.raw(n)
	if kind == rules.ScalarString {
		text = m.textOf(n)
	}
	for _, v := range w.Values {
		if v.Kind == kind && (kind == rules.ScalarNull || string(text) == v.Text) {
			return true
		}
	}
	return false
}
