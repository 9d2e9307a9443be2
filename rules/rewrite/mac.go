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
	// There is room for all of it, and for a piece more: no value has more than
	// one comma of its own.
	w := macInput{body: m.body, at: len(dst)}
	dst = slices.Grow(dst, len(m.body)+len(m.tape)+piece)
	w.dst = dst[:cap(dst)]
	open := m.nodes[:0] // of the open containers
	until := uint32(0)  // the node after the innermost of them
	object := false     // it is one
	behind := uint32(0) // what comes before its next child
	unrepeated, tape := m.prog.unrepeated, m.tape
	for i := uint32(0); i < uint32(len(tape)); {
		n := &tape[i]
		if n.state&stateSAD != 0 || unrepeated[n.state.automaton()] {
			// It is no part of what a repeat must repeat, or may not be kept
			// even as a MAC.
			i, behind = n.next, n.end
		} else if i++; n.next == i {
			if object {
				w.member(behind, n.start, n.end)
			} else {
				w.value(n.start, n.end)
			}
			w.put(',')
			behind = n.end
		} else {
			if object {
				w.member(behind, n.start, n.start+1)
			} else {
				w.put(m.body[n.start])
			}
			open = append(open, i-1)
			until, object, behind = n.next, m.body[n.start] == '{', n.start+1
		}
		for i == until && len(open) > 0 {
			behind = tape[open[len(open)-1]].end
			w.put(m.body[behind-1])
			w.put(',')
			if open = open[:len(open)-1]; len(open) > 0 {
				outer := &tape[open[len(open)-1]]
				until, object = outer.next, m.body[outer.start] == '{'
			}
		}
	}
	m.nodes = open[:0]
	clear(w.dst[w.at : w.at+piece]) // what value has left behind
	return w.dst[:w.at]
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

// macInput writes the input of a MAC to dst, which has room for all of it and a
// piece more.
type macInput struct {
	dst  []byte
	at   int // where it goes on
	body []byte
}

// piece is how much is copied at least, where the body has it: most values and
// names are that short.
const piece = 16

func (w *macInput) put(c byte) {
	w.dst[w.at] = c
	w.at++
}

// value appends body[from:to]. It may leave other bytes of the body behind that,
// a piece at most.
func (w *macInput) value(from, to uint32) {
	n := int(to - from)
	if n <= piece && int(from) <= len(w.body)-piece {
		src := unsafe.Add(unsafe.Pointer(unsafe.SliceData(w.body)), from)
		*(*[piece]byte)(unsafe.Pointer(&w.dst[w.at])) = *(*[piece]byte)(src)
	} else {
		copy(w.dst[w.at:], w.body[from:to])
	}
	w.at += n
}

// member appends a value from begin to end, with its name, before which stand
// blanks from behind on, and a comma or the object's brace.
func (w *macInput) member(behind, begin, end uint32) {
	b, p := w.body, unsafe.Pointer(unsafe.SliceData(w.body))
	name := behind
	if int(name) <= len(b)-piece {
		quote := wordAt(p, int(name)) ^ '"'*ones
		name += uint32(bits.TrailingZeros64((quote-ones)&^quote&highs|1<<56)) >> 3
	}
	for b[name] != '"' {
		name++
	}
	// Before the value stands its colon, and before that the name's quote.
	colon := begin - 1
	for b[colon] != ':' {
		colon--
	}
	switch {
	case b[colon-1] != '"':
		quote := colon - 1
		for b[quote] != '"' {
			quote--
		}
		w.value(name, quote+1)
		w.put(':')
	case colon+1 == begin:
		begin = name // nothing of it is left out
	default:
		w.value(name, colon+1)
	}
	w.value(begin, end)
}
