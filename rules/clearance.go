package rules

import (
	"fmt"
	"strings"

	"chaperone/rules/yamlfile"
)

// party is the kind of a clearance's owner.
type party uint8

const (
	aDestination party = iota
	aCaller
)

// clearance reads a party's sees. Entries are the nodes of what was written,
// for the checks; a nil node means that the policy lets the party see nothing.
func (l *loader) clearance(n yamlfile.Node, who party) (Clearance, map[LabelID]yamlfile.Node) {
	written := map[LabelID]Form{}
	nodes := map[LabelID]yamlfile.Node{}
	for _, e := range n.Map().Entries() {
		id := l.plan.Label(e.Key)
		if id == NoLabel {
			l.undefinedAt(e.At, "undefined_label", "label", e.Key, l.plan.labelNames())
			continue
		}
		if form, ok := l.form(e.Value, id, who); ok {
			written[id], nodes[id] = form, e.Value
		}
	}
	c := make(Clearance, len(l.plan.Labels))
	for id := range l.plan.Labels {
		c[id] = Drop
		for at := LabelID(id); at != NoLabel; at = l.plan.Labels[at].Parent {
			if form, ok := written[at]; ok {
				c[id] = form
				break
			}
		}
	}
	return c, nodes
}

// form reads what happens to a label's values on their way to a party.
func (l *loader) form(n yamlfile.Node, id LabelID, who party) (Form, bool) {
	text, ok := n.Text()
	if !ok {
		return Drop, false
	}
	form, ok := ParseForm(text)
	label := l.plan.Labels[id].Name
	switch {
	case !ok:
		n.Fail("unknown_form", fmt.Sprintf("there is no form %q", text), formHint(text))
		return Drop, false
	case l.plan.inFamily(id, labelSAD) && form != Plain && form != Drop && form != Block:
		n.Fail("sad_form", fmt.Sprintf("%s is sensitive authentication data: it may not become %s", label, aForm(form)), "it may be plain for a processor that is called at once, else drop or block")
		return Drop, false
	case l.plan.inFamily(id, labelSAD) && form == Plain && who == aCaller:
		n.Fail("sad_to_caller", fmt.Sprintf("%s is sensitive authentication data: no caller may see it", label), "use drop or block")
		return Drop, false
	case form == Generalize && !l.plan.generalizable(id):
		n.Fail("generalize_unknown", fmt.Sprintf("nothing says what a value of %s becomes when it is made coarser", label), "write generalize: date, age, postcode or class under the label, or use a stricter form")
		return Drop, false
	case form == Alias && who == aCaller:
		n.Fail("alias_for_caller", "an alias belongs to a destination, and a caller has none", "use token, mask or drop")
		return Drop, false
	}
	return form, true
}

// aForm is the form in a sentence.
func aForm(f Form) string {
	switch f {
	case Generalize:
		return "a coarser value"
	case Alias:
		return "an alias"
	case Token:
		return "a token"
	case Mask:
		return "a mask"
	}
	return f.String()
}

func formHint(written string) string {
	if hint := yamlfile.Suggest(written, formNames[:]); hint != "" {
		return hint
	}
	return "use one of: " + strings.Join(formNames[:], ", ")
}
