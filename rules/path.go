package rules

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// StepKind says what one step of a Path matches.
type StepKind uint8

// The kinds of a step.
const (
	// StepName matches the member of that decoded name, and, where the name
	// is a decimal index without leading zeros, that element of an array.
	StepName StepKind = iota
	// StepElement, written #, matches every element of an array.
	StepElement
	// StepMember, written *, matches every member of an object.
	StepMember
	// StepDeep, written ** and only as the first step, matches any number of
	// members and elements, none included.
	StepDeep
)

// Step is one part of a Path.
type Step struct {
	Kind StepKind
	Name string // decoded member name; StepName only
}

// Path is a parsed path pattern: dotted as in gjson, with # for every element
// of an array, * for every member of an object, a leading **. for any depth,
// and \. for a literal dot (also \#, \* and \\). Names are compared with
// decoded member names, byte for byte.
type Path struct {
	Source string // as written
	Steps  []Step
}

// MaxPathSteps bounds the length of a path.
const MaxPathSteps = 32

// Exact reports whether the path has no wildcard: it addresses at most one
// place of a body that has no duplicate members.
func (p Path) Exact() bool {
	for _, s := range p.Steps {
		if s.Kind != StepName {
			return false
		}
	}
	return true
}

// String returns the path as it was written.
func (p Path) String() string { return p.Source }

// ParsePath parses a path pattern. The error says what is wrong with the
// pattern, which is an admin's text and no payload.
func ParsePath(source string) (Path, error) {
	if source == "" {
		return Path{}, errors.New("the path is empty")
	}
	p := Path{Source: source}
	for i, part := range splitPath(source) {
		step, err := parseStep(part)
		if err != nil {
			return Path{}, fmt.Errorf("step %d: %w", i+1, err)
		}
		if step.Kind == StepDeep && i != 0 {
			return Path{}, errors.New("** may stand only at the start of a path")
		}
		p.Steps = append(p.Steps, step)
	}
	if len(p.Steps) > MaxPathSteps {
		return Path{}, fmt.Errorf("the path has %d steps, at most %d are allowed", len(p.Steps), MaxPathSteps)
	}
	if p.Steps[len(p.Steps)-1].Kind == StepDeep {
		return Path{}, errors.New("a path must name something after **")
	}
	return p, nil
}

// splitPath cuts at the dots that no backslash precedes, and leaves the
// backslashes in place.
func splitPath(source string) []string {
	var parts []string
	start := 0
	for i := 0; i < len(source); i++ {
		switch source[i] {
		case '\\':
			i++
		case '.':
			parts = append(parts, source[start:i])
			start = i + 1
		}
	}
	return append(parts, source[start:])
}

func parseStep(part string) (Step, error) {
	switch part {
	case "":
		return Step{}, errors.New("it is empty; write \\. for a dot that belongs to a name")
	case "#":
		return Step{Kind: StepElement}, nil
	case "*":
		return Step{Kind: StepMember}, nil
	case "**":
		return Step{Kind: StepDeep}, nil
	}
	var name strings.Builder
	for i := 0; i < len(part); i++ {
		c := part[i]
		if c == '*' || c == '?' || c == '|' {
			return Step{}, fmt.Errorf("%q may not stand inside a name; write \\%c for the character itself", string(c), c)
		}
		if c == '\\' {
			if i++; i == len(part) {
				return Step{}, errors.New("a backslash at the end escapes nothing")
			}
			c = part[i]
		}
		name.WriteByte(c)
	}
	return Step{Name: name.String()}, nil
}

// Index returns the array index that the step names, if it is one.
func (s Step) Index() (int, bool) {
	if s.Kind != StepName || s.Name == "" || len(s.Name) > 6 || (s.Name[0] == '0' && len(s.Name) > 1) {
		return 0, false
	}
	for i := range len(s.Name) {
		if s.Name[i] < '0' || s.Name[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s.Name)
	return n, err == nil
}
