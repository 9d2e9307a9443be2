package basket

import (
	"chaperone/rules"
	"chaperone/rules/reason"
)

// Line is one item in minor units, signs as in the body. A refund has a
// negative Gross. A Discount's own sign does not matter: it always moves the
// price towards zero (and beyond, if it is greater).
type Line struct {
	Class    rules.ClassID
	Gross    int64 // quantity × unit price, or the line's amount
	Discount int64 // zero where there is none
	Tax      int64 // zero where there is none; tax: lines only
}

// Totals are a basket's own totals in minor units, signs as in the body, and
// which of them there are. A missing one is not checked, counts as nothing and
// is not shown. Discount moves the subtotal towards zero, whatever its sign.
type Totals struct {
	HasSubtotal, HasTax, HasTip, HasDiscount, HasTotal bool
	Subtotal, Tax, Tip, Discount, Total                int64
}

// Splitter checks a basket against its own totals and allocates them to its
// items. The zero Splitter is ready; it is scratch to be used again, and not
// safe for concurrent use.
type Splitter struct {
	lines    []Line
	totals   Totals // as given: which are shown, and the discount's sign
	included bool   // the tax is not added
	negative bool   // the basket's subtotal is: its discount is added

	// The shares of every line. A discount's share is a magnitude.
	net, subtotal, tax, tip, discount, rest []int64

	allocator
}

// Split computes the share of every line, exact to the minor unit:
//
//	net      = gross, its discount towards zero
//	subtotal = net + its part of what the basket's subtotal is off by
//	tax      = by the rule of b.Tax
//	tip      = by the rule of b.Tip
//	discount = by |net|
//	total    = subtotal, its discount towards zero, + tax (unless included) + tip
//	           + its part of what the basket's total is off by
//
// Amounts of the basket are allocated by weight |net| and largest remainder;
// among equal remainders the earlier line comes first. With tax: lines, a
// line's own tax is its share, and what the basket's tax is off by is
// allocated by weight |tax|. A discount counts by the sign of the basket's
// subtotal, not of the line, so that the shares of a basket with refunds still
// add up.
//
// It fails with reason.TotalsMismatch where a total of the basket is off by
// more than b.Tolerance, with reason.TotalsUnsplittable where an amount has no
// line of weight to go to, and with reason.AmountMalformed where sums have
// more than 18 digits. lines is borrowed until the next Split.
func (s *Splitter) Split(b *rules.Basket, lines []Line, totals Totals) *reason.Error {
	s.lines, s.totals = lines, totals
	s.included = b.Tax.Kind == rules.AllocateIncluded
	net, ok := s.nets()
	if !ok {
		return refuse(reason.AmountMalformed, &b.Items, "the lines add up to more than 18 digits")
	}
	var lineTax int64
	if b.Tax.Kind == rules.AllocateLines {
		if lineTax, ok = s.lineTaxes(); !ok {
			return refuse(reason.AmountMalformed, b.Line.Tax, "the taxes add up to more than 18 digits")
		}
	}
	off, err := s.check(b, net, lineTax)
	if err != nil {
		return err
	}
	s.negative = net+off.subtotal < 0

	s.subtotal, ok = s.allocate(s.subtotal, off.subtotal, s.net)
	if !ok {
		return unsplittable(b.Totals.Subtotal)
	}
	for i, n := range s.net {
		s.subtotal[i] += n
	}
	if !s.shareTax(b, off.tax) {
		return unsplittable(b.Totals.Tax)
	}
	if s.tip, ok = s.allocate(s.tip, s.given(totals.HasTip, totals.Tip), s.only(b.Tip)); !ok {
		return unsplittable(b.Totals.Tip)
	}
	if s.discount, ok = s.allocate(s.discount, s.given(totals.HasDiscount, abs(totals.Discount)), s.net); !ok {
		return unsplittable(b.Totals.Discount)
	}
	if s.rest, ok = s.allocate(s.rest, off.total, s.net); !ok {
		return unsplittable(b.Totals.Total)
	}
	return nil
}

// nets computes the net of every line and their sum.
func (s *Splitter) nets() (sum int64, ok bool) {
	s.net = resize(s.net, len(s.lines))
	var weight int64
	for i := range s.lines {
		l := &s.lines[i]
		if !inRange(l.Gross) || !inRange(l.Discount) {
			return 0, false
		}
		n := towardsZero(l.Gross, l.Gross, abs(l.Discount))
		s.net[i] = n
		sum += n
		if weight += abs(n); !inRange(weight) {
			return 0, false
		}
	}
	return sum, true
}

// lineTaxes takes the lines' own taxes as their shares and returns the sum.
func (s *Splitter) lineTaxes() (sum int64, ok bool) {
	s.tax = resize(s.tax, len(s.lines))
	var weight int64
	for i := range s.lines {
		t := s.lines[i].Tax
		if !inRange(t) {
			return 0, false
		}
		s.tax[i] = t
		sum += t
		if weight += abs(t); !inRange(weight) {
			return 0, false
		}
	}
	return sum, true
}

// offs are the amounts by which the basket's own totals differ from what its
// lines and its other totals come to. tax is the whole tax but for tax: lines.
type offs struct{ subtotal, tax, total int64 }

// check compares the basket's totals with its lines.
func (s *Splitter) check(b *rules.Basket, net, lineTax int64) (off offs, err *reason.Error) {
	t := s.totals
	for _, n := range [...]int64{t.Subtotal, t.Tax, t.Tip, t.Discount, t.Total} {
		if !inRange(n) {
			return off, refuse(reason.AmountMalformed, nil, "a total has more than 18 digits")
		}
	}
	if t.HasSubtotal {
		if off.subtotal = t.Subtotal - net; abs(off.subtotal) > b.Tolerance {
			return off, refuse(reason.TotalsMismatch, b.Totals.Subtotal, "it is not the sum of the lines")
		}
	}
	off.tax = s.given(t.HasTax, t.Tax)
	tax := off.tax
	if b.Tax.Kind == rules.AllocateLines {
		off.tax = 0
		if t.HasTax {
			off.tax = t.Tax - lineTax
		}
		tax = lineTax + off.tax
		if abs(off.tax) > b.Tolerance {
			return off, refuse(reason.TotalsMismatch, b.Totals.Tax, "it is not the sum of the lines' taxes")
		}
	}
	if s.included {
		tax = 0
	}
	if t.HasTotal {
		subtotal := net + off.subtotal
		sum := towardsZero(subtotal, subtotal, abs(s.given(t.HasDiscount, t.Discount))) + tax + s.given(t.HasTip, t.Tip)
		if off.total = t.Total - sum; abs(off.total) > b.Tolerance {
			return off, refuse(reason.TotalsMismatch, b.Totals.Total, "it is not subtotal, tax, tip and discount together")
		}
	}
	return off, nil
}

// given returns an amount, zero where the basket has none.
func (s *Splitter) given(has bool, n int64) int64 {
	if !has {
		return 0
	}
	return n
}

// shareTax allocates the tax, or with tax: lines what it is off by.
func (s *Splitter) shareTax(b *rules.Basket, amount int64) (ok bool) {
	if b.Tax.Kind != rules.AllocateLines {
		s.tax, ok = s.allocate(s.tax, amount, s.only(b.Tax))
		return ok
	}
	s.scratch, ok = s.allocate(s.scratch, amount, s.tax)
	if !ok {
		return false
	}
	for i, n := range s.scratch {
		s.tax[i] += n
	}
	return true
}

// only returns the nets of the lines to which an amount belongs, zero for the
// others. The slice is valid until the next call.
func (s *Splitter) only(a rules.Allocation) []int64 {
	if a.Kind != rules.AllocateClasses {
		return s.net
	}
	s.scratch = resize(s.scratch, len(s.lines))
	for i := range s.lines {
		s.scratch[i] = 0
		for _, c := range a.Classes {
			if s.lines[i].Class == c {
				s.scratch[i] = s.net[i]
				break
			}
		}
	}
	return s.scratch
}

// Leg returns the totals of the lines of a class, or of all lines with
// rules.NoClass, after a Split that did not fail: the sums of their shares.
// Those of all classes add up to those of the basket. The Has fields are those
// given to Split, and the discount has the sign that it had there.
func (s *Splitter) Leg(class rules.ClassID) Totals {
	t := s.totals
	t.Subtotal, t.Tax, t.Tip, t.Discount, t.Total = 0, 0, 0, 0, 0
	for i := range s.lines {
		if class != rules.NoClass && s.lines[i].Class != class {
			continue
		}
		t.Subtotal += s.subtotal[i]
		t.Tax += s.tax[i]
		t.Tip += s.tip[i]
		t.Discount += s.discount[i]
		t.Total += s.subtotal[i] + s.tip[i] + s.rest[i]
		if !s.included {
			t.Total += s.tax[i]
		}
	}
	if s.negative {
		t.Total += t.Discount
	} else {
		t.Total -= t.Discount
	}
	if s.totals.Discount < 0 {
		t.Discount = -t.Discount
	}
	return t
}

// towardsZero returns n less amount, or n plus amount where sign is negative.
func towardsZero(sign, n, amount int64) int64 {
	if sign < 0 {
		return n + amount
	}
	return n - amount
}

func inRange(n int64) bool { return n <= maxUnits && n >= -maxUnits }

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

func resize(s []int64, n int) []int64 {
	if cap(s) < n {
		return make([]int64, n, n+n/2)
	}
	return s[:n]
}

func unsplittable(path *rules.Path) *reason.Error {
	return refuse(reason.TotalsUnsplittable, path, "there is no line with an amount that it belongs to")
}

func refuse(code reason.Code, path *rules.Path, detail string) *reason.Error {
	e := &reason.Error{Code: code, Rule: "basket", Offset: -1, Detail: detail}
	if path != nil {
		e.Pattern = path.Source
	}
	return e
}
