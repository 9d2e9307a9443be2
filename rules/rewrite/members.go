package rewrite

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"chaperone/rules/detect"
	"chaperone/rules/reason"
)

// ahead is how many bytes from a member's beginning on members reads without a
// look at the body's end: both quotes of a name of two words, the colon, a
// blank, and the first byte of a value. What is nearer to the end is read by
// oddName and leaf.
const ahead = 24

// members reads members of an object from the name at b[i] on. It ends where a
// container begins, or with read behind a value that no comma follows. Most of a
// body is read here, so names of at most two words, plain strings, short whole
// numbers and the usual layouts of what stands between them take a short way;
// anything else is left to functions that know all of the grammar. The short way
// is made of small functions that call no others, because the compiler keeps
// their variables in registers.
func (m *Message) members(cur *frame, i int) (next int, at state, read bool, fault *reason.Error) {
	p, last := unsafe.Pointer(unsafe.SliceData(m.body)), len(m.body)-ahead
	names := m.prog.table.Names(cur.state.automaton())
	for {
		if i > last || byteAt(p, i) != '"' {
			goto odd
		}
		if w0, w1, end := nameAt(p, i+1); byteAt(p, end) != '"' {
			goto odd
		} else if e := names.Slot(w0, w1); e.W0 == w0 && e.W1 == w1 && cur.seen&e.Once == 0 {
			cur.seen |= e.Once
			at = state(e.To) | cur.state&stateSAD
			next = end
		} else {
			at, next = state(names.Other)|cur.state&stateSAD, end
			if names.Far(e, w0, w1) || detect.SADHead(w0) {
				if at, fault = m.farName(cur, i, end, w0, w1); fault != nil {
					return i, at, false, fault
				}
			}
		}
		if next-i > minSpan && m.detectString(uint32(len(m.tape)), i+1, next, false, nil, true) {
			at |= stateSpans
		}
		if i = valueAt(p, next+1); i == 0 {
			if i, fault = m.colon(next + 1); fault != nil || i >= len(m.body) {
				return i, at, false, fault
			}
		}
	value:
		next = 0
		if i <= last {
			next = plainAt(p, i, last)
		}
		if next > 0 {
			if next-i > minSpan+1 && m.spotted(p, i, next) {
				at |= stateSpans
			}
			n := uint32(len(m.tape))
			m.tape = append(m.tape, node{start: uint32(i), end: uint32(next), state: at, next: n + 1})
			if at&(stateSlots|noted) != 0 {
				m.note(cur, at, n)
			}
		} else if c := byteAt(p, i); c == '{' || c == '[' {
			return i, at, false, nil
		} else if next, fault = m.leaf(cur, at, i); fault != nil {
			return i, at, false, fault
		}
		if next > last || byteAt(p, next) != ',' {
			if i = nextMember(m.body, next); i < 0 {
				return skip(m.body, next), at, true, nil
			}
		} else if i = next + 1; byteAt(p, i) <= ' ' {
			i = blankAt(p, i, last)
		}
		continue
	odd:
		if i, at, fault = m.oddName(cur, i); fault != nil || i >= len(m.body) {
			return i, at, false, fault
		}
		goto value
	}
}

// nameAt reads the plain string that begins behind a quote at p[i], up to two
// words of it. It returns what the string has of the words, and the offset of
// what ends it.
func nameAt(p unsafe.Pointer, i int) (w0, w1 uint64, end int) {
	w0 = wordAt(p, i)
	if stop := stops(w0); stop != 0 {
		return w0 & below(stop), 0, i + bits.TrailingZeros64(stop)>>3
	}
	w1 = wordAt(p, i+8)
	stop := stops(w1)
	return w0, w1 & below(stop), i + 8 + bits.TrailingZeros64(stop)>>3
}

// valueAt returns where the value behind a colon at p[i] begins, if no more than
// one blank stands between them, and zero else.
func valueAt(p unsafe.Pointer, i int) int {
	if byteAt(p, i) != ':' {
		return 0
	}
	if i++; byteAt(p, i) == ' ' {
		i++
	}
	if byteAt(p, i) <= ' ' {
		return 0
	}
	return i
}

// longValue is from how many bytes on a string is left to leaf, which is made
// for long ones.
const longValue = 64

// plainAt reads the plain string or the short whole number that begins at p[i],
// and returns the offset after it. It is zero for any other value, for a long
// one, and for what goes beyond last.
func plainAt(p unsafe.Pointer, i, last int) int {
	c := byteAt(p, i)
	if c != '"' {
		size := bits.TrailingZeros64(nonDigits(wordAt(p, i))) >> 3
		if size&7 == 0 || partOfNumber[byteAt(p, i+size)] || c == '0' && size > 1 {
			return 0
		}
		return i + size
	}
	i++
	for last = min(last, i+longValue); i < last; i += 8 {
		if stop := stops(wordAt(p, i)); stop != 0 {
			if i += bits.TrailingZeros64(stop) >> 3; byteAt(p, i) != '"' {
				return 0
			}
			return i + 1
		}
	}
	return 0
}

// blankAt passes over a blank at p[i], or a line's end and the blanks that the
// next line begins with: most of what stands between members.
func blankAt(p unsafe.Pointer, i, last int) int {
	switch byteAt(p, i) {
	case ' ':
		return i + 1
	case '\n':
		for i++; i <= last; i += 8 {
			if other := wordAt(p, i) ^ blanks; other != 0 {
				return i + bits.TrailingZeros64(other)>>3
			}
		}
	}
	return i
}

// spotted reports whether detectors find something in the plain string that
// stands at b[i:end] in quotes, the next node's value, and notes it. Twelve bytes
// have a sealed token or a card number in them only if they are many, or have as
// many digits.
func (m *Message) spotted(p unsafe.Pointer, i, end int) bool {
	size := end - i - 2
	return (size >= minSealed || digitsAt(p, i+1, size) >= minSpan) && m.detectString(uint32(len(m.tape)), i+1, end-1, false, nil, false)
}

// farName goes to the member whose name stands at b[i:end] in quotes, where the
// first look at the automaton does not say it all.
func (m *Message) farName(cur *frame, i, end int, w0, w1 uint64) (state, *reason.Error) {
	table, known := m.prog.table, false
	at := state(table.Names(cur.state.automaton()).Other)
	if e := table.Further(cur.state.automaton(), w0, w1); e != nil {
		if cur.seen&e.Once != 0 {
			return 0, ambiguous(i)
		}
		cur.seen |= e.Once
		at, known = state(e.To), true
	}
	if !known && detect.SAD(m.body[i+1:end]) {
		at |= stateSAD
	}
	return at | cur.state&stateSAD, nil
}

// oddName reads the name at b[i] of the member whose value is the next node, and
// its colon, where the name is long, escaped, not ASCII or near the body's end.
// It returns where the value begins.
func (m *Message) oddName(cur *frame, i int) (int, state, *reason.Error) {
	b := m.body
	i = skip(b, i)
	start := i + 1
	if i >= len(b) || b[i] != '"' {
		return i, 0, refuse(reason.BodyMalformed, i, "a member name is missing")
	}
	end, escaped, code := scanString(b, start)
	if code != reason.None {
		return i, 0, refuse(code, end, "")
	}
	name := b[start:end]
	if escaped {
		name = m.nameText.decode(name)
	}
	to, once, known := m.prog.table.Member(cur.state.automaton(), name)
	if cur.seen&once != 0 {
		return i, 0, ambiguous(i)
	}
	cur.seen |= once
	at := state(to) | cur.state&stateSAD
	if !known && detect.SAD(name) {
		at |= stateSAD
	}
	if end-start >= minSpan && m.detectString(uint32(len(m.tape)), start, end, escaped, name, true) {
		at |= stateSpans
	}
	i, fault := m.colon(end + 1)
	return i, at, fault
}

func ambiguous(i int) *reason.Error {
	return refuse(reason.AmbiguousMember, i, "a member that decides something is there twice")
}

// colon reads the colon behind the name that ends before offset i and returns
// where the member's value begins.
func (m *Message) colon(i int) (int, *reason.Error) {
	b := m.body
	if i = skip(b, i); i >= len(b) || b[i] != ':' {
		return i, refuse(reason.BodyMalformed, i, "a colon is missing")
	}
	return skip(b, i+1), nil
}

// nextMember returns where the next member begins behind a value that ends
// before b[i], or -1 where no comma follows.
func nextMember(b []byte, i int) int {
	if len(b)-i < 11 || b[i] != ',' {
		if i = skip(b, i); i >= len(b) || b[i] != ',' {
			return -1
		}
		return skip(b, i+1)
	}
	switch rest := b[i+1 : i+10]; {
	case rest[0] == '"':
		return i + 1
	case rest[0] == ' ' && rest[1] > ' ':
		return i + 2
	case rest[0] == '\n': // and mostly an indentation by blanks
		i += 2 + bits.TrailingZeros64(binary.LittleEndian.Uint64(rest[1:])^blanks)>>3
		if b[i] > ' ' {
			return i
		}
		return skip(b, i)
	}
	return skip(b, i+1)
}
