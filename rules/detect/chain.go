package detect

import (
	"unicode"
	"unicode/utf8"
)

// maxChain is the number of groups of digits that a chain has at most: those of
// a telephone number, with one behind it.
const maxChain = 8

// maxGroup is the number of digits of the longest group of an identifier.
const maxGroup = 19

// chain are the groups of digits from some place on, with what divides them.
type chain struct {
	from, n int // of window
	more    int // where a group follows that has not been read; zero for none
	tied    gap // what divides it from the last one
	window  [2 * maxChain]link
}

// at returns the group k of the chain.
func (c *chain) at(k int) *link { return &c.window[c.from+k] }

// link is one group of a chain.
type link struct {
	start, end int
	n          int    // digits; more than maxGroup for a group that is too long
	value      uint64 // of at most maxGroup digits
	before     gap    // what divides it from the group before
}

// What may divide the digits of an identifier. gap is that of package detect
// with another meaning of its bits: a set of these.
const (
	gapBlank gap = 1 << iota
	gapDash
	gapDot
	gapParen
	gapSlash
	gapLine
)

// maxIDGap is the number of visible characters that may stand between two
// groups: " - ", ") ".
const maxIDGap = 3

// advance has the chain begin with the digit at i. What has been read stays.
func (f *Seeker) advance(i int) {
	c := &f.chain
	if c.n > 1 && c.at(1).start == i {
		c.from, c.n = c.from+1, c.n-1
		if c.n >= maxChain || c.more == 0 {
			return
		}
		copy(c.window[:], c.window[c.from:c.from+c.n])
	} else {
		c.n, c.more, c.tied = 0, i, 0
	}
	c.from = 0
	for c.n < len(c.window) {
		g := &c.window[c.n]
		*g = link{start: c.more, before: c.tied}
		f.group(g)
		c.n, c.more = c.n+1, 0
		if g.n > maxGroup {
			return
		}
		var next int
		if c.tied, next = f.gap(g.end); next == g.end {
			return
		}
		c.more = next
	}
}

// group reads the digits at g.start.
func (f *Seeker) group(g *link) {
	i := g.start
	for i < len(f.text) {
		d, size := f.text[i]-'0', 1
		if d > 9 {
			if f.text[i] < utf8.RuneSelf {
				break
			}
			var c class
			if c, size, d = classify(f.text[i:]); c != classDigit {
				break
			}
		}
		if g.n++; g.n <= maxGroup {
			g.value = g.value*10 + uint64(d)
		}
		i += size
	}
	f.steps += i - g.start
	g.end = i
}

// gap reads what divides two groups. It returns the offset of the digit that
// follows, or i where none does.
func (f *Seeker) gap(i int) (gap, int) {
	start, visible := i, 0
	var kind gap
	for i < len(f.text) {
		c, size, _ := classify(f.text[i:])
		f.steps += size
		switch c {
		case classDigit:
			return kind, i
		case classNothing:
		case classBlank:
			kind |= gapBlank
			visible++
		case classLine:
			kind |= gapLine
			visible++
		case classDash:
			kind |= gapDash
			visible++
		default:
			switch f.text[i] {
			case '.':
				kind |= gapDot
			case '/':
				kind |= gapSlash
			case '(', ')':
				kind |= gapParen
			default:
				return 0, start
			}
			visible++
		}
		if visible > maxIDGap {
			return 0, start
		}
		i += size
	}
	return 0, start
}

// like is the usual gap of the groups from the second to the one before n: one
// that is the same between all of them, and plain. It is zero where they differ.
func (f *Seeker) like(n int) gap {
	if f.chain.n < n {
		return 0
	}
	kind := f.chain.at(1).before
	for k := 2; k < n; k++ {
		if f.chain.at(k).before != kind {
			return 0
		}
	}
	switch kind {
	case gapBlank, gapDash, gapDot, gapBlank | gapDash:
		return kind
	}
	return 0
}

// lengths reports whether the chain begins with groups of these lengths.
func (f *Seeker) lengths(want ...int) bool {
	if f.chain.n < len(want) {
		return false
	}
	for k, n := range want {
		if f.chain.at(k).n != n {
			return false
		}
	}
	return true
}

// joined returns how many groups of the chain have exactly that many digits
// together, and what they come to; zero where none do.
func (f *Seeker) joined(digits int) (groups int, value uint64) {
	total := 0
	for k := range f.chain.n {
		g := f.chain.at(k)
		if k > 0 && g.before&(gapLine|gapSlash) != 0 {
			return 0, 0
		}
		if total += g.n; total > digits {
			return 0, 0
		}
		value = value*pow10[g.n] + g.value
		if total == digits {
			return k + 1, value
		}
	}
	return 0, 0
}

// free reports whether the first n groups of the chain stand for themselves:
// no letter or digit is tied to them, and they are no part of a longer number
// that is divided in the same way.
func (f *Seeker) free(n int, kind gap) bool {
	first := f.chain.at(0)
	if first.before != 0 && (first.before&^(gapBlank|gapLine) != 0 || first.before == kind) {
		return false
	}
	return (first.before != 0 || f.freeLeft(first.start)) && f.freeRight(n, kind)
}

// freeLeft reports whether what stands before a number that begins at start is
// not tied to it.
func (f *Seeker) freeLeft(start int) bool {
	if start == 0 {
		return true
	}
	switch c := f.text[start-1]; c {
	case '_', '/', '$', '#', '@', '+', '%', '\\', '*', '^':
		return false
	case '-':
		return start == 1 || !f.word(start-2)
	case ':':
		return start == 1 || f.text[start-2]-'0' > 9
	}
	if r, _ := utf8.DecodeLastRune(f.text[:start]); r == '£' || r == '€' || r == '¥' {
		return false
	}
	return !f.word(start - 1)
}

// freeRight is freeLeft for what stands behind the first n groups.
func (f *Seeker) freeRight(n int, kind gap) bool {
	if n < f.chain.n && kind != 0 && f.chain.at(n).before == kind {
		return false
	}
	end := f.chain.at(n - 1).end
	if end == len(f.text) {
		return true
	}
	switch f.text[end] {
	case '_', '@', '%', '\\':
		return false
	case '-', '/':
		return end+1 == len(f.text) || !f.wordFrom(end+1)
	case '.', ':':
		return end+1 == len(f.text) || f.text[end+1]-'0' > 9
	}
	return !f.wordFrom(end)
}

// word reports whether the character that ends with byte i is a letter or a
// digit of any script.
func (f *Seeker) word(i int) bool {
	if c := f.text[i]; c < utf8.RuneSelf {
		return letter(c) || c-'0' <= 9
	}
	r, _ := utf8.DecodeLastRune(f.text[:i+1])
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// wordFrom is word for the character that begins with byte i.
func (f *Seeker) wordFrom(i int) bool {
	if c := f.text[i]; c < utf8.RuneSelf {
		return letter(c) || c-'0' <= 9
	}
	r, _ := utf8.DecodeRune(f.text[i:])
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}
