package propose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The made-up values of test bodies. None of them depends on a value of a
// sample: only on what a member is, and on the shape of its values.
const (
	testCard    = "4111111111111111"
	maskedCard  = "************1111"
	cardInNote  = "4111 1111 1111 1111"
	madeName    = "Sample Person"
	madeEmail   = "sample.person@example.com"
	madePhone   = "+1 202 555 0143"
	madeMoment  = "2026-01-15T10:30:00Z"
	madeDay     = "2026-01-15"
	madeBirth   = "1980-02-29"
	madeSSN     = "219-09-9999"
	madeNHS     = "999 123 4500"
	madeMRN     = "A-5571220"
	madeNPI     = "1234567893"
	madeIBAN    = "GB82WEST12345698765432"
	treatName   = "Sample treatment"
	goodsName   = "Sample face cream"
	unknownName = "Something new"
)

// The amounts of the made-up sale, in hundredths of the currency's unit: a
// treatment bought twice, and goods bought once. Tax and tip are shared out by
// price, five to one.
const (
	treatPrice, goodsPrice = 10110, 4044
	treatGross             = 2 * treatPrice
	treatTax, goodsTax     = 500, 100
	treatTip, goodsTip     = 2000, 400
)

// body writes the body of the samples that has the most members, with made-up
// values. classes are those of its items.
func (d *draft) body(classes []string) []byte {
	richest := d.richest()
	w := &maker{d: d, classes: classes}
	w.write(richest, nil)
	var out bytes.Buffer
	if err := json.Indent(&out, w.b.Bytes(), "", "  "); err != nil {
		return w.b.Bytes() // what the maker writes is JSON: this is not reached
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// richest is the sample with the most members; of sales, of those with items.
func (d *draft) richest() *node {
	bodies := d.bodies
	if d.items != "" {
		bodies = slices.DeleteFunc(slices.Clone(bodies), func(b *node) bool { return b.at(strings.Split(d.items, ".")) == nil })
	}
	return slices.MaxFunc(bodies, func(a, b *node) int { return size(a) - size(b) })
}

func size(n *node) int {
	s := 1
	for _, k := range n.kids {
		s += size(k)
	}
	return s
}

// maker writes a body.
type maker struct {
	d       *draft
	b       bytes.Buffer
	classes []string
	class   string // of the item that is being written
	index   int
}

func (m *maker) write(n *node, steps []string) {
	path := strings.Join(steps, ".")
	switch n.kind {
	case object:
		m.b.WriteByte('{')
		written := []string{}
		for i, name := range n.names {
			s := step(name)
			if s == "*" {
				name = "sample"
			}
			if slices.Contains(written, name) {
				continue
			}
			if len(written) > 0 {
				m.b.WriteByte(',')
			}
			written = append(written, name)
			m.string(name)
			m.b.WriteByte(':')
			m.write(n.kids[i], append(slices.Clone(steps), s))
		}
		m.b.WriteByte('}')
	case array:
		m.b.WriteByte('[')
		if path == m.d.items && path != "" {
			m.writeItems(steps)
		} else if len(n.kids) > 0 {
			most := slices.MaxFunc(n.kids, func(a, b *node) int { return size(a) - size(b) })
			m.write(most, append(slices.Clone(steps), "#"))
		}
		m.b.WriteByte(']')
	default:
		m.leaf(n, m.d.byPath[path])
	}
}

// writeItems writes an item of each class, with the members of all items: a tax
// that only some lines have is one that the sums need.
func (m *maker) writeItems(steps []string) {
	most := &node{kind: object}
	if f := m.d.byPath[m.d.items+".#"]; f != nil {
		most = together(f.values)
	}
	for i, class := range m.classes {
		if i > 0 {
			m.b.WriteByte(',')
		}
		m.class, m.index = class, i
		m.write(most, append(slices.Clone(steps), "#"))
	}
	m.class = ""
}

// together is an object with the members of all: each with the value, of those
// that it has, that holds the most.
func together(objects []*node) *node {
	all := &node{kind: object}
	for _, o := range objects {
		for i, name := range o.names {
			at := slices.Index(all.names, name)
			switch {
			case at < 0:
				all.names, all.kids = append(all.names, name), append(all.kids, o.kids[i])
			case all.kids[at].kind == null || size(o.kids[i]) > size(all.kids[at]):
				all.kids[at] = o.kids[i]
			}
		}
	}
	return all
}

func (m *maker) string(s string) {
	// A text without anything that JSON cannot hold always marshals.
	b, _ := json.Marshal(s)
	m.b.Write(b)
}

// leaf writes a made-up value.
func (m *maker) leaf(n *node, f *field) {
	if n.kind == null || n.kind == truth {
		m.b.WriteString(map[kind]string{null: "null", truth: "true"}[n.kind])
		return
	}
	if amount, ok := m.amount(f); ok {
		m.b.WriteString(amount)
		return
	}
	s := m.text(n, f)
	if n.kind == text {
		m.string(s)
		return
	}
	if _, err := strconv.ParseFloat(s, 64); err != nil {
		s = "1"
	}
	m.b.WriteString(s)
}

// amount writes an amount, or a quantity, as the samples write theirs.
func (m *maker) amount(f *field) (string, bool) {
	s := &m.d.sums
	t := m.totals()
	price, gross, quantity, tax := treatPrice, treatGross, 2, treatTax
	if m.class == retail {
		price, gross, quantity, tax = goodsPrice, goodsPrice, 1, goodsTax
	}
	if s.quantity == nil {
		price = gross // without a quantity the price is the line's
	}
	switch f {
	case nil:
		return "", false
	case s.quantity:
		return m.count(f, quantity), true
	case s.price:
		return m.money(f, price), true
	case s.amount:
		return m.money(f, gross), true
	case s.tax:
		return m.money(f, tax), true
	case s.discount, s.off:
		return m.money(f, 0), true
	case s.subtotal:
		return m.money(f, t.subtotal), true
	case s.taxes:
		return m.money(f, t.tax), true
	case s.tip:
		return m.money(f, t.tip), true
	case s.total:
		return m.money(f, t.total), true
	}
	switch l := m.d.line; {
	case slices.Contains(l.quantity, f):
		return m.count(f, quantity), true
	case slices.Contains(l.amount, f):
		return m.money(f, gross), true
	case slices.Contains(l.price, f):
		return m.money(f, price), true
	case slices.Contains(l.tax, f), slices.Contains(l.discount, f):
		return m.money(f, 0), true
	case m.d.role(f) != "" && f.every(isAmount) && !f.every(longDigits) && !strings.Contains(fold(f.name), "id"):
		return m.money(f, map[string]int{"total": t.total, "subtotal": t.subtotal, "tax": t.tax, "tip": t.tip}[m.d.role(f)]), true
	}
	return "", false
}

func (m *maker) count(f *field, n int) string {
	if f.every(isText) {
		return strconv.Quote(strconv.Itoa(n))
	}
	return strconv.Itoa(n)
}

func (m *maker) money(f *field, hundredths int) string { return m.d.written(f, hundredths) }

// written writes an amount in hundredths of the currency as the samples write
// that member: in cents or not, as a text or a number, with their decimals.
func (d *draft) written(f *field, hundredths int) string {
	s := strconv.Itoa(hundredths)
	if d.sums.major() || d.kind == Payment && d.majorAlone(f) {
		places := 0
		for _, n := range f.values {
			places = max(places, decimals(n))
		}
		s = strconv.Itoa(hundredths / 100)
		if places > 0 {
			s = fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100) + strings.Repeat("0", max(0, min(places, 3)-2))
		}
	}
	if f.every(isText) {
		return strconv.Quote(s)
	}
	return s
}

// majorAlone says so of a payment, which has no basket.
func (d *draft) majorAlone(f *field) bool {
	return slices.ContainsFunc(f.values, func(n *node) bool { return decimals(n) > 0 })
}

// sums of a made-up sale, in hundredths.
type madeTotals struct{ subtotal, tax, tip, total int }

func (m *maker) totals() madeTotals { return m.d.totalsOf(m.classes) }

// totalsOf adds up a made-up sale of items of these classes. Its tax and tip
// are those of its items.
func (d *draft) totalsOf(classes []string) (t madeTotals) {
	if d.kind == Payment {
		return madeTotals{total: treatGross}
	}
	for _, c := range classes {
		if c == retail {
			t.subtotal, t.tax, t.tip = t.subtotal+goodsPrice, t.tax+goodsTax, t.tip+goodsTip
		} else {
			t.subtotal, t.tax, t.tip = t.subtotal+treatGross, t.tax+treatTax, t.tip+treatTip
		}
	}
	t.total = t.subtotal
	if d.sums.taxes != nil && !d.sums.included {
		t.total += t.tax
	}
	if d.sums.tip != nil {
		t.total += t.tip
	}
	return t
}

// text is a made-up text of what a member is.
func (m *maker) text(n *node, f *field) string {
	d := m.d
	if f == nil {
		return "sample"
	}
	switch d.labelled[f.path] {
	case labelPAN:
		return testCard
	case labelSAD:
		if f.every(func(n *node) bool { return n.kind == number || len(n.text) <= 4 }) {
			return "737"
		}
		return ";" + testCard + "=29121010000000000?"
	}
	l := &d.line
	switch {
	case f == d.id.field:
		return map[kind]string{text: "SALE-A", number: "7001"}[n.kind]
	case f == d.sums.currency || f.every(isCurrency) && strings.Contains(fold(f.name), "currency"):
		return d.o.Currency
	case slices.Contains(l.name, f):
		return m.ofClass(treatName, goodsName)
	case slices.Contains(l.category, f):
		return m.ofClass(d.code(f, clinical, "treatment"), d.code(f, retail, "retail"))
	case slices.Contains(l.sku, f):
		if n.kind == number {
			return m.ofClass("7101", "7201")
		}
		return m.ofClass("A-100", strings.TrimSuffix(d.code(f, retail, "B-"), "*")+"200")
	}
	return madeByShape(n, f)
}

func (m *maker) ofClass(treatment, goods string) string {
	if m.class == retail {
		return goods
	}
	return treatment
}

// code is a code by which the policy knows a class, for a member of an item.
func (d *draft) code(f *field, class, standard string) string {
	for _, r := range d.classes[class] {
		if r.field == relative(f, d.items) && len(r.values) > 0 {
			return r.values[0]
		}
	}
	return standard
}

// madeByShape is a made-up text by the name of a member and the shape of its
// values.
func madeByShape(n *node, f *field) string {
	name, _ := bare(f.name)
	folded := fold(f.name)
	id := identifierOf(n)
	switch {
	case n.kind == number && isEpoch(n):
		return "1768473000" + strings.Repeat("0", len(n.text)-10)
	case n.kind == number && (name == "year" || strings.HasSuffix(folded, "year")):
		return "2031"
	case n.kind == number:
		return "7"
	case id != nil:
		return id.made
	case isBirth(n):
		return madeBirth
	case isDateTime(n):
		return madeMoment
	case isDate(n):
		return madeDay
	case holders[folded], names[name] && name == "name", name == "fullname":
		return madeName
	case name == "firstname", name == "givenname":
		return "Sample"
	case names[name]:
		return "Person"
	case isMasked(f) && endings[folded]:
		return "1111"
	case notes[name]:
		return "A made-up note of a made-up visit."
	case isAmount(n):
		return "7"
	}
	return "sample " + strings.Join(words(f.name), " ")
}
