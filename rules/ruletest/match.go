package ruletest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"chaperone/rules/diag"
)

// Difference is one place where what came is not what was expected. nil stands
// for nothing.
type Difference struct {
	Path      string
	Want, Got *Value
	At        diag.Position // of what was expected
}

// Matcher compares what came with what was expected, and remembers what the
// named placeholders of one test stand for.
type Matcher struct {
	// Is tells a token or an alias: kind is RefToken or RefAlias.
	Is    func(kind, text string) bool
	bound map[string]string
}

// placeholder is what a test writes for a value that nobody can know before:
// <token>, <alias> or <any>, with a name where two must be the same.
var placeholder = regexp.MustCompile(`<(token|alias|any)(?::([^<>:]+))?>`)

// Compare lists the differences of two values. Objects are compared by their
// members, whatever the order; numbers are equal where they are written alike.
func (m *Matcher) Compare(want, got *Value) []Difference { return m.compare("", want, got, want.At) }

func (m *Matcher) compare(path string, want, got *Value, at diag.Position) []Difference {
	switch {
	case want == nil && got == nil:
		return nil
	case want == nil || got == nil:
		return []Difference{{path, want, got, at}}
	}
	if want.Kind == String && placeholder.MatchString(want.Text) {
		if m.takes(want.Text, got) {
			return nil
		}
		return []Difference{{path, want, got, want.At}}
	}
	switch {
	case want.Kind != got.Kind:
	case want.Kind == Array:
		return m.compareArrays(path, want, got)
	case want.Kind == Object:
		return m.compareObjects(path, want, got)
	case want.Text == got.Text:
		return nil
	}
	return []Difference{{path, want, got, want.At}}
}

func (m *Matcher) compareArrays(path string, want, got *Value) []Difference {
	var all []Difference
	for i := range max(len(want.Items), len(got.Items)) {
		at, w, g := want.At, (*Value)(nil), (*Value)(nil)
		if i < len(want.Items) {
			w = want.Items[i]
			at = w.At
		}
		if i < len(got.Items) {
			g = got.Items[i]
		}
		all = append(all, m.compare(join(path, strconv.Itoa(i)), w, g, at)...)
	}
	return all
}

func (m *Matcher) compareObjects(path string, want, got *Value) []Difference {
	var all []Difference
	seen := map[string]int{}
	for i, name := range want.Names {
		w := want.Items[i]
		all = append(all, m.compare(join(path, name), w, got.member(name, seen[name]), w.At)...)
		seen[name]++
	}
	for i, name := range got.Names {
		if seen[name] > 0 {
			seen[name]--
			continue
		}
		all = append(all, Difference{join(path, name), nil, got.Items[i], want.At})
	}
	return all
}

// member gives the nth member of a name, nil for none.
func (v *Value) member(name string, n int) *Value {
	for i, other := range v.Names {
		if other == name {
			if n == 0 {
				return v.Items[i]
			}
			n--
		}
	}
	return nil
}

// takes reports whether a text with placeholders stands for a value, and binds
// the names in it if it does.
func (m *Matcher) takes(pattern string, got *Value) bool {
	whole := placeholder.FindStringSubmatch(pattern)
	if whole[0] == pattern && whole[1] == "any" && whole[2] == "" {
		return true
	}
	text := got.Text
	if got.Kind == Array || got.Kind == Object {
		if whole[0] != pattern || whole[1] != "any" {
			return false
		}
		text = string(got.JSON())
	}
	return m.Text(pattern, text)
}

// Text reports whether a text is the one that a pattern stands for.
func (m *Matcher) Text(pattern, text string) bool {
	found := placeholder.FindAllStringSubmatchIndex(pattern, -1)
	var expr strings.Builder
	expr.WriteString(`(?s)\A`)
	from := 0
	for _, at := range found {
		expr.WriteString(regexp.QuoteMeta(pattern[from:at[0]]) + "(.*?)")
		from = at[1]
	}
	expr.WriteString(regexp.QuoteMeta(pattern[from:]) + `\z`)
	groups := regexp.MustCompile(expr.String()).FindStringSubmatch(text)
	if groups == nil {
		return false
	}
	bind := map[string]string{}
	for i, at := range found {
		kind, name, value := pattern[at[2]:at[3]], "", groups[i+1]
		if at[4] >= 0 {
			name = kind + ":" + pattern[at[4]:at[5]]
		}
		if kind != "any" && !m.Is(kind, value) {
			return false
		}
		for _, known := range []map[string]string{m.bound, bind} {
			if before, ok := known[name]; ok && name != "" && before != value {
				return false
			}
		}
		bind[name] = value
	}
	if m.bound == nil {
		m.bound = map[string]string{}
	}
	for name, value := range bind {
		m.bound[name] = value
	}
	return true
}

// Bound says what a placeholder in a text stands for by now, as in
// "<alias:a> is al_…"; empty where it says nothing.
func (m *Matcher) Bound(pattern string) string {
	var all []string
	for _, p := range placeholder.FindAllStringSubmatch(pattern, -1) {
		if value, ok := m.bound[p[1]+":"+p[2]]; ok && p[2] != "" {
			all = append(all, fmt.Sprintf("%s is %s", p[0], value))
		}
	}
	return strings.Join(all, ", ")
}
