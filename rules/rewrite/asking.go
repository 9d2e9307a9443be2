package rewrite

import (
	"errors"
	"sort"
	"unicode/utf8"

	"chaperone/rules"
	"chaperone/rules/basket"
	"chaperone/rules/expression"
	"chaperone/rules/reason"
)

// Why an expression is undecided. None of the texts holds anything of a body.
var (
	errMissing   = &expression.Missing{Why: "a value that the expression needs is missing"}
	errKind      = &expression.Missing{Why: "a value is not of the type that the expression asks for"}
	errToken     = &expression.Missing{Why: "a value is a token, which the expression cannot look behind"}
	errUnseen    = &expression.Missing{Why: "a value holds what the destination may not see"}
	errRepeated  = &expression.Missing{Why: "a header or query member is there more than once"}
	errNoItems   = &expression.Missing{Why: "there are no line items of which a class could have a part"}
	errItems     = &expression.Missing{Why: "the line items are no array"}
	errNoAmount  = &expression.Missing{Why: "there is no amount that is split"}
	errCurrency  = &expression.Missing{Why: "the currency is not known"}
	errInexact   = &expression.Missing{Why: "the amount is no whole number of the smallest coin"}
	errForbidden = &expression.Missing{Why: "the value holds what the destination may not get as it is"}
)

// asking is the Source of one run of an expression.
type asking struct {
	v        *View
	f        *formula
	computed bool         // the result is sent; else it is one bit, and decides
	read     int          // the last one
	style    basket.Style // of the first amount
	styled   bool
}

// evaluate runs an expression on the view's message.
func (v *View) evaluate(f *formula, computed bool) (expression.Value, *asking, *reason.Error) {
	if v.asking == nil {
		v.asking = new(asking)
	}
	q := v.asking
	*q = asking{v: v, f: f, computed: computed, read: -1}
	out, err := f.x.Program.Run(q)
	if err != nil {
		return out, q, q.undecided(err)
	}
	return out, q, nil
}

// undecided is the refusal of a request whose expression cannot be decided.
func (q *asking) undecided(err error) *reason.Error {
	e := &reason.Error{Code: reason.ExpressionUndecided, Rule: q.f.rule, Offset: -1, Detail: err.Error()}
	var missing *expression.Missing
	if errors.As(err, &missing) && q.read >= 0 && q.f.x.Paths[q.read] != nil {
		e.Pattern = q.f.x.Paths[q.read].Source
	}
	return e
}

// at returns the node of a read, nil where there is none or null.
func (q *asking) at(read int) (n *node, index uint32) {
	m := q.v.m
	q.read = read
	slot := q.f.slots[read]
	if slot < 0 || m.slots[slot] == 0 {
		return nil, 0
	}
	index = m.slots[slot] - 1
	if n = &m.tape[index]; m.body[n.start] == 'n' {
		return nil, 0
	}
	return n, index
}

// seen returns the node of a read whose value the expression may look at. What
// its labels say was checked when the policy was loaded; what the detectors
// found is known only now.
func (q *asking) seen(read int) (*node, error) {
	n, index := q.at(read)
	if n == nil {
		return nil, errMissing
	}
	v, p := q.v, q.v.m.prog
	st := &v.states[n.state.automaton()]
	if n.state&stateSAD != 0 || p.sadSets[st.Set] || !q.may(v.party.forms[n.state.set(st)]) {
		return nil, errUnseen
	}
	if pan := p.panSets[st.Set]; pan != rules.NoLabel {
		x := value{raw: v.m.raw(n), start: n.start, end: n.end, kind: v.m.body[n.start], node: n, pan: pan}
		if v.panToken(&x) != nil {
			return nil, errToken
		}
	}
	if n.state&stateSpans == 0 {
		return n, nil
	}
	spans := v.m.spans
	for i := sort.Search(len(spans), func(i int) bool { return spans[i].node >= index }); i < len(spans) && spans[i].node == index; i++ {
		if err := q.found(&spans[i]); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// found says whether what a detector found in a value keeps the expression from
// looking at it.
func (q *asking) found(s *span) error {
	switch form, _, err := q.v.spanForm(s); {
	case s.name:
		return nil
	case s.token():
		return errToken
	case err != nil || !q.may(form), s.hasCard() && !q.may(q.v.party.pan):
		return errUnseen
	}
	return nil
}

// may reports whether what a destination sees in a form may flow into the
// result.
func (q *asking) may(f rules.Form) bool {
	if q.computed {
		return f == rules.Plain
	}
	return f < rules.Drop
}

// Text returns the text of a read.
func (q *asking) Text(read int) (string, error) {
	q.read = read
	var text []byte
	switch r := &q.f.x.Program.Reads[read]; r.Kind {
	case expression.Caller:
		return q.v.m.outside.CallerName(), nil
	case expression.HeaderText, expression.QueryText:
		count := 0
		if text, count = q.outside(r); count == 0 {
			return "", errMissing
		} else if count > 1 {
			return "", errRepeated
		}
		if !utf8.Valid(text) {
			return "", errKind
		}
		if err := q.foreign(r.Name, text); err != nil {
			return "", err
		}
	default:
		n, err := q.seen(read)
		if err != nil {
			return "", err
		}
		if q.v.m.body[n.start] != '"' {
			return "", errKind
		}
		text = q.v.m.textOf(n)
	}
	if len(text) > expression.MaxText {
		return "", expression.ErrTooLong
	}
	return string(text), nil
}

// outside returns a header field or query member.
func (q *asking) outside(r *expression.Read) (text []byte, count int) {
	if r.Kind == expression.HeaderText || r.Kind == expression.HeaderPresent {
		return q.v.m.outside.HeaderField(r.Name)
	}
	return q.v.m.outside.QueryMember(r.Name)
}

// foreign runs the detectors over a text that no scan has seen.
func (q *asking) foreign(name string, text []byte) (err error) {
	m := q.v.m
	from := m.detectText(name, text)
	for i := from; i < len(m.spans) && err == nil; i++ {
		err = q.found(&m.spans[i])
	}
	clear(m.spans[from:])
	m.spans = m.spans[:from]
	return err
}

// Flag returns the truth of a read.
func (q *asking) Flag(read int) (bool, error) {
	q.read = read
	m := q.v.m
	switch r := &q.f.x.Program.Reads[read]; r.Kind {
	case expression.BodyHas:
		n, _ := q.at(read)
		return n != nil, nil
	case expression.ClassPresent:
		if err := q.items(); err != nil {
			return false, err
		}
		return m.HasClass(q.f.x.Classes[read]), nil
	case expression.HeaderPresent, expression.QueryPresent:
		_, count := q.outside(r)
		return count > 0, nil
	}
	n, err := q.seen(read)
	if err != nil {
		return false, err
	}
	switch m.body[n.start] {
	case 't':
		return true, nil
	case 'f':
		return false, nil
	}
	return false, errKind
}

// Decimal returns the number or amount of a read.
func (q *asking) Decimal(read int) (*expression.Decimal, error) {
	q.read = read
	m := q.v.m
	r, class := &q.f.x.Program.Reads[read], q.f.x.Classes[read]
	switch r.Kind {
	case expression.Items, expression.ClassItems:
		if err := q.items(); err != nil {
			return nil, err
		}
		count := 0
		for i := range m.items {
			if r.Kind == expression.Items || m.items[i].class == class {
				count++
			}
		}
		return expression.DecimalOf(int64(count), 0), nil
	case expression.ClassTotal:
		if !m.divided {
			return nil, errNoItems
		}
		t := m.splitter.Leg(class)
		i := totalIndex(r.Name)
		q.use(m.totals[i].Style)
		return expression.DecimalOf([totalSlots]int64{t.Subtotal, t.Tax, t.Tip, t.Discount, t.Total}[i], -m.exponent), nil
	case expression.ClassAmount:
		if !m.sale.split {
			return nil, errNoAmount
		}
		q.use(m.sale.amount.Style)
		return expression.DecimalOf(m.sale.parts[class-1], -int(m.sale.amount.Style.Scale)), nil
	}
	n, err := q.seen(read)
	if err != nil {
		return nil, err
	}
	literal, ok := m.scalar(n)
	if !ok {
		return nil, errKind
	}
	d, fault := basket.ParseDecimal(literal)
	if fault != nil {
		return nil, errKind
	}
	x := expression.DecimalOf(d.Mantissa, int(d.Exp))
	if r.Kind.Type() == expression.Money {
		if b := m.prog.basket; b == nil || b.Units == rules.UnitsMinor {
			if _, whole := x.Units(0); b != nil && !whole {
				return nil, errInexact
			}
		}
		q.use(basket.Style{Quoted: m.body[n.start] == '"', Decimals: d.Written})
	}
	return x, nil
}

// totalIndex is the index of a total among the slots of totals.
func totalIndex(name string) int {
	for i, n := range expression.TotalNames {
		if n == name {
			return i
		}
	}
	return totalSlots - 1
}

// items asks that what should be line items is.
func (q *asking) items() error {
	if n := q.v.m.at(slotItems); n != nil && q.v.m.body[n.start] != '[' {
		return errItems
	}
	return nil
}

// use notes the style of the first amount: the result is written alike.
func (q *asking) use(s basket.Style) {
	if !q.styled {
		q.style, q.styled = s, true
	}
}

// Places returns how many places behind the point amounts have.
func (q *asking) Places() (int, error) {
	m := q.v.m
	if m.prog.basket == nil {
		return 0, errCurrency
	}
	places, err := m.currency()
	if err != nil {
		return 0, errCurrency
	}
	return places, nil
}
