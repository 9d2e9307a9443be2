package rewrite

// AppendMACInput appends the body in an unambiguous form: as it is, without
// whitespace between tokens, without the members that the route's idempotency
// ignores, and without every sad value and its name. Its use is a MAC that
// tells a repeat from another body.
func (m *Message) AppendMACInput(dst []byte) []byte {
	open := m.stack[:0] // frame.node, and in frame.child where its next child is looked for
	for i := uint32(0); i < uint32(len(m.tape)); {
		n := &m.tape[i]
		start := n.start
		if len(open) > 0 {
			start = m.childStart(&open[len(open)-1])
			open[len(open)-1].child = n.end
		}
		switch {
		case m.unstable(n):
			i = n.next
		case n.next > i+1:
			dst = append(dst, m.nameBefore(n, start)...)
			dst = append(dst, m.body[n.start])
			open = append(open, frame{node: i, child: n.start})
			i++
		default:
			dst = append(dst, m.nameBefore(n, start)...)
			dst = append(dst, m.raw(n)...)
			dst = append(dst, ',')
			i++
		}
		for len(open) > 0 && m.tape[open[len(open)-1].node].next == i {
			dst = append(dst, m.body[m.tape[open[len(open)-1].node].end-1], ',')
			open = open[:len(open)-1]
		}
	}
	m.stack = open[:0]
	return dst
}

// unstable reports whether a value is no part of what a repeat must repeat, or
// may not be kept even as a MAC.
func (m *Message) unstable(n *node) bool {
	st := &m.prog.table.States[n.state.automaton()]
	return st.Flags&flagIgnore != 0 || n.state&stateSAD != 0 || m.prog.sadSets[st.Set]
}

// childStart returns the offset of the next child of an open container: behind
// its bracket, or behind the comma after the child before.
func (m *Message) childStart(open *frame) uint32 {
	i := skip(m.body, int(open.child))
	return uint32(skip(m.body, i+1))
}

// nameBefore returns a member's name in quotes and its colon, and nothing for
// other values. The name begins at start.
func (m *Message) nameBefore(n *node, start uint32) []byte {
	if start == n.start {
		return nil
	}
	end, _, _ := scanString(m.body, int(start)+1)
	colon := skip(m.body, end+1)
	if colon == end+1 {
		return m.body[start : colon+1]
	}
	name := m.arena.lend(end + 2 - int(start))
	copy(name, m.body[start:end+1])
	name[len(name)-1] = ':'
	return name
}
