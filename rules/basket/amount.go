package basket

import (
	"errors"
	"strconv"

	"chaperone/rules"
)

// Bounds of an amount as it is written (DESIGN: totals).
const (
	MaxDigits   = 18 // digits of the number, leading zeros aside
	MaxExponent = 6  // of a literal's power of ten, and places behind the point
)

// The errors of Parse, ParseDecimal, ParseQuantity and Product. None holds
// any part of the literal.
var (
	ErrSyntax  = errors.New("not a decimal number")
	ErrRange   = errors.New("more than 18 digits or an exponent beyond 6")
	ErrInexact = errors.New("not a whole number of minor units")
)

// Style is how an amount was written, so that a share of it can be written
// alike. The zero Style is a JSON integer of minor units.
type Style struct {
	Quoted   bool  // it was a JSON string
	Decimals uint8 // places behind the point
	Scale    uint8 // places behind the point that one minor unit is worth: the currency's exponent, or 0 for units: minor
}

// Amount is money: whole minor units, at most 18 digits, and the style in
// which it came. An Amount of other Units in the same Style is how a share is
// made.
type Amount struct {
	Units int64
	Style Style
}

// Parse reads an amount: the literal of a JSON number, or the decoded text of
// a string (isString), which must have the same grammar. exponent is that of
// the currency (see Exponent); it matters for units: major only. The value
// has to be a whole number of minor units: 12.345 USD is ErrInexact, 12.340 is
// fine. An exponent (6.27e2) is accepted and not written again.
func Parse(literal []byte, isString bool, exponent int, units rules.Units) (Amount, error) {
	d, err := ParseDecimal(literal)
	if err != nil {
		return Amount{}, err
	}
	if exponent < 0 || exponent > MaxExponent {
		return Amount{}, ErrRange
	}
	a := Amount{Style: Style{Quoted: isString, Decimals: d.Written}}
	if units == rules.UnitsMajor {
		a.Style.Scale = uint8(exponent)
	}
	a.Units, err = d.units(int(a.Style.Scale))
	return a, err
}

// Append writes the amount in its style and returns the extended slice: with
// quotes where it was a string; with as many decimals as it came with, more
// where it had decimals but fewer than its currency, or where the value asks
// for them.
func (a Amount) Append(dst []byte) []byte {
	if a.Style.Quoted {
		dst = append(dst, '"')
	}
	units := a.Units
	magnitude := uint64(units)
	if units < 0 {
		dst = append(dst, '-')
		magnitude = -magnitude
	}
	scale := int(min(a.Style.Scale, MaxExponent))
	one := pow10[scale]
	whole, part := magnitude/one, magnitude%one
	dst = strconv.AppendUint(dst, whole, 10)
	decimals := int(a.Style.Decimals)
	if part != 0 || decimals > 0 {
		decimals = max(decimals, scale)
	}
	if decimals > 0 {
		dst = append(dst, '.')
		for k := scale - 1; k >= 0; k-- {
			dst = append(dst, '0'+byte(part/pow10[k]%10))
		}
		for range decimals - scale {
			dst = append(dst, '0')
		}
	}
	if a.Style.Quoted {
		dst = append(dst, '"')
	}
	return dst
}
