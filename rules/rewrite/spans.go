package rewrite

import (
	"bytes"

	"chaperone/rules"
	"chaperone/rules/detect"
)

const (
	minSpan   = 12 // bytes of the shortest card number
	minSealed = 28 // bytes of the shortest sealed token

	allDigitsText = 19 // bytes of the longest text of which FindPANs knows at once whether it is a card number
)

// detectString runs the detectors over the content of the string b[start:end],
// whose decoded text is given where the caller has it, and adds what they find
// to the spans of node n.
func (m *Message) detectString(n uint32, start, end int, escaped bool, text []byte, name bool) bool {
	content := m.body[start:end]
	switch {
	case text != nil:
	case escaped:
		text = m.text.decode(content)
	default:
		text = content
	}
	sealed := len(text) >= minSealed && bytes.IndexByte(text, '_') >= 0
	pan := m.prog.detectPAN && (len(text) <= allDigitsText || detect.MayHoldPAN(text))
	if !sealed && !pan {
		return false
	}
	m.find(text, pan, sealed)
	raw := rawOffsets{content: content}
	for i := range m.found {
		f := &m.found[i]
		s := m.newSpan(f, text)
		s.node, s.name = n, name
		if !escaped {
			s.start, s.end = uint32(start+f.Start), uint32(start+f.End)
		} else {
			s.start = uint32(start + raw.at(f.Start))
			s.end = uint32(start + raw.at(f.End))
		}
		m.spans = append(m.spans, s)
	}
	return len(m.found) > 0
}

// find fills m.found with the spans of a text, in order.
func (m *Message) find(text []byte, pan, sealed bool) {
	m.found = m.found[:0]
	if pan {
		m.found = detect.FindPANs(m.found, text)
	}
	if !sealed {
		return
	}
	cards := len(m.found)
	m.found = detect.FindSealed(m.found, text)
	if cards > 0 && len(m.found) > cards {
		m.merge(cards)
	}
}

// merge puts two ordered halves of m.found, which do not overlap, in order.
func (m *Message) merge(half int) {
	m.merged = append(m.merged[:0], m.found...)
	a, b := m.merged[:half], m.merged[half:]
	for i := range m.found {
		if len(b) == 0 || len(a) > 0 && a[0].Start < b[0].Start {
			m.found[i], a = a[0], a[1:]
		} else {
			m.found[i], b = b[0], b[1:]
		}
	}
}

// newSpan turns a detector's span into one of ours, with its text borrowed
// from the arena, but for its place in the body.
func (m *Message) newSpan(f *detect.Span, text []byte) span {
	part := text[f.Start:f.End]
	s := span{whole: f.Start == 0 && f.End == len(text), label: rules.NoLabel}
	switch f.Kind {
	case detect.SealedToken:
		s.kind, s.text = spanSealed, m.arena.copy(part)
		s.label = m.prog.engine.tagged(s.text[len("tok_"):])
		return s
	case detect.VaultedToken:
		s.kind, s.text = spanVaulted, m.arena.copy(part)
		s.label = m.prog.engine.tagged(s.text[len("vt_"):])
		return s
	}
	if len(part) == f.Digits { // nothing but digits, mostly
		s.text = m.arena.copy(part)
		return s
	}
	s.text, _ = detect.CompactDigits(m.arena.lend(f.Digits)[:0], part)
	return s
}

// tagged returns the label that the tag at the head of a token's letters
// names, NoLabel for none of the plan.
func (e *Engine) tagged(letters []byte) rules.LabelID {
	tag := [4]byte(letters)
	for i := range e.plan.Labels {
		if e.plan.Labels[i].Tag == tag {
			return rules.LabelID(i)
		}
	}
	return rules.NoLabel
}

// detectNumber adds a span to node n if the number b[start:end] is a card number
// by its value.
func (m *Message) detectNumber(n uint32, start, end int) bool {
	if !m.prog.detectPAN {
		return false
	}
	m.digits = m.digits[:0]
	digits, ok := detect.PANNumber(m.digits, m.body[start:end])
	if !ok {
		return false
	}
	m.digits = digits
	m.spans = append(m.spans, span{
		node: n, start: uint32(start), end: uint32(end),
		label: rules.NoLabel, whole: true, text: m.arena.copy(digits),
	})
	return true
}
