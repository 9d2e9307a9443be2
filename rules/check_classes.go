package rules

import (
	"fmt"
	"slices"
)

// checkClasses finds classes and rules that can never win, and classes whose
// items go nowhere.
func (l *loader) checkClasses() {
	b := l.plan.Basket
	if b == nil {
		return
	}
	index := make([]*ruleIndex, len(b.Classes))
	for i := range b.Classes {
		index[i] = newRuleIndex(b.Classes[i].Any)
	}
	for i := range b.Classes {
		l.checkClassReachable(i, index)
	}
	l.checkClassesTaken()
}

// beats reports whether class i is asked before class j.
func (b *Basket) beats(i, j int) bool {
	a, z := b.Classes[i].Label != NoLabel, b.Classes[j].Label != NoLabel
	if a != z {
		return a
	}
	return i < j
}

func (l *loader) checkClassReachable(i int, index []*ruleIndex) {
	b := l.plan.Basket
	class, nodes := &b.Classes[i], l.basket.classes[i]
	if len(class.Any) == 0 {
		if b.Otherwise != ClassID(i+1) && b.Otherwise != NoClass && len(nodes.rules) == 0 {
			l.failAt(nodes.at, "class_unreachable", fmt.Sprintf("no item can be %s: it has no rule and is not the class of unknown items", class.Name), "write rules under any")
		}
		return
	}
	covered := make([]string, len(class.Any)) // by which class
	all := b.Otherwise != ClassID(i+1)
	for r := range class.Any {
		for j := range b.Classes {
			if j != i && b.beats(j, i) && covered[r] == "" && index[j].covers(&class.Any[r]) {
				covered[r] = b.Classes[j].Name
			}
		}
		all = all && covered[r] != ""
	}
	if all {
		l.failAt(nodes.at, "class_unreachable", fmt.Sprintf("no item can be %s: other classes take all that its rules do", class.Name), orderHint)
		return
	}
	for r := range class.Any {
		switch {
		case covered[r] != "":
			nodes.rules[r].node.Fail("class_rule_unreachable", fmt.Sprintf("the class %s takes all that this rule of %s does", covered[r], class.Name), orderHint)
		case newRuleIndex(class.Any[:r]).covers(&class.Any[r]):
			nodes.rules[r].node.Warn("class_rule_twice", "an earlier rule of the class takes all that this one does", "remove one of them")
		default:
			l.checkValues(i, r, index)
		}
	}
}

const orderHint = "the first class wins, and one with a label beats one without: remove the rule, or move the class up"

// checkValues finds single values of a rule that another class takes.
func (l *loader) checkValues(i, r int, index []*ruleIndex) {
	b := l.plan.Basket
	rule := &b.Classes[i].Any[r]
	if len(rule.Conditions) != 1 || rule.Conditions[0].File != "" {
		return
	}
	c := rule.Conditions[0]
	for v, text := range slices.Concat(c.Equal, c.Globs) {
		one := &Rule{Conditions: []Condition{{Field: c.Field, Equal: []string{text}}}}
		if len(c.Globs) > 0 {
			one.Conditions[0] = Condition{Field: c.Field, Globs: []string{text}}
		}
		for j := range b.Classes {
			if j != i && b.beats(j, i) && index[j].covers(one) {
				l.basket.classes[i].rules[r].values[0][v].Fail("class_rule_unreachable", fmt.Sprintf("the class %s takes every item with %s %q", b.Classes[j].Name, c.Field.Source, text), orderHint)
				break
			}
		}
	}
}

// checkClassesTaken finds classes whose items no leg carries: of the whole
// policy, and of a route that splits the basket.
func (l *loader) checkClassesTaken() {
	b := l.plan.Basket
	anywhere := make([]bool, len(b.Classes)+1)
	for i := range l.plan.Routes {
		here := make([]bool, len(b.Classes)+1)
		splits := false
		for _, leg := range l.plan.Routes[i].Legs {
			switch leg.Items {
			case ItemsAll:
				for c := range here {
					here[c] = true
				}
			case ItemsClass:
				if leg.Class == NoClass {
					return // it may have meant any
				}
				here[leg.Class], splits = true, true
			}
		}
		for c := range here {
			anywhere[c] = anywhere[c] || here[c]
			if splits && c > 0 && !here[c] {
				l.warnAt(l.routes[i].at, "route_class_not_taken", fmt.Sprintf("no leg of the route %s takes %s items", l.plan.Routes[i].Name, b.Classes[c-1].Name), "add a leg for them, if somebody needs them")
			}
		}
	}
	for c := range b.Classes {
		if !anywhere[c+1] {
			l.failAt(b.Classes[c].Position, "class_not_taken", fmt.Sprintf("no leg takes %s items, so nobody would get them", b.Classes[c].Name), fmt.Sprintf("add a leg with items: %s, or remove the class", b.Classes[c].Name))
		}
	}
}
