package ruletest

import (
	"strings"

	"chaperone/rules"
)

// find returns the values at a path: every one, where it is a pattern or a
// member is there twice.
func (v *Value) find(steps []rules.Step) []*Value {
	if len(steps) == 0 {
		return []*Value{v}
	}
	var found []*Value
	s, rest := steps[0], steps[1:]
	if s.Kind == rules.StepDeep {
		found = v.find(rest)
		rest = steps
	}
	for i, item := range v.Items {
		if s.Kind == rules.StepDeep || v.takes(s, i) {
			found = append(found, item.find(rest)...)
		}
	}
	return found
}

// takes reports whether a step takes the element or member at i.
func (v *Value) takes(s rules.Step, i int) bool {
	if v.Kind == Array {
		index, ok := s.Index()
		return s.Kind == rules.StepElement || ok && index == i
	}
	return s.Kind == rules.StepMember || s.Kind == rules.StepName && s.Name == v.Names[i]
}

// set puts a value at an exact path; what is missing on the way becomes an
// object. It reports false where the way leads through something else.
func (v *Value) set(steps []rules.Step, to *Value) bool {
	if len(steps) == 0 {
		*v = *to
		return true
	}
	s := steps[0]
	if v.Kind == Array {
		i, ok := s.Index()
		if !ok || i > len(v.Items) {
			return false
		}
		if i == len(v.Items) {
			v.Items = append(v.Items, &Value{Kind: Object})
		}
		return v.Items[i].set(steps[1:], to)
	}
	if v.Kind != Object {
		return false
	}
	for i, name := range v.Names {
		if name == s.Name {
			return v.Items[i].set(steps[1:], to)
		}
	}
	child := &Value{Kind: Object}
	v.Names, v.Items = append(v.Names, s.Name), append(v.Items, child)
	return child.set(steps[1:], to)
}

// remove takes away what stands at a path, which is no ** one. It reports
// whether anything did.
func (v *Value) remove(steps []rules.Step) (gone bool) {
	var names []string
	var items []*Value
	for i, item := range v.Items {
		takes := v.takes(steps[0], i)
		if takes && len(steps) == 1 {
			gone = true
			continue
		}
		if takes {
			gone = item.remove(steps[1:]) || gone
		}
		if items = append(items, item); v.Kind == Object {
			names = append(names, v.Names[i])
		}
	}
	v.Names, v.Items = names, items
	return gone
}

// join appends a member's name or an element's index to a path, as the policy
// writes paths.
func join(path, step string) string {
	step = strings.NewReplacer(`\`, `\\`, `.`, `\.`).Replace(step)
	if path == "" {
		return step
	}
	return path + "." + step
}
