package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/basket"
	"chaperone/rules/reason"
)

// ClassShare is what one class had in the totals of a sale, in minor units,
// signs as in the body. Subtotal comes before Discount, which has the sign that
// it had there; Total is what was paid for the class's items.
type ClassShare struct {
	Class                               string // its name in the policy
	Subtotal, Tax, Tip, Discount, Total int64
}

// weight is the part of a share by which an amount is split.
func (s *ClassShare) weight(by rules.Share) int64 {
	switch by {
	case rules.ShareSubtotal:
		return s.Subtotal
	case rules.ShareTax:
		return s.Tax
	case rules.ShareTip:
		return s.Tip
	}
	return s.Total
}

// Follows returns the value at the route's follows path, as IdempotencyKey
// does.
func (m *Message) Follows() (value []byte, ok bool) { return m.scalar(m.at(slotFollows)) }

// Decides reports whether the scanned request meets the conditions under which
// the route releases, or cancels, a pending sale. Both are false where the
// route has none; a route that decides by its primary's success has none.
func (m *Message) Decides() (release, cancel bool) {
	p := m.prog
	f := p.route.Follows
	if f == nil {
		return false, false
	}
	if d := f.Release; d != nil && !d.Success {
		release = m.hold(d.Where, p.releaseSlot)
	}
	if d := f.Cancel; d != nil && !d.Success {
		cancel = m.hold(d.Where, p.cancelSlot)
	}
	return release, cancel
}

// HasItems reports whether the body has line items.
func (m *Message) HasItems() bool { return len(m.items) > 0 }

// Exponent returns the places of the currency's minor unit by which amounts
// were read: zero where the policy's are in minor units, and before any was.
func (m *Message) Exponent() int { return m.exponent }

// Shares appends what each class had in the scanned request's totals, in the
// order of the policy's classes: of a route with Followed.Shares, whose totals
// are split for it. There is one for each class of which there are line items.
// Where the policy does not say what a line item costs, all amounts are zero.
// The shares of all classes add up to the basket.
func (m *Message) Shares(dst []ClassShare) []ClassShare {
	if !m.HasItems() {
		return dst
	}
	b := m.prog.basket
	for i := range b.Classes {
		if class := rules.ClassID(i + 1); m.has[class] {
			dst = append(dst, m.share(class))
		}
	}
	return dst
}

// share returns what a class has in this body's own totals.
func (m *Message) share(class rules.ClassID) ClassShare {
	s := ClassShare{Class: m.prog.basket.Classes[class-1].Name}
	if m.divided {
		t := m.splitter.Leg(class)
		s.Subtotal, s.Tax, s.Tip, s.Discount, s.Total = t.Subtotal, t.Tax, t.Tip, t.Discount, t.Total
	}
	return s
}

// saleParts is how an amount of the whole call is split over classes.
type saleParts struct {
	used    bool // UseShares says which classes there are
	split   bool // parts are those of amount
	amount  basket.Amount
	weights []int64 // by class, from zero on
	parts   []int64
	shares  []ClassShare // likewise
}

// begin makes room for n classes that have nothing.
func (s *saleParts) begin(n int) {
	if cap(s.shares) < n {
		s.shares, s.weights = make([]ClassShare, n), make([]int64, n)
	}
	s.shares, s.weights = s.shares[:n], s.weights[:n]
	clear(s.shares)
	clear(s.weights)
	s.used, s.split = false, false
}

// reset forgets the parts, and which classes m had by them.
func (s *saleParts) reset(m *Message) {
	if s.used {
		m.has = [256]bool{}
	}
	clear(s.weights)
	clear(s.parts)
	clear(s.shares)
	s.weights, s.parts, s.shares = s.weights[:0], s.parts[:0], s.shares[:0]
	s.used, s.split, s.amount = false, false, basket.Amount{}
}

// UseShares tells a scanned request, which follows a sale and has no line items
// of its own, what each class had in that sale, and by which exponent the
// amounts were read; it does nothing for a request that has line items. From
// then on HasClass says which classes take part: of a request with an amount,
// those that have a share of the kind that Follows.By names, else all that the
// sale had. A leg of a class shows its part of the amount, in the style in
// which the amount came; legs of all items, or none, carry the whole. The parts
// add up to the amount. Where the sale had no tip, a tip goes by subtotal to
// the classes that take tips. Call it before DecideLeg. shares is not kept.
//
// The codes are amount_malformed, currency_unknown, and totals_unsplittable
// where no class has a share, or one of them is no longer in the policy.
func (m *Message) UseShares(shares []ClassShare, exponent int) *reason.Error {
	p, s := m.prog, &m.sale
	if p.basket == nil || p.route.Follows == nil || m.HasItems() {
		return nil
	}
	s.reset(m)
	s.begin(len(p.basket.Classes))
	s.used = true
	for i := range shares {
		class := p.classNamed(shares[i].Class)
		if class == rules.NoClass {
			return p.unsplittable("a class of the sale is not in the policy any more")
		}
		s.shares[class-1] = shares[i]
		m.has[class] = true
	}
	if n := m.at(slotAmount); n == nil || m.body[n.start] == 'n' {
		return nil
	}
	if p.basket.Units == rules.UnitsMajor && m.at(slotCurrency) != nil {
		var err *reason.Error
		if exponent, err = m.currency(); err != nil {
			return err
		}
	}
	if err := m.divide(exponent); err != nil {
		return err
	}
	for i, w := range s.weights {
		m.has[i+1] = w != 0
	}
	return nil
}

// divideOwn splits the amount of a request by the shares of its own line items.
func (m *Message) divideOwn() *reason.Error {
	b, s := m.prog.basket, &m.sale
	s.begin(len(b.Classes))
	for i := range b.Classes {
		s.shares[i] = m.share(rules.ClassID(i + 1))
	}
	return m.divide(m.exponent)
}

// divide splits the amount by the shares.
func (m *Message) divide(exponent int) *reason.Error {
	p, s := m.prog, &m.sale
	f := p.route.Follows
	amount, has, err := m.amount(m.slots[slotAmount], f.Amount, exponent)
	if err != nil {
		err.Rule = ruleAmount
		return err
	}
	if !has {
		return nil
	}
	some := s.weigh(f.By, nil)
	if !some && f.By == rules.ShareTip {
		s.weigh(rules.ShareSubtotal, &p.basket.Tip)
	}
	parts, ok := m.splitter.Divide(s.parts, amount.Units, s.weights)
	if s.parts = parts; !ok {
		return p.unsplittable("the sale has no share by which the amount could be split")
	}
	m.exponent, s.amount, s.split = exponent, amount, true
	return nil
}

// weigh sets the weights, of those classes alone to which an allocation gives.
// It reports whether there are any.
func (s *saleParts) weigh(by rules.Share, to *rules.Allocation) (some bool) {
	for i := range s.shares {
		s.weights[i] = 0
		if to == nil || to.Kind != rules.AllocateClasses || takes(to, rules.ClassID(i+1)) {
			s.weights[i] = s.shares[i].weight(by)
		}
		some = some || s.weights[i] != 0
	}
	return some
}

func takes(to *rules.Allocation, class rules.ClassID) bool {
	for _, c := range to.Classes {
		if c == class {
			return true
		}
	}
	return false
}

// classNamed returns the class of a name, NoClass where there is none.
func (p *program) classNamed(name string) rules.ClassID {
	for i := range p.basket.Classes {
		if p.basket.Classes[i].Name == name {
			return rules.ClassID(i + 1)
		}
	}
	return rules.NoClass
}

// ruleAmount is what errors about a follower's amount name.
const ruleAmount = "follows.amount"

func (p *program) unsplittable(detail string) *reason.Error {
	err := &reason.Error{Code: reason.TotalsUnsplittable, Rule: ruleAmount, Offset: -1, Detail: detail}
	if a := p.route.Follows.Amount; a != nil {
		err.Pattern = a.Source
	}
	return err
}

// sharesKept reports whether the route's totals are split for those that follow
// its sales.
func (p *program) sharesKept() bool {
	f := p.route.Followed
	return f != nil && f.Shares && p.basket != nil && p.basket.Line != (rules.LinePaths{})
}
