package rewrite

import (
	"math/bits"
	"slices"
	"unsafe"
)

// AppendMACInput appends the body in an unambiguous form: as it is, without
// whitespace between tokens, without the members that the route's idempotency
// ignores, and without every sad value and its name, and with a comma after
// every value. Its use is a MAC that tells a repeat from another body.
func (m *Message) AppendMACInput(dst []byte) []byte {
	// There is room for all of it, and for two pieces more: no value has more
	// than one comma of its own.
	at := len(dst)
	dst = slices.Grow(dst, len(m.body)+len(m.tape)+2*piece)
	dst = dst[:cap(dst)]
	open := m.nodes[:0] // of the open containers
	var inner *node     // the innermost of them
	object, in := false, false
	behind := 0 // what comes before the next child
	unrepeated, tape := m.prog.unrepeated, m.tape
	for i := uint32(0); i < uint32(len(tape)); {
		if in = false; object {
			i, at, behind, in = m.macMembers(dst, at, i, inner.next, behind)
		}
		if !in && (inner == nil || i < inner.next) {
			n := &tape[i]
			if n.state&stateSAD != 0 || unrepeated[n.state.automaton()] {
				i, behind = n.next, int(n.end)
			} else if i++; n.next == i {
				at = m.macValue(dst, at, behind, int(n.start), int(n.end), object)
				dst[at] = ','
				at, behind = at+1, int(n.end)
			} else {
				at = m.macValue(dst, at, behind, int(n.start), int(n.start)+1, object)
				behind, in = int(n.start)+1, true
			}
		}
		if in {
			inner = &tape[i-1]
			open, object = append(open, i-1), m.body[inner.start] == '{'
		}
		for inner != nil && i == inner.next {
			end := dst[at : at+2]
			behind = int(inner.end)
			end[0], end[1] = m.body[behind-1], ','
			at += 2
			inner, object = nil, false
			if open = open[:len(open)-1]; len(open) > 0 {
				inner = &tape[open[len(open)-1]]
				object = m.body[inner.start] == '{'
			}
		}
	}
	m.nodes = open[:0]
	clear(dst[at : at+2*piece]) // what putShort has left behind
	return dst[:at]
}

// macMembers appends to dst[:at] the members of an object from node i on, up to
// the first that is long, oddly laid out or near to the body's end, to the brace
// of the first that is a container, or to the node until. Before the first
// member's name stand blanks from behind on, and a comma or the object's brace.
// It returns the node at which it has stopped, where dst goes on, what comes
// before that node, and whether it has gone into a container. It calls nothing,
// so that what it needs stays in registers.
func (m *Message) macMembers(dst []byte, at int, i, until uint32, behind int) (uint32, int, int, bool) {
	body, start := unsafe.Pointer(unsafe.SliceData(m.body)), unsafe.Pointer(unsafe.SliceData(dst))
	to := unsafe.Add(start, at)
	near, unrepeated, in := len(m.body)-2*piece, m.prog.unrepeated, false
	for i < until {
		n := &m.tape[i]
		begin, end := int(n.start), int(n.end)
		if n.state&stateSAD != 0 || unrepeated[n.state.automaton()] {
			// It is no part of what a repeat must repeat, or may not be kept
			// even as a MAC.
			i, behind = n.next, end
			continue
		}
		if n.next != i+1 {
			end, in = begin+1, true
		}
		name := behind + 1
		// Before the value stands its colon, and before that the name's quote.
		colon := begin - 1
		if byteAt(body, colon) != ':' {
			colon--
		}
		if end > near || end-begin > 2*piece || halfAt(body, colon-1)&two != quoteColon {
			in = false
			break
		}
		if next := halfAt(body, behind); next&three == commaBlank {
			name++
		} else if next&two != commaOnly {
			name = nameAt(body, behind)
		}
		if colon-name >= 2*piece {
			in = false
			break
		}
		if colon+1 == begin && end-name <= 2*piece {
			begin = name // nothing of it is left out
		} else {
			to = putShort(to, unsafe.Add(body, name), colon+1-name)
		}
		to = putShort(to, unsafe.Add(body, begin), end-begin)
		behind = end
		i++
		if in {
			break
		}
		*(*byte)(to) = ','
		to = unsafe.Add(to, 1)
	}
	return i, int(uintptr(to) - uintptr(start)), behind, in
}

// quoteColon is what stands behind a name, little-endian.
const quoteColon = '"' | ':'<<8

// nameAt returns where a member's name begins, before which stand blanks from
// p[i] on, and a comma or the object's brace.
func nameAt(p unsafe.Pointer, i int) int {
	for ; ; i += 8 {
		quote := wordAt(p, i) ^ '"'*ones
		if quote = (quote - ones) &^ quote & highs; quote != 0 {
			return i + bits.TrailingZeros64(quote)>>3
		}
	}
}

// unrepeatable returns, by state of the automaton, whether a value is left out
// of the input of a MAC.
func (p *program) unrepeatable() []bool {
	out := make([]bool, len(p.table.States))
	for i := range out {
		st := &p.table.States[i]
		out[i] = st.Flags&flagIgnore != 0 || p.sadSets[st.Set]
	}
	return out
}

// piece is how much is copied at least: most values and names are that short.
const piece = 16

// putShort copies n bytes, two pieces at most, and returns where dst goes on. It
// may copy whole pieces, for which both have room.
func putShort(dst, src unsafe.Pointer, n int) unsafe.Pointer {
	*(*[piece]byte)(dst) = *(*[piece]byte)(src)
	if n > piece {
		*(*[piece]byte)(unsafe.Add(dst, piece)) = *(*[piece]byte)(unsafe.Add(src, piece))
	}
	return unsafe.Add(dst, n)
}

// macValue appends to dst[:at] what stands in the body from begin to end, with
// its name in an object. It returns where dst goes on.
func (m *Message) macValue(dst []byte, at, behind, begin, end int, object bool) int {
	b := m.body
	if object {
		name, colon := behind, begin-1
		for b[name] != '"' {
			name++
		}
		for b[colon] != ':' {
			colon--
		}
		for colon--; b[colon] != '"'; colon-- {
		}
		at += copy(dst[at:], b[name:colon+1])
		dst[at] = ':'
		at++
	}
	return at + copy(dst[at:], b[begin:end])
}
