package propose

import (
	"slices"
	"strings"
)

// The labels that are proposed.
const (
	labelPAN      = "pan"
	labelSAD      = "sad"
	labelPHI      = "phi"
	labelContact  = "phi.contact"
	labelSchedule = "phi.schedule"
)

// mark is a field with what was found out about it, and why.
type mark struct {
	*field
	reason
}

// sort gives every field its label, or notes what else it is.
func (d *draft) sort() {
	var under []string // paths whose labels hold for all below them
	for _, f := range d.fields {
		covered := slices.ContainsFunc(under, f.below)
		label, why := d.label(f, covered)
		switch {
		case label == "":
			continue
		case label == labelPHI && covered, label == labelContact && slices.ContainsFunc(d.labels[labelContact], func(m mark) bool { return f.below(m.path) }):
			continue
		}
		d.labels[label] = append(d.labels[label], mark{f, why})
		d.labelled[f.path] = label
		if label == labelPHI || label == labelContact && !f.leaf {
			under = append(under, f.path)
		}
	}
}

// label says which label a field has, if any; covered says that it lies in what
// is phi already.
func (d *draft) label(f *field, covered bool) (string, reason) {
	if f.leaf {
		if label, why := d.card(f); label != "" {
			return label, why
		}
	}
	if label, why := d.person(f, covered); label != "" {
		return label, why
	}
	if name, _ := bare(f.name); f.leaf && !d.known(f) && !(covered && personal[name]) {
		return d.byShape(f, covered)
	}
	return "", reason{}
}

// card looks for card numbers and security codes, by name and by value.
func (d *draft) card(f *field) (string, reason) {
	name := fold(f.name)
	if f.secret() {
		return labelSAD, byName(sure)
	}
	if yes, all := f.count(isTrack); yes > 0 {
		return labelSAD, byShape("the track of a card", yes, all, sure)
	}
	yes, all := f.count(wholePAN)
	named := panNames[name] || name == "number" && cards.any(folds(f.parents())) || cards[name]
	switch {
	case yes > 0 && named:
		return labelPAN, byShape("a card number, by its check digit and its issuer,", yes, all, sure)
	case yes > 0 && yes == all && (all > 2 || inPayment(f)):
		return labelPAN, byShape("a card number, by its check digit and its issuer,", yes, all, sure)
	case yes > 0:
		return labelPAN, byShape("a card number, by its check digit and its issuer,", yes, all, likely)
	case named && name != "accountnumber" && f.every(func(n *node) bool { return n.kind == text || n.kind == number }) && !isMasked(f):
		return labelPAN, byName(likely)
	}
	return "", reason{}
}

// isMasked reports whether the values are card numbers without their middle.
func isMasked(f *field) bool {
	return f.every(func(n *node) bool { return strings.ContainsAny(n.text, "*xX•") || len(n.text) <= 6 })
}

// person looks at names that say something about a person.
func (d *draft) person(f *field, covered bool) (string, reason) {
	name, whose := bare(f.name)
	folded := fold(f.name)
	person := whose || people.any(folds(f.parents()))
	if d.isItemName(f) || f.steps[len(f.steps)-1] == "#" && d.labelled[strings.TrimSuffix(f.path, ".#")] != "" {
		return "", reason{}
	}
	switch {
	case d.kind == Record && covered && f.leaf && starts[folded] && health.any(folds(f.parents())) && !f.every(isBirth):
		return labelSchedule, byName(likely)
	case holders[folded] || names[name] && cards[fold(f.parent())]:
		return "", reason{} // the processor's alone
	case !f.leaf && contact[name] && d.holdsSale(f):
		return "", reason{}
	case contact[name] && !business.any(folds(f.parents())) && !business[folded]:
		return labelContact, byName(sure)
	case d.kind == Record && names[name] && (person || name != "name") && !clinicians.any(folds(f.parents())):
		return labelContact, reason{"the name says so: whom to call", likely}
	case covered:
		return "", reason{}
	case !f.leaf:
		if (people[folded] || health[folded] || clinicians[folded]) && !d.holdsSale(f) {
			return labelPHI, byName(sure)
		}
		return "", reason{}
	case people[folded], health[folded], personal[name], personal[folded], clinicians[folded]:
		return labelPHI, byName(sure)
	case whose && (strings.HasSuffix(name, "id") || strings.HasSuffix(name, "number") || name == "ref"):
		return labelPHI, byName(sure)
	case names[name] && (person || name != "name" && !business.any(folds(f.parents()))):
		return labelPHI, byName(sure)
	case notes[name] && f.every(isText):
		return labelPHI, reason{"the name says so: what is typed may be about the patient", sure}
	case treatment[folded] && d.items != "" && f.below(d.items):
		return labelPHI, byName(sure)
	}
	return "", reason{}
}

// holdsSale reports whether a member holds the sale, its amounts or its card,
// and so is not all a person's.
func (d *draft) holdsSale(f *field) bool {
	if d.items != "" && strings.HasPrefix(d.items+".", f.path+".") {
		return true
	}
	if d.kind == Record {
		return false
	}
	amounts := append(d.sums.totals(), named{"", d.sums.currency}, named{"", d.charged})
	return slices.ContainsFunc(amounts, func(n named) bool { return n.field != nil && n.field.below(f.path) }) || d.holdsCard(f)
}

// holdsCard reports whether a card lies in a member: one whose whole is a
// patient's would keep it from the processor.
func (d *draft) holdsCard(f *field) bool {
	return d.census.has(f.path, func(g *field) bool {
		label := ""
		if g.leaf {
			label, _ = d.card(g)
		}
		return label != ""
	})
}

func (d *draft) isItemName(f *field) bool { return slices.Contains(d.line.name, f) }

// inPayment reports whether a member lies in what is about the payment.
func inPayment(f *field) bool {
	return slices.ContainsFunc(f.parents(), func(name string) bool { return payments[fold(name)] || payments.any(words(name)) })
}

// byShape looks at the values of a member whose name says nothing.
func (d *draft) byShape(f *field, covered bool) (string, reason) {
	if label, why := d.byIdentifier(f, covered); label != "" {
		return label, why
	}
	if covered || business.any(folds(f.parents())) {
		return "", reason{}
	}
	if yes, all := f.count(isBirth); yes > 0 {
		return labelPHI, byShape("a day of birth", yes, all, likely)
	}
	if label, why := within(f); label != "" {
		return label, why
	}
	if yes, all := f.count(holdsPAN); yes > 0 {
		return labelPHI, byShape("a text with a card number in it", yes, all, likely)
	}
	if yes, all := f.count(isProse); yes > 0 {
		return labelPHI, byShape("a text that somebody typed", yes, all, likely)
	}
	return "", reason{}
}

// known reports whether a member is one of the sale's own.
func (d *draft) known(f *field) bool {
	l := d.line
	for _, list := range [][]*field{l.sku, l.name, l.category, l.quantity, l.price, l.amount, l.discount, l.tax} {
		if slices.Contains(list, f) {
			return true
		}
	}
	return f == d.sums.currency || slices.ContainsFunc(d.sums.totals(), func(n named) bool { return n.field == f })
}
