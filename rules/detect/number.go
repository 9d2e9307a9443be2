package detect

// maxExponent bounds the exponent that is looked at: beyond it a number has
// more digits than a card, or its digits are all behind the point.
const maxExponent = 1 << 20

// PANNumber judges a JSON number literal by its value: whether its integer
// part, the sign aside, is a card number, as that of 4.111111111111111e15 and
// of 4111111111111111.00 is. It appends the digits of the integer part to dst,
// without leading zeros, and returns them. A literal whose exponent is itself
// a card number, which no receiver could use as a number, is one as well.
// Bytes that are no JSON number give false.
func PANNumber(dst []byte, literal []byte) (digits []byte, ok bool) {
	if len(literal) < minDigits && !hasExponent(literal) {
		return dst, false
	}
	n, ok := readNumber(literal)
	if !ok {
		return dst, false
	}
	if n.inExponent {
		return append(dst, n.exponent...), true
	}
	if !judge(n.whole.value, n.whole.n, n.whole.luhn()) || gtin(n.whole.value, n.whole.n) {
		return dst, false
	}
	for k := n.whole.n - 1; k >= 0; k-- {
		dst = append(dst, '0'+byte(n.whole.value/pow10[k]%10))
	}
	return dst, true
}

// number is what a literal says.
type number struct {
	whole      group // its integer part, without leading zeros
	exponent   []byte
	inExponent bool // the exponent's digits are a card number
}

// readNumber reads a literal of the grammar of RFC 8259, 6. It returns false
// where it is none, or where its integer part has more than maxDigits digits
// and the exponent holds no card.
func readNumber(b []byte) (n number, ok bool) {
	i := 0
	if i < len(b) && b[i] == '-' {
		i++
	}
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	whole := b[start:i]
	var fraction []byte
	if i < len(b) && b[i] == '.' {
		start = i + 1
		for i++; i < len(b) && b[i]-'0' <= 9; i++ {
		}
		fraction = b[start:i]
	}
	exponent := 0
	if i < len(b) && b[i]|0x20 == 'e' {
		exponent, n.exponent, i = readExponent(b, i+1)
		if d, small := readDigits(n.exponent); small {
			n.inExponent = judge(d.value, d.n, d.luhn)
		}
	}
	if len(whole) == 0 || i != len(b) {
		return n, false
	}
	if n.inExponent {
		return n, true
	}
	return n, n.take(whole, fraction, len(whole)+exponent)
}

// readExponent reads what follows the e.
func readExponent(b []byte, i int) (exponent int, digits []byte, end int) {
	negative := i < len(b) && b[i] == '-'
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		i++
	}
	start := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		if exponent < maxExponent {
			exponent = exponent*10 + int(b[i]-'0')
		}
	}
	if negative {
		exponent = -exponent
	}
	return exponent, b[start:i], i
}

// take reads the first point digits of whole and fraction together, filled up
// with zeros, and reports whether they are no more than a card has.
func (n *number) take(whole, fraction []byte, point int) bool {
	for k := 0; k < point; k++ {
		d := uint8(0)
		switch {
		case k < len(whole):
			d = whole[k] - '0'
		case k < len(whole)+len(fraction):
			d = fraction[k-len(whole)] - '0'
		case n.whole.n == 0:
			return true // zero, whatever the exponent
		}
		if n.whole.n == 0 && d == 0 {
			continue
		}
		if n.whole.n == maxDigits {
			return false
		}
		n.whole.add(d)
	}
	return true
}

func hasExponent(literal []byte) bool {
	for _, c := range literal {
		if c|0x20 == 'e' {
			return true
		}
	}
	return false
}
