package rules

import (
	"fmt"
	"slices"
	"strings"

	"chaperone/rules/currency"
	"chaperone/rules/yamlfile"
)

// maxTolerance bounds by how much a basket's own totals may be off, in minor
// units: more is not rounding.
const maxTolerance = 1000

// basketNodes are the places of the basket in the file.
type basketNodes struct {
	node, line, totals yamlfile.Node
	classes            []classNodes
}

// classNodes are the places of a class in the file.
type classNodes struct {
	at    Position
	label yamlfile.Node
	// rules and values are those of Class.Any: a node per condition's value,
	// or one for a word list.
	rules []ruleNodes
}

type ruleNodes struct {
	node   yamlfile.Node
	values [][]yamlfile.Node
}

func (l *loader) readBasket(n yamlfile.Node) {
	if !n.Written() {
		return
	}
	m := n.Map()
	b := &Basket{}
	l.plan.Basket = b
	l.basket.node = n
	if p := l.optionalPath(m.Require("items", "write the path of the array of line items, as in items: items")); p != nil {
		b.Items = *p
	}
	l.currency(m.Get("currency"), b)
	if units := m.Get("units"); units.Written() {
		if word, ok := units.Word(); ok && word == "major" {
			b.Units = UnitsMajor
			if !m.Get("currency").Written() {
				units.Fail("currency_missing", "amounts in major units cannot be read without their currency", "write currency: and the path of its code, or currency: {code: USD} where no body has one")
			}
		}
	}
	l.basket.line, l.basket.totals = m.Get("line"), m.Get("totals")
	l.line(l.basket.line, b)
	l.totals(l.basket.totals, b)
	l.readClasses(m.Require("classes", "say which line items are clinical, retail, …"), b)
	l.otherwise(m.Require("otherwise", "name the class of an item that no rule takes; the stricter one is the safe choice"), b)
	l.allocations(m.Get("tax"), m.Get("tip"), b)
	if v := m.Get("tolerance"); v.Written() {
		b.Tolerance = v.Whole()
	}
	m.Done()
}

// currency reads where the code of the currency stands, or the code itself.
func (l *loader) currency(n yamlfile.Node, b *Basket) {
	if !n.Written() || n.Kind() == yamlfile.Scalar {
		b.Currency = l.optionalPath(n)
		return
	}
	m := n.Map()
	code := m.Require("code", "write the currency of all sales, as in code: USD")
	if text, ok := code.Text(); ok {
		places, known := currency.Exponent([]byte(text))
		if !known {
			code.Fail("currency_not_known", "no currency of ISO 4217 has this code", "write its three letters, as in USD or GBP")
		}
		b.Fixed, b.Places = strings.ToUpper(text), places
	}
	m.Done()
}

// line reads where an item's amounts are.
func (l *loader) line(n yamlfile.Node, b *Basket) {
	if !n.Written() {
		return
	}
	m := n.Map()
	amount, price, quantity := m.Get("amount"), m.Get("unit_price"), m.Get("quantity")
	b.Line = LinePaths{
		Quantity: l.optionalPath(quantity), UnitPrice: l.optionalPath(price), Amount: l.optionalPath(amount),
		Discount: l.optionalPath(m.Get("discount")), Tax: l.optionalPath(m.Get("tax")),
	}
	m.Done()
	switch {
	case amount.Written() && price.Written():
		price.Fail("conflicting_keys", "a line has either an amount, or a unit price and a quantity", "keep amount, or keep unit_price and quantity")
	case amount.Written() && quantity.Written():
		quantity.Fail("conflicting_keys", "amount is that of the whole line, so its quantity is not used", "remove quantity")
	case !amount.Written() && !price.Written() && m.Present():
		n.Fail("missing_key", `basket.line needs the key "unit_price" or "amount"`, "write the path of an item's price, relative to the item")
	}
}

func (l *loader) totals(n yamlfile.Node, b *Basket) {
	if !n.Written() {
		return
	}
	m := n.Map()
	keys := []string{"subtotal", "tax", "tip", "discount", "total"}
	to := []**Path{&b.Totals.Subtotal, &b.Totals.Tax, &b.Totals.Tip, &b.Totals.Discount, &b.Totals.Total}
	places := map[string]string{}
	for i, key := range keys {
		v := m.Get(key)
		p := l.optionalPath(v)
		if *to[i] = p; p == nil {
			continue
		}
		if other, taken := places[p.Source]; taken {
			v.Fail("conflicting_keys", fmt.Sprintf("%s and %s of the basket cannot be the same member", other, key), "give each amount its own path")
		}
		places[p.Source] = key
	}
	m.Done()
	if m.Present() && len(m.Entries()) == 0 {
		n.Fail("value_missing", "basket.totals is empty", "name at least one total, or remove the key")
	}
}

// otherwise reads the class of what no rule takes.
func (l *loader) otherwise(n yamlfile.Node, b *Basket) {
	id := l.refClass(n)
	if id == NoClass {
		return
	}
	b.Otherwise = id
	if b.Classes[id-1].Label != NoLabel || l.basket.classes[id-1].label.Written() {
		return
	}
	for _, c := range b.Classes {
		if c.Label != NoLabel {
			n.Warn("otherwise_open", fmt.Sprintf("an unknown item is treated as %s, which carries no label", b.Classes[id-1].Name), fmt.Sprintf("write otherwise: %s, so that what the catalogue does not know is treated as the stricter class", c.Name))
			return
		}
	}
}

func (l *loader) classNames() []string {
	var names []string
	if l.plan.Basket != nil {
		for _, c := range l.plan.Basket.Classes {
			names = append(names, c.Name)
		}
	}
	return names
}

// refClass reads the name of a class that must exist.
func (l *loader) refClass(n yamlfile.Node) ClassID {
	name, ok := n.Text()
	if !ok {
		return NoClass
	}
	names := l.classNames()
	if i := slices.Index(names, name); i >= 0 {
		return ClassID(i + 1)
	}
	l.undefined(n, "undefined_class", "class", name, names)
	return NoClass
}

// allocations reads which items tax and tip belong to.
func (l *loader) allocations(tax, tip yamlfile.Node, b *Basket) {
	b.Tax = l.allocation(tax, "taxable")
	b.Tip = l.allocation(tip, "to")
	switch {
	case b.Tax.Kind == AllocateLines && b.Line.Tax == nil:
		tax.Fail("conflicting_keys", "tax: lines takes the tax of each line, and basket.line names none", "write line.tax, or use taxable, pro_rata or included")
	case b.Line.Tax != nil && b.Tax.Kind != AllocateLines:
		l.basket.line.Warn("line_tax_unused", "line.tax is not used, as tax is not taken from the lines", "write tax: lines, or remove line.tax")
	}
	for _, a := range []struct {
		name  string
		node  yamlfile.Node
		total *Path
	}{{"tax", tax, b.Totals.Tax}, {"tip", tip, b.Totals.Tip}} {
		switch {
		case a.node.Written() && a.total == nil:
			a.node.Warn("allocation_unused", fmt.Sprintf("the basket has no total %s to share out", a.name), fmt.Sprintf("write totals.%s, or remove the key", a.name))
		case !a.node.Written() && a.total != nil:
			l.basket.totals.Warn("allocation_missing", fmt.Sprintf("the policy does not say which items the %s belongs to; it is shared out over all of them", a.name), fmt.Sprintf("write %s: pro_rata, or name classes", a.name))
		}
	}
}

// allocation reads a word, or {key: [classes]}.
func (l *loader) allocation(n yamlfile.Node, key string) Allocation {
	kinds := map[string]AllocationKind{"pro_rata": AllocateProRata, "lines": AllocateLines, "included": AllocateIncluded}
	if n.Kind() != yamlfile.Mapping {
		if !n.Written() {
			return Allocation{}
		}
		word, _ := n.Word()
		return Allocation{Kind: kinds[word]}
	}
	m := n.Map()
	a := Allocation{Kind: AllocateClasses}
	for _, item := range m.Require(key, "list the classes").OneOrMore() {
		id := l.refClass(item)
		switch {
		case id == NoClass:
		case slices.Contains(a.Classes, id):
			item.Warn("class_twice", "the class is listed twice", "remove one of them")
		default:
			a.Classes = append(a.Classes, id)
		}
	}
	m.Done()
	return a
}
