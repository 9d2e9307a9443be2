package basket

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"chaperone/rules"
	"chaperone/rules/reason"
)

const (
	clinical rules.ClassID = 1
	retail   rules.ClassID = 2
)

// testBasket is a basket's policy with paths enough for its errors.
func testBasket(tax, tip rules.Allocation) *rules.Basket {
	path := func(s string) *rules.Path {
		p, err := rules.ParsePath(s)
		if err != nil {
			panic(err)
		}
		return &p
	}
	return &rules.Basket{
		Items: *path("items"), Tax: tax, Tip: tip,
		Line:   rules.LinePaths{Tax: path("tax")},
		Totals: rules.TotalPaths{Subtotal: path("t.subtotal"), Tax: path("t.tax"), Tip: path("t.tip"), Discount: path("t.discount"), Total: path("t.total")},
	}
}

func only(classes ...rules.ClassID) rules.Allocation {
	return rules.Allocation{Kind: rules.AllocateClasses, Classes: classes}
}

func all(subtotal, tax, tip, discount, total int64) Totals {
	return Totals{true, true, true, true, true, subtotal, tax, tip, discount, total}
}

func TestSplit(t *testing.T) {
	proRata := rules.Allocation{}
	for _, c := range []struct {
		name             string
		tax, tip         rules.Allocation
		tolerance        int64
		lines            []Line
		totals           Totals
		clinical, retail Totals
		code             reason.Code
		pattern          string
	}{
		{
			name: "a treatment and a cream", tax: only(retail), tip: only(clinical),
			lines:    []Line{{Class: clinical, Gross: 50000}, {Class: retail, Gross: 8900}},
			totals:   all(58900, 712, 5000, 1000, 63612),
			clinical: all(50000, 0, 5000, 849, 54151), retail: all(8900, 712, 0, 151, 9461),
		},
		{
			name: "ties go to the earlier line", tax: proRata, tip: proRata,
			lines:    []Line{{Class: clinical, Gross: 100}, {Class: retail, Gross: 100}},
			totals:   all(200, 1, 3, 0, 204),
			clinical: all(100, 1, 2, 0, 103), retail: all(100, 0, 1, 0, 101),
		},
		{
			name: "line discounts come first, whatever their sign", tax: proRata, tip: proRata,
			lines:    []Line{{Class: clinical, Gross: 1000, Discount: 100}, {Class: retail, Gross: -500, Discount: -100}},
			totals:   Totals{HasSubtotal: true, Subtotal: 500, HasTotal: true, Total: 500},
			clinical: Totals{HasSubtotal: true, Subtotal: 900, HasTotal: true, Total: 900},
			retail:   Totals{HasSubtotal: true, Subtotal: -400, HasTotal: true, Total: -400},
		},
		{
			name: "taxes of lines", tax: rules.Allocation{Kind: rules.AllocateLines}, tip: proRata,
			lines:    []Line{{Class: clinical, Gross: 1000}, {Class: retail, Gross: 500, Tax: 40}},
			totals:   all(1500, 40, 0, 0, 1540),
			clinical: all(1000, 0, 0, 0, 1000), retail: all(500, 40, 0, 0, 540),
		},
		{
			name: "taxes of lines without a total of them", tax: rules.Allocation{Kind: rules.AllocateLines}, tip: proRata,
			lines:    []Line{{Class: clinical, Gross: 1000}, {Class: retail, Gross: 500, Tax: 40}},
			totals:   Totals{HasTotal: true, Total: 1540},
			clinical: Totals{HasTotal: true, Subtotal: 1000, Total: 1000},
			retail:   Totals{HasTotal: true, Subtotal: 500, Tax: 40, Total: 540},
		},
		{
			name: "included tax is shown and not added", tax: rules.Allocation{Kind: rules.AllocateIncluded}, tip: proRata,
			lines:    []Line{{Class: clinical, Gross: 1000}, {Class: retail, Gross: 500}},
			totals:   all(1500, 250, 0, 0, 1500),
			clinical: all(1000, 167, 0, 0, 1000), retail: all(500, 83, 0, 0, 500),
		},
		{
			name: "a negative discount", tax: proRata, tip: proRata,
			lines:    []Line{{Class: clinical, Gross: 300}, {Class: retail, Gross: 100}},
			totals:   all(400, 0, 0, -40, 360),
			clinical: all(300, 0, 0, -30, 270), retail: all(100, 0, 0, -10, 90),
		},
		{
			name: "a refund", tax: proRata, tip: proRata,
			lines:    []Line{{Class: clinical, Gross: -300}, {Class: retail, Gross: -100}},
			totals:   all(-400, -32, 0, 40, -392),
			clinical: all(-300, -24, 0, 30, -294), retail: all(-100, -8, 0, 10, -98),
		},
		{
			name: "within the tolerance", tax: proRata, tip: proRata, tolerance: 2,
			lines:    []Line{{Class: clinical, Gross: 300}, {Class: retail, Gross: 100}},
			totals:   all(402, 0, 0, 0, 401),
			clinical: all(302, 0, 0, 0, 301), retail: all(100, 0, 0, 0, 100),
		},
		{
			name: "no lines, nothing due", tax: proRata, tip: proRata, totals: all(0, 0, 0, 0, 0),
			clinical: all(0, 0, 0, 0, 0), retail: all(0, 0, 0, 0, 0),
		},
		{
			name: "the subtotal is off", lines: []Line{{Class: clinical, Gross: 300}}, totals: all(301, 0, 0, 0, 301),
			code: reason.TotalsMismatch, pattern: "t.subtotal",
		},
		{
			name: "the total is off", lines: []Line{{Class: clinical, Gross: 300}}, totals: all(300, 0, 0, 0, 299),
			code: reason.TotalsMismatch, pattern: "t.total",
		},
		{
			name: "the taxes are off", tax: rules.Allocation{Kind: rules.AllocateLines},
			lines: []Line{{Class: clinical, Gross: 300, Tax: 3}}, totals: all(300, 4, 0, 0, 304),
			code: reason.TotalsMismatch, pattern: "t.tax",
		},
		{
			name: "a tip for nobody", tip: only(clinical), lines: []Line{{Class: retail, Gross: 300}}, totals: all(300, 0, 10, 0, 310),
			code: reason.TotalsUnsplittable, pattern: "t.tip",
		},
		{
			name: "a tax on nothing", tax: only(retail), lines: []Line{{Class: clinical, Gross: 300}}, totals: all(300, 10, 0, 0, 310),
			code: reason.TotalsUnsplittable, pattern: "t.tax",
		},
		{
			name: "a discount on free items", lines: []Line{{Class: clinical}, {Class: retail}}, totals: all(0, 0, 0, 10, -10),
			code: reason.TotalsUnsplittable, pattern: "t.discount",
		},
		{
			name: "lines beyond 18 digits", lines: []Line{{Class: clinical, Gross: maxUnits}, {Class: clinical, Gross: -maxUnits}}, totals: all(0, 0, 0, 0, 0),
			code: reason.AmountMalformed, pattern: "items",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := testBasket(c.tax, c.tip)
			b.Tolerance = c.tolerance
			var s Splitter
			if err := s.Split(b, c.lines, c.totals); err != nil {
				if err.Code != c.code || err.Pattern != c.pattern {
					t.Fatalf("%v, want %q at %s", err, c.code, c.pattern)
				}
				return
			}
			if c.code != reason.None {
				t.Fatalf("no error, want %s", c.code)
			}
			if got := s.Leg(clinical); got != c.clinical {
				t.Errorf("clinical %+v\nwant     %+v", got, c.clinical)
			}
			if got := s.Leg(retail); got != c.retail {
				t.Errorf("retail %+v\nwant   %+v", got, c.retail)
			}
		})
	}
}

// randomBasket makes lines of a few classes, some of them refunds, and totals
// that add up to within the tolerance.
func randomBasket(random *rand.Rand, b *rules.Basket) ([]Line, Totals) {
	amount := func() int64 {
		n := int64(random.Uint64N(pow10[1+random.IntN(12)]))
		if random.IntN(5) == 0 {
			return -n
		}
		return n
	}
	lines := make([]Line, 1+random.IntN(12))
	var net, lineTax int64
	for i := range lines {
		l := &lines[i]
		*l = Line{Class: rules.ClassID(1 + random.IntN(4)), Gross: amount(), Tax: amount() / 16}
		if random.IntN(3) == 0 {
			l.Discount = amount() / 32
		}
		if l.Gross < 0 {
			net += l.Gross + abs(l.Discount)
		} else {
			net += l.Gross - abs(l.Discount)
		}
		lineTax += l.Tax
	}
	has := func() bool { return random.IntN(4) > 0 }
	wobble := func() int64 { return random.Int64N(2*b.Tolerance+1) - b.Tolerance }
	t := Totals{HasSubtotal: has(), HasTax: has(), HasTip: has(), HasDiscount: has(), HasTotal: has()}
	subtotal := net
	if t.HasSubtotal {
		t.Subtotal = net + wobble()
		subtotal = t.Subtotal
	}
	tax := int64(0)
	switch {
	case b.Tax.Kind == rules.AllocateLines && t.HasTax:
		t.Tax = lineTax + wobble()
		tax = t.Tax
	case b.Tax.Kind == rules.AllocateLines:
		tax = lineTax
	case t.HasTax:
		t.Tax = amount() / 10
		tax = t.Tax
	}
	if b.Tax.Kind == rules.AllocateIncluded {
		tax = 0
	}
	sum := subtotal + tax
	if t.HasTip {
		t.Tip = amount() / 8
		sum += t.Tip
	}
	if t.HasDiscount {
		t.Discount = amount() / 4
		if subtotal < 0 {
			sum += abs(t.Discount)
		} else {
			sum -= abs(t.Discount)
		}
	}
	if t.HasTotal {
		t.Total = sum + wobble()
	}
	return lines, t
}

// TestSplitAddsUp: whatever the basket, the legs of all classes together are
// the basket, and every leg adds up within itself.
func TestSplitAddsUp(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	kinds := []rules.Allocation{{}, only(1, 2, 3, 4), only(1, 3), {Kind: rules.AllocateLines}, {Kind: rules.AllocateIncluded}}
	var s Splitter
	split, refused := 0, 0
	for range 20000 {
		b := testBasket(kinds[random.IntN(len(kinds))], kinds[random.IntN(3)])
		b.Tolerance = random.Int64N(4)
		lines, totals := randomBasket(random, b)
		if err := s.Split(b, lines, totals); err != nil {
			if err.Code != reason.TotalsUnsplittable {
				t.Fatalf("%v\n%+v\n%+v", err, lines, totals)
			}
			refused++
			continue
		}
		split++
		var sum Totals
		for class := rules.ClassID(1); class <= 4; class++ {
			leg := s.Leg(class)
			sum.Subtotal += leg.Subtotal
			sum.Tax += leg.Tax
			sum.Tip += leg.Tip
			sum.Discount += leg.Discount
			sum.Total += leg.Total
		}
		basket := s.Leg(rules.NoClass)
		for _, c := range []struct {
			name             string
			has              bool
			sum, leg, wanted int64
		}{
			{"subtotal", totals.HasSubtotal, sum.Subtotal, basket.Subtotal, totals.Subtotal},
			{"tax", totals.HasTax, sum.Tax, basket.Tax, totals.Tax},
			{"tip", totals.HasTip, sum.Tip, basket.Tip, totals.Tip},
			{"discount", totals.HasDiscount, sum.Discount, basket.Discount, totals.Discount},
			{"total", totals.HasTotal, sum.Total, basket.Total, totals.Total},
		} {
			if c.sum != c.leg || (c.has && c.sum != c.wanted) {
				t.Fatalf("%s: legs %d, all %d, basket %d\n%+v\n%+v", c.name, c.sum, c.leg, c.wanted, lines, totals)
			}
		}
	}
	if split < 10000 || refused == 0 {
		t.Errorf("%d split, %d refused", split, refused)
	}
}

// TestAllocateIsLargestRemainder compares with the definition, in arithmetic
// of any precision: no share is off by a unit or more, and whoever got a unit
// more had no smaller remainder than one who did not.
func TestAllocateIsLargestRemainder(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var a allocator
	for range 20000 {
		weights := make([]int64, 1+random.IntN(9))
		left, sum := int64(maxUnits), new(big.Int)
		for i := range weights {
			weights[i] = int64(random.Uint64N(pow10[random.IntN(17)]))
			if random.IntN(3) == 0 {
				weights[i] = min(left, 7)
			}
			left -= weights[i]
			sum.Add(sum, big.NewInt(weights[i]))
			if random.IntN(2) == 0 {
				weights[i] = -weights[i]
			}
		}
		amount := int64(random.Uint64N(pow10[random.IntN(19)]))
		shares, ok := a.allocate(nil, amount, weights)
		if sum.Sign() == 0 {
			if ok != (amount == 0) {
				t.Fatalf("%d by %v: %v", amount, weights, ok)
			}
			continue
		}
		var total int64
		rests := make([]*big.Int, len(weights))
		extra := make([]bool, len(weights))
		for i, w := range weights {
			exact := new(big.Int).Mul(big.NewInt(amount), big.NewInt(abs(w)))
			floor, rest := new(big.Int).QuoRem(exact, sum, new(big.Int))
			rests[i] = rest
			switch shares[i] - floor.Int64() {
			case 0:
			case 1:
				extra[i] = true
			default:
				t.Fatalf("%d by %v: %v", amount, weights, shares)
			}
			total += shares[i]
		}
		if total != amount {
			t.Fatalf("%d by %v: %v is %d", amount, weights, shares, total)
		}
		for i := range shares {
			for j := range shares {
				if extra[i] && !extra[j] {
					if c := rests[i].Cmp(rests[j]); c < 0 || c == 0 && i > j {
						t.Fatalf("%d by %v: %v: line %d was served before %d", amount, weights, shares, i, j)
					}
				}
			}
		}
	}
}

func TestSplitDoesNotAllocate(t *testing.T) {
	b := testBasket(only(retail), only(clinical))
	lines := []Line{{Class: clinical, Gross: 50000}, {Class: retail, Gross: 8900}, {Class: retail, Gross: 3333}}
	totals := all(62233, 712, 5000, 1000, 66945)
	var s Splitter
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Split(b, lines, totals); err != nil {
			t.Fatal(err)
		}
		s.Leg(clinical)
		s.Leg(retail)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
