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

// Shape bits of a State.
const (
	named   = 1 << iota // some member name has an edge of its own
	indexed             // some array index has
)

// State is what the automaton knows of a value by its place in the body.
type State struct {
	Keep     uint64 // inherited: the bits of every keep pattern on the way
	Cut      uint64 // inherited, likewise
	Set      uint32 // inherited: index into Table.Sets, 0 for no label
	member   uint32 // target of a member name without an edge
	element  uint32 // target of an array element without an edge
	fallback uint32 // whose edges are asked next; itself where there are none
	first    uint32 // of its edges in Table.edges
	mask     uint32 // their number less one
	Slots    uint16 // index into Table.Slots, 0 for none; of this value only
	Flags    uint8  // inherited
	shape    uint8
}

// edge is one transition by name or index. Names up to WordsSize bytes are
// equal if and only if their words and lengths are.
type edge struct {
	w0, w1 uint64
	target uint32
	name   uint32 // offset in Table.names
	length uint16 // of the name, indexLength or freeLength
	once   uint8
	mark   uint8
}

// Table is a built automaton. It is immutable and safe for concurrent use. The
// state of a body's root is 0.
type Table struct {
	States []State
	Sets   [][]LabelRef // by label, then pattern
	Slots  [][]uint16   // ascending
	edges  []edge       // an open-addressing table for each state with edges
	names  []byte
}

const (
	indexLength = 0xffff // marks the edges of array indexes, which no name has
	freeLength  = 0xfffe // marks a free slot
	// maxName bounds the names that have edges; longer ones in a body have none.
	maxName = freeLength - 1
)

// Marks of a name, by the function given to Build.
const (
	Unmarked = iota // the name is none that the patterns have
	MarkNo
	MarkYes
)

// Closed reports whether all that is under a value of state s has the same
// state.
func (t *Table) Closed(s uint32) bool {
	st := &t.States[s]
	return st.member == s && st.element == s && st.shape == 0 && st.Slots == 0
}

// Member returns the state of a member with this decoded name in an object of
// state s. once, if not zero, is the number from 1 to 64 of the member within
// the object: two members of one object with the same number are duplicates of
// a member that decides something. mark is what Build's function said of the
// name, Unmarked where the lookup did not meet the name.
func (t *Table) Member(s uint32, name []byte) (target uint32, once, mark uint8) {
	st := &t.States[s]
	if st.shape&named == 0 || len(name) > maxName {
		return st.member, 0, Unmarked
	}
	if len(name) <= WordsSize {
		w0, w1 := words(name)
		return t.ShortMember(s, w0, w1, len(name))
	}
	if e := t.findLong(st, name); e.length != freeLength {
		return e.target, e.once, e.mark
	}
	if st.fallback != s {
		if e := t.findLong(&t.States[st.fallback], name); e.length != freeLength {
			return e.target, 0, e.mark
		}
	}
	return st.member, 0, Unmarked
}

// ShortMember is Member for a name of n bytes, at most WordsSize, that is given
// as two words, little-endian and filled up with zeros.
func (t *Table) ShortMember(s uint32, w0, w1 uint64, n int) (target uint32, once, mark uint8) {
	st := &t.States[s]
	if st.shape&named == 0 {
		return st.member, 0, Unmarked
	}
	if e := t.find(st, w0, w1, n); e.length != freeLength {
		return e.target, e.once, e.mark
	}
	if st.fallback != s {
		if e := t.find(&t.States[st.fallback], w0, w1, n); e.length != freeLength {
			return e.target, 0, e.mark
		}
	}
	return st.member, 0, Unmarked
}

// Element returns the state of element number index of an array of state s.
func (t *Table) Element(s uint32, index uint32) uint32 {
	st := &t.States[s]
	if st.shape&indexed == 0 {
		return st.element
	}
	if e := t.find(st, uint64(index), 0, indexLength); e.length != freeLength {
		return e.target
	}
	return st.element
}

// find returns the edge of a short name or an index, or the free slot where it
// would be.
func (t *Table) find(st *State, w0, w1 uint64, length int) *edge {
	for at := spread(w0, w1); ; at++ {
		e := &t.edges[st.first+at&st.mask]
		if e.w0 == w0 && e.w1 == w1 && int(e.length) == length || e.length == freeLength {
			return e
		}
	}
}

// findLong is find for a name beyond WordsSize.
func (t *Table) findLong(st *State, name []byte) *edge {
	w0, w1 := words(name)
	for at := spread(w0, w1); ; at++ {
		e := &t.edges[st.first+at&st.mask]
		if e.length == freeLength || e.w0 == w0 && e.w1 == w1 && int(e.length) == len(name) &&
			string(t.names[e.name:][:len(name)]) == string(name) {
			return e
		}
	}
}

// spread hashes two words: both halves of their product, so that every byte of
// a name reaches the low bits. Only names of the policy are ever stored, so
// nobody outside can make them collide.
func spread(w0, w1 uint64) uint32 {
	high, low := bits.Mul64(w0^0x9E3779B97F4A7C15, w1^0xD6E8FEB86659FD93)
	return uint32(high ^ low)
}

// WordsSize is the length of two words.
const WordsSize = 16

// words packs a name into two words: all of it up to WordsSize, else its first
// and last eight bytes.
func words(name []byte) (w0, w1 uint64) {
	if n := len(name); n > WordsSize {
		return binary.LittleEndian.Uint64(name), binary.LittleEndian.Uint64(name[n-8:])
	}
	var short [WordsSize]byte
	copy(short[:], name)
	return binary.LittleEndian.Uint64(short[:]), binary.LittleEndian.Uint64(short[8:])
}
