package rewrite

import (
	"bytes"
	"math/bits"

	"chaperone/rules"
	"chaperone/rules/detect"
)

// identifiers is the scratch of the pass that looks for identifiers. Only a
// Message that serves a policy with such detectors has one.
type identifiers struct {
	seeker detect.Seeker
	open   []holder
	before []span // of the scan
	parts  []finding
	name   []byte
}

// holder is an open container.
type holder struct {
	node       uint32
	start, end uint32 // in the body: the content of its name, or of the array's around it
	object     bool
}

// finding is a part of the body, or of a text outside of it, that detectors
// found.
type finding struct {
	start, end uint32
	found      detect.Detectors
}

// maxNameContext is the length of the longest member name, as it is written, that
// may say what its value is.
const maxNameContext = 128

// minIdentifier is the length of the shortest identifier: of a birth's year.
const minIdentifier = 4

// reset zeroes what the scratch held of a body.
func (s *identifiers) reset() {
	s.seeker.Reset()
	clear(s.before[:cap(s.before)])
	clear(s.name[:cap(s.name)])
	s.before, s.parts, s.name = s.before[:0], s.parts[:0], s.name[:0]
}

// identify looks for identifiers in all strings, numbers and member names of the
// scanned body, once, and adds what it finds to the spans. It is apart from the
// scan, so that a policy without such detectors does not pay for them.
func (m *Message) identify() {
	s := m.identifiers
	if s == nil {
		s = &identifiers{}
		m.identifiers = s
	}
	s.before, m.spans, s.open = append(s.before[:0], m.spans...), m.spans[:0], s.open[:0]
	rest := s.before
	for i := range m.tape {
		n := &m.tape[i]
		for len(s.open) > 0 && m.tape[s.open[len(s.open)-1].node].next <= uint32(i) {
			s.open = s.open[:len(s.open)-1]
		}
		at := holder{node: uint32(i), object: m.body[n.start] == '{'}
		member := false
		if len(s.open) > 0 {
			around := &s.open[len(s.open)-1]
			if at.start, at.end, member = around.start, around.end, around.object; member {
				at.start, at.end = m.nameOf(n)
			}
		}
		of := 0
		for of < len(rest) && rest[of].node == uint32(i) {
			of++
		}
		if m.identifyNode(n, &at, member, rest[:of]) {
			m.foundIn(n)
		}
		rest = rest[of:]
		if n.next > uint32(i)+1 {
			s.open = append(s.open, at)
		}
	}
}

// foundIn marks a node that has spans, and what is around it.
func (m *Message) foundIn(n *node) {
	n.state |= stateSpans
	open := m.identifiers.open
	for k := len(open) - 1; k >= 0; k-- {
		if around := &m.tape[open[k].node]; around.state&stateFound == 0 {
			around.state |= stateFound
			continue
		}
		break
	}
}

// nameOf returns where the content of the name stands whose value is n.
func (m *Message) nameOf(n *node) (start, end uint32) {
	i := int(n.start) - 1
	for blank[m.body[i]] || m.body[i] == ':' {
		i--
	}
	end = uint32(i)
	for {
		i = bytes.LastIndexByte(m.body[:i], '"')
		slashes := i
		for m.body[slashes-1] == '\\' {
			slashes--
		}
		if (i-slashes)&1 == 0 {
			return uint32(i + 1), end
		}
	}
}

// identifyNode looks at a node and at its name, of which the scan found some
// spans already. It reports whether the node has any.
func (m *Message) identifyNode(n *node, at *holder, member bool, before []span) bool {
	s, which := m.identifiers, m.prog.engine.detectors
	names := 0
	for names < len(before) && before[names].name {
		names++
	}
	first := len(m.spans)
	if s.parts = s.parts[:0]; member && at.end-at.start >= minIdentifier {
		m.findings(which, nil, at.start, at.end)
	}
	m.join(m.body, true, at.node, before[:names], true, at.start, at.end)
	s.parts = s.parts[:0]
	switch c := m.body[n.start]; {
	case n.end-n.start < minIdentifier, c == '{', c == '[', c == 't', c == 'f', c == 'n':
		m.spans = append(m.spans, before[names:]...)
		return len(m.spans) > first
	case c == '"':
		if n.end-n.start >= minIdentifier+2 {
			m.findings(which, m.context(at), n.start+1, n.end-1)
		}
		m.join(m.body, true, at.node, before[names:], false, n.start+1, n.end-1)
	default:
		if found := s.seeker.Number(which, m.context(at), m.raw(n)); found != 0 {
			s.parts = append(s.parts, finding{n.start, n.end, found})
		}
		m.join(m.body, true, at.node, before[names:], false, n.start, n.end)
	}
	return len(m.spans) > first
}

// context returns the decoded name that may say what a value is, valid until the
// next call.
func (m *Message) context(at *holder) []byte {
	raw := m.body[at.start:at.end]
	switch {
	case len(raw) > maxNameContext:
		return nil
	case bytes.IndexByte(raw, '\\') >= 0:
		return m.nameText.decode(raw)
	}
	return raw
}

// findings has the detectors look at the string content body[start:end].
func (m *Message) findings(which detect.Detectors, name []byte, start, end uint32) {
	s, content := m.identifiers, m.body[start:end]
	text, escaped := content, bytes.IndexByte(content, '\\') >= 0
	if escaped {
		text = m.text.decode(content)
	}
	raw := rawOffsets{content: content}
	for _, f := range s.seeker.Find(which, name, text) {
		if escaped {
			f.Start, f.End = raw.at(f.Start), raw.at(f.End)
		}
		s.parts = append(s.parts, finding{start + uint32(f.Start), start + uint32(f.End), f.Found})
	}
}

// join appends the spans of one text, at [start:end] of src, to m.spans: those
// that the scan found, and s.parts. What overlaps is one span. A token stays what
// it is, and an identifier what is left beside it.
func (m *Message) join(src []byte, escaped bool, n uint32, before []span, name bool, start, end uint32) {
	parts, base := m.identifiers.parts, len(m.spans)
	if len(parts) == 0 {
		m.spans = append(m.spans, before...)
		return
	}
	behind := uint32(0) // the last token
	for len(parts) > 0 || len(before) > 0 {
		var x span
		switch {
		case len(parts) == 0 || len(before) > 0 && before[0].start <= max(parts[0].start, behind):
			if x, before = before[0], before[1:]; x.token() {
				behind = x.end
			}
		default:
			f := &parts[0]
			x = span{node: n, start: max(f.start, behind), end: f.end, label: rules.NoLabel, kind: spanIdentifier, name: name, found: f.found}
			if parts = parts[1:]; len(before) > 0 && before[0].token() && before[0].start < x.end {
				x.end = before[0].start
				if f.end > before[0].end { // the rest is behind the token
					f.start, parts = before[0].end, m.identifiers.parts[len(m.identifiers.parts)-len(parts)-1:]
				}
			}
			if x.start >= x.end {
				continue
			}
		}
		if last := len(m.spans) - 1; last >= base && !x.token() && !m.spans[last].token() && m.spans[last].end > x.start {
			m.spans[last].unite(&x)
			continue
		}
		m.spans = append(m.spans, x)
	}
	for i := base; i < len(m.spans); i++ {
		if x := &m.spans[i]; x.kind == spanIdentifier {
			x.whole, x.text = x.start == start && x.end == end, m.partText(src[x.start:x.end], escaped)
		}
	}
}

// unite makes one span of two that overlap.
func (s *span) unite(o *span) {
	switch {
	case s.kind == spanPAN && o.end <= s.end:
		s.found |= o.found
		return
	case o.kind == spanPAN && s.start >= o.start && s.end <= o.end:
		found := s.found | o.found
		*s = *o
		s.found = found
		return
	}
	s.card = s.hasCard() || o.hasCard()
	s.kind, s.end, s.found, s.text = spanIdentifier, max(s.end, o.end), s.found|o.found, nil
}

// partText returns the decoded text of a part of a string, borrowed from the
// content or the arena.
func (m *Message) partText(content []byte, escaped bool) []byte {
	if !escaped || bytes.IndexByte(content, '\\') < 0 {
		return content
	}
	lent := m.arena.lend(len(content))
	return m.arena.keep(lent, decode(lent, content))
}

// identifyText looks for identifiers in a text outside of the body, whose name may
// say what it is, and adds what it finds to the spans from the first on.
func (m *Message) identifyText(name string, text []byte, first int) {
	s := m.identifiers
	if s == nil {
		s = &identifiers{}
		m.identifiers = s
	}
	s.name, s.parts = append(s.name[:0], name...), s.parts[:0]
	for _, f := range s.seeker.Find(m.prog.engine.detectors, s.name, text) {
		s.parts = append(s.parts, finding{uint32(f.Start), uint32(f.End), f.Found})
	}
	s.before = append(s.before[:0], m.spans[first:]...)
	m.spans = m.spans[:first]
	m.join(text, false, 0, s.before, false, 0, uint32(len(text)))
}

// idForm is what a party may see of a detector's finds, and by which label.
type idForm struct {
	form  rules.Form
	label rules.LabelID
}

// idForms returns the forms of a clearance by detector: of several labels that
// ask for one, the strictest.
func (e *Engine) idForms(sees rules.Clearance) []idForm {
	if e.detectors == 0 {
		return nil
	}
	out := make([]idForm, detect.NumDetectors)
	for d := range out {
		out[d].label = rules.NoLabel
		for _, l := range e.identified[d] {
			if f := sees.Of(l); out[d].label == rules.NoLabel || f > out[d].form {
				out[d] = idForm{f, l}
			}
		}
	}
	return out
}

// strictest returns the strictest form of the detectors in a set, of which there
// are some, and which of them has it.
func (p *party) strictest(set detect.Detectors) (idForm, detect.Detector) {
	best := detect.Detector(bits.TrailingZeros16(uint16(set)))
	for rest := set & (set - 1); rest != 0; rest &= rest - 1 {
		if d := detect.Detector(bits.TrailingZeros16(uint16(rest))); p.ids[d].form > p.ids[best].form {
			best = d
		}
	}
	return p.ids[best], best
}

// identified returns what the party may see of a span that is an identifier, or
// a card number that is one as well.
func (p *party) identified(s *span) (rules.Form, rules.LabelID) {
	of, _ := p.strictest(s.found)
	if s.hasCard() && p.panLabel != rules.NoLabel && p.pan >= of.form {
		return p.pan, p.panLabel
	}
	return of.form, of.label
}

// marker is what stands instead of a dropped span: the name of the detector that
// has it dropped, for a card number that of its label.
func (v *View) marker(s *span, label rules.LabelID) []byte {
	texts := &v.m.prog.engine.fixed
	if s.found != 0 && !(s.hasCard() && label == v.party.panLabel) {
		_, d := v.party.strictest(s.found)
		return texts.found[d]
	}
	return texts.dropped[label]
}

// tallyFound counts a span for each detector that found it.
func (v *View) tallyFound(kind tallyKind, s *span, class rules.ClassID, form rules.Form) {
	for rest := s.found; rest != 0; rest &= rest - 1 {
		d := bits.TrailingZeros16(uint16(rest))
		v.count(newTallyKey(kind, class, form, uint32(d)))
	}
}

// foundBy returns the detectors that found something in a value.
func foundBy(spans []span) (found detect.Detectors) {
	for i := range spans {
		found |= spans[i].found
	}
	return found
}
