package propose

import (
	"net/url"
	"slices"
	"strings"
)

// leg is one of the calls that a sale becomes.
type leg struct {
	to, url, path string
	keep          []mark
}

// wholeURL splits an address into the server's and the path that sales are sent
// to there.
func wholeURL(address, standard string) (server, path string) {
	u, err := url.Parse(address)
	if err != nil || u.Path == "" || u.Path == "/" {
		return strings.TrimSuffix(address, "/"), standard
	}
	path = strings.TrimSuffix(u.Path, "/")
	return strings.TrimSuffix(strings.TrimSuffix(address, "/"), path), path
}

// legs are the calls of a sale or a payment, and what each may keep.
func (d *draft) legs() []leg {
	id := d.ofID()
	pan := d.labels[labelPAN]
	money := d.money()
	total := append(d.only(d.sums.total, "what is charged"), d.only(d.charged, "what is charged")...)
	processor := leg{to: "processor", keep: slices.Concat(id, d.only(d.sums.currency, "the currency"), total, pan, d.labels[labelSAD], d.cardOnly)}
	processor.url, processor.path = wholeURL(d.o.Processor, "/v1/payments")
	ehr := leg{to: "ehr", keep: slices.Concat(id, d.moments, d.only(d.sums.currency, "the currency"), d.people(), d.itemFields(), money, pan)}
	ehr.url, ehr.path = wholeURL(d.o.EHR, "/v1/encounters")
	ledger := leg{to: "ledger", keep: slices.Concat(id, d.moments, d.only(d.sums.currency, "the currency"), d.itemFields(), money, d.method, pan)}
	ledger.url, ledger.path = wholeURL(d.o.Ledger, "/v1/sales")
	legs := []leg{processor, ehr, ledger}
	if d.kind == Payment && len(d.people()) == 0 {
		legs = []leg{processor, ledger} // nothing for a patient's record
	}
	for i := range legs {
		legs[i].keep = d.once(d.withCurrencies(legs[i].keep))
		for _, k := range legs[i].keep {
			d.kept[k.path] = true
		}
	}
	return legs
}

// once leaves out what is there already, and orders by the sample.
func (d *draft) once(marks []mark) []mark {
	var out []mark
	for _, f := range d.fields {
		if slices.Contains(f.steps, "*") {
			continue // it would keep what other members hold, too
		}
		i := slices.IndexFunc(marks, func(m mark) bool { return m.field == f })
		if i >= 0 && !slices.ContainsFunc(out, func(m mark) bool { return f.below(m.path) }) {
			out = append(out, marks[i])
		}
	}
	return out
}

// withCurrencies adds the currencies of amounts that have their own.
func (d *draft) withCurrencies(marks []mark) []mark {
	out := slices.Clone(marks)
	for _, m := range marks {
		if d.census.money(m.field) == "" || d.labelled[m.path] != "" {
			continue
		}
		around := m.path[:strings.LastIndex(m.path, ".")]
		for _, f := range d.leaves() {
			if f.path == around+"."+f.name && f.every(isCurrency) {
				out = append(out, d.only(f, "the currency")...)
			}
		}
	}
	return out
}

func (d *draft) ofID() []mark {
	if d.id.field == nil {
		return nil
	}
	return []mark{d.id}
}

func (d *draft) only(f *field, why string) []mark {
	if f == nil {
		return nil
	}
	return []mark{{f, reason{why, sure}}}
}

// money are the amounts of the basket, or of a payment.
func (d *draft) money() (out []mark) {
	for _, n := range d.sums.totals() {
		out = append(out, d.only(n.field, n.key)...)
	}
	return out
}

// people is all that is known about the patient.
func (d *draft) people() []mark {
	return slices.Concat(d.labels[labelPHI], d.labels[labelContact])
}

// itemFields are the members of line items that are known.
func (d *draft) itemFields() (out []mark) {
	l := d.line
	for _, list := range [][]*field{l.sku, l.name, l.category, l.quantity, l.price, l.amount, l.discount, l.tax} {
		for _, f := range list {
			if d.labelled[f.path] == "" {
				out = append(out, d.only(f, "of the line item")...)
			}
		}
	}
	return out
}

// unkept lists the leaves that no leg keeps.
func (d *draft) unkept() (out []*field) {
	for _, f := range d.leaves() {
		kept := false
		for path := range d.kept {
			kept = kept || f.below(path)
		}
		if !kept {
			out = append(out, f)
		}
	}
	return out
}

// shapeOf says in words what the values of a leaf look like.
func shapeOf(f *field) string {
	switch {
	case f.every(func(n *node) bool { return n.kind == number }):
		return "a number"
	case f.every(func(n *node) bool { return n.kind == truth }):
		return "true or false"
	case f.every(isDateTime):
		return "a moment"
	case f.every(isDate):
		return "a date"
	case f.every(isAmount):
		return "a number in a text"
	case f.every(func(n *node) bool { return n.kind == text && n.text == "" }):
		return "an empty text"
	case f.every(func(n *node) bool { return n.kind == text && strings.ContainsAny(n.text, "0123456789") }):
		return "a text with digits"
	case f.every(func(n *node) bool { return n.kind == text && len(strings.Fields(n.text)) == 1 }):
		return "one word"
	case f.every(isText):
		return "a text"
	}
	return "nothing, or several things"
}
