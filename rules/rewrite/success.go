package rewrite

import "chaperone/rules"

// Succeeded reports whether the scanned answer, which came with this HTTP
// status, is what the route's success asks for: the status, and every value of
// where. A value that is absent, null or a container equals null only.
func (m *Message) Succeeded(status int) bool {
	p := m.prog
	s := p.route.Legs[p.route.Primary].Success
	if s == nil || !statusMatches(s, status) {
		return false
	}
	for i := range s.Where {
		if !m.whereHolds(&s.Where[i], m.at(p.whereSlot+i)) {
			return false
		}
	}
	return true
}

// statusMatches reports whether success admits a status; where it names none,
// any 2xx does.
func statusMatches(s *rules.Success, status int) bool {
	if len(s.Status) == 0 {
		return status >= 200 && status <= 299
	}
	for _, r := range s.Status {
		if status >= r.From && status <= r.To {
			return true
		}
	}
	return false
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
