package rules

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
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

// ruleIndex answers whether some rules take all that another rule does. It may
// say no where the truth is yes, never the other way round.
type ruleIndex struct {
	rules []Rule
	words []map[string]bool // of each rule's conditions with a word list, folded
}

func newRuleIndex(rules []Rule) *ruleIndex {
	x := &ruleIndex{rules: rules}
	for _, r := range rules {
		var set map[string]bool
		for _, c := range r.Conditions {
			if len(c.Words) > 0 && len(r.Conditions) == 1 {
				set = make(map[string]bool, len(c.Words))
				for _, w := range c.Words {
					set[strings.ToLower(w)] = true
				}
			}
		}
		x.words = append(x.words, set)
	}
	return x
}

// covers reports whether one of the rules takes all that r does, or, where r
// is one condition, whether its values are taken by several of them.
func (x *ruleIndex) covers(r *Rule) bool {
	for i := range x.rules {
		if x.ruleCovers(i, r) {
			return true
		}
	}
	if len(r.Conditions) != 1 || len(r.Conditions[0].Words) > 0 {
		return false
	}
	c := r.Conditions[0]
	values := 0
	for _, text := range slices.Concat(c.Equal, c.Globs) {
		values++
		one := Condition{Field: c.Field, Equal: []string{text}}
		if len(c.Globs) > 0 {
			one = Condition{Field: c.Field, Globs: []string{text}}
		}
		taken := false
		for i := range x.rules {
			taken = taken || x.ruleCovers(i, &Rule{Conditions: []Condition{one}})
		}
		if !taken {
			return false
		}
	}
	return values > 1
}

// ruleCovers reports whether every condition of a rule holds where r does.
func (x *ruleIndex) ruleCovers(i int, r *Rule) bool {
	for c := range x.rules[i].Conditions {
		a, implied := &x.rules[i].Conditions[c], false
		for j := range r.Conditions {
			implied = implied || sameField(a.Field, r.Conditions[j].Field) && x.implies(i, a, &r.Conditions[j])
		}
		if !implied {
			return false
		}
	}
	return len(x.rules[i].Conditions) > 0
}

func sameField(a, b Path) bool { return slices.Equal(a.Steps, b.Steps) }

// implies reports whether a holds wherever b does.
func (x *ruleIndex) implies(i int, a, b *Condition) bool {
	if slices.Contains(a.Globs, "*") {
		return true
	}
	for _, w := range b.Words {
		if !x.words[i][strings.ToLower(w)] {
			return false
		}
	}
	for _, v := range b.Equal {
		if !a.takesText(v) {
			return false
		}
	}
	for _, g := range b.Globs {
		literal := !strings.ContainsAny(g, "*?")
		same := slices.ContainsFunc(a.Globs, func(have string) bool { return strings.EqualFold(have, g) })
		if !same && !(literal && a.takesText(g)) {
			return false
		}
	}
	return len(b.Words)+len(b.Equal)+len(b.Globs) > 0
}

// takesText reports whether the condition holds for a field of that text.
func (c *Condition) takesText(text string) bool {
	for _, v := range c.Equal {
		if strings.EqualFold(v, text) {
			return true
		}
	}
	for _, g := range c.Globs {
		if globMatch(strings.ToLower(g), strings.ToLower(text)) {
			return true
		}
	}
	for _, w := range c.Words {
		if containsPhrase(strings.ToLower(text), strings.ToLower(w)) {
			return true
		}
	}
	return false
}

// globMatch matches * to any run and ? to one character.
func globMatch(glob, text string) bool {
	g, t := []rune(glob), []rune(text)
	star, mark, i, j := -1, 0, 0, 0
	for j < len(t) {
		switch {
		case i < len(g) && g[i] == '*':
			star, mark, i = i, j, i+1
		case i < len(g) && (g[i] == '?' || g[i] == t[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(g) && g[i] == '*' {
		i++
	}
	return i == len(g)
}

// containsPhrase reports whether a phrase stands in a text between word
// boundaries.
func containsPhrase(text, phrase string) bool {
	for from := 0; from <= len(text); {
		i := strings.Index(text[from:], phrase)
		if i < 0 || phrase == "" {
			return false
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(phrase):])
		if !wordRune(before) && !wordRune(after) {
			return true
		}
		from = i + 1
	}
	return false
}

func wordRune(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

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
