package rewrite

import (
	"chaperone/rules/detect"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite/automaton"
)

// scan reads the body into the tape: one strict pass, with one automaton step
// per value.
func (m *Message) scan() *reason.Error {
	b := m.body
	i := skip(b, 0)
	at := state(0) // of the value that begins at i
	var cur frame  // the container around it
	var read bool  // the value has been read, and i is behind it
	var fault *reason.Error
	for {
		if i >= len(b) {
			return refuse(reason.BodyMalformed, i, "the body ends early")
		}
		if c := b[i]; c == '{' || c == '[' {
			if fault = m.open(&cur, at, i); fault != nil {
				return fault
			}
			i = skip(b, i+1)
			if i < len(b) && b[i] == c+2 {
				i++
				m.close(&cur, i)
			} else {
				if i, at, read, fault = m.child(&cur, i); fault != nil {
					return fault
				}
				if !read {
					continue
				}
			}
		} else if i, fault = m.leaf(&cur, at, i); fault != nil {
			return fault
		}
		// A value ends before i: close what ends with it, or go on behind a
		// comma.
		for {
			i = skip(b, i)
			if len(m.stack) == 0 {
				if i < len(b) {
					return refuse(reason.BodyMalformed, i, "something follows the body's value")
				}
				return nil
			}
			if i >= len(b) {
				return refuse(reason.BodyMalformed, i, "the body ends early")
			}
			if cur.items {
				if fault = m.endItem(&cur); fault != nil {
					return fault
				}
			}
			c := b[i]
			if c == ',' {
				if i, at, read, fault = m.child(&cur, skip(b, i+1)); fault != nil {
					return fault
				}
				if read {
					continue
				}
				break
			}
			if c != '}' && c != ']' || (c == ']') != cur.array {
				return refuse(reason.BodyMalformed, i, "a comma or the container's end is missing")
			}
			i++
			m.close(&cur, i)
		}
	}
}

// open begins a container at b[i].
func (m *Message) open(cur *frame, at state, i int) *reason.Error {
	if len(m.stack) == m.depth {
		return refuse(reason.BodyTooDeep, i, "")
	}
	n := uint32(len(m.tape))
	m.tape = append(m.tape, node{start: uint32(i), state: at})
	cur.noted |= at & noted
	m.stack = append(m.stack, *cur)
	*cur = frame{node: n, state: at, array: m.body[i] == '['}
	if slots := m.states[at.automaton()].Slots; slots != 0 {
		m.capture(slots, n)
		cur.items = cur.array && m.slots[slotItems] == n+1
	}
	return nil
}

// close ends the container before offset i.
func (m *Message) close(cur *frame, i int) {
	n, found := &m.tape[cur.node], cur.noted != 0
	n.end, n.next = uint32(i), uint32(len(m.tape))
	*cur = m.stack[len(m.stack)-1]
	if found {
		n.state |= stateFound
		cur.noted |= stateFound
	}
	m.stack = m.stack[:len(m.stack)-1]
}

// child goes to the next member or element of a container: from where it
// begins at b[i] to where its value begins, or with read to where a value ends.
func (m *Message) child(cur *frame, i int) (next int, at state, read bool, fault *reason.Error) {
	if !cur.array {
		return m.members(cur, i)
	}
	cur.child = uint32(len(m.tape))
	if cur.items {
		m.beginItem()
	}
	target := m.prog.table.Element(cur.state.automaton(), cur.index)
	cur.index++
	return i, state(target)<<stateShift | cur.state&stateSAD, false, nil
}

// members reads members of an object from the name at b[i] on, as long as their
// values are plain strings and short whole numbers: most are, and here they
// cost the least. It ends where another value begins, or with read behind a
// value that no comma follows.
func (m *Message) members(cur *frame, i int) (next int, at state, read bool, fault *reason.Error) {
	b, tape := m.body, m.tape
	for {
		if i, at, fault = m.member(cur, i, uint32(len(tape))); fault != nil || i >= len(b) {
			break
		}
		end := 0
		if c := b[i]; c == '"' {
			end = plainEnd(b, i+1)
			if end >= len(b) || b[end] != '"' {
				break
			}
			if end-i > minSpan && m.detectString(uint32(len(tape)), i+1, end, false, nil, false) {
				at |= stateSpans
			}
			end++
		} else if end = digitRun(b, i); end == i || end-i >= minSpan || end >= len(b) || c == '0' || partOfNumber[b[end]] {
			break
		}
		cur.noted |= at & noted
		n := uint32(len(tape))
		tape = append(tape, node{start: uint32(i), end: uint32(end), state: at, next: n + 1})
		if slots := m.states[at.automaton()].Slots; slots != 0 {
			m.capture(slots, n)
		}
		if i = skip(b, end); i >= len(b) || b[i] != ',' {
			read = true
			break
		}
		i = skip(b, i+1)
	}
	m.tape = tape
	return i, at, read, fault
}

// member reads the name that begins at b[i], of the member whose value will be
// node n, and the colon behind it.
func (m *Message) member(cur *frame, i int, n uint32) (int, state, *reason.Error) {
	b := m.body
	start := i + 1
	w0, w1, length := shortName(b, i)
	if length < 0 {
		return m.oddMember(cur, i, n)
	}
	end := start + length
	target, once, mark := m.prog.table.ShortMember(cur.state.automaton(), w0, w1, length)
	if once != 0 {
		bit := uint64(1) << (once - 1)
		if cur.seen&bit != 0 {
			return m.ambiguous(i)
		}
		cur.seen |= bit
	}
	at := state(target)<<stateShift | cur.state&stateSAD
	if mark != automaton.MarkNo && (mark == automaton.MarkYes || detect.SAD(b[start:end])) {
		at |= stateSAD
	}
	if length >= minSpan && m.detectString(n, start, end, false, nil, true) {
		at |= stateSpans
	}
	if end+3 < len(b) && b[end+1] == ':' { // mostly one blank follows, or none
		if b[end+2] > ' ' {
			return end + 2, at, nil
		}
		if b[end+2] == ' ' && b[end+3] > ' ' {
			return end + 3, at, nil
		}
	}
	return m.colon(end+1, at)
}

// oddMember is member for a name that is long, escaped, not ASCII or near the
// body's end.
func (m *Message) oddMember(cur *frame, i int, n uint32) (int, state, *reason.Error) {
	b, start := m.body, i+1
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
	target, once, mark := m.prog.table.Member(cur.state.automaton(), name)
	if once != 0 {
		bit := uint64(1) << (once - 1)
		if cur.seen&bit != 0 {
			return m.ambiguous(i)
		}
		cur.seen |= bit
	}
	at := state(target)<<stateShift | cur.state&stateSAD
	if mark == automaton.MarkYes || mark == automaton.Unmarked && detect.SAD(name) {
		at |= stateSAD
	}
	if end-start >= minSpan && m.detectString(n, start, end, escaped, name, true) {
		at |= stateSpans
	}
	return m.colon(end+1, at)
}

func (m *Message) ambiguous(i int) (int, state, *reason.Error) {
	return i, 0, refuse(reason.AmbiguousMember, i, "a member that decides something is there twice")
}

// colon reads the colon behind the name that ends before offset i and returns
// where the member's value begins.
func (m *Message) colon(i int, at state) (int, state, *reason.Error) {
	b := m.body
	if i = skip(b, i); i >= len(b) || b[i] != ':' {
		return i, 0, refuse(reason.BodyMalformed, i, "a colon is missing")
	}
	return skip(b, i+1), at, nil
}

// leaf reads the string, number or word that begins at b[i] and returns the
// offset after it.
func (m *Message) leaf(cur *frame, at state, i int) (int, *reason.Error) {
	b, n := m.body, uint32(len(m.tape))
	end := -1
	switch c := b[i]; {
	case c == '"':
		start := i + 1
		quote := plainEnd(b, start)
		if quote >= len(b) || b[quote] != '"' {
			var escaped bool
			var code reason.Code
			if quote, escaped, code = scanString(b, quote); code != reason.None {
				return i, refuse(code, quote, "")
			}
			if escaped {
				at |= stateEscaped
			}
		}
		end = quote + 1
		if quote-start >= minSpan && m.detectString(n, start, quote, at&stateEscaped != 0, nil, false) {
			at |= stateSpans
		}
	case c-'0' <= 9 || c == '-':
		// A number of few digits is no card number, unless by its exponent.
		var exponent bool
		if end, exponent = scanNumber(b, i); (end-i >= minSpan || exponent) && m.detectNumber(n, i, end) {
			at |= stateSpans
		}
	default:
		end = scanWord(b, i)
	}
	if end < 0 {
		return i, refuse(reason.BodyMalformed, i, "no JSON value")
	}
	cur.noted |= at & noted
	m.tape = append(m.tape, node{start: uint32(i), end: uint32(end), state: at, next: n + 1})
	if slots := m.states[at.automaton()].Slots; slots != 0 {
		m.capture(slots, n)
	}
	return end, nil
}

// capture notes a node whose value the engine needs. Those of a line item go
// to the item that is being read.
func (m *Message) capture(slots uint16, n uint32) {
	line := len(m.lines) - m.width - slotLineQuantity // of slot 0 in the item's part of lines
	for _, slot := range m.prog.table.Slots[slots] {
		switch {
		case !m.prog.ofLine(slot):
			m.slots[slot] = n + 1
		case len(m.lines) > 0:
			m.lines[line+int(slot)] = n + 1
		}
	}
}
