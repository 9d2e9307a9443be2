package expression

import (
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// function is one that expressions are lowered to: how it is called, and its
// type, by which the library checks the lowered tree once more.
type function struct {
	call func(args ...any) (any, error)
	typ  any
}

var functions = map[string]function{
	fnReadText: {
		func(a ...any) (any, error) { return a[0].(Source).Text(a[1].(int)) },
		func(any, int) string { return "" },
	},
	fnReadDecimal: {
		func(a ...any) (any, error) { return a[0].(Source).Decimal(a[1].(int)) },
		func(any, int) *Decimal { return nil },
	},
	fnReadFlag: {
		func(a ...any) (any, error) { return a[0].(Source).Flag(a[1].(int)) },
		func(any, int) bool { return false },
	},
	fnCompare: {
		func(a ...any) (any, error) { return a[0].(*Decimal).Cmp(a[1].(*Decimal)), nil },
		func(a, b *Decimal) int { return 0 },
	},
	fnAdd:      arithmetic((*apd.Context).Add),
	fnSubtract: arithmetic((*apd.Context).Sub),
	fnMultiply: arithmetic((*apd.Context).Mul),
	"min":      choosing(func(order int) bool { return order <= 0 }),
	"max":      choosing(func(order int) bool { return order >= 0 }),
	"abs":      unary(func(x *Decimal) (*Decimal, error) { out := new(Decimal); out.d.Abs(&x.d); return out, nil }),
	fnRound:    unary(func(x *Decimal) (*Decimal, error) { return x.round(0) }),
	fnRoundMoney: {
		func(a ...any) (any, error) {
			places, err := a[0].(Source).Places()
			if err != nil {
				return nil, err
			}
			return a[1].(*Decimal).round(places)
		},
		func(any, *Decimal) *Decimal { return nil },
	},
	fnNumberText: {
		func(a ...any) (any, error) { return string(a[0].(*Decimal).Append(nil)), nil },
		func(*Decimal) string { return "" },
	},
	fnMoneyText: {
		func(a ...any) (any, error) {
			places, err := a[0].(Source).Places()
			if err != nil {
				return nil, err
			}
			x := a[1].(*Decimal)
			if units, ok := x.Units(places); ok {
				x = DecimalOf(units, -places)
			}
			return string(x.Append(nil)), nil
		},
		func(any, *Decimal) string { return "" },
	},
	fnJoin: {
		func(a ...any) (any, error) {
			x, y := a[0].(string), a[1].(string)
			if len(x)+len(y) > MaxText {
				return nil, ErrTooLong
			}
			return x + y, nil
		},
		func(a, b string) string { return "" },
	},
	"lower": changing(strings.ToLower),
	"upper": changing(strings.ToUpper),
	"trim":  changing(strings.TrimSpace),
}

func arithmetic(op operation) function {
	return function{
		func(a ...any) (any, error) { return compute(op, a[0].(*Decimal), a[1].(*Decimal)) },
		func(a, b *Decimal) *Decimal { return nil },
	}
}

func unary(f func(x *Decimal) (*Decimal, error)) function {
	return function{
		func(a ...any) (any, error) { return f(a[0].(*Decimal)) },
		func(*Decimal) *Decimal { return nil },
	}
}

// choosing is the one of two numbers whose order to the other is asked for.
func choosing(first func(order int) bool) function {
	return function{
		func(a ...any) (any, error) {
			if first(a[0].(*Decimal).Cmp(a[1].(*Decimal))) {
				return a[0], nil
			}
			return a[1], nil
		},
		func(a, b *Decimal) *Decimal { return nil },
	}
}

func changing(f func(string) string) function {
	return function{
		func(a ...any) (any, error) { return f(a[0].(string)), nil },
		func(string) string { return "" },
	}
}
