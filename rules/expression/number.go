package expression

import (
	"errors"

	"github.com/cockroachdb/apd/v3"
)

// Decimal is an exact decimal number. The zero Decimal is 0. It is not changed
// after it was made.
type Decimal struct{ d apd.Decimal }

// The bounds of what is computed. A result that needs more digits leaves the
// expression undecided; it is never rounded to fit.
const (
	maxDigits   = 36
	maxExponent = 60
)

var exactly = func() apd.Context {
	c := apd.BaseContext
	c.Precision, c.MaxExponent, c.MinExponent = maxDigits, maxExponent, -maxExponent
	c.Rounding = apd.RoundHalfEven
	c.Traps = apd.DefaultTraps | apd.Inexact | apd.Overflow | apd.Underflow | apd.Subnormal
	return c
}()

// rounding is exactly for a result that may lose digits.
var rounding = func() apd.Context {
	c := exactly
	c.Traps &^= apd.Inexact | apd.Subnormal
	return c
}()

// ErrRange says that a number is too large, or has too many digits.
var ErrRange = errors.New("a number is too large, or has too many digits")

// DecimalOf returns mantissa × 10^exponent.
func DecimalOf(mantissa int64, exponent int) *Decimal {
	x := new(Decimal)
	x.d.SetFinite(mantissa, int32(exponent))
	return x
}

// parseDecimal reads a literal of the policy.
func parseDecimal(literal string) (*Decimal, error) {
	x := new(Decimal)
	if _, condition, err := x.d.SetString(literal); err != nil || condition.Any() || x.d.Form != apd.Finite {
		return nil, ErrRange
	}
	if x.d.NumDigits() > maxDigits || x.d.Exponent > maxExponent || x.d.Exponent < -maxExponent {
		return nil, ErrRange
	}
	return x, nil
}

// whole reports whether the number has no fraction.
func (x *Decimal) whole() bool {
	var r apd.Decimal
	r.Reduce(&x.d)
	return r.Exponent >= 0
}

// Units returns the number in units of 10^-places, at most 18 digits of them.
// ok is false where it is no whole number of units, or too large.
func (x *Decimal) Units(places int) (units int64, ok bool) {
	var r apd.Decimal
	r.Reduce(&x.d)
	r.Exponent += int32(places)
	if r.IsZero() {
		return 0, true
	}
	if r.Exponent < 0 || r.NumDigits()+int64(r.Exponent) > 18 {
		return 0, false
	}
	units, err := r.Int64()
	return units, err == nil
}

// Append writes the number as JSON does, without an exponent and with as many
// decimals as it has.
func (x *Decimal) Append(dst []byte) []byte { return x.d.Append(dst, 'f') }

// Cmp compares two numbers: -1, 0 or 1.
func (x *Decimal) Cmp(y *Decimal) int { return x.d.Cmp(&y.d) }

type operation func(c *apd.Context, d, x, y *apd.Decimal) (apd.Condition, error)

// compute carries out an operation that must be exact.
func compute(op operation, x, y *Decimal) (*Decimal, error) {
	out := new(Decimal)
	if _, err := op(&exactly, &out.d, &x.d, &y.d); err != nil || out.d.Form != apd.Finite {
		return nil, ErrRange
	}
	return out, nil
}

// round rounds to some places behind the point, half to even.
func (x *Decimal) round(places int) (*Decimal, error) {
	out := new(Decimal)
	if _, err := rounding.Quantize(&out.d, &x.d, int32(-places)); err != nil {
		return nil, ErrRange
	}
	return out, nil
}
