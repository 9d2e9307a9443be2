package rewrite

import (
	"slices"

	"chaperone/rules/reason"
)

// scan reads the body into the tape: one strict pass, with one automaton step
// per value.
func (m *Message) scan() *reason.Error {
	b := m.body
	i := skip(b, 0)
	at := state(m.prog.table.Root()) // of the value that begins at i
	m.stack = append(m.stack[:0], frame{})
	cur := &m.stack[0] // the container around it
	read := false      // the value has been read, and i is behind it
	var fault *reason.Error
	for {
		if i >= len(b) {
			return refuse(reason.BodyMalformed, i, "the body ends early")
		}
		if c := b[i]; c == '{' || c == '[' {
			if len(m.stack) > m.depth {
				return refuse(reason.BodyTooDeep, i, "")
			}
			cur = m.open(cur, at, i)
			if i++; b[i-1] == '[' || i >= len(b) || b[i] != '"' {
				i = skip(b, i)
			}
			if i < len(b) && b[i] == c+2 {
				i++
				cur = m.close(cur, i)
			} else if cur.array {
				at = m.element(cur)
				continue
			} else if i, at, read, fault = m.members(cur, i); fault != nil {
				return fault
			} else if !read {
				continue
			}
		} else if i, fault = m.leaf(cur, at, i); fault != nil {
			return fault
		}
		// A value ends before i: close what ends with it, or go on behind a
		// comma.
		for {
			if i < len(b) && b[i] <= ' ' {
				i = skip(b, i)
			}
			if len(m.stack) == 1 {
				if i < len(b) {
					return refuse(reason.BodyMalformed, i, "something follows the body's value")
				}
				m.stack = m.stack[:0]
				return nil
			}
			if i >= len(b) {
				return refuse(reason.BodyMalformed, i, "the body ends early")
			}
			if cur.items {
				if fault = m.endItem(cur); fault != nil {
					return fault
				}
			}
			c := b[i]
			if c == ',' {
				if i = nextMember(b, i); cur.array {
					at = m.element(cur)
					break
				}
				if i, at, read, fault = m.members(cur, i); fault != nil {
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
			cur = m.close(cur, i)
		}
	}
}

// open begins a container at b[i], within outer, and returns its frame.
func (m *Message) open(outer *frame, at state, i int) *frame {
	n, link := uint32(len(m.tape)), outer.link&^1
	m.tape = append(m.tape, node{start: uint32(i), state: at})
	outer.noted |= at & noted
	if len(m.stack) == cap(m.stack) {
		m.stack = slices.Grow(m.stack, len(m.stack))
	}
	m.stack = m.stack[:len(m.stack)+1]
	cur := &m.stack[len(m.stack)-1]
	*cur = frame{}
	cur.names, cur.node, cur.state, cur.link, cur.array = m.prog.table.Names(at.automaton()), n, at, link, m.body[i] == '['
	if at&stateSlots != 0 {
		m.capture(at, n)
		cur.items = cur.array && m.slots[slotItems] == n+1
	}
	return cur
}

// close ends the container before offset i, and returns the frame around it.
func (m *Message) close(cur *frame, i int) *frame {
	n := &m.tape[cur.node]
	n.end, n.next = uint32(i), uint32(len(m.tape))
	found := cur.noted != 0
	m.stack = m.stack[:len(m.stack)-1]
	cur = &m.stack[len(m.stack)-1]
	if found {
		n.state |= stateFound
		cur.noted |= stateFound
	}
	return cur
}

// element goes to the next element of an array, and returns its state.
func (m *Message) element(cur *frame) state {
	cur.child = uint32(len(m.tape))
	if cur.items {
		m.beginItem()
	}
	to := m.prog.table.Element(cur.state.automaton(), cur.index)
	cur.index++
	return state(to) | cur.state&stateSAD
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
	m.tape = append(m.tape, node{start: uint32(i), end: uint32(end), state: at, next: n + 1})
	m.note(cur, at, n)
	return end, nil
}

// note keeps what is to be known of node n, a child of cur.
func (m *Message) note(cur *frame, at state, n uint32) {
	cur.noted |= at & noted
	if at&stateSlots != 0 {
		m.capture(at, n)
	}
}

// capture notes a node whose value the engine needs. Those of a line item go
// to the item that is being read.
func (m *Message) capture(at state, n uint32) {
	fields := uint(lineSlots + m.prog.fields) // in slots from slotLineQuantity on
	for _, slot := range m.prog.table.Slots[m.states[at.automaton()].Slots] {
		if of := uint(slot) - slotLineQuantity; of >= fields {
			m.slots[slot] = n + 1
		} else if len(m.lines) > 0 {
			m.lines[len(m.lines)-m.width+int(of)] = n + 1
		}
	}
}
