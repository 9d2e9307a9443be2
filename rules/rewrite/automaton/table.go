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
	Slots    uint16 // index into Table.Slots, 0 for none; of this value only
	Flags    uint8  // inherited
	shape    uint8
}

// edge is one transition by name or index. Names up to 16 bytes are equal if
// and only if their words and lengths are.
type edge struct {
	w0, w1 uint64
	state  uint32 // plus one; zero marks a free slot
	target uint32
	name   uint32 // offset in Table.names
	length uint16
	once   uint8
	mark   uint8
}

// Table is a built automaton. It is immutable and safe for concurrent use. The
// state of a body's root is 0.
type Table struct {
	States []State
	Sets   [][]LabelRef // by label, then pattern
	Slots  [][]uint16   // ascending
	edges  []edge       // open addressing
	shift  uint8
	names  []byte
}

// indexLength marks the edges of array indexes, which no name has.
const indexLength = 0xffff

// maxName bounds the names that have edges; longer ones in a body have none.
const maxName = indexLength - 1

// Marks of a name, by the function given to Build.
const (
	Unmarked = iota // the name is none that the patterns have
	MarkNo
	MarkYes
)

// Member returns the state of the member with this decoded name in an object
// of state s. once, if not zero, is the number from 1 to 64 of the member
// within the object: two members of one object with the same number are
// duplicates of a member that decides something. mark is what Build's function
// said of the name, Unmarked where the lookup did not meet the name.
func (t *Table) Member(s uint32, name []byte) (target uint32, once, mark uint8) {
	st := &t.States[s]
	if st.shape&named == 0 {
		return st.member, 0, Unmarked
	}
	w0, w1 := words(name)
	if e := t.find(s, w0, w1, name); e != nil {
		return e.target, e.once, e.mark
	}
	if f := st.fallback; f != s && t.States[f].shape&named != 0 {
		if e := t.find(f, w0, w1, name); e != nil {
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
	for at := t.slot(s, uint64(index), 0, indexLength); ; at++ {
		e := &t.edges[at&uint64(len(t.edges)-1)]
		if e.state == 0 {
			return st.element
		}
		if e.state == s+1 && e.w0 == uint64(index) && e.length == indexLength {
			return e.target
		}
	}
}

func (t *Table) find(s uint32, w0, w1 uint64, name []byte) *edge {
	if len(name) > maxName {
		return nil
	}
	mask := uint64(len(t.edges) - 1)
	for at := t.slot(s, w0, w1, len(name)); ; at++ {
		e := &t.edges[at&mask]
		if e.state == 0 {
			return nil
		}
		if e.state == s+1 && e.w0 == w0 && e.w1 == w1 && int(e.length) == len(name) &&
			(len(name) <= 16 || string(t.names[e.name:int(e.name)+len(name)]) == string(name)) {
			return e
		}
	}
}

// slot spreads state, words and length over the table. Only names of the
// policy are ever stored, so nobody outside can make it collide.
func (t *Table) slot(s uint32, w0, w1 uint64, length int) uint64 {
	h := (w0 + uint64(s)*0x9E3779B97F4A7C15 + uint64(length)) * 0xD6E8FEB86659FD93
	h = (bits.RotateLeft64(h, 32) ^ w1) * 0xA0761D6478BD642F
	return h >> t.shift
}

// words packs a name into two words: all of it up to 16 bytes, else its first
// and last eight.
func words(b []byte) (w0, w1 uint64) {
	n := len(b)
	switch {
	case n > 8:
		return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32, 0
	case n > 0:
		return uint64(b[0]) | uint64(b[n>>1])<<8 | uint64(b[n-1])<<16, 0
	}
	return 0, 0
}
