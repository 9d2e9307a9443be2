package rules

import (
	"slices"
	"strings"
	"unicode"
)

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
					set[phraseKey(w)] = true
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
		if !x.words[i][phraseKey(w)] {
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
	if len(c.Words) == 0 {
		return false
	}
	words := wordsOf(text)
	return slices.ContainsFunc(c.Words, func(phrase string) bool { return containsPhrase(words, wordsOf(phrase)) })
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

// phraseKey is the same for phrases of the same words.
func phraseKey(phrase string) string { return strings.Join(wordsOf(phrase), " ") }

// wordsOf cuts a text into its words, runs of letters, digits and marks, with
// their case folded: what a word list is compared by.
func wordsOf(text string) []string {
	folded := strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, text)
	return strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
}

// containsPhrase reports whether the words of a phrase stand in a text one
// after the other. A phrase without a word stands nowhere.
func containsPhrase(text, phrase []string) bool {
	for i := 0; len(phrase) > 0 && i+len(phrase) <= len(text); i++ {
		if slices.Equal(text[i:i+len(phrase)], phrase) {
			return true
		}
	}
	return false
}
