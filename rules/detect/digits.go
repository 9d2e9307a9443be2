package detect

import "encoding/binary"

// digits are one to maxDigits ASCII digits.
type digits struct {
	value uint64
	n     int
	luhn  bool // the last of them is their check digit
}

// readDigits reads a text that is nothing but digits. It returns false for any
// other, and for one of more than maxDigits.
func readDigits(b []byte) (d digits, ok bool) {
	switch n := len(b); {
	case n == 0 || n > maxDigits:
		return d, false
	case n < 8:
		return fewDigits(b)
	default:
		// Words from the end: the first of them, perhaps in part, shifted up so
		// that nothing but zeros stands before it.
		last := binary.LittleEndian.Uint64(b[n-8:]) ^ zeros
		first := binary.LittleEndian.Uint64(b) ^ zeros
		middle, wrong := uint64(0), first|(first+above)|last|(last+above)
		switch {
		case n > 16:
			middle = binary.LittleEndian.Uint64(b[n-16:]) ^ zeros
			wrong |= middle | (middle + above)
			first <<= 8 * (24 - n)
		case n > 8:
			middle, first = first<<(8*(16-n)), 0
		default:
			first = 0
		}
		if wrong&highs != 0 {
			return d, false
		}
		sum := (weighed(first) + weighed(middle) + weighed(last)) * ones >> 56
		return digits{eightDigits(first)*1e16 + eightDigits(middle)*1e8 + eightDigits(last), n, sum%10 == 0}, true
	}
}

// fewDigits is readDigits for less than a word of them.
func fewDigits(b []byte) (d digits, ok bool) {
	sum, double := uint8(0), len(b)&1 == 0
	for _, c := range b {
		c -= '0'
		if c > 9 {
			return digits{}, false
		}
		d.value = d.value*10 + uint64(c)
		if double {
			c = twice[c]
		}
		sum, double = sum+c, !double
	}
	d.n, d.luhn = len(b), sum%10 == 0
	return d, true
}

// weighed returns what the digits in the bytes of x, the last one highest, add to
// the sum of ISO/IEC 7812-1 annex B: every other one from the last but one on
// counts twice, and its two digits are added up.
func weighed(x uint64) uint64 {
	const others = 0x00FF00FF00FF00FF
	y := x & others
	ten := (y + (0x80-5)*ones) >> 7 & ones & others // of those whose double has two digits
	return x + y - 9*ten
}

// eightDigits returns the number whose digits are the bytes of x, the first one
// lowest.
func eightDigits(x uint64) uint64 {
	x = (x * (1 + 10<<8) >> 8) & 0x00FF00FF00FF00FF
	x = (x * (1 + 100<<16) >> 16) & 0x0000FFFF0000FFFF
	return x * (1 + 10000<<32) >> 32
}

// card reports whether the digits are a card number, and no barcode.
func (d digits) card() bool { return judge(d.value, d.n, d.luhn) && !gtin(d.value, d.n) }
