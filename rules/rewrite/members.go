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
// blank, and the first byte of a value, for a member that may begin two bytes
// behind the last place at which it looks. What is nearer to the end is read by
// oddName and leaf.
const ahead = 26

// What mostly stands behind a value, little-endian.
const (
	commaBlank = ',' | ' '<<8 | '"'<<16
	commaOnly  = ',' | '"'<<8
	three, two = 0xFFFFFF, 0xFFFF // masks of as many bytes
)

// members reads members of an object from the name at b[i] on. It ends where a
// container begins, or with read behind a value that no comma follows. Most of a
// body is read here, so names of at most two words, plain strings, short whole
// numbers and the usual layouts of what stands between them take a short way;
// anything else is left to functions that know all of the grammar. The short way
// calls as few functions as it can, and they call none in their own short ways:
// what they need stays in registers.
func (m *Message) members(cur *frame, i int) (next int, at state, read bool, fault *reason.Error) {
	memory := m.memory
	for {
		x := &memory.members[memory.links[cur.link]%maxExpected]
		if i <= len(m.body)-ahead && x.meets(unsafe.Pointer(unsafe.SliceData(m.body)), i, cur) {
			cur.seen |= x.once
			cur.link, at = x.link, x.at
			i += int(x.size)
		} else if i, at, fault = m.other(cur, i); fault != nil || i >= len(m.body) {
			return i, at, false, fault
		}
		if next = m.plain(cur, i, at); next == 0 {
			if i = skip(m.body, i); i >= len(m.body) {
				return i, at, false, nil
			}
			if c := m.body[i]; c == '{' || c == '[' {
				return i, at, false, nil
			}
			if next, fault = m.leaf(cur, at, i); fault != nil {
				return i, at, false, fault
			}
		}
		if next < len(m.body)-ahead {
			then := halfAt(unsafe.Pointer(unsafe.SliceData(m.body)), next)
			if then&three == commaBlank {
				i = next + 2
				continue
			}
			if then&two == commaOnly {
				i = next + 1
				continue
			}
		}
		if i = nextMember(m.body, next); i < 0 {
			return skip(m.body, next), at, true, nil
		}
	}
}

// other reads the member name at b[i], which is not the first that is expected,
// and the colon behind it. It returns where the member's value begins and its
// state.
func (m *Message) other(cur *frame, i int) (int, state, *reason.Error) {
	x := &m.memory.members[m.memory.others[cur.link]%maxExpected]
	if i <= len(m.body)-ahead && x.meets(unsafe.Pointer(unsafe.SliceData(m.body)), i, cur) {
		cur.seen |= x.once
		cur.link = x.link
		return i + int(x.size), x.at, nil
	}
	return m.name(cur, i)
}

// name is other for a member that is not expected.
func (m *Message) name(cur *frame, i int) (int, state, *reason.Error) {
	p := unsafe.Pointer(unsafe.SliceData(m.body))
	if i > len(m.body)-ahead || byteAt(p, i) != '"' {
		return m.oddName(cur, i)
	}
	w0, w1, end := wordAt(p, i+1), uint64(0), i+1
	stop := stops(w0)
	if stop != 0 {
		w0 &= below(stop)
	} else {
		w1, end = wordAt(p, i+9), i+9
		stop = stops(w1)
		w1 &= below(stop)
	}
	end += bits.TrailingZeros64(stop) >> 3
	if byteAt(p, end) != '"' {
		return m.oddName(cur, i)
	}
	at := state(cur.names.Other) | cur.state&stateSAD
	if e := cur.names.Slot(w0, w1); e.W0 == w0 && e.W1 == w1 && cur.seen&e.Once == 0 {
		at = state(e.To) | cur.state&stateSAD
		cur.seen |= e.Once
	} else if cur.names.Far(e, w0, w1) || detect.SADHead(w0) {
		return m.farName(cur, i, end, w0, w1)
	}
	return m.endName(cur, i, end, at)
}

// endName is the rest of name for one that stands at b[i:end] in quotes.
func (m *Message) endName(cur *frame, i, end int, at state) (next int, _ state, fault *reason.Error) {
	if end-i > minSpan && m.detectString(uint32(len(m.tape)), i+1, end, false, nil, true) {
		at |= stateSpans
	}
	if next, fault = m.colon(end + 1); fault == nil {
		m.learn(cur, i, next, at)
	}
	return next, at, fault
}

// longValue is from how many bytes on a string is left to leaf, which is made
// for long ones.
const longValue = 64

// plain reads the plain string or the short whole number that begins at b[i] and
// has state at. It returns the offset after it, or zero for any other value, a
// long string, and what ends near the body's end.
func (m *Message) plain(cur *frame, i int, at state) (next int) {
	p, last := unsafe.Pointer(unsafe.SliceData(m.body)), len(m.body)-ahead
	if i > last {
		return 0
	}
	if c := byteAt(p, i); c == '"' {
		stop := uint64(0)
		last = min(last, i+longValue)
		for next = i + 1; ; next += 8 {
			if stop = stops(wordAt(p, next)); stop != 0 {
				break
			}
			if next > last {
				return 0
			}
		}
		next += bits.TrailingZeros64(stop) >> 3
		if byteAt(p, next) != '"' {
			return 0
		}
		if next++; next-i > minSpan+1 && m.spotted(p, i, next) {
			at |= stateSpans
		}
	} else {
		size := bits.TrailingZeros64(nonDigits(wordAt(p, i))) >> 3
		if next = i + size; size&7 == 0 || partOfNumber[byteAt(p, next)] || c == '0' && size > 1 {
			return 0
		}
	}
	n := uint32(len(m.tape))
	m.tape = append(m.tape, node{start: uint32(i), end: uint32(next), state: at, next: n + 1})
	if at&(stateSlots|noted) != 0 {
		m.note(cur, at, n)
	}
	return next
}

// spotted reports whether detectors find something in the plain string that
// stands at b[i:end] in quotes, the next node's value, and notes it. Twelve bytes
// have a sealed token or a card number in them only if they are many, or have as
// many digits.
func (m *Message) spotted(p unsafe.Pointer, i, end int) bool {
	size := end - i - 2
	return (size >= minSealed || digitsAt(p, i+1, size) >= minSpan) && m.detectString(uint32(len(m.tape)), i+1, end-1, false, nil, false)
}

// farName is name for one that stands at b[i:end] in quotes, where the first look
// at the automaton does not say it all.
func (m *Message) farName(cur *frame, i, end int, w0, w1 uint64) (int, state, *reason.Error) {
	at, known := state(cur.names.Other), false
	if e := m.prog.table.Further(cur.state.automaton(), w0, w1); e != nil {
		if cur.seen&e.Once != 0 {
			return i, 0, ambiguous(i)
		}
		cur.seen |= e.Once
		at, known = state(e.To), true
	}
	if !known && detect.SAD(m.body[i+1:end]) {
		at |= stateSAD
	}
	return m.endName(cur, i, end, at|cur.state&stateSAD)
}

// oddName is name where the name is long, escaped, not ASCII or near the body's
// end.
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
	cur.link = unknownLink
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
