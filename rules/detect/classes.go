package detect

import (
	"encoding/binary"
	"math/bits"
	"unicode"
	"unicode/utf8"
)

// class is what a character means between and within numbers.
type class uint8

const (
	classOther class = iota
	classDigit
	classBlank   // space, tab and the blanks of Unicode
	classLine    // line ends
	classDash    // hyphen, dashes, minus
	classWeak    // dot, underscore, slash, middle dot: only between short groups
	classNothing // characters that do not show
	classWide    // first byte of a longer character that may be one of these
)

// byteClass is the class of every byte as the first of a character. It is written
// out, so that the start of a process does not go over all of Unicode;
// TestByteClass does.
var byteClass = [256]class{
	'0': classDigit, '1': classDigit, '2': classDigit, '3': classDigit, '4': classDigit,
	'5': classDigit, '6': classDigit, '7': classDigit, '8': classDigit, '9': classDigit,
	' ': classBlank, '\t': classBlank,
	'\n': classLine, '\v': classLine, '\f': classLine, '\r': classLine,
	'-': classDash,
	'.': classWeak, '_': classWeak, '/': classWeak,
	0xC2: classWide, 0xCD: classWide, 0xD8: classWide, 0xD9: classWide, 0xDB: classWide, 0xDF: classWide,
	0xE0: classWide, 0xE1: classWide, 0xE2: classWide, 0xE3: classWide, 0xEA: classWide, 0xEF: classWide,
	0xF0: classWide,
}

// wideClass is the class of a separator beyond ASCII.
func wideClass(r rune) class {
	switch {
	case r == 0xA0, r == 0x1680, r >= 0x2000 && r <= 0x200A, r == 0x202F, r == 0x205F, r == 0x3000:
		return classBlank
	case r == 0x85, r == 0x2028, r == 0x2029:
		return classLine
	case r >= 0x2010 && r <= 0x2015, r == 0x2212, r == 0x2E3A, r == 0x2E3B, r == 0xFE58, r == 0xFE63, r == 0xFF0D:
		return classDash
	case r == 0xB7, r == 0x2022, r == 0x2024, r == 0xFF0E:
		return classWeak
	case r == 0xAD, r == 0x034F, r == 0x061C, r == 0x180E, r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E,
		r >= 0x2060 && r <= 0x2064, r >= 0x2066 && r <= 0x206F, r >= 0xFE00 && r <= 0xFE0F, r == 0xFEFF:
		return classNothing
	}
	return classOther
}

// classify returns the class of the character at the beginning of text, its
// length in bytes, and its value where it is a digit.
func classify(text []byte) (c class, size int, digit uint8) {
	b := text[0]
	switch c = byteClass[b]; c {
	case classDigit:
		return c, 1, b - '0'
	case classWide:
		r, size := utf8.DecodeRune(text)
		if d, ok := decimal(r); ok {
			return classDigit, size, d
		}
		return wideClass(r), size, 0
	}
	return c, 1, 0
}

// decimal returns the value of a decimal digit beyond ASCII. Unicode assigns
// them in ascending blocks of ten.
func decimal(r rune) (uint8, bool) {
	if r < utf8.RuneSelf || r == utf8.RuneError {
		return 0, false
	}
	if r <= 0xFFFF {
		for _, x := range unicode.Nd.R16 {
			if r < rune(x.Lo) {
				return 0, false
			}
			if r <= rune(x.Hi) {
				return uint8((r - rune(x.Lo)) % 10), true
			}
		}
		return 0, false
	}
	for _, x := range unicode.Nd.R32 {
		if r < rune(x.Lo) {
			return 0, false
		}
		if r <= rune(x.Hi) {
			return uint8((r - rune(x.Lo)) % 10), true
		}
	}
	return 0, false
}

const (
	lows  = 0x7F7F7F7F7F7F7F7F
	highs = 0x8080808080808080
	zeros = 0x3030303030303030
	above = 0x7676767676767676 // 0x80 - 10
)

// digitMask sets the high bit of every byte of x that is an ASCII digit.
func digitMask(x uint64) uint64 {
	return ^(((x ^ zeros) & lows) + above) & ^x & highs
}

// Candidate reports whether a text may hold a card number: false where it has
// fewer than twelve ASCII digits and nothing beyond ASCII. It costs a fraction
// of a nanosecond per byte and may be asked about the raw bytes of a JSON
// string or a percent-encoded text as well, because every escape of a digit
// holds a digit itself.
func Candidate(text []byte) bool {
	if len(text) < minDigits {
		return false
	}
	var digits int
	var wide uint64
	for len(text) >= 8 {
		x := binary.LittleEndian.Uint64(text)
		digits += bits.OnesCount64(digitMask(x))
		wide |= x
		text = text[8:]
	}
	for _, b := range text {
		if b-'0' <= 9 {
			digits++
		}
		wide |= uint64(b)
	}
	return digits >= minDigits || wide&highs != 0
}

// nextDigit returns the offset from i on of the first byte that may begin a
// decimal digit or a wide separator, len(text) if there is none.
func nextDigit(text []byte, i int) int {
	for i < len(text) {
		end := i + 8
		if end <= len(text) {
			x := binary.LittleEndian.Uint64(text[i:])
			if x&highs == 0 {
				if m := digitMask(x); m != 0 {
					return i + bits.TrailingZeros64(m)>>3
				}
				i = end
				continue
			}
		} else {
			end = len(text)
		}
		for ; i < end; i++ {
			if c := byteClass[text[i]]; c == classDigit || c == classWide {
				return i
			}
		}
	}
	return len(text)
}
