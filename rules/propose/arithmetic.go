package propose

import (
	"slices"
	"strings"

	"chaperone/rules"
	"chaperone/rules/basket"
	"chaperone/rules/currency"
)

// sums is where the amounts of a sale are, as far as the samples' own
// arithmetic, done by the proxy's own code, bears it out.
type sums struct {
	quantity, price, amount, discount, tax *field // of a line
	subtotal, taxes, tip, off, total       *field // of the basket
	included, lines                        bool   // the tax is in the prices; it is the lines' own
	currency                               *field
	units                                  rules.Units
	tolerance                              int64
	holds                                  int    // in how many samples
	why                                    string // the units are these
	sure                                   sureness
}

// totals lists the basket's amounts with their names in a policy.
func (s *sums) totals() []named {
	return []named{{"subtotal", s.subtotal}, {"tax", s.taxes}, {"tip", s.tip}, {"discount", s.off}, {"total", s.total}}
}

// line lists the amounts of a line item.
func (s *sums) line() []named {
	return []named{{"quantity", s.quantity}, {"unit_price", s.price}, {"amount", s.amount}, {"discount", s.discount}, {"tax", s.tax}}
}

type named struct {
	key   string
	field *field
}

// mostCandidates bounds what is tried for one amount.
const mostCandidates = 3

// slackest is by how many minor units sums may be off and still be meant.
const slackest = 3

// arithmetic finds the members whose sums hold in the most samples, and among
// those the most members.
func (c *census) arithmetic(items, currency string) sums {
	line := c.line(items)
	s := sums{}
	s.currency = c.currency()
	s.units, s.why, s.sure = c.unitsOf(append(slices.Concat(line.price, line.amount), c.amounts(items)...))
	best, score := s, -1
	try := func(h sums) {
		for tolerance := int64(0); tolerance <= slackest; tolerance++ {
			h.tolerance = tolerance
			h.holds = 0
			for _, b := range c.bodies {
				if h.adds(b, items, currency) {
					h.holds++
				}
			}
			if v := h.value(); v > score {
				best, score = h, v
			}
			if h.holds == len(c.bodies) {
				return
			}
		}
	}
	roles := map[string][]*field{}
	for _, f := range c.amounts(items) {
		if r := c.role(f); len(roles[r]) < mostCandidates {
			roles[r] = append(roles[r], f)
		}
	}
	for _, l := range lineHypotheses(s, line) {
		for _, subtotal := range orNone(roles["subtotal"]) {
			h := l
			h.subtotal = subtotal
			try(h)
			for _, total := range roles["total"] {
				h.total = total
				for _, h := range extras(h, roles, line) {
					try(h)
				}
			}
		}
	}
	if own := c.byPath[strings.TrimSuffix(pathOf(best.total), ".amount")+".currency"]; own != nil && own.exact() && own.every(isCurrency) {
		best.currency = own // the total has its own
	}
	return best
}

func pathOf(f *field) string {
	if f == nil {
		return ""
	}
	return f.path
}

// extras adds tax, tip and discount in every way.
func extras(h sums, roles map[string][]*field, line lineFields) (all []sums) {
	for _, tax := range orNone(roles["tax"]) {
		for _, tip := range orNone(roles["tip"]) {
			for _, off := range orNone(roles["discount"]) {
				g := h
				g.taxes, g.tip, g.off = tax, tip, off
				all = append(all, g)
				if tax == nil {
					continue
				}
				g.included = true
				all = append(all, g)
				if g.included = false; len(line.tax) > 0 {
					g.lines, g.tax = true, line.tax[0]
					all = append(all, g)
				}
			}
		}
	}
	return all
}

// orNone is the candidates, and that there is none.
func orNone(fields []*field) []*field { return append(slices.Clone(fields), nil) }

// lineHypotheses are the ways to read a line's amount.
func lineHypotheses(s sums, line lineFields) (all []sums) {
	for _, discount := range orNone(first(line.discount)) {
		for _, price := range line.price {
			for _, quantity := range orNone(first(line.quantity)) {
				h := s
				h.price, h.quantity, h.discount = price, quantity, discount
				all = append(all, h)
			}
		}
		for _, amount := range line.amount {
			h := s
			h.amount, h.discount = amount, discount
			all = append(all, h)
		}
	}
	return all
}

func first(fields []*field) []*field { return fields[:min(1, len(fields))] }

// value ranks a hypothesis: first by the samples in which it holds, then by the
// sums that were checked, then by how little it has to forgive.
func (h *sums) value() int {
	v := h.holds * 1000
	if h.total != nil {
		v += 400
	}
	for _, f := range []*field{h.subtotal, h.taxes, h.tip, h.off} {
		if f != nil {
			v += 60
		}
	}
	if h.discount != nil {
		v += 30
	}
	if h.lines {
		v += 20
	}
	if h.price != nil && h.quantity != nil {
		v += 10
	}
	if h.included {
		v--
	}
	return v - 5*int(h.tolerance)
}

// adds reports whether a sample's sums hold.
func (h *sums) adds(body *node, items, currency string) bool {
	array := body.at(strings.Split(items, "."))
	if array == nil {
		return true // this sample has no items
	}
	exponent, ok := h.exponent(body, currency)
	if !ok {
		return false
	}
	b := &rules.Basket{Units: h.units, Tolerance: h.tolerance}
	switch {
	case h.included:
		b.Tax.Kind = rules.AllocateIncluded
	case h.lines:
		b.Tax.Kind = rules.AllocateLines
		b.Line.Tax = &rules.Path{}
	}
	var lines []basket.Line
	for _, item := range array.kids {
		l, ok := h.lineOf(item, items, exponent)
		if !ok {
			return false
		}
		lines = append(lines, l)
	}
	var t basket.Totals
	into := []struct {
		has *bool
		n   *int64
	}{{&t.HasSubtotal, &t.Subtotal}, {&t.HasTax, &t.Tax}, {&t.HasTip, &t.Tip}, {&t.HasDiscount, &t.Discount}, {&t.HasTotal, &t.Total}}
	for i, total := range h.totals() {
		if total.field == nil {
			continue
		}
		n := body.at(total.field.steps)
		if n == nil || n.kind == null {
			continue
		}
		a, err := basket.Parse([]byte(n.text), n.kind == text, exponent, h.units)
		if err != nil {
			return false
		}
		*into[i].has, *into[i].n = true, a.Units
	}
	return new(basket.Splitter).Split(b, lines, t) == nil
}

// exponent is that of the sample's currency, else of the one told; with amounts in minor units it
// does not matter.
func (h *sums) exponent(body *node, told string) (int, bool) {
	if h.units != rules.UnitsMajor {
		return 0, true
	}
	if h.currency != nil {
		if n := body.at(h.currency.steps); n != nil {
			return currency.Exponent([]byte(n.text))
		}
	}
	return currency.Exponent([]byte(told))
}

// lineOf reads the amounts of a line item.
func (h *sums) lineOf(item *node, items string, exponent int) (l basket.Line, ok bool) {
	get := func(f *field) *node {
		if f == nil {
			return nil
		}
		n := item.at(strings.Split(relative(f, items), "."))
		if n != nil && n.kind == null {
			return nil
		}
		return n
	}
	money := func(f *field) (int64, bool) {
		n := get(f)
		if n == nil {
			return 0, true
		}
		a, err := basket.Parse([]byte(n.text), n.kind == text, exponent, h.units)
		return a.Units, err == nil
	}
	if h.amount != nil {
		l.Gross, ok = money(h.amount)
	} else {
		quantity := basket.Decimal{Mantissa: 1}
		price := basket.Decimal{}
		var err error
		if n := get(h.quantity); n != nil {
			quantity, err = basket.ParseDecimal([]byte(n.text))
		}
		if n := get(h.price); n != nil && err == nil {
			price, err = basket.ParseDecimal([]byte(n.text))
		}
		if err == nil {
			l.Gross, err = basket.Product(quantity, price, exponent, h.units)
		}
		ok = err == nil
	}
	discount, good := money(h.discount)
	ok = ok && good
	l.Discount = discount
	if h.lines {
		l.Tax, good = money(h.tax)
		ok = ok && good
	}
	return l, ok
}

// role says which of the basket's amounts a member may be.
func (c *census) role(f *field) string {
	if money := c.money(f); money != "" {
		return amountRole(money)
	}
	if r := amountRole(f.name); r != "" {
		return r
	}
	return ""
}

// amounts lists what may be a total of the basket, those with the plainest
// names first.
func (c *census) amounts(items string) []*field {
	var out []*field
	for _, f := range c.leaves() {
		if !f.exact() || f.secret() || f.below(items) || c.role(f) == "" || !f.every(isAmount) || f.every(longDigits) {
			continue
		}
		out = append(out, f)
	}
	rank := func(f *field) int {
		r := len(f.steps)
		if !slices.Contains(words(f.name), "total") && c.role(f) == "total" {
			r += 4
		}
		if payments.any(folds(f.parents())) {
			r += 8
		}
		return r
	}
	slices.SortStableFunc(out, func(a, b *field) int { return rank(a) - rank(b) })
	return out
}

func folds(names []string) (out []string) {
	for _, n := range names {
		out = append(out, fold(n))
	}
	return out
}

// currency finds the member with the code of the currency.
func (c *census) currency() *field {
	var found *field
	for _, f := range c.leaves() {
		if !f.exact() || f.secret() || !strings.Contains(fold(f.name), "currency") && fold(f.name) != "iso" || !f.every(isCurrency) {
			continue
		}
		if found == nil || len(f.steps) < len(found.steps) {
			found = f
		}
	}
	return found
}

// unitsOf tells major from minor units by how amounts are written.
func (c *census) unitsOf(fields []*field) (rules.Units, string, sureness) {
	with, all, cents := 0, 0, false
	for _, f := range fields {
		yes, n := f.count(func(n *node) bool { return decimals(n) > 0 })
		with, all = with+yes, all+n
		cents = cents || minorWords.any(words(f.name))
	}
	switch {
	case cents:
		return rules.UnitsMinor, "a name says cents", sure
	case with > 0:
		return rules.UnitsMajor, counted(with, all, "amount", "has", "have") + " decimals", sure
	}
	return rules.UnitsMinor, "no amount has decimals, so 12500 is taken for 125.00", likely
}
