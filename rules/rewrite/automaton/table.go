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

// edge is one transition by name or index. Names up to wordsSize bytes are
// equal if and only if their words and lengths are.
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

// Closed reports whether all that is under a value of state s has the same
// state.
func (t *Table) Closed(s uint32) bool {
	st := &t.States[s]
	return st.member == s && st.element == s && st.shape == 0 && st.Slots == 0
}

// Member returns the state of a member in an object of state s. Its decoded
// name is room[:n]; what follows it in room is of no meaning, but spares time
// where room has wordsSize bytes. once, if not zero, is the number from 1 to 64
// of the member within the object: two members of one object with the same
// number are duplicates of a member that decides something. mark is what
// Build's function said of the name, Unmarked where the lookup did not meet the
// name.
func (t *Table) Member(s uint32, room []byte, n int) (target uint32, once, mark uint8) {
	st := &t.States[s]
	if st.shape&named == 0 {
		return st.member, 0, Unmarked
	}
	w0, w1 := words(room, n)
	if e := t.find(s, w0, w1, room[:n]); e != nil {
		return e.target, e.once, e.mark
	}
	if f := st.fallback; f != s && t.States[f].shape&named != 0 {
		if e := t.find(f, w0, w1, room[:n]); e != nil {
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
	for at := t.slot(s, uint64(index), 0); ; at++ {
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
	edges := t.edges
	for at := t.slot(s, w0, w1); ; at++ {
		e := &edges[at&uint64(len(edges)-1)]
		if e.state == s+1 && e.w0 == w0 && e.w1 == w1 && int(e.length) == len(name) &&
			(len(name) <= wordsSize || string(t.names[e.name:int(e.name)+len(name)]) == string(name)) {
			return e
		}
		if e.state == 0 {
			return nil
		}
	}
}

// slot spreads state and words over the table. Only names of the policy are
// ever stored, so nobody outside can make it collide.
func (t *Table) slot(s uint32, w0, w1 uint64) uint64 {
	h := w0 ^ bits.RotateLeft64(w1*0xA0761D6478BD642F, 32) ^ uint64(s)*0x9E3779B97F4A7C15
	return h * 0xD6E8FEB86659FD93 >> t.shift
}

// wordsSize is the length of two words.
const wordsSize = 16

// words packs the first bytes of the name room[:n] into two words, which are
// filled up with zeros.
func words(room []byte, n int) (w0, w1 uint64) {
	if len(room) < wordsSize {
		var short [wordsSize]byte
		copy(short[:], room)
		room = short[:]
	}
	w0, w1 = binary.LittleEndian.Uint64(room), binary.LittleEndian.Uint64(room[8:])
	switch {
	case n <= 8:
		return w0 & low(n), 0
	case n < wordsSize:
		return w0, w1 & low(n-8)
	}
	return w0, w1
}

// low returns the mask of the first n bytes of a word, of which there are at
// most eight.
func low(n int) uint64 { return 1<<(8*uint(n)) - 1 }
