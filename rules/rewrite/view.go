package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/basket"
)

// View is the reusable scratch of one party's rendering. It is not safe for
// concurrent use, and refers to the Message that it was decided from.
type View struct {
	m       *Message
	request *Message // of an answer
	party   *party
	states  states

	edits []edit
	uses  []int32 // operations that must not be unknown, without an edit
	text  []byte  // what edits and texts insert
	deep  []deepMember

	deepText []byte // what deep inserts
	frames   []visit
	rootLast uint32 // offset after the root's last child
	spanAt   int    // cursor in m.spans
	itemAt   int    // cursor in m.items

	totals  basket.Totals // of a leg that recomputes
	ownPart int64         // of a leg with a class: its part of the amount
	amounts amountsMode
	asking  *asking // nil: no expression was run yet
	unalias bool    // the request minted aliases for the answer's sender
	aliases aliasIndex

	tally tally

	texts []edit // of texts outside of the body
}

// edit replaces body[start:end].
type edit struct {
	start, end uint32
	from, to   uint32 // of View.text
	op         int32  // whose result stands instead; noOp for none
	style      style
}

const noOp = -1

// amountsMode says which amounts of the whole call a leg with a class shows as
// its own.
type amountsMode uint8

const (
	amountsTotals amountsMode = 1 << iota // the basket's totals: the sums of its items' shares
	amountsPart                           // the amount that is split as the sale was
	amountsNone                           // of the other totals it has none: there are no items
)

// style says how the result of an operation is written.
type style uint8

const (
	stylePart   style = iota // within a string
	styleString              // as a string
	styleNumber              // as a number if it is one, else as a string
	styleText                // as it is, outside of JSON
)

// deepMember is a set member below the root.
type deepMember struct {
	path     string // in sjson's syntax
	from, to uint32 // of View.deepText
}

// visit is an open container of the walk.
type visit struct {
	node    uint32
	end     uint32 // the node after it
	first   uint32 // offset of its first child; zero until it is asked for
	last    uint32 // offset after its last child so far
	mark    int    // length of View.edits before its own
	item    int    // index of the line item that it is, or -1
	class   rules.ClassID
	actions []action // of its children, by automaton state
	ask     bool     // they do not say it all
	some    bool     // it had children
	alive   bool     // one is left
	items   bool     // its elements are the line items
	virtual bool     // it is around the root
}

// Reset zeroes what the view holds of bodies and forgets them. A view that is
// used again at once need not be reset.
func (v *View) Reset() {
	clear(v.text)
	clear(v.deepText)
	clear(v.texts)
	v.text, v.deepText, v.texts = v.text[:0], v.deepText[:0], v.texts[:0]
	v.edits, v.uses, v.deep = v.edits[:0], v.uses[:0], v.deep[:0]
	v.tally.reset()
	v.aliases.ops = nil
	if v.asking != nil {
		*v.asking = asking{}
	}
	v.m, v.request, v.party, v.states = nil, nil, nil, nil
}

// start binds the view to a scanned message and a party.
func (v *View) start(m *Message, p *party) {
	v.m, v.party, v.request, v.states = m, p, nil, m.prog.table.States
	v.edits, v.uses, v.frames = v.edits[:0], v.uses[:0], v.frames[:0]
	v.text, v.deep, v.deepText = v.text[:0], v.deep[:0], v.deepText[:0]
	v.spanAt, v.itemAt, v.texts = 0, 0, v.texts[:0]
	v.amounts, v.unalias = 0, false
	v.tally.reset()
}

// Empty reports that no byte changes, and that nothing can refuse: Render would
// give the body as it is. A token that stays is refused if it is none.
func (v *View) Empty() bool { return len(v.edits) == 0 && len(v.deep) == 0 && len(v.uses) == 0 }

// cut removes body[start:end], together with a removed part right before it.
func (v *View) cut(start, end uint32) {
	if n := len(v.edits); n > 0 {
		if e := &v.edits[n-1]; e.end == start && e.from == e.to && e.op == noOp && e.start < e.end {
			e.end = end
			return
		}
	}
	v.edits = append(v.edits, edit{start: start, end: end, op: noOp})
}

// put replaces body[start:end] by what was appended to v.text since from.
func (v *View) put(start, end uint32, from int) {
	v.edits = append(v.edits, edit{start: start, end: end, from: uint32(from), to: uint32(len(v.text)), op: noOp})
}

// putOp replaces body[start:end] by the result of an operation.
func (v *View) putOp(start, end uint32, op int32, s style) {
	v.edits = append(v.edits, edit{start: start, end: end, op: op, style: s})
}
