package detect

import "unicode/utf8"

// group is a run of digits with nothing between them.
type group struct {
	start, end int    // offsets in the text
	value      uint64 // of at most maxDigits digits
	n          int    // digits
	sums       sums
	before     gap  // what divides it from the group before
	whole      bool // see whole
}

// sums make the Luhn check of any sequence of digits a matter of one
// subtraction: the sum modulo ten where the last digit counts once, and where
// it is doubled. While a group is read they grow up to 9 × maxDigits, which
// fits, and are reduced at its end.
type sums struct{ once, doubled uint8 }

// add appends a digit to sums that are not reduced.
func (s sums) add(d uint8) sums { return sums{s.doubled + d, s.once + twice[d]} }

func (s sums) reduced() sums { return sums{s.once % 10, s.doubled % 10} }

// then returns the sums of digits that are followed by n more.
func (s sums) then(n int) sums {
	if n&1 == 1 {
		return sums{s.doubled, s.once}
	}
	return s
}

// plus adds the sums of digits that follow.
func (s sums) plus(t sums) sums { return sums{mod10[s.once+t.once], mod10[s.doubled+t.doubled]} }

var mod10 = [20]uint8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}

// gap is what stands between two groups: the class in the low bits, the
// number of characters above. Two equal gaps look the same to a reader.
type gap uint8

const maxGap = 3 // characters that may stand between two groups

func (g gap) class() class { return class(g & 7) }

// add appends a digit.
func (g *group) add(d uint8) {
	g.value = g.value*10 + uint64(d)
	g.n++
	g.sums = g.sums.add(d)
}

// first returns the first digit.
func (g *group) first() uint64 { return g.value / pow10[g.n-1] }

func (g *group) luhn() bool { return g.sums.once%10 == 0 }

// FindPANs appends to dst the card numbers in a decoded text, in order and
// without overlap, and returns it. Offsets are bytes of text and cover the
// separators within a number. Where spans are replaced by text without
// digits, what is left holds no card number.
func FindPANs(dst []Span, text []byte) []Span {
	if len(text) <= maxDigits {
		if d, ok := readDigits(text); ok { // a card's own member, mostly
			if d.card() {
				dst = append(dst, Span{End: len(text), Kind: PAN, Digits: d.n})
			}
			return dst
		}
	}
	if !Candidate(text) {
		return dst
	}
	f := finder{text: text, out: &dst}
	f.find()
	return dst
}

// HasPAN reports whether FindPANs finds anything, and the offset of the first.
func HasPAN(text []byte) (offset int, found bool) {
	if !Candidate(text) {
		return 0, false
	}
	f := finder{text: text}
	f.find()
	return f.at, f.found
}

// finder is one search.
type finder struct {
	text  []byte
	out   *[]Span // nil: stop at the first
	found bool
	at    int
}

// find walks from number to number. One that stands alone is judged here;
// several in a row are the business of a run.
func (f *finder) find() {
	for i := nextDigit(f.text, 0); i < len(f.text); i = nextDigit(f.text, i) {
		c, size, _ := classify(f.text[i:])
		if c != classDigit {
			i += size
			continue
		}
		end, groups, digits := measure(f.text, i)
		switch {
		case digits < minDigits:
		case groups > 1:
			f.run(i)
		default:
			if g, _ := readGroup(f.text, i); f.alone(&g) {
				f.hit(g.start, g.end, g.n)
			}
		}
		if f.out == nil && f.found {
			return
		}
		i = end
	}
}

// measure returns the end of the run of groups that begins at i, and how many
// groups and digits it has.
func measure(text []byte, i int) (end, groups, digits int) {
	for {
		for i < len(text) {
			size := 1
			if text[i]-'0' > 9 {
				if text[i] < utf8.RuneSelf {
					break
				}
				var c class
				if c, size, _ = classify(text[i:]); c != classDigit {
					break
				}
			}
			digits++
			i += size
		}
		groups++
		_, next := readGap(text, i)
		if next == i {
			return i, groups, digits
		}
		i = next
	}
}

func (f *finder) hit(start, end, n int) {
	if !f.found {
		f.found, f.at = true, start
	}
	if f.out != nil {
		*f.out = append(*f.out, Span{Start: start, End: end, Kind: PAN, Digits: n})
	}
}

// alone judges a single group.
func (f *finder) alone(g *group) bool {
	return judge(g.value, g.n, g.luhn()) && !gtin(g.value, g.n) && !f.phone(g.start, g.first(), g.n)
}

// phone reports whether n digits that begin at start look like an
// international phone number: ITU-T E.164 with its plus sign, of a length that
// cards of these first digits no longer have.
func (f *finder) phone(start int, first uint64, n int) bool {
	return n <= 14 && first >= 4 && first <= 6 && start > 0 && f.text[start-1] == '+'
}

// readGroup reads the digits at i. A group of more than maxDigits has n
// greater than that, and its value and sums mean nothing.
func readGroup(text []byte, i int) (group, int) {
	g := group{start: i}
	for i < len(text) {
		d := text[i] - '0'
		size := 1
		if d > 9 {
			if text[i] < utf8.RuneSelf {
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
	g.end, g.sums = i, g.sums.reduced()
	return g, i
}

// readGap reads what divides two groups. It returns the offset of the digit
// that follows, or end itself where none follows or too much stands between.
func readGap(text []byte, end int) (gap, int) {
	if end < len(text) && byteClass[text[end]] == classOther {
		return 0, end
	}
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
