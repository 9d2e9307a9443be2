package basket

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		name    string
		amount  int64
		weights []int64
		want    []int64 // nil: it cannot be divided
	}{
		{"in proportion", 100, []int64{300, 100}, []int64{75, 25}},
		{"the largest remainder gets what is left", 100, []int64{1, 2}, []int64{33, 67}},
		{"ties go to the earlier weight", 1, []int64{5, 5, 5}, []int64{1, 0, 0}},
		{"a negative amount", -100, []int64{1, 2}, []int64{-33, -67}},
		{"negative weights", 100, []int64{-1, -2}, []int64{33, 67}},
		{"what went the other way goes it again", 35, []int64{100, -30}, []int64{50, -15}},
		{"all of a sale with signs", 70, []int64{100, -30}, []int64{100, -30}},
		{"rounding with signs", 10, []int64{100, -30}, []int64{14, -4}},
		{"no weight has no part", 3, []int64{0, 7, 0}, []int64{0, 3, 0}},
		{"nothing of nothing", 0, []int64{0, 0}, []int64{0, 0}},
		{"nothing", 0, []int64{4, 5}, []int64{0, 0}},
		{"of nothing", 1, []int64{0, 0}, nil},
		{"weights that cancel", 1, []int64{7, -7}, nil},
		{"no weights", 1, nil, nil},
		{"a weight of too many digits", 1, []int64{-1 << 63, 1}, nil},
		{"weights of too many digits", 1, []int64{maxUnits, 1}, nil},
		{"an amount of too many digits", -1 << 63, []int64{1, 1}, nil},
		{"a part of too many digits", maxUnits, []int64{1000, -999}, nil},
		{"the greatest", maxUnits, []int64{maxUnits - 1, 1}, []int64{maxUnits - 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Splitter
			got, ok := s.Divide([]int64{9}, c.amount, c.weights)
			if ok != (c.want != nil) || ok && !slices.Equal(got, c.want) {
				t.Errorf("%v %v", got, ok)
			}
		})
	}
}

// TestDivideAddsUp: the parts add up to the amount, are less than one unit off
// the exact ones, and are the weights where the amount is their sum.
func TestDivideAddsUp(t *testing.T) {
	var s Splitter
	var parts []int64
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 5))
		weights := make([]int64, 1+r.IntN(6))
		var sum, most int64
		for i := range weights {
			if most = int64(1) << r.IntN(50); r.IntN(6) > 0 {
				weights[i] = r.Int64N(most)
			}
			if r.IntN(8) == 0 {
				weights[i] = -weights[i]
			}
			sum += weights[i]
		}
		amount := r.Int64N(int64(1)<<r.IntN(40)) - int64(1)<<r.IntN(39)
		if r.IntN(4) == 0 {
			amount = sum
		}
		var ok bool
		if parts, ok = s.Divide(parts, amount, weights); !ok {
			if sum != 0 && !far(amount, sum, weights) {
				t.Fatalf("seed %d: %d cannot be divided by %v", seed, amount, weights)
			}
			continue
		}
		var total int64
		for i, part := range parts {
			total += part
			exact := new(big.Rat).Mul(big.NewRat(amount, 1), big.NewRat(weights[i], 1))
			if sum != 0 {
				exact.Quo(exact, big.NewRat(sum, 1))
			}
			if off := exact.Sub(exact, big.NewRat(part, 1)); off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("seed %d: part %d of %d by %v is %d", seed, i, amount, weights, part)
			}
		}
		if total != amount {
			t.Fatalf("seed %d: the parts %v of %d add up to %d", seed, parts, amount, total)
		}
		if amount == sum && sum != 0 && !slices.Equal(parts, weights) {
			t.Fatalf("seed %d: all of %v is %v", seed, weights, parts)
		}
	}
}

// far reports whether a part has more than 18 digits, as weights that nearly
// cancel make it.
func far(amount, sum int64, weights []int64) bool {
	for _, w := range weights {
		part := new(big.Int).Mul(big.NewInt(amount), big.NewInt(w))
		if part.Quo(part, big.NewInt(sum)).CmpAbs(big.NewInt(maxUnits)) > 0 {
			return true
		}
	}
	return false
}
