package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/basket"
	"chaperone/rules/detect"
)

// Message is the reusable scratch of one body: tape, spans, arenas, token
// operations. It is not safe for concurrent use. Byte slices that its methods
// return are borrowed from it or from the body, and valid until Reset.
type Message struct {
	prog  *program
	body  []byte
	depth int

	states states // prog's automaton's

	memories []*memory // of some programs
	memory   *memory   // of prog
	learned  int       // from this body

	tape  []node
	stack []frame
	nodes []uint32 // of AppendMACInput
	spans []span
	slots []uint32 // by slot: the node there plus one, zero for none
	items []item
	lines []uint32 // by item: its amounts and fields, likewise
	width int      // of an item in lines
	has   [256]bool

	arena    arena
	nameText scratch // the decoded text of a name
	text     scratch // that of a string
	digits   []byte
	fields   [][]byte
	folded   basket.Scratch
	found    []detect.Span
	merged   []detect.Span

	identifiers *identifiers // nil where no policy has asked for any

	splitter basket.Splitter
	split    []basket.Line
	totals   [totalSlots]basket.Amount
	exponent int  // of the currency by which the amounts were read
	divided  bool // splitter holds the shares of this body's line items

	sale saleParts

	ops    []TokenOp
	index  opIndex
	tokens []requestToken // by the members of answer.set

	outside Outside // nil: nobody asks

	onItem func(class rules.ClassID, rule int) // nil: nobody watches
}

// WatchItems has f told of every line item that is scanned from now on: its
// class, and the index of the alternative that made it one, -1 for none. nil
// ends that.
func (m *Message) WatchItems(f func(class rules.ClassID, rule int)) { m.onItem = f }

// begin binds a new or reset message to a program and a body.
func (m *Message) begin(p *program, body []byte, lim Limits) {
	m.prog, m.body, m.depth, m.states = p, body, lim.Depth, p.table.States
	if m.depth <= 0 {
		m.depth = DefaultDepth
	}
	m.memory, m.learned = m.remember(p), 0
	if cap(m.slots) < p.slots {
		m.slots = make([]uint32, p.slots)
	}
	m.slots = m.slots[:p.slots]
	clear(m.slots)
	m.divided, m.exponent = false, 0
}

// Reset forgets the body and zeroes every buffer that held text of it, but for
// the names of members that the next body is expected to have as well: see
// memory.
func (m *Message) Reset() {
	m.arena.reset()
	m.nameText.reset()
	m.text.reset()
	m.folded.Reset()
	if m.identifiers != nil {
		m.identifiers.reset()
	}
	clear(m.digits[:cap(m.digits)])
	clear(m.spans)
	clear(m.fields)
	clear(m.split)
	clear(m.ops)
	clear(m.tokens)
	for i := range m.items {
		m.has[m.items[i].class] = false
	}
	m.tape, m.stack, m.spans = m.tape[:0], m.stack[:0], m.spans[:0]
	m.items, m.lines, m.split = m.items[:0], m.lines[:0], m.split[:0]
	m.ops, m.tokens, m.totals = m.ops[:0], m.tokens[:0], [totalSlots]basket.Amount{}
	m.index.reset()
	m.sale.reset(m)
	m.prog, m.body, m.states, m.memory, m.outside = nil, nil, nil, nil, nil
}

// at returns the node in a slot, nil for none.
func (m *Message) at(slot int) *node {
	if n := m.slots[slot]; n != 0 {
		return &m.tape[n-1]
	}
	return nil
}

// raw returns the bytes of a value.
func (m *Message) raw(n *node) []byte { return m.body[n.start:n.end] }

// scalar returns the decoded text of a string or the literal of a number; ok
// is false for any other value.
func (m *Message) scalar(n *node) (value []byte, ok bool) {
	if n == nil {
		return nil, false
	}
	raw := m.raw(n)
	switch c := raw[0]; {
	case c == '"':
		return m.textOf(n), true
	case c == '-' || c-'0' <= 9:
		return raw, true
	}
	return nil, false
}

// textOf returns the decoded text of a string, borrowed from the body or the
// arena.
func (m *Message) textOf(n *node) []byte {
	content := m.body[n.start+1 : n.end-1]
	if n.state&stateEscaped == 0 {
		return content
	}
	lent := m.arena.lend(len(content))
	return m.arena.keep(lent, decode(lent, content))
}

// IdempotencyKey returns the value at the route's idempotency key path: the
// decoded text of a string, the literal of a number. ok is false where the
// route names none, and where the value is absent or of another kind.
func (m *Message) IdempotencyKey() (value []byte, ok bool) { return m.scalar(m.at(slotKey)) }

// Subject returns the value at the route's subject path, as IdempotencyKey
// does.
func (m *Message) Subject() (value []byte, ok bool) { return m.scalar(m.at(slotSubject)) }

// Order returns the value at the route's order path, as IdempotencyKey does.
func (m *Message) Order() (value []byte, ok bool) { return m.scalar(m.at(slotOrder)) }

// HasClass reports whether any line item is of the class. After UseShares it
// reports whether the class has a part in the sale that the request follows.
func (m *Message) HasClass(c rules.ClassID) bool { return m.has[c] }

// HasSAD reports whether a value of the scanned body is sensitive
// authentication data: by a label of the family sad, or by one of the usual
// names. It goes over the whole tape.
func (m *Message) HasSAD() bool {
	for i := range m.tape {
		n := &m.tape[i]
		if n.state&stateSAD != 0 || m.prog.sadSets[m.states[n.state.automaton()].Set] {
			return true
		}
	}
	return false
}

// Ops returns the token operations of all views decided so far, for a
// Resolver. The slice is the Message's own: results are written into it.
func (m *Message) Ops() []TokenOp { return m.ops }
