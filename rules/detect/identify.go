package detect

import (
	"bytes"
	"math/bits"
)

// Identifier is a part of a text that detectors found: offsets in bytes, End
// excluded. Where the finds of several detectors overlap, they are one part
// that all of them found.
type Identifier struct {
	Start, End int
	Found      Detectors
}

// maxNamed is the length of the longest text for all of which its member's name
// speaks. A longer one is a note that says itself what it speaks of.
const maxNamed = 64

// Seeker is the reusable scratch of searches for identifiers. Its zero value is
// ready for use. It is not safe for concurrent use.
type Seeker struct {
	text, name []byte
	which      Detectors
	out        []Identifier
	at         int // the next at sign, from i on
	steps      int // bytes looked at, for a test of what the search costs

	chain  chain
	spoken spoken            // what the words before the chain speak of
	done   [NumDetectors]int // where the last find of each detector ends

	named      Detectors // what the name speaks of
	namedKnown bool

	digits [maxDigits]byte // of a number
}

// Find returns what some detectors find in a decoded text, in order and without
// overlap. name is the decoded name of the member whose value the text is, also
// of the array around it: in a member "ssn" nine digits need no other word
// before them. It may be empty. The result is valid until the next search; text
// and name are forgotten when it begins, or by Reset.
//
// Identifiers are looked for where a digit or an at sign stands, and no further
// from it than a few words: the time is linear in the text, and nothing is
// allocated once there is room for the result.
func (f *Seeker) Find(which Detectors, name, text []byte) []Identifier {
	f.text, f.name, f.which, f.out, f.at = text, nil, which, f.out[:0], len(text)
	f.chain.n, f.chain.more, f.namedKnown, f.steps, f.done = 0, 0, false, 0, [NumDetectors]int{}
	if len(text) <= maxNamed {
		f.name = name
	}
	f.find()
	return f.out
}

// Number returns the detectors for which a JSON number is an identifier, by its
// value. name is as with Find.
func (f *Seeker) Number(which Detectors, name, literal []byte) Detectors {
	if which&numeric == 0 {
		return 0
	}
	n, ok := readNumber(literal)
	if !ok || n.inExponent || n.whole.n < minIDDigits {
		return 0
	}
	for k := range n.whole.n {
		f.digits[k] = '0' + byte(n.whole.value/pow10[n.whole.n-1-k]%10)
	}
	found := f.Find(which&numeric, name, f.digits[:n.whole.n])
	if len(found) == 1 && found[0].Start == 0 && found[0].End == n.whole.n {
		return found[0].Found
	}
	return 0
}

// Reset zeroes what the last search held of its text.
func (f *Seeker) Reset() { *f = Seeker{out: f.out[:0]} }

// numeric are the detectors of what may be written as a JSON number.
const numeric = 1<<NHSNumber | 1<<SSN | 1<<MRN | 1<<Phone | 1<<DateOfBirth | 1<<NPI

// minIDDigits is the number of digits that an identifier has at least.
const minIDDigits = 3

// find walks from digit to digit and from at sign to at sign.
func (f *Seeker) find() {
	email := f.which.Has(Email)
	if email {
		f.seekAt(0)
	}
	digits := f.which&^Email.Set() != 0
	for i := 0; i < len(f.text); {
		next := f.at
		if digits {
			next = nextDigit(f.text[:f.at], i)
			f.steps += next - i
		}
		switch {
		case next < f.at:
			i = f.digit(next)
		case f.at < len(f.text):
			f.email(f.at)
			i = f.at + 1
			f.seekAt(i)
		default:
			i = len(f.text)
		}
	}
}

// seekAt finds the next at sign from i on.
func (f *Seeker) seekAt(i int) {
	f.at = len(f.text)
	if k := bytes.IndexByte(f.text[i:], '@'); k >= 0 {
		f.at = i + k
	}
	f.steps += f.at - i
}

// digit looks at the digits at i, and returns where to go on.
func (f *Seeker) digit(i int) int {
	c, size, _ := classify(f.text[i:])
	if c != classDigit {
		return i + size
	}
	f.advance(i)
	f.spoken = spoken{}
	g := f.chain.at(0)
	for rest := f.which &^ Email.Set(); rest != 0; rest &= rest - 1 {
		d := Detector(bits.TrailingZeros16(uint16(rest)))
		if f.done[d] > g.start {
			continue // it found what reaches this far
		}
		if start, end := f.judge(d); end > 0 {
			f.done[d] = end
			f.add(Identifier{Start: start, End: end, Found: d.Set()})
		}
	}
	return g.end
}

// judge asks a detector about what begins with the chain. It returns where its
// find begins and ends, zero for none.
func (f *Seeker) judge(d Detector) (start, end int) {
	switch d {
	case NHSNumber:
		return f.nhsNumber()
	case SSN:
		return f.ssn()
	case MRN:
		return f.mrn()
	case Phone:
		return f.phone()
	case DateOfBirth:
		return f.dateOfBirth()
	case NPI:
		return f.npi()
	case IBAN:
		return f.iban()
	}
	return 0, 0
}

// add appends a find, together with those that it overlaps.
func (f *Seeker) add(x Identifier) {
	for len(f.out) > 0 {
		last := &f.out[len(f.out)-1]
		if last.End <= x.Start {
			break
		}
		x = Identifier{Start: min(x.Start, last.Start), End: max(x.End, last.End), Found: x.Found | last.Found}
		f.out = f.out[:len(f.out)-1]
	}
	f.out = append(f.out, x)
}
