package basket

import (
	"math/bits"

	"chaperone/rules"
)

var pow10 = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

const maxUnits = 1e18 - 1

// Decimal is Mantissa × 10^Exp, exact. Exp is between -2·MaxExponent and
// MaxExponent.
type Decimal struct {
	Mantissa int64
	Exp      int8
	Written  uint8 // places behind the point as it was written, without its exponent
}

// ParseDecimal reads a number of the grammar of RFC 8259, 6, with at most
// MaxDigits digits, MaxExponent places behind the point and an exponent
// within ±MaxExponent. Quantities and unit prices are read by it, which may
// be finer than a minor unit.
func ParseDecimal(literal []byte) (Decimal, error) {
	var d Decimal
	if n, ok := natural(literal); ok {
		d.Mantissa = n
		return d, nil
	}
	b := literal
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	whole := digits(b)
	if whole == 0 || (whole > 1 && b[0] == '0') {
		return d, ErrSyntax
	}
	mantissa, ok := accumulate(0, b[:whole])
	b = b[whole:]
	fraction := 0
	if len(b) > 0 && b[0] == '.' {
		if fraction = digits(b[1:]); fraction == 0 {
			return d, ErrSyntax
		}
		var fits bool
		mantissa, fits = accumulate(mantissa, b[1:1+fraction])
		ok = ok && fits && fraction <= MaxExponent
		b = b[1+fraction:]
	}
	exponent, err := exponentOf(b)
	if err != nil {
		return d, err
	}
	if !ok {
		return d, ErrRange
	}
	d.Mantissa, d.Exp, d.Written = int64(mantissa), int8(exponent-fraction), uint8(fraction)
	if negative {
		d.Mantissa = -d.Mantissa
	}
	return d, nil
}

// natural reads what most amounts are: nothing but digits, as many as fit.
func natural(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > MaxDigits || len(b) > 1 && b[0] == '0' {
		return 0, false
	}
	for _, c := range b {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	return n, true
}

// digits returns the number of ASCII digits that b begins with.
func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n]-'0' <= 9 {
		n++
	}
	return n
}

// accumulate appends digits to n, as long as there are at most MaxDigits.
func accumulate(n uint64, b []byte) (uint64, bool) {
	for _, c := range b {
		if n >= pow10[MaxDigits-1] {
			return n, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// exponentOf reads the rest of a number: nothing, or e and an integer.
func exponentOf(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if b[0]|0x20 != 'e' {
		return 0, ErrSyntax
	}
	b = b[1:]
	negative := len(b) > 0 && b[0] == '-'
	if negative || len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	if n := digits(b); n == 0 || n != len(b) {
		return 0, ErrSyntax
	}
	n, ok := accumulate(0, b)
	if !ok || n > MaxExponent {
		return 0, ErrRange
	}
	if negative {
		return -int(n), nil
	}
	return int(n), nil
}

// units returns the value in units of 10^-scale.
func (d Decimal) units(scale int) (int64, error) {
	shift := int(d.Exp) + scale
	n := d.Mantissa
	for ; shift < 0; shift++ {
		if n%10 != 0 {
			return 0, ErrInexact
		}
		n /= 10
	}
	for ; shift > 0 && n != 0; shift-- {
		if n *= 10; n > maxUnits || n < -maxUnits {
			return 0, ErrRange
		}
	}
	return n, nil
}

// Product returns quantity × price in minor units, rounded half to even where
// it is not a whole number of them, as a till does that prices by weight or by
// the unit of a drug. exponent and units are as for Parse.
func Product(quantity, price Decimal, exponent int, units rules.Units) (int64, error) {
	if units != rules.UnitsMajor {
		exponent = 0
	}
	if exponent < 0 || exponent > MaxExponent {
		return 0, ErrRange
	}
	q, p := magnitude(quantity.Mantissa), magnitude(price.Mantissa)
	if q == 0 || p == 0 {
		return 0, nil
	}
	hi, lo := bits.Mul64(q, p)
	shift := int(quantity.Exp) + int(price.Exp) + exponent
	for ; shift > 0; shift-- {
		if hi > 0 || lo > maxUnits {
			return 0, ErrRange
		}
		lo *= 10
	}
	sticky := false // something but zero was cut off behind the last digit cut
	last := uint64(0)
	for ; shift < 0; shift++ {
		sticky = sticky || last != 0
		var rest uint64
		hi, rest = hi/10, hi%10
		lo, last = bits.Div64(rest, lo, 10)
	}
	if last > 5 || last == 5 && (sticky || lo&1 == 1) {
		var carry uint64
		lo, carry = bits.Add64(lo, 1, 0)
		hi += carry
	}
	if hi > 0 || lo > maxUnits {
		return 0, ErrRange
	}
	n := int64(lo)
	if (quantity.Mantissa < 0) != (price.Mantissa < 0) {
		n = -n
	}
	return n, nil
}

// magnitude returns |n|.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}
