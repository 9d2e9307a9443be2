package rewrite

import (
	"math/bits"

	"chaperone/rules"
)

// requestToken is the token of a request's value that the answer is given.
type requestToken struct {
	label   rules.LabelID // NoLabel: there is none
	op      int32         // whose result it is
	arrived []byte        // the value was a token already
	last4   bool          // its last four digits are the card's
}

// Asked reports whether DecideAnswer asks the resolved request for anything: a
// token of answer.set, or an alias that it is to turn back.
func (m *Message) Asked() bool {
	if len(m.tokens) > 0 {
		return true
	}
	for i := range m.ops {
		if m.ops[i].Kind == Alias {
			return true
		}
	}
	return false
}

// KeepAsked puts into kept, which is new or reset, what DecideAnswer asks of the
// resolved request. Kept may be given to it in the request's place, which may be
// reset before; the results of operations stay where their resolver has them.
func (m *Message) KeepAsked(kept *Message) {
	for _, t := range m.tokens {
		if t.arrived != nil {
			t.arrived = kept.arena.copy(t.arrived)
		}
		kept.tokens = append(kept.tokens, t)
	}
	for _, op := range m.ops {
		op.Raw = nil
		if op.literal != nil {
			op.literal = kept.arena.copy(op.literal)
		}
		kept.ops = append(kept.ops, op)
	}
}

// answerTokens asks for the tokens of answer.set.
func (m *Message) answerTokens() {
	m.tokens = m.tokens[:0]
	for i := range m.prog.route.Answer.Set {
		t := requestToken{label: rules.NoLabel, op: noOp}
		if n := m.at(m.prog.tokenSlot + i); n != nil {
			t = m.tokenOf(n, m.slots[m.prog.tokenSlot+i]-1)
		}
		m.tokens = append(m.tokens, t)
	}
}

// tokenOf returns the token of one value. Authentication data has none, nor has
// what no label is on.
func (m *Message) tokenOf(n *node, at uint32) requestToken {
	p := m.prog
	none := requestToken{label: rules.NoLabel, op: noOp}
	raw := m.raw(n)
	set := p.table.States[n.state.automaton()].Set
	if c := raw[0]; c == 'n' || c == '{' || c == '[' || n.state&stateSAD != 0 || p.sadSets[set] {
		return none
	}
	x := value{raw: raw, kind: raw[0], node: n, pan: p.panSets[set], spans: m.wholeSpan(at)}
	t := requestToken{label: x.pan, op: noOp}
	if len(x.spans) > 0 {
		switch s := &x.spans[0]; {
		case s.token() && s.label == rules.NoLabel:
			return none
		case s.token():
			return requestToken{label: s.label, op: noOp, arrived: s.text}
		case t.label == rules.NoLabel && s.kind == spanIdentifier:
			t.label = p.engine.identified[bits.TrailingZeros16(uint16(s.found))][0]
		case t.label == rules.NoLabel && len(p.engine.panLabels) > 0:
			t.label = p.engine.panLabels[0]
		}
	}
	if refs := p.table.Sets[set]; t.label == rules.NoLabel && len(refs) > 0 {
		t.label = rules.LabelID(refs[0].Label)
	}
	if t.label == rules.NoLabel {
		return none
	}
	if x.pan != rules.NoLabel {
		if digits := m.cardDigits(&x); p.engine.digitToken(t.label, digits) {
			t.arrived, t.last4 = m.arena.copy(digits), true
			return t
		}
	}
	op := m.mint(&x, t.label)
	t.op, t.last4 = m.op(op), op.Format == rules.FormatPAN || op.Card
	return t
}

// wholeSpan returns the one span that is the whole value of a node, if any is.
func (m *Message) wholeSpan(at uint32) []span {
	for i := range m.spans {
		if s := &m.spans[i]; s.node == at && s.whole && !s.name {
			return m.spans[i : i+1]
		}
	}
	return nil
}
