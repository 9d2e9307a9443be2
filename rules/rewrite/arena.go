package rewrite

// arena lends memory that stays where it is until reset.
type arena struct {
	chunks [][]byte
	at     int // the chunk in use
}

// firstChunk is the size of an arena's first chunk; each further one is twice
// as large as the one before, or as large as it must be.
const firstChunk = 1 << 10

// lend returns n bytes, zero or old, with no room behind them.
func (a *arena) lend(n int) []byte {
	for {
		if a.at < len(a.chunks) {
			c := a.chunks[a.at]
			if len(c)+n <= cap(c) {
				a.chunks[a.at] = c[:len(c)+n]
				return c[len(c) : len(c)+n : len(c)+n]
			}
			a.at++
			continue
		}
		size := firstChunk << min(len(a.chunks), 20)
		a.chunks = append(a.chunks, make([]byte, 0, max(size, n)))
	}
}

// keep returns what fits of lent memory as a slice of length n; the rest is
// given back if it was lent last.
func (a *arena) keep(lent []byte, n int) []byte {
	c := a.chunks[a.at]
	if len(lent) > 0 && &c[len(c)-1] == &lent[len(lent)-1] {
		a.chunks[a.at] = c[:len(c)-(len(lent)-n)]
	}
	return lent[:n:n]
}

// copy lends a copy of b.
func (a *arena) copy(b []byte) []byte {
	out := a.lend(len(b))
	copy(out, b)
	return out
}

// reset takes everything back and zeroes it.
func (a *arena) reset() {
	for i := range a.chunks {
		clear(a.chunks[i])
		a.chunks[i] = a.chunks[i][:0]
	}
	a.at = 0
}

// scratch is a buffer for one text at a time.
type scratch struct {
	b    []byte
	used int // the longest text since reset
}

// decode returns the decoded text of a scanned string's content, valid until
// the next one.
func (s *scratch) decode(content []byte) []byte {
	if cap(s.b) < len(content) {
		clear(s.b[:s.used])
		s.b, s.used = make([]byte, max(len(content), 2*cap(s.b))), 0
	}
	n := decode(s.b, content)
	s.used = max(s.used, n)
	return s.b[:n]
}

// reset zeroes what was used.
func (s *scratch) reset() {
	clear(s.b[:s.used])
	s.used = 0
}
