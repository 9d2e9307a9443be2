package detect

// The bounds of a telephone number (ITU-T E.164 has at most fifteen digits).
const (
	maxPhone       = 15
	maxPhoneSpaced = 13 // of groups with blanks between: what follows may be another number
	minPhone       = 8  // with a plus sign
	minPhoneSpaced = 9
	minPhoneSpoken = 7 // with a word before it
)

// phone finds a telephone number: an international one by its plus sign, or by
// 00 where it is divided; one of the United Kingdom by its zero; one of North
// America by its groups; and any other, also an undivided one, where a word
// before it says that it is one. An extension belongs to it.
func (f *Seeker) phone() (start, end int) {
	first := f.chain.at(0)
	if plus, ok := f.plus(); ok {
		if n := f.international(0, minPhone); n > 0 {
			return plus, f.extension(n)
		}
	}
	if first.before&(gapDot|gapSlash|gapParen|gapDash) != 0 {
		return 0, 0
	}
	start = f.opened(first.start)
	if n := f.prefixed(); n > 0 && f.freeLeft(start) {
		return start, f.extension(n)
	}
	if n := f.northAmerican(start < first.start); n > 0 && f.freeLeft(start) {
		return start, f.extension(n)
	}
	if first.n <= maxPhone && !f.isoDate() && f.speaks(Phone) {
		if n := f.international(0, minPhoneSpoken); n > 0 {
			return start, f.extension(n)
		}
	}
	return 0, 0
}

// plus returns where the plus sign before the chain stands: "+44", "+ 44",
// "+(44)".
func (f *Seeker) plus() (int, bool) {
	first := f.chain.at(0)
	i := first.start - 1
	for i >= 0 && first.start-i <= maxIDGap && (f.text[i] == ' ' || f.text[i] == '(') {
		i--
	}
	if i < 0 || f.text[i] != '+' || i > 0 && f.word(i-1) || first.n > maxPhone || first.value/pow10[first.n-1] == 0 {
		return 0, false
	}
	return i, true
}

// opened returns where a number begins that may have a parenthesis before it.
func (f *Seeker) opened(start int) int {
	i := start - 1
	if i > 0 && f.text[i] == ' ' {
		i--
	}
	if i >= 0 && f.text[i] == '(' {
		return i
	}
	return start
}

// international returns the number of groups that are a telephone number
// together, zero for none: as many as there are, up to the length that its
// country has, or that any has.
func (f *Seeker) international(from, least int) (groups int) {
	c := &f.chain
	total, most, spaced := 0, maxPhone, maxPhoneSpaced
	if least == minPhone && c.at(0).value/pow10[c.at(0).n-1] == 1 {
		most, spaced = 11, 11 // North America
	}
	if c.at(0).n > 2 && f.text[c.at(0).start] == '0' || c.at(0).n == 2 && c.at(0).value == 0 {
		most, spaced = most+2, spaced+2 // 00 for the plus sign
	}
	for k := from; k < c.n; k++ {
		g := c.at(k)
		if k > from && (g.before&gapLine != 0 || f.dateAt(k)) {
			break
		}
		if total+g.n > most || k > from && g.before&gapBlank != 0 && total+g.n > spaced {
			break
		}
		total += g.n
		groups = k + 1
	}
	if groups > from+1 && least == minPhone {
		least = minPhoneSpaced
	}
	if groups == 0 || total < least || !f.freeBehind(groups) {
		return 0
	}
	return groups
}

// freeBehind is freeRight, but that an extension may follow.
func (f *Seeker) freeBehind(n int) bool {
	return f.freeRight(n, 0) || f.extension(n) > f.chain.at(n-1).end
}

// prefixed returns how many groups are a divided number that begins with 00 and
// a country, or one of the United Kingdom, of ten or eleven digits of which the
// first is zero.
func (f *Seeker) prefixed() (groups int) {
	c := &f.chain
	first := c.at(0)
	if first.n > 11 || f.text[first.start] != '0' {
		return 0
	}
	if first.n >= 2 && f.text[first.start+1] == '0' {
		if c.n == 1 || first.n > 5 || first.n == 2 && c.at(1).before != gapBlank {
			return 0
		}
		if n := f.international(0, minPhone); n > 1 && first.value != 0 == (first.n > 2) {
			return n
		}
		return 0
	}
	if first.n == 11 {
		if area := f.text[first.start+1]; area >= '1' && area != '4' && area != '6' && f.free(1, 0) {
			return 1
		}
		return 0
	}
	if first.n < 3 || first.n > 5 || c.n < 2 || c.at(1).n < 3 {
		return 0
	}
	total := 0
	for k := 0; k < min(c.n, 4); k++ {
		g := c.at(k)
		if k > 0 && g.before&(gapLine|gapSlash|gapDot) != 0 {
			break
		}
		if total += g.n; total == 11 || total == 10 && (k == c.n-1 || c.at(k+1).n > 1) {
			if k > 0 && g.n >= 3 && f.freeBehind(k+1) {
				return k + 1
			}
			break
		}
	}
	return 0
}

// northAmerican returns how many groups are a number of the North American
// plan: 3-3-4, also behind the digit 1. With a parenthesis, a dash or a dot in
// it any area goes; with nothing but blanks, area and exchange have to be such
// as there are, since three amounts can stand like that.
func (f *Seeker) northAmerican(opened bool) (groups int) {
	c := &f.chain
	from := 0
	if c.at(0).n == 1 && c.at(0).value == 1 {
		from = 1
	}
	if c.n < from+3 {
		return 0
	}
	area, exchange, line := c.at(from), c.at(from+1), c.at(from+2)
	if area.n != 3 || exchange.n != 3 || line.n != 4 {
		return 0
	}
	between, behind := exchange.before, line.before
	if (between|behind)&(gapLine|gapSlash) != 0 || !f.freeBehind(from+3) {
		return 0
	}
	if f.chain.n > from+3 && c.at(from+3).before == behind && behind&gapBlank == 0 {
		return 0
	}
	switch {
	case between&gapParen != 0 && (opened || from == 1):
	case between == behind && between&(gapDash|gapDot) != 0 && area.value >= 100:
	case between == gapBlank && area.value >= 200 && exchange.value >= 200:
	default:
		return 0
	}
	return from + 3
}

// extension returns the end of the first n groups with what follows as an
// extension: " x123", " ext. 123".
func (f *Seeker) extension(n int) int {
	end := f.chain.at(n - 1).end
	i := end
	for i < len(f.text) && i < end+2 && (f.text[i] == ' ' || f.text[i] == ',') {
		i++
	}
	from := i
	for i < len(f.text) && i < from+len("extension") && letter(f.text[i]) {
		i++
	}
	switch word := f.text[from:i]; {
	case len(word) == 1 && word[0]|0x20 == 'x':
	case len(word) >= 3 && word[0]|0x20 == 'e' && word[1]|0x20 == 'x' && word[2]|0x20 == 't':
	default:
		return end
	}
	for i < len(f.text) && i < from+len("extension. ") && (f.text[i] == ' ' || f.text[i] == '.' || f.text[i] == ':') {
		i++
	}
	digits := i
	for i < len(f.text) && i < digits+maxExtension && f.text[i]-'0' <= 9 {
		i++
	}
	f.steps += i - end
	if i == digits || i < len(f.text) && alnum(f.text[i]) {
		return end
	}
	return i
}

const maxExtension = 6

// isoDate reports whether the chain begins with a date.
func (f *Seeker) isoDate() bool { return f.dateAt(0) }

// dateAt reports whether the groups from k on are an ISO 8601 date.
func (f *Seeker) dateAt(k int) bool {
	c := &f.chain
	return k+3 <= c.n && c.at(k).n == 4 && c.at(k+1).n == 2 && c.at(k+2).n == 2 &&
		c.at(k+1).before == gapDash && c.at(k+2).before == gapDash
}
