package rewrite

import (
	"slices"

	"chaperone/rules"
	"chaperone/rules/basket"
	"chaperone/rules/currency"
	"chaperone/rules/reason"
)

// totalSlots is the number of totals that a basket may have, in slots from
// slotSubtotal on.
const totalSlots = slotTotal - slotSubtotal + 1

// beginItem makes room for the values of the next line item.
func (m *Message) beginItem() {
	m.width = lineSlots + m.prog.fields
	n := len(m.lines)
	m.lines = slices.Grow(m.lines, m.width)[:n+m.width]
	clear(m.lines[n:])
}

// line returns the values of the line item that was begun last.
func (m *Message) line() []uint32 { return m.lines[len(m.lines)-m.width:] }

// endItem classifies the line item that has just ended.
func (m *Message) endItem(array *frame) *reason.Error {
	n := &m.tape[array.child]
	if m.prog.strict && m.body[n.start] != '{' {
		return m.basketShape(int(n.start), "a line item is no object")
	}
	m.fields = m.fields[:0]
	for _, at := range m.line()[lineSlots:] {
		var value []byte
		if at != 0 {
			value = m.field(&m.tape[at-1])
		}
		m.fields = append(m.fields, value)
	}
	class, rule := m.prog.classifier.ClassifyBy(&m.folded, m.fields)
	if m.onItem != nil {
		m.onItem(class, rule)
	}
	m.items = append(m.items, item{node: array.child, class: class})
	m.has[class] = true
	return nil
}

// field returns what the classifier wants of a node.
func (m *Message) field(n *node) []byte {
	switch m.body[n.start] {
	case '"':
		return m.textOf(n)
	case '{', '[', 'n':
		return nil
	}
	return m.raw(n)
}

func (m *Message) basketShape(offset int, detail string) *reason.Error {
	return &reason.Error{Code: reason.BasketShape, Rule: "basket.items", Pattern: m.prog.basket.Items.Source, Offset: offset, Detail: detail}
}

// finishRequest judges what only the whole body shows: whether the route's
// line items are there, and how its totals split.
func (m *Message) finishRequest() *reason.Error {
	p := m.prog
	m.answerTokens()
	if !p.strict && !p.splits || p.basket == nil {
		return nil
	}
	items := m.at(slotItems)
	switch {
	case items == nil && p.strict && !p.route.ItemsOptional && p.route.Follows == nil:
		return m.basketShape(-1, "the line items are missing")
	case items == nil:
		return nil
	case m.body[items.start] != '[' && p.strict:
		return m.basketShape(int(items.start), "the line items are no array")
	case m.body[items.start] != '[' || !p.splits || len(m.items) == 0 && p.route.Follows != nil:
		return nil
	}
	if err := m.splitTotals(); err != nil {
		return err
	}
	if m.at(slotAmount) == nil {
		return nil
	}
	return m.divideOwn()
}

// splitTotals reads all amounts and splits the basket's totals.
func (m *Message) splitTotals() *reason.Error {
	b := m.prog.basket
	exponent, err := m.currency()
	if err != nil {
		return err
	}
	for i := range m.items {
		line, err := m.amounts(m.lines[i*m.width:], exponent)
		if err != nil {
			return err
		}
		line.Class = m.items[i].class
		m.split = append(m.split, line)
	}
	var t basket.Totals
	for i, into := range [totalSlots]struct {
		path   *rules.Path
		has    *bool
		amount *int64
	}{
		{b.Totals.Subtotal, &t.HasSubtotal, &t.Subtotal},
		{b.Totals.Tax, &t.HasTax, &t.Tax},
		{b.Totals.Tip, &t.HasTip, &t.Tip},
		{b.Totals.Discount, &t.HasDiscount, &t.Discount},
		{b.Totals.Total, &t.HasTotal, &t.Total},
	} {
		a, has, err := m.amount(m.slots[slotSubtotal+i], into.path, exponent)
		if err != nil {
			return err
		}
		m.totals[i], *into.has, *into.amount = a, has, a.Units
	}
	if err := m.splitter.Split(b, m.split, t); err != nil {
		return err
	}
	m.exponent, m.divided = exponent, true
	return nil
}

// currency returns the places of the currency's minor unit, which matter only
// where amounts are in units: major.
func (m *Message) currency() (int, *reason.Error) {
	b := m.prog.basket
	if b.Units != rules.UnitsMajor {
		return 0, nil
	}
	if b.Fixed != "" {
		return b.Places, nil
	}
	offset := -1
	if n := m.at(slotCurrency); n != nil {
		offset = int(n.start)
		if code, ok := m.scalar(n); ok && m.body[n.start] == '"' {
			if e, ok := currency.Exponent(code); ok {
				return e, nil
			}
		}
	}
	refused := &reason.Error{Code: reason.CurrencyUnknown, Rule: "basket.currency", Offset: offset}
	if b.Currency != nil {
		refused.Pattern = b.Currency.Source
	}
	return 0, refused
}

// amounts reads one line: its amount, or unit price times quantity.
func (m *Message) amounts(at []uint32, exponent int) (basket.Line, *reason.Error) {
	var line basket.Line
	b := m.prog.basket
	gross, has, err := m.amount(at[slotLineAmount-slotLineQuantity], b.Line.Amount, exponent)
	if err != nil {
		return line, err
	}
	line.Gross = gross.Units
	if !has {
		if line.Gross, err = m.product(at, exponent); err != nil {
			return line, err
		}
	}
	discount, _, err := m.amount(at[slotLineDiscount-slotLineQuantity], b.Line.Discount, exponent)
	if err != nil {
		return line, err
	}
	tax, _, err := m.amount(at[slotLineTax-slotLineQuantity], b.Line.Tax, exponent)
	line.Discount, line.Tax = discount.Units, tax.Units
	return line, err
}

func (m *Message) product(at []uint32, exponent int) (int64, *reason.Error) {
	b := m.prog.basket
	price, has, err := m.decimal(at[slotLineUnitPrice-slotLineQuantity], b.Line.UnitPrice)
	if err != nil {
		return 0, err
	}
	if !has {
		return 0, malformed(b.Line.UnitPrice, -1, "a line item has no amount")
	}
	quantity, has, err := m.decimal(at[0], b.Line.Quantity)
	if err != nil {
		return 0, err
	}
	if !has {
		quantity = basket.Decimal{Mantissa: 1}
	}
	gross, fault := basket.Product(quantity, price, exponent, b.Units)
	if fault != nil {
		return 0, malformed(b.Line.UnitPrice, -1, fault.Error())
	}
	return gross, nil
}

// amount reads the amount in the node before at. has is false where there is
// none, or null.
func (m *Message) amount(at uint32, path *rules.Path, exponent int) (a basket.Amount, has bool, err *reason.Error) {
	literal, quoted, has, err := m.number(at, path)
	if err != nil || !has {
		return a, false, err
	}
	a, fault := basket.Parse(literal, quoted, exponent, m.prog.basket.Units)
	if fault != nil {
		return a, false, malformed(path, int(m.tape[at-1].start), fault.Error())
	}
	return a, true, nil
}

func (m *Message) decimal(at uint32, path *rules.Path) (d basket.Decimal, has bool, err *reason.Error) {
	literal, _, has, err := m.number(at, path)
	if err != nil || !has {
		return d, false, err
	}
	d, fault := basket.ParseDecimal(literal)
	if fault != nil {
		return d, false, malformed(path, int(m.tape[at-1].start), fault.Error())
	}
	return d, true, nil
}

func (m *Message) number(at uint32, path *rules.Path) (literal []byte, quoted, has bool, err *reason.Error) {
	if at == 0 {
		return nil, false, false, nil
	}
	n := &m.tape[at-1]
	if m.body[n.start] == 'n' {
		return nil, false, false, nil
	}
	literal, ok := m.scalar(n)
	if !ok {
		return nil, false, false, malformed(path, int(n.start), "an amount is neither a number nor a string")
	}
	return literal, m.body[n.start] == '"', true, nil
}

// malformed is amount_malformed at a path of the policy. The texts of package
// basket's errors are fixed and hold nothing of the body.
func malformed(path *rules.Path, offset int, detail string) *reason.Error {
	e := &reason.Error{Code: reason.AmountMalformed, Rule: "basket", Offset: offset, Detail: detail}
	if path != nil {
		e.Pattern = path.Source
	}
	return e
}
