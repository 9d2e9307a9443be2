package rewrite

// blank marks the whitespace of RFC 8259, 2.
var blank = [256]bool{' ': true, '\t': true, '\n': true, '\r': true}

// skip returns the offset of the first byte from i on that is no whitespace.
func skip(b []byte, i int) int {
	for i < len(b) && blank[b[i]] {
		i++
	}
	return i
}

// scanNumber reads a number that begins at b[i]: it returns the offset after
// it, or -1 where the grammar of RFC 8259, 6, is broken, and whether it has an
// exponent.
func scanNumber(b []byte, i int) (end int, exponent bool) {
	if b[i] == '-' {
		i++
	}
	start := i
	if i = digitRun(b, i); i == start || (b[start] == '0' && i > start+1) {
		return -1, false
	}
	if i >= len(b) || b[i] == ',' {
		return i, false // most numbers
	}
	if b[i] == '.' {
		start = i + 1
		if i = digitRun(b, start); i == start {
			return -1, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		exponent = true
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start = i
		if i = digitRun(b, i); i == start {
			return -1, false
		}
	}
	return i, exponent
}

// partOfNumber marks what may follow the first digits of a number.
var partOfNumber = [256]bool{'.': true, 'e': true, 'E': true}

func digitRun(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// scanWord reads true, false or null at b[i]: it returns the offset after it,
// or -1.
func scanWord(b []byte, i int) int {
	word := "null"
	switch b[i] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	}
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

// maxIntegerDigits is the length of the longest number that integer reads.
const maxIntegerDigits = 19

// integer appends the digits of a number literal whose value is a whole,
// positive number of at most 19 digits, however it is written. ok is false for
// any other.
func integer(dst, literal []byte) (digits []byte, ok bool) {
	if literal[0] == '-' {
		return dst, false
	}
	whole := digitRun(literal, 0)
	i, fraction := whole, 0
	if i < len(literal) && literal[i] == '.' {
		i = digitRun(literal, i+1)
		fraction = i - whole - 1
	}
	exponent := 0
	if i < len(literal) {
		negative := literal[i+1] == '-'
		for _, c := range literal[i+1:] {
			if c-'0' <= 9 && exponent < 1<<20 {
				exponent = exponent*10 + int(c-'0')
			}
		}
		if negative {
			exponent = -exponent
		}
	}
	out := dst
	for k := 0; k < whole+fraction || k < whole+exponent; k++ {
		d := byte('0')
		switch {
		case k < whole:
			d = literal[k]
		case k < whole+fraction:
			d = literal[k+1]
		}
		switch {
		case k >= whole+exponent:
			if d != '0' {
				return dst, false
			}
		case len(out) > len(dst) || d != '0':
			if len(out)-len(dst) == maxIntegerDigits {
				return dst, false
			}
			out = append(out, d)
		case k >= whole+fraction:
			return dst, false // zero, whatever the exponent
		}
	}
	return out, len(out) > len(dst)
}
