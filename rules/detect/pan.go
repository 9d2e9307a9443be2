package detect

// group is a run of digits with nothing between them. The two sums make Luhn
// a matter of a few additions for any sequence of groups: even is the sum
// where the last digit counts once, odd the one where it is doubled.
type group struct {
	start, end int    // offsets in the text
	value      uint64 // of at most maxDigits digits
	n          int    // digits
	even, odd  uint8
	before     gap // what divides it from the group before
}

// gap is what stands between two groups: the class in the low bits, the
// number of characters above. Two equal gaps look the same to a reader.
type gap uint8

const maxGap = 3 // characters that may stand between two groups

func (g gap) class() class { return class(g & 7) }

// add appends a digit.
func (g *group) add(d uint8) {
	g.value = g.value*10 + uint64(d)
	g.n++
	g.even, g.odd = (g.odd+d)%10, (g.even+twice[d])%10
}

// join appends the digits of another group. Both together have at most
// maxDigits.
func (g *group) join(h *group) {
	g.value = g.value*pow10[h.n] + h.value
	g.n += h.n
	even, odd := g.even, g.odd
	if h.n&1 == 1 {
		even, odd = odd, even
	}
	g.even, g.odd = (even+h.even)%10, (odd+h.odd)%10
}

func (g *group) luhn() bool { return g.even == 0 }

// FindPANs appends to dst the card numbers in a decoded text, in order and
// without overlap, and returns it. Offsets are bytes of text and cover the
// separators within a number. Where spans are replaced by text without
// digits, what is left holds no card number.
func FindPANs(dst []Span, text []byte) []Span {
	if !Candidate(text) {
		return dst
	}
	f := finder{text: text, dst: dst}
	f.find()
	return f.dst
}

// HasPAN reports whether FindPANs finds anything, and the offset of the first.
func HasPAN(text []byte) (offset int, found bool) {
	if !Candidate(text) {
		return 0, false
	}
	f := finder{text: text, once: true}
	f.find()
	return f.at, f.found
}

// finder is one search.
type finder struct {
	text  []byte
	dst   []Span
	once  bool // stop at the first, without a span
	found bool
	at    int
}

// find walks from number to number. A number that stands alone is judged here;
// several in a row are the business of a run.
func (f *finder) find() {
	for i := nextDigit(f.text, 0); i < len(f.text); i = nextDigit(f.text, i) {
		c, size, _ := classify(f.text[i:])
		if c != classDigit {
			i += size
			continue
		}
		g, end := readGroup(f.text, i)
		if _, next := readGap(f.text, end); next == end {
			if f.alone(&g) {
				f.hit(g.start, g.end, g.n)
			}
			i = end
		} else {
			i = f.run(i)
		}
		if f.once && f.found {
			return
		}
	}
}

func (f *finder) hit(start, end, n int) {
	if !f.found {
		f.found, f.at = true, start
	}
	if !f.once {
		f.dst = append(f.dst, Span{Start: start, End: end, Kind: PAN, Digits: n})
	}
}

// alone judges a single group.
func (f *finder) alone(g *group) bool {
	ok, _ := judge(g.value, g.n, g.luhn())
	return ok && !gtin(g.value, g.n) && !f.phone(g.start, g)
}

// phone reports whether the digits g, which begin at start, look like an
// international phone number: ITU-T E.164 with its plus sign, of a length that
// cards of these first digits no longer have.
func (f *finder) phone(start int, g *group) bool {
	if g.n > 14 || start == 0 || f.text[start-1] != '+' {
		return false
	}
	first := g.value / pow10[g.n-1]
	return first >= 4 && first <= 6
}

// readGroup reads the digits at i. A group of more than maxDigits has n
// greater than that, and its value and sums mean nothing.
func readGroup(text []byte, i int) (group, int) {
	g := group{start: i}
	for i < len(text) {
		d := text[i] - '0'
		size := 1
		if d > 9 {
			if text[i] < 0x80 {
				break
			}
			var c class
			if c, size, d = classify(text[i:]); c != classDigit {
				break
			}
		}
		if g.n > maxDigits {
			g.n--
		}
		g.add(d)
		i += size
	}
	g.end = i
	return g, i
}

// readGap reads what divides two groups. It returns the offset of the digit
// that follows, or end itself where none follows or too much stands between.
func readGap(text []byte, end int) (gap, int) {
	var kind class
	visible := 0
	for i := end; i < len(text); {
		c, size, _ := classify(text[i:])
		switch c {
		case classDigit:
			if kind == classOther {
				kind = classNothing
			}
			return gap(kind) | gap(visible)<<3, i
		case classNothing:
		case classBlank, classLine, classDash, classWeak:
			visible++
			switch {
			case visible > maxGap, kind == classWeak, c == classWeak && visible > 1:
				return 0, end
			case kind == classOther, kind == classBlank, c == classLine:
				kind = c
			}
		default:
			return 0, end
		}
		i += size
	}
	return 0, end
}
