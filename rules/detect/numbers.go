package detect

// nhsNumber finds ten digits whose last one is the check digit of NHS numbers:
// divided as 3-3-4, or as 6-4 where the first six are the date of birth that
// begins a Scottish number; undivided where the number has been given out, or
// where a word before it says what it is.
func (f *Seeker) nhsNumber() (start, end int) {
	c := &f.chain
	first := c.at(0)
	switch {
	case f.lengths(3, 3, 4):
		if kind := f.like(3); kind != 0 && kind != gapDot && f.free(3, 0) && nhs(first.value*1e7+c.at(1).value*1e4+c.at(2).value) {
			return first.start, c.at(2).end
		}
	case f.lengths(6, 4):
		if kind := f.like(2); (kind == gapBlank || kind == gapDash) && f.free(2, kind) && dayFirst(first.value) && nhs(first.value*1e4+c.at(1).value) {
			return first.start, c.at(1).end
		}
	case first.n == 10 && givenOut(first.value) && f.free(1, 0) && nhs(first.value):
		return first.start, first.end
	}
	if groups, value := f.joined(10); groups > 0 && f.freeRight(groups, 0) && nhs(value) && f.speaks(NHSNumber) {
		return first.start, c.at(groups - 1).end
	}
	return 0, 0
}

// nhs checks the last of ten digits by the sum of all, weighted from one to ten
// from the right, modulo eleven. Ten times the same digit is nobody's.
func nhs(value uint64) bool {
	if value%1111111111 == 0 {
		return false
	}
	sum := uint64(0)
	for weight := uint64(1); weight <= 10; weight++ {
		sum += value % 10 * weight
		value /= 10
	}
	return sum%11 == 0
}

// givenOut reports whether an NHS number is of a range that is in use, or of
// the one for tests (NHS Data Dictionary). Others of ten digits are Unix times,
// order numbers and ISBNs, whose check digit is made in the same way. Scottish
// numbers are not looked at: a Unix time can begin like one.
func givenOut(value uint64) bool {
	n := value / 10
	return n >= 400_000_000 && n < 500_000_000 || n >= 600_000_000 && n <= 708_800_001 ||
		n >= 320_000_001 && n < 400_000_000 || n >= 999_000_000
}

// dayFirst reports whether six digits are day, month and year.
func dayFirst(value uint64) bool {
	day, month := value/1e4, value/100%100
	return day >= 1 && day <= 31 && month >= 1 && month <= 12
}

// ssn finds nine digits divided as 3-2-4, or in whatever way, and also
// undivided, where a word before them says what they are.
func (f *Seeker) ssn() (start, end int) {
	c := &f.chain
	first := c.at(0)
	if f.lengths(3, 2, 4) {
		kind := f.like(3)
		if kind != 0 && f.free(3, kind) && issuedSSN(first.value*1e6+c.at(1).value*1e4+c.at(2).value) {
			return first.start, c.at(2).end
		}
	}
	if groups, value := f.joined(9); groups > 0 && f.freeRight(groups, 0) && issuedSSN(value) && f.speaks(SSN) {
		return first.start, c.at(groups - 1).end
	}
	return 0, 0
}

// issuedSSN leaves out the areas 000, 666 and 900 to 999, the group 00 and the
// serial 0000, which the Social Security Administration never gives out.
func issuedSSN(value uint64) bool {
	area, group, serial := value/1e6, value/1e4%100, value%1e4
	return area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
}

// npi finds ten digits that begin with 1 or 2 and satisfy Luhn behind 80840
// (45 CFR 162.406), divided as 4-3-3, or in whatever way where a word before them
// says what they are: undivided and without a word, every tenth Unix time would
// be one.
func (f *Seeker) npi() (start, end int) {
	groups, value := f.joined(10)
	if groups == 0 || !npi(value) || !f.freeRight(groups, 0) {
		return 0, 0
	}
	if kind := f.like(3); !f.lengths(4, 3, 3) || kind == 0 || kind == gapDot || !f.free(3, kind) {
		if !f.speaks(NPI) {
			return 0, 0
		}
	}
	return f.chain.at(0).start, f.chain.at(groups - 1).end
}

func npi(value uint64) bool {
	if first := value / 1e9; first != 1 && first != 2 {
		return false
	}
	sum := uint64(24) // of 80840
	for k, rest := 0, value; k < 10; k, rest = k+1, rest/10 {
		d := rest % 10
		if k&1 == 1 {
			d = uint64(twice[d])
		}
		sum += d
	}
	return sum%10 == 0
}

// Bounds of a medical record number.
const (
	minRecord       = 4 // characters
	maxRecord       = 24
	minRecordDigits = 3
)

// mrn finds an id behind a word that says that it is a medical record number:
// letters, digits and dashes within, with three digits at least.
func (f *Seeker) mrn() (start, end int) {
	start, end = f.chain.at(0).start, f.chain.at(0).start
	for start > 0 && end-start <= maxRecord && f.inRecord(start-1) {
		start--
	}
	for end < len(f.text) && end-start <= maxRecord && f.inRecord(end) {
		end++
	}
	digits := 0
	for _, c := range f.text[start:end] {
		if c-'0' <= 9 {
			digits++
		}
	}
	f.steps += 2 * (end - start)
	if g := f.chain.at(0); start == g.start && end == g.end {
		if end = f.threes(); end > g.end {
			digits = minRecord
		}
	}
	if n := end - start; n < minRecord || n > maxRecord || digits < minRecordDigits {
		return 0, 0
	}
	if first := f.chain.at(0).start; start == first || !f.speaksBefore(start).Has(MRN) {
		if !f.speaks(MRN) {
			return 0, 0
		}
		return first, end // also one that is tied to its word: MRN-12345
	}
	return start, end
}

// threes returns the end of the groups of three or four digits, with blanks
// between, that the chain begins with.
func (f *Seeker) threes() (end int) {
	end = f.chain.at(0).end
	for k := range f.chain.n {
		g := f.chain.at(k)
		if g.n < 3 || g.n > 4 || k > 0 && g.before != gapBlank || k == maxThrees {
			break
		}
		end = g.end
	}
	return end
}

const maxThrees = 4

// inRecord reports whether byte i is part of an id: a letter, a digit, or a dash
// between two of them.
func (f *Seeker) inRecord(i int) bool {
	c := f.text[i]
	if c == '-' {
		return i > 0 && i+1 < len(f.text) && alnum(f.text[i-1]) && alnum(f.text[i+1])
	}
	return alnum(c)
}

func alnum(c byte) bool { return letter(c) || c-'0' <= 9 }
