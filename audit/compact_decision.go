package audit

import "encoding/binary"

// What the first byte of a decision says: two bits each of its rule, label and
// class, one each of its recipient and pattern.
const (
	ruleName  = 0 // follows
	ruleLabel = 1 // it is "labels." and the label
	ruleClass = 2 // it is "basket.classes." and the class
	ruleToken = 3 // it is "token." and the label

	ruleBits   = 3
	labelSame  = 1 << 2 // as in the decision before
	labelName  = 2 << 2 // follows
	labelBits  = 3 << 2
	classSame  = 1 << 4
	className  = 2 << 4
	classBits  = 3 << 4
	toName     = 1 << 6 // follows; else it is that of the decision before
	patternHas = 1 << 7
)

// The second byte of a decision is its form and, above that, its count.
const (
	formBits   = 0x0f
	formName   = 0x0f // follows
	countShift = 4
	countMore  = 0x0f // follows
)

const (
	prefixLabel = "labels."
	prefixClass = "basket.classes."
	prefixToken = "token."
)

// decided is what a decision leaves to the one after it: its names, as they were
// written.
type decided struct{ label, class, to found }

// nothing is the name that is none.
var nothing = found{symbol: noSymbol}

func (w *encoder) decisions(e *Entry) {
	before := decided{nothing, nothing, nothing}
	for i := range e.Decisions {
		w.decision(&e.Decisions[i], &before)
	}
	for i := range e.Prepared {
		p := &e.Prepared[i]
		if w.names == nil || p.Template.names != w.names {
			d := p.Template.decision
			d.Count = p.Count
			w.decision(&d, &before)
			continue
		}
		w.prepared(p.Template, p.Count, &before)
	}
}

func (w *encoder) decision(d *Decision, before *decided) {
	var head byte
	if d.Label == "" {
		before.label = nothing
	} else if head |= labelSame; w.another(d.Label, &before.label) {
		head ^= labelSame | labelName
	}
	if d.Class == "" {
		before.class = nothing
	} else if head |= classSame; w.another(d.Class, &before.class) {
		head ^= classSame | className
	}
	if w.another(d.To, &before.to) {
		head |= toName
	}
	if d.Pattern != "" {
		head |= patternHas
	}
	rule := ruleOf(d.Rule, before)
	form := formOf(d.Form)
	w.b = append(w.b, head|rule, form|countOf(d.Count)<<countShift)
	if rule == ruleName {
		w.text(d.Rule)
	}
	w.named(head, before)
	if head&patternHas != 0 {
		w.text(d.Pattern)
	}
	if form == formName {
		w.text(d.Form)
	}
	w.countMore(d.Count)
}

// another looks a name up, and reports whether it is another one than before,
// in whose place it is then.
func (w *encoder) another(text Name, before *found) bool {
	if text == before.text {
		return false
	}
	f := w.find(text)
	if f.text == before.text {
		return false
	}
	*before = f
	return true
}

// named writes the names that the head of a decision says.
func (w *encoder) named(head byte, of *decided) {
	if head&labelName != 0 {
		w.put(of.label)
	}
	if head&className != 0 {
		w.put(of.class)
	}
	if head&toName != 0 {
		w.put(of.to)
	}
}

// countOf returns the count as the second byte of a decision has it.
func countOf(n int) byte {
	if n < countMore {
		return byte(max(0, n))
	}
	return countMore
}

// countMore writes a count that the second byte has no room for.
func (w *encoder) countMore(n int) {
	if n >= countMore {
		w.b = binary.AppendUvarint(w.b, uint64(n))
	}
}

// ruleOf says whether a rule follows from the label or the class, as they are
// written. Then it is as fit to be written as these: a prefix that ends in a
// dot makes no row of digits longer.
func ruleOf(rule Name, of *decided) byte {
	switch {
	case len(rule) > maxName:
	case of.label.text != "" && follows(rule, prefixLabel, of.label.text):
		return ruleLabel
	case of.class.text != "" && follows(rule, prefixClass, of.class.text):
		return ruleClass
	case of.label.text != "" && follows(rule, prefixToken, of.label.text):
		return ruleToken
	}
	return ruleName
}

func follows(rule, prefix, name Name) bool {
	return len(rule) == len(prefix)+len(name) && rule[:len(prefix)] == prefix && rule[len(prefix):] == name
}

// formOf returns the number of a form.
func formOf(form Name) byte {
	switch form {
	case "":
		return 0
	case "plain":
		return 1
	case "generalize":
		return 2
	case "alias":
		return 3
	case "token":
		return 4
	case "mask":
		return 5
	case "drop":
		return 6
	case "block":
		return 7
	}
	return formName
}

// forms are the forms that have a number.
var forms = [...]Name{"", "plain", "generalize", "alias", "token", "mask", "drop", "block"}
