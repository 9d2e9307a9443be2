package rules

import (
	"fmt"

	"chaperone/rules/yamlfile"
)

// Generalization says what the values of a label are, and so what they become in
// the form generalize. What is no such value is dropped.
type Generalization uint8

// The generalizations.
const (
	// GeneralizeNothing: the values of the label cannot be made coarser.
	GeneralizeNothing Generalization = iota
	// GeneralizeDate: a date becomes its year, and one of ninety years ago or
	// longer "90+" (45 CFR 164.514(b)(2)(i)(C)).
	GeneralizeDate
	// GeneralizeAge: an age above 89 becomes "90+", another one stays.
	GeneralizeAge
	// GeneralizePostcode: a UK postcode becomes its area, a US ZIP code its first
	// three digits, or 000 where few people live (45 CFR 164.514(b)(2)(i)(B)).
	GeneralizePostcode
	// GeneralizeClass: whatever the value is, it becomes the name of its line
	// item's class.
	GeneralizeClass
)

var generalizationNames = [...]string{"", "date", "age", "postcode", "class"}

// String returns the word that the policy file uses, empty for none.
func (g Generalization) String() string { return generalizationNames[g] }

// generalization reads what a label's values are.
func (l *loader) generalization(id LabelID, n yamlfile.Node) {
	if !n.Written() {
		return
	}
	label := &l.plan.Labels[id]
	if l.plan.inFamily(id, labelPAN) || l.plan.inFamily(id, labelSAD) {
		n.Fail("generalize_label", fmt.Sprintf("a value of %s cannot be made coarser", label.Name), "remove the key")
		return
	}
	word, ok := n.Word()
	if !ok {
		return
	}
	for g, name := range generalizationNames {
		if name == word {
			label.Generalize = Generalization(g)
		}
	}
}

// inheritGeneralizations gives every label without a word of its own that of its
// parent, which comes before it.
func (l *loader) inheritGeneralizations() {
	for id := range l.plan.Labels {
		label := &l.plan.Labels[id]
		if label.Generalize == GeneralizeNothing && label.Parent != NoLabel {
			label.Generalize = l.plan.Labels[label.Parent].Generalize
		}
	}
}

// generalizable reports whether values of a label, or of a kind of it, can be made
// coarser.
func (p *Plan) generalizable(id LabelID) bool {
	for k := range p.Labels {
		for at := LabelID(k); at != NoLabel; at = p.Labels[at].Parent {
			if at == id && p.Labels[k].Generalize != GeneralizeNothing {
				return true
			}
		}
	}
	return false
}

// checkGeneralizations looks for values that should become a class, in a policy
// that has none.
func (l *loader) checkGeneralizations() {
	for id, node := range l.labelNodes {
		if l.plan.Labels[id].Generalize == GeneralizeClass && l.plan.Basket == nil && node.Kind() == yamlfile.Mapping {
			if word := node.Map().Get("generalize"); word.Written() {
				word.Fail("generalize_label", "no value can become the class of its line item: the policy has no basket", "write a basket, or remove the key")
			}
		}
	}
}
