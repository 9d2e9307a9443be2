package ruletest

import (
	"strings"

	"chaperone/rules"
	"chaperone/rules/detect"
)

// sadMark stands for sensitive authentication data, which is never shown.
const sadMark = `"[sad]"`

// MaskCards gives a text in which all but the last four digits of each card
// number are stars. It is as long as before, in characters.
func MaskCards(text string) string {
	spans := detect.FindPANs(nil, []byte(text))
	if len(spans) == 0 {
		return text
	}
	var b strings.Builder
	from := 0
	for _, s := range spans {
		b.WriteString(text[from:s.Start])
		b.WriteString(maskDigits(text[s.Start:s.End]))
		from = s.End
	}
	b.WriteString(text[from:])
	return b.String()
}

// maskDigits puts stars in the places of all digits but the last four.
func maskDigits(number string) string {
	left := 0
	for _, c := range number {
		if digit(c) {
			left++
		}
	}
	return strings.Map(func(c rune) rune {
		if !digit(c) {
			return c
		}
		if left--; left >= 4 {
			return '*'
		}
		return c
	}, number)
}

// digit takes for one what the detector may take for one.
func digit(c rune) bool { return c >= '0' && c <= '9' || c >= '０' && c <= '９' }

// Masker shows values to people: card numbers by their last four digits,
// sensitive authentication data not at all.
type Masker struct{ names map[string]bool }

// NewMasker makes one that knows the names of sensitive members, also those
// that the policy labels.
func NewMasker(p *rules.Plan) *Masker {
	m := &Masker{names: map[string]bool{}}
	sad := p.Label("sad")
	for i := range p.Labels {
		if p.Labels[i].Family != sad {
			continue
		}
		for _, lp := range p.Labels[i].Paths {
			if steps := lp.Path.Steps; len(steps) > 0 && steps[len(steps)-1].Kind == rules.StepName {
				m.names[steps[len(steps)-1].Name] = true
			}
		}
	}
	return m
}

// Show writes a value that stands at a path; nil is nothing.
func (m *Masker) Show(path string, v *Value) string {
	if v == nil {
		return "nothing"
	}
	names := splitNames(path)
	if m.hidden(names...) {
		return sadMark
	}
	var b strings.Builder
	v.write(&b, func(name string, v *Value) string {
		if m.hidden(name) && v.Kind != Null {
			return sadMark
		}
		return m.literal(v)
	})
	return MaskCards(b.String())
}

// literal masks a value by itself: between its neighbours a number may look
// like a part of something longer.
func (m *Masker) literal(v *Value) string {
	if v.Kind == Number {
		var buf [32]byte
		if digits, ok := detect.PANNumber(buf[:0], []byte(v.Text)); ok {
			return maskDigits(string(digits))
		}
		return v.Text
	}
	if v.Kind == String {
		return quote(MaskCards(v.Text))
	}
	return v.Text
}

func (m *Masker) hidden(names ...string) bool {
	for _, name := range names {
		if name != "" && (m.names[name] || detect.SAD([]byte(name))) {
			return true
		}
	}
	return false
}

// splitNames cuts a path that join has made.
func splitNames(path string) []string {
	var names []string
	var name strings.Builder
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '\\':
			if i++; i < len(path) {
				name.WriteByte(path[i])
			}
		case '.':
			names = append(names, name.String())
			name.Reset()
		default:
			name.WriteByte(path[i])
		}
	}
	return append(names, name.String())
}
