package basket

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/rules"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name     string
		literal  string
		quoted   bool
		exponent int
		units    rules.Units
		want     int64
		err      error
		again    string // what Append writes, the literal itself where empty
	}{
		{name: "minor units", literal: "62700", exponent: 2, want: 62700},
		{name: "minor units with decimals", literal: "62700.00", exponent: 2, want: 62700},
		{name: "half a minor unit", literal: "62700.50", exponent: 2, err: ErrInexact},
		{name: "minor units as a string", literal: "62700", quoted: true, exponent: 2, want: 62700, again: `"62700"`},
		{name: "major units", literal: "627.00", exponent: 2, units: rules.UnitsMajor, want: 62700},
		{name: "major units as a string", literal: "627.00", quoted: true, exponent: 2, units: rules.UnitsMajor, want: 62700, again: `"627.00"`},
		{name: "major units without decimals", literal: "627", exponent: 2, units: rules.UnitsMajor, want: 62700},
		{name: "one decimal", literal: "627.5", exponent: 2, units: rules.UnitsMajor, want: 62750, again: "627.50"},
		{name: "more decimals than the currency", literal: "627.5000", exponent: 2, units: rules.UnitsMajor, want: 62750},
		{name: "a fraction of a cent", literal: "627.505", exponent: 2, units: rules.UnitsMajor, err: ErrInexact},
		{name: "yen", literal: "1250", exponent: 0, units: rules.UnitsMajor, want: 1250},
		{name: "yen with decimals", literal: "1250.00", exponent: 0, units: rules.UnitsMajor, want: 1250},
		{name: "half a yen", literal: "1250.5", exponent: 0, units: rules.UnitsMajor, err: ErrInexact},
		{name: "dinar", literal: "1.234", exponent: 3, units: rules.UnitsMajor, want: 1234},
		{name: "refund", literal: "-0.05", exponent: 2, units: rules.UnitsMajor, want: -5},
		{name: "minus zero", literal: "-0.00", exponent: 2, units: rules.UnitsMajor, want: 0, again: "0.00"},
		{name: "exponent", literal: "6.27e2", exponent: 2, units: rules.UnitsMajor, want: 62700, again: "627.00"},
		{name: "negative exponent", literal: "62700E-2", exponent: 2, units: rules.UnitsMajor, want: 62700, again: "627"},
		{name: "exponent of two digits", literal: "1e07", exponent: 2, err: ErrRange},
		{name: "exponent beyond any integer", literal: "1e99999999999999999999", exponent: 2, err: ErrRange},
		{name: "18 digits", literal: "999999999999999999", exponent: 2, want: 999999999999999999},
		{name: "19 digits", literal: "1000000000000000000", exponent: 2, err: ErrRange},
		{name: "18 digits of a major unit", literal: "999999999999999999", exponent: 2, units: rules.UnitsMajor, err: ErrRange},
		{name: "seven places", literal: "1.0000000", exponent: 2, units: rules.UnitsMajor, err: ErrRange},
		{name: "empty", literal: "", err: ErrSyntax},
		{name: "a sign alone", literal: "-", err: ErrSyntax},
		{name: "plus", literal: "+5", err: ErrSyntax},
		{name: "leading zero", literal: "05", err: ErrSyntax},
		{name: "no digit before the point", literal: ".5", err: ErrSyntax},
		{name: "no digit behind the point", literal: "5.", err: ErrSyntax},
		{name: "thousands", literal: "1,250.00", quoted: true, err: ErrSyntax},
		{name: "currency sign", literal: "$5", quoted: true, err: ErrSyntax},
		{name: "blank", literal: " 5", quoted: true, err: ErrSyntax},
		{name: "not a number", literal: "NaN", quoted: true, err: ErrSyntax},
		{name: "bare e", literal: "5e", err: ErrSyntax},
		{name: "e and a sign", literal: "5e-", err: ErrSyntax},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := Parse([]byte(c.literal), c.quoted, c.exponent, c.units)
			if !errors.Is(err, c.err) || (err == nil && a.Units != c.want) {
				t.Fatalf("%q: %+v, %v; want %d, %v", c.literal, a, err, c.want, c.err)
			}
			if err != nil {
				return
			}
			again := c.again
			if again == "" {
				again = c.literal
			}
			if got := string(a.Append(nil)); got != again {
				t.Errorf("%q is written as %s, want %s", c.literal, got, again)
			}
		})
	}
}

func TestAppendShare(t *testing.T) {
	for _, c := range []struct {
		whole string
		share int64
		want  string
	}{
		{"627", 31350, "313.50"}, // more decimals than it came with, because it has to
		{"627", 31300, "313"},
		{"627.0", 31300, "313.00"},
		{"627.00", 5, "0.05"},
		{"627.0000", -5, "-0.0500"},
	} {
		a, err := Parse([]byte(c.whole), false, 2, rules.UnitsMajor)
		if err != nil {
			t.Fatal(err)
		}
		a.Units = c.share
		if got := string(a.Append(nil)); got != c.want {
			t.Errorf("%d in the style of %s: %s, want %s", c.share, c.whole, got, c.want)
		}
	}
}

func TestProduct(t *testing.T) {
	for _, c := range []struct {
		name, quantity, price string
		exponent              int
		units                 rules.Units
		want                  int64
		err                   error
	}{
		{name: "whole", quantity: "3", price: "12500", want: 37500},
		{name: "half a unit", quantity: "0.5", price: "12500", want: 6250},
		{name: "half of an odd price, to even below", quantity: "0.5", price: "12501", want: 6250},
		{name: "half of an odd price, to even above", quantity: "0.5", price: "12503", want: 6252},
		{name: "refunds round alike", quantity: "-0.5", price: "12503", want: -6252},
		{name: "just above a half", quantity: "0.500001", price: "12501", want: 6251},
		{name: "major units", quantity: "20", price: "12.345", exponent: 2, units: rules.UnitsMajor, want: 24690},
		{name: "major units, rounded", quantity: "1", price: "12.345", exponent: 2, units: rules.UnitsMajor, want: 1234},
		{name: "both negative", quantity: "-2", price: "-3", want: 6},
		{name: "zero", quantity: "0.000000", price: "999999999999999999", want: 0},
		{name: "too much", quantity: "999999999999999999", price: "2", err: ErrRange},
		{name: "far too much", quantity: "999999999999999999", price: "999999999999999999e6", exponent: 6, units: rules.UnitsMajor, err: ErrRange},
		{name: "almost too much", quantity: "1", price: "999999999999999999", want: 999999999999999999},
	} {
		t.Run(c.name, func(t *testing.T) {
			q, err := ParseDecimal([]byte(c.quantity))
			if err != nil {
				t.Fatal(err)
			}
			p, err := ParseDecimal([]byte(c.price))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Product(q, p, c.exponent, c.units)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s × %s = %d, %v; want %d, %v", c.quantity, c.price, got, err, c.want, c.err)
			}
		})
	}
}

// TestProductAgainstBig compares with arithmetic of any precision.
func TestProductAgainstBig(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	mantissa := func() int64 {
		n := int64(random.Uint64N(pow10[random.IntN(MaxDigits+1)]))
		if random.IntN(3) == 0 {
			return -n
		}
		return n
	}
	for range 20000 {
		q := Decimal{Mantissa: mantissa(), Exp: int8(random.IntN(13) - 9)}
		p := Decimal{Mantissa: mantissa(), Exp: int8(random.IntN(13) - 9)}
		exponent := random.IntN(5)
		want := new(big.Int).Mul(big.NewInt(q.Mantissa), big.NewInt(p.Mantissa))
		shift := int(q.Exp) + int(p.Exp) + exponent
		ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(shift, -shift))), nil)
		if shift >= 0 {
			want.Mul(want, ten)
		} else {
			rest := new(big.Int)
			want.QuoRem(want, ten, rest)
			switch c := rest.Abs(rest).Lsh(rest, 1).Cmp(ten); {
			case c > 0, c == 0 && want.Bit(0) == 1:
				sign := int64(1)
				if (q.Mantissa < 0) != (p.Mantissa < 0) {
					sign = -1
				}
				want.Add(want, big.NewInt(sign))
			}
		}
		got, err := Product(q, p, exponent, rules.UnitsMajor)
		if want.CmpAbs(big.NewInt(maxUnits)) > 0 {
			if !errors.Is(err, ErrRange) {
				t.Fatalf("%+v × %+v: %d, %v; want ErrRange", q, p, got, err)
			}
			continue
		}
		if err != nil || got != want.Int64() {
			t.Fatalf("%+v × %+v ×10^%d: %d, %v; want %s", q, p, exponent, got, err, want)
		}
	}
}

func FuzzAmount(f *testing.F) {
	for _, s := range []string{"627.00", "-0.05", "1e6", "12.3400", "0", "-0", "999999999999999999", "1.5e-3", "05", ""} {
		f.Add([]byte(s), true, uint8(2), true)
		f.Add([]byte(s), false, uint8(0), false)
		f.Add([]byte(s), false, uint8(3), true)
	}
	f.Fuzz(func(t *testing.T, literal []byte, quoted bool, exponent uint8, major bool) {
		units := rules.UnitsMinor
		if major {
			units = rules.UnitsMajor
		}
		a, err := Parse(literal, quoted, int(exponent%5), units)
		if err != nil {
			return
		}
		out := a.Append(nil)
		text := strings.Trim(string(out), `"`)
		if quoted != (len(text)+2 == len(out)) {
			t.Fatalf("%q became %s", literal, out)
		}
		b, err := Parse([]byte(text), quoted, int(exponent%5), units)
		if err != nil || b.Units != a.Units {
			t.Fatalf("%q became %s: %+v, %v", literal, out, b, err)
		}
		if again := b.Append(nil); string(again) != string(out) {
			t.Fatalf("%s became %s", out, again)
		}
		want, ok1 := new(big.Rat).SetString(string(literal))
		got, ok2 := new(big.Rat).SetString(text)
		if !ok1 || !ok2 || want.Cmp(got) != 0 {
			t.Fatalf("%q became %s", literal, out)
		}
	})
}

// TestNoFloatingPoint holds the room to its promise.
func TestNoFloatingPoint(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"float" + "64", "float" + "32", "Parse" + "Float", "\"math\"\n"} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s holds %q", name, word)
			}
		}
	}
}
