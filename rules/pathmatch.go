package rules

// matchExact reports whether a pattern takes a place at or above an exact
// path, and how many of its steps lie above or at the deepest such place.
func matchExact(pattern, exact []Step) (depth int, ok bool) {
	if len(pattern) > 0 && pattern[0].Kind == StepDeep {
		best, found := 0, false
		for skip := range len(exact) {
			if d, hit := matchExact(pattern[1:], exact[skip:]); hit && skip+d > best {
				best, found = skip+d, true
			}
		}
		return best, found
	}
	if len(pattern) > len(exact) {
		return 0, false
	}
	for i, s := range pattern {
		if !s.takes(exact[i]) {
			return 0, false
		}
	}
	return len(pattern), true
}

// touches reports whether a pattern takes a place at, above or below an exact
// path.
func touches(pattern, exact []Step) bool {
	if _, ok := matchExact(pattern, exact); ok {
		return true
	}
	if len(pattern) > 0 && pattern[0].Kind == StepDeep {
		return true // it may lie anywhere below
	}
	if len(pattern) < len(exact) {
		return false
	}
	for i, s := range exact {
		if !pattern[i].takes(s) {
			return false
		}
	}
	return true
}

// takes reports whether a step may match a step of an exact path. A name that
// is a number may be an element.
func (s Step) takes(exact Step) bool {
	switch s.Kind {
	case StepName:
		return s.Name == exact.Name
	case StepElement:
		_, ok := exact.Index()
		return ok
	}
	return true
}
