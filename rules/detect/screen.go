package detect

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// suspicious reports whether a JSON text is worth the guard's walk. It knows
// nothing of strings: what it clears holds no card number, whatever the bytes
// mean.
func suspicious(b []byte) bool {
	if blocks {
		return suspiciousBlocks(b)
	}
	return suspiciousWords(b)
}

// suspiciousWords is suspicious, eight bytes at a time.
//
// Between two digits of a card there are at most maxGap plain characters;
// anything more is escapes, which hold a backslash, or bytes beyond ASCII. So
// the digits of a card lie in a chain of words of which each holds a digit, a
// backslash or a byte beyond ASCII, or follows one with a backslash (of
// "\uFEFF - " the last eight bytes hold none of them). Only a chain with the
// digits of a card is looked at; what begins a character beyond ASCII may be
// one. A number of fewer digits can be a card only by its exponent.
func suspiciousWords(b []byte) bool {
	var (
		start, digits int    // of the chain
		escaped       bool   // the word before holds a backslash
		carry         uint64 // the last byte of the word before is a digit
	)
	for i := 0; i < len(b); i += 8 {
		if digits == 0 && carry == 0 && !escaped {
			if from := i; i+8 <= len(b) {
				if i = dull(b, i); i > from {
					start = i - 8
				}
			}
			if i >= len(b) {
				return false
			}
		}
		var x uint64
		if i+8 <= len(b) {
			x = binary.LittleEndian.Uint64(b[i:])
		} else {
			var tail [8]byte
			copy(tail[:], b[i:])
			x = binary.LittleEndian.Uint64(tail[:])
		}
		d := digitMask(x)
		slash := equalMask(x, '\\')
		if before := d<<8 | carry; before != 0 {
			exponents := equalMask(x|spaces, 'e') & before
			if exponents != 0 && exponentNumbers(b, i, exponents) {
				return true
			}
			carry = d >> 56
		}
		if d|slash|x&highs != 0 || escaped {
			digits += bits.OnesCount64(d | x&(x<<1)&highs)
			escaped = slash != 0
			continue
		}
		if digits >= minDigits && suspiciousChain(b, start, i) {
			return true
		}
		start, digits = i, 0
	}
	return digits >= minDigits && suspiciousChain(b, start, len(b))
}

// dull passes over the words from b[i] on that hold no digit, no backslash and
// nothing beyond ASCII, which is most of a body. It returns the offset of the
// first that does. A carry into the next byte can make it stop too early, and
// never too late: it begins at a byte for which it stops anyway.
func dull(b []byte, i int) int {
	for rest := b[i:]; len(rest) >= 8; rest = rest[8:] {
		x := binary.LittleEndian.Uint64(rest)
		digit, backslash := ^((x ^ zeros) + above), (x^ones*'\\')-ones
		if (digit|backslash|x)&highs != 0 {
			return len(b) - len(rest)
		}
		i += 8
	}
	return i
}

const (
	ones   = 0x0101010101010101
	spaces = 0x2020202020202020
)

// equalMask sets the high bit of every byte of x that is c.
func equalMask(x uint64, c byte) uint64 {
	y := x ^ ones*uint64(c)
	return ^((y&lows + lows) | y | lows)
}

// suspiciousChain looks at a chain, from the word before it on.
func suspiciousChain(b []byte, start, end int) bool {
	chain := b[start:end]
	if bytes.IndexByte(chain, '\\') >= 0 {
		return true
	}
	if !together(chain) {
		return false
	}
	f := finder{text: chain}
	f.find()
	return f.found
}

// together reports whether as many digits as a card has stand in a chain with
// nothing between them but what may stand within a card, which is not so in
// times and in amounts. A character beyond ASCII that may be a digit is one.
func together(chain []byte) bool {
	digits := 0
	for _, c := range chain {
		switch byteClass[c] {
		case classDigit, classWide:
			if digits++; digits == minDigits {
				return true
			}
		case classOther:
			if c < 0x80 || c >= 0xC0 { // else it is within a character
				digits = 0
			}
		}
	}
	return false
}

// exponentNumbers looks at the numbers with an exponent whose e is marked in
// the word at i.
func exponentNumbers(b []byte, i int, marks uint64) bool {
	for ; marks != 0; marks &= marks - 1 {
		if exponentNumber(b, i+bits.TrailingZeros64(marks)>>3) {
			return true
		}
	}
	return false
}

// exponentNumber looks at the number whose exponent's e, perhaps, is b[at].
func exponentNumber(b []byte, at int) bool {
	if at == 0 || b[at-1]-'0' > 9 || at+1 >= len(b) || !numberByte[b[at+1]] {
		return false
	}
	start := at
	for start > 0 && numberByte[b[start-1]] && at-start < maxMantissa {
		start--
	}
	if at-start == maxMantissa {
		return true
	}
	var buf [maxDigits]byte
	_, ok := PANNumber(buf[:0], b[start:numberEnd(b, at)])
	return ok
}

// maxMantissa is the length from which a number with an exponent is left to
// the walk, so that looking back stays cheap.
const maxMantissa = 64
