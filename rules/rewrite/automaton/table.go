package automaton

import (
	"encoding/binary"
	"math/bits"
)

// None stands for no label and no slot.
const None = -1

// LabelRef is one label of a value and the pattern that gave it.
type LabelRef struct {
	Label   int
	Pattern int // index into the patterns of Build; None where it was not kept apart
}

// State is what the automaton knows of a value by its place in the body.
type State struct {
	Keep  uint64 // inherited: the bits of every keep pattern on the way
	Cut   uint64 // inherited, likewise
	Set   uint32 // inherited: index into Table.Sets, 0 for no label
	Slots uint16 // index into Table.Slots, 0 for none; of this value only
	Flags uint8  // inherited
}

// Arrival is a state as a step leads to it, with what a walk wants to know of
// it at once: Marked and Slotted. The bits above those two and below Shift are
// free for the walk's own use.
type Arrival uint32

// The bits of an Arrival.
const (
	Marked  Arrival = 1 << iota // Build's function said yes to the member's name
	Slotted                     // the state has slots
	Shift   = 5                 // above are the state's
)

// State returns the state that is arrived at.
func (a Arrival) State() uint32 { return uint32(a >> Shift) }

// Edge is one transition by a short name: one of at most WordsSize bytes and
// without control characters. Those are equal if and only if their words are.
type Edge struct {
	W0, W1 uint64
	// Once, if not zero, is a bit of the member's own within the object: two
	// members of one object with the same bit are duplicates of a member that
	// decides something.
	Once uint64
	To   Arrival
	more bool // a name that belongs here stands in a slot behind
}

// freeWord marks a free slot: no short name begins with a control character.
const freeWord = 1

// Names are the steps that lead from one state.
type Names struct {
	edges    []Edge // an open-addressing table; perfect unless it is large
	seed     uint64
	mask     uint32
	fallback uint32 // whose edges are asked next, if deep
	deep     bool
	// Other is the arrival at a member whose name has no edge.
	Other   Arrival
	element Arrival // at an array element without an edge
	Odd     bool    // some name that is not short has an edge here or in fallback
	indexed bool    // some array index has an edge
}

// Table is a built automaton. It is immutable and safe for concurrent use. The
// state of a body's root is 0.
type Table struct {
	States  []State
	Sets    [][]LabelRef // by label, then pattern
	Slots   [][]uint16   // ascending
	names   []Names      // by state
	odd     map[oddName]Edge
	indexes map[index]Arrival
}

// oddName is a name that is not short, in objects of a state.
type oddName struct {
	state uint32
	name  string
}

// index is one of the elements of arrays of a state.
type index struct{ state, element uint32 }

// Root returns the arrival at a body's root.
func (t *Table) Root() Arrival { return t.arrival(0) }

// arrival returns the arrival at a state, by a name without a mark.
func (t *Table) arrival(s uint32) Arrival {
	a := Arrival(s) << Shift
	if t.States[s].Slots != 0 {
		a |= Slotted
	}
	return a
}

// Names returns the steps that lead from state s.
func (t *Table) Names(s uint32) *Names { return &t.names[s] }

// Slot returns the place of a short name, given as two words, little-endian and
// filled up with zeros. Whether it is there Edge.W0 and W1 say; where they
// differ, Table.Further knows.
func (n *Names) Slot(w0, w1 uint64) *Edge {
	high, low := bits.Mul64(w0^hashWord, w1^n.seed)
	return &n.edges[uint32(high^low)&n.mask]
}

// Far reports that a short name may have an edge although its Slot e
// does not say that it is new: where the name is not there, or there once more.
func (n *Names) Far(e *Edge, w0, w1 uint64) bool {
	return e.more || n.deep || e.W0 == w0 && e.W1 == w1
}

// Further looks for a short name of state s that is not at its Slot. It returns
// nil where the name has no edge.
func (t *Table) Further(s uint32, w0, w1 uint64) *Edge {
	n := &t.names[s]
	if e := n.find(w0, w1); e != nil || !n.deep {
		return e
	}
	return t.names[n.fallback].find(w0, w1)
}

func (n *Names) find(w0, w1 uint64) *Edge {
	high, low := bits.Mul64(w0^hashWord, w1^n.seed)
	for at := uint32(high ^ low); ; at++ {
		e := &n.edges[at&n.mask]
		if e.W0 == w0 && e.W1 == w1 {
			return e
		}
		if !e.more {
			return nil
		}
	}
}

// Member returns the arrival at a member with this decoded name in an object of
// state s, and its bit, as Edge.Once. known says that the lookup met the name,
// so that Marked says what Build's function did.
func (t *Table) Member(s uint32, name []byte) (to Arrival, once uint64, known bool) {
	n := &t.names[s]
	if short(name) {
		w0, w1 := words(name)
		if e := t.Further(s, w0, w1); e != nil {
			return e.To, e.Once, true
		}
		return n.Other, 0, false
	}
	if n.Odd {
		e, ok := t.odd[oddName{s, string(name)}]
		if !ok && n.deep {
			e, ok = t.odd[oddName{n.fallback, string(name)}]
		}
		if ok {
			return e.To, e.Once, true
		}
	}
	return n.Other, 0, false
}

// Element returns the arrival at element number i of an array of state s.
func (t *Table) Element(s, i uint32) Arrival {
	n := &t.names[s]
	if n.indexed {
		if to, ok := t.indexes[index{s, i}]; ok {
			return to
		}
	}
	return n.element
}

// hashWord keeps names from having a product of zero.
const hashWord = 0x9E3779B97F4A7C15

// WordsSize is the length of two words.
const WordsSize = 16

// short reports whether a name may be given as two words.
func short(name []byte) bool {
	if len(name) > WordsSize {
		return false
	}
	for _, c := range name {
		if c < ' ' {
			return false
		}
	}
	return true
}

// words packs a short name into two words.
func words(name []byte) (w0, w1 uint64) {
	var b [WordsSize]byte
	copy(b[:], name)
	return binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
}
