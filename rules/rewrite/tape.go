package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/rules/rewrite/automaton"
)

// node is one value of the tape, in the order of the body. A container is
// followed by the nodes under it.
type node struct {
	start, end uint32 // of the value in the body
	state      state
	next       uint32 // the node after it and all under it
}

// state is an automaton.Arrival with what the scan found on the way.
type state uint32

const (
	stateSAD   = state(automaton.Marked)  // the value, or one around it, bears a name of authentication data
	stateSlots = state(automaton.Slotted) // the engine needs the value
)

const (
	stateSpans   state = 4 << iota // Message.spans has entries for the node
	stateEscaped                   // it is a string with escapes
	stateFound                     // of a container: something under it has stateSAD or stateSpans
)

// noted are the states that ask the walk for more than the automaton knows.
const noted = stateSAD | stateSpans | stateFound

func (s state) automaton() uint32 { return automaton.Arrival(s).State() }

// set returns the index of its label set and sad flag in a party's forms.
func (s state) set(st *automaton.State) uint32 { return st.Set<<1 | uint32(s&stateSAD) }

// frame is an open container of a scan.
type frame struct {
	names *automaton.Names // of an object
	node  uint32
	state state
	index uint32 // of the current element
	child uint32 // its node, in an array of line items
	seen  uint64 // the deciding members so far
	noted state  // what its children have of noted
	link  uint8  // of memory: where the next member is expected; for elements, their first
	array bool
	items bool
}

// span is what a detector found in a string, number or member name.
type span struct {
	node       uint32
	start, end uint32 // in the body
	label      rules.LabelID
	kind       spanKind
	whole      bool // it is the whole string or number
	name       bool // it stands in the member's name
	card       bool // of an identifier: a card number is part of it
	found      detect.Detectors
	text       []byte // a card's digits, a token's or an identifier's text; borrowed like TokenOp.Raw
}

type spanKind uint8

const (
	spanPAN spanKind = iota
	spanSealed
	spanVaulted
	spanIdentifier // what the detectors in found have found
)

// format is that of the token that a span is.
func (s *span) format() rules.TokenFormat {
	if s.kind == spanVaulted {
		return rules.FormatVaulted
	}
	return rules.FormatSealed
}

// token says that a span is a token, and no card number or identifier.
func (s *span) token() bool { return s.kind == spanSealed || s.kind == spanVaulted }

// hasCard says that a span is a card number, or that one is part of it.
func (s *span) hasCard() bool { return s.kind == spanPAN || s.card }

// item is one element of the array of line items.
type item struct {
	node  uint32
	class rules.ClassID
}
