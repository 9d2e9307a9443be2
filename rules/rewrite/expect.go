package rewrite

import (
	"bytes"
	"slices"
	"sync/atomic"
	"unsafe"

	"chaperone/rules/rewrite/automaton"
)

// A point of sale sends the same members in the same order, again and again. So
// a Message remembers, of each program that it served, which member followed
// which, and compares the next member's bytes with those that it expects before
// it reads them. What it remembers is what reading them came to, which holds
// whenever the bytes are the same in an object of the same state: a body can
// make an expectation useless, but never wrong.
//
// Names outlast Reset only if they look like those that programs give to
// members: letters and underscores, no more than two words with what stands
// around them. Nothing of a value is remembered.
type memory struct {
	program uint64 // its number
	used    int    // of members
	missed  int    // members for which there was no room
	// links say which member is expected: links[2*k+1] behind member k, and
	// links[2*k] as the first of an object that is k's value, or stands in an
	// array that is. Others say which was expected there before, since what some
	// bodies or line items have, others leave out.
	links   [2 * maxExpected]uint8
	others  [2 * maxExpected]uint8
	index   [2 * maxExpected]uint8 // of members by their bytes, open addressing; zero for none
	members [maxExpected]expected
}

// maxExpected is the number of members that are remembered, with the first two,
// which are none: what is around the root, and whatever is not remembered.
const maxExpected = 128

// unknownLink is the link behind the second.
const unknownLink = 2*1 + 1

const (
	// maxMemories is the number of programs whose members a Message remembers,
	// at some 7 kB each. Those who share a Message may be on many routes.
	maxMemories = 16
	// maxLearned bounds what is learned from one body, so that one whose
	// members nobody sends again costs little more.
	maxLearned = 2 * maxExpected
	// maxMissed is for how many members there may have been no room before all
	// are forgotten.
	maxMissed = 1 << 12
)

// expected is a member's name as it stands in a body, from its first quote to
// where its value begins, and what reading it there comes to.
type expected struct {
	w0, w1 uint64 // its bytes
	m0, m1 uint64 // which bits of them count
	once   uint64 // as automaton.Edge.Once
	from   state  // of the object
	at     state  // of the value
	size   uint8
	link   uint8 // what follows
}

// programs counts the programs that were compiled.
var programs atomic.Uint64

// remember returns the memory of a program, which is the first one then. Where
// there is no room for another, the one that was not asked for longest is
// forgotten.
func (m *Message) remember(p *program) *memory {
	at := slices.IndexFunc(m.memories, func(known *memory) bool { return known.program == p.number })
	if at < 0 {
		if at = len(m.memories); at < maxMemories {
			m.memories = append(m.memories, new(memory))
		} else {
			at--
		}
	}
	known := m.memories[at]
	if known.program != p.number || known.missed > maxMissed {
		known.begin(p.number)
	}
	if at > 0 {
		copy(m.memories[1:], m.memories[:at])
		m.memories[0] = known
	}
	return known
}

// begin forgets all members.
func (x *memory) begin(program uint64) {
	*x = memory{program: program, used: 2}
	x.members[0].from = ^state(0) // no object has it
}

// meets reports whether the member stands at p[i], in an object that is open as
// cur.
func (x *expected) meets(p unsafe.Pointer, i int, cur *frame) bool {
	return (wordAt(p, i)^x.w0)&x.m0|(wordAt(p, i+8)^x.w1)&x.m1 == 0 && x.from == cur.state && cur.seen&x.once == 0
}

// learn remembers the member whose name stands at b[i], whose value begins at
// b[next] and has state at.
func (m *Message) learn(cur *frame, i, next int, at state) {
	x, link := m.memory, cur.link
	cur.link = unknownLink
	if m.learned++; m.learned > maxLearned || next-i > automaton.WordsSize || !ownName(m.body[i:next]) {
		return
	}
	text := m.body[i:next]
	e := expected{from: cur.state, at: at, size: uint8(len(text)), link: unknownLink}
	for k, c := range text {
		if k < 8 {
			e.w0, e.m0 = e.w0|uint64(c)<<(8*k), e.m0|0xFF<<(8*k)
		} else {
			e.w1, e.m1 = e.w1|uint64(c)<<(8*k-64), e.m1|0xFF<<(8*k-64)
		}
	}
	_, e.once, _ = m.prog.table.Member(cur.state.automaton(), text[1:bytes.LastIndexByte(text, '"')])
	if k := x.place(&e); k != 0 {
		if x.links[link] != k {
			x.links[link], x.others[link] = k, x.links[link]
		}
		cur.link = 2*k + 1
	}
}

// place returns the index of a member, a new one if there is room, else zero.
func (x *memory) place(e *expected) uint8 {
	at := e.w0 ^ e.w1 ^ uint64(e.from)<<32
	for at = at * 0x9E3779B97F4A7C15 >> 32; ; at++ {
		slot := &x.index[at%uint64(len(x.index))]
		if k := *slot; k != 0 {
			if o := &x.members[k]; o.w0 == e.w0 && o.w1 == e.w1 && o.from == e.from {
				*o = *e
				o.link = 2*k + 1
				return k
			}
			continue
		}
		if x.used == maxExpected {
			x.missed++
			return 0
		}
		k := uint8(x.used)
		x.members[k], *slot = *e, k
		x.members[k].link = 2*k + 1
		x.used++
		return k
	}
}

// ownName reports whether a member's text, up to its value, is a name of letters
// and underscores, a colon and blanks.
func ownName(text []byte) bool {
	end := 1
	for end < len(text) && (text[end]|0x20-'a' < 26 || text[end] == '_') {
		end++
	}
	rest := text[end:]
	return len(rest) > 1 && rest[0] == '"' && rest[1] == ':' && len(bytes.TrimLeft(rest[2:], " ")) == 0
}
