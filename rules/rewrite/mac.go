package rewrite

import (
	"encoding/binary"
	"slices"
)

// AppendMACInput appends the body in an unambiguous form: as it is, without
// whitespace between tokens, without the members that the route's idempotency
// ignores, and without every sad value and its name, and with a comma after
// every value. Its use is a MAC that tells a repeat from another body.
func (m *Message) AppendMACInput(dst []byte) []byte {
	r := macRun{dst: slices.Grow(dst, len(m.body)+word), body: m.body}
	open := m.stack[:0] // frame.node, and in frame.child where its next child is looked for
	until := ^uint32(0) // the node after the innermost of them
	states := m.prog.table.States
	for i := uint32(0); i < uint32(len(m.tape)); {
		n := &m.tape[i]
		start := n.start
		if len(open) > 0 {
			top := &open[len(open)-1]
			start = m.childStart(top.child)
			top.child = n.end
		}
		st := &states[n.state.automaton()]
		switch {
		case st.Flags&flagIgnore != 0 || n.state&stateSAD != 0 || m.prog.sadSets[st.Set]:
			// It is no part of what a repeat must repeat, or may not be kept
			// even as a MAC.
			i = n.next
		case n.next > i+1:
			r.named(start, n.start, n.start+1)
			open = append(open, frame{node: i, child: n.start})
			until = n.next
			i++
		default:
			r.named(start, n.start, n.end)
			r.comma()
			i++
		}
		for i == until {
			end := m.tape[open[len(open)-1].node].end
			r.take(end-1, end)
			r.comma()
			open = open[:len(open)-1]
			until = ^uint32(0)
			if len(open) > 0 {
				until = m.tape[open[len(open)-1].node].next
			}
		}
	}
	m.stack = open[:0]
	return r.end()
}

// childStart returns the offset of the next child of a container: behind its
// bracket, or behind the comma after the child before, whose end at is.
func (m *Message) childStart(at uint32) uint32 {
	for blank[m.body[at]] {
		at++
	}
	for at++; blank[m.body[at]]; at++ {
	}
	return at
}

// macRun gathers what is adjacent in the body, so that it is copied at once: of
// a body without whitespace, all up to the end of a container.
type macRun struct {
	dst, body []byte
	from, to  uint32 // what is yet to be copied
}

// word is how much is copied at least, where there is room for it: most runs
// are that short.
const word = 16

func (r *macRun) flush() {
	from, n, at := int(r.from), int(r.to-r.from), len(r.dst)
	r.from = r.to
	if n <= word && from+word <= len(r.body) && at+word <= cap(r.dst) {
		src, dst := r.body[from:from+word], r.dst[at:at+word]
		binary.NativeEndian.PutUint64(dst, binary.NativeEndian.Uint64(src))
		binary.NativeEndian.PutUint64(dst[8:], binary.NativeEndian.Uint64(src[8:]))
		r.dst = r.dst[:at+n]
		return
	}
	r.dst = append(r.dst, r.body[from:from+n]...)
}

// end flushes, and leaves nothing behind the input.
func (r *macRun) end() []byte {
	r.flush()
	n := len(r.dst)
	clear(r.dst[n:min(n+word, cap(r.dst))])
	return r.dst
}

// take appends body[from:to].
func (r *macRun) take(from, to uint32) {
	if from != r.to {
		r.flush()
		r.from = from
	}
	r.to = to
}

// comma appends a comma: the body's own, if it comes next.
func (r *macRun) comma() {
	if int(r.to) < len(r.body) && r.body[r.to] == ',' {
		r.to++
		return
	}
	r.flush()
	r.dst = append(r.dst, ',')
}

// named appends a value from begin to end with its name, which begins at start;
// start is begin where it has none.
func (r *macRun) named(start, begin, end uint32) {
	if start != begin {
		// Before a value stands its colon, and before that the name's quote.
		colon := begin - 1
		for r.body[colon] != ':' {
			colon--
		}
		quote := colon - 1
		for r.body[quote] != '"' {
			quote--
		}
		r.take(start, quote+1)
		if quote+1 == colon {
			r.to++
		} else {
			r.flush()
			r.dst = append(r.dst, ':')
		}
	}
	r.take(begin, end)
}
