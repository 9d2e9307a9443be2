package propose

import (
	"regexp"
	"slices"
	"strings"

	"chaperone/rules/detect"
)

// field is all that the samples have at one path.
type field struct {
	steps  []string // member names, # for elements, * for members whose names are data
	path   string   // the steps, as a policy writes them
	name   string   // of the member, or of the array whose element it is
	leaf   bool
	values []*node
	bodies int // of how many samples
	last   int // the sample that was counted last
}

// parents are the names of the members around it, from the outermost.
func (f *field) parents() []string {
	var names []string
	for _, s := range f.steps {
		if s != "#" && s != "*" {
			names = append(names, s)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return names[:len(names)-1]
}

// parent is the name of the member around it.
func (f *field) parent() string {
	if p := f.parents(); len(p) > 0 {
		return p[len(p)-1]
	}
	return ""
}

// secret reports whether the member, or one around it, has a name of sensitive
// authentication data, which nothing else can be.
func (f *field) secret() bool {
	return slices.ContainsFunc(f.steps, func(s string) bool { return detect.SAD([]byte(s)) })
}

// exact reports whether the path addresses one place.
func (f *field) exact() bool {
	return !slices.Contains(f.steps, "#") && !slices.Contains(f.steps, "*")
}

// below reports whether the field lies at or under a path.
func (f *field) below(path string) bool {
	return f.path == path || strings.HasPrefix(f.path, path+".")
}

// count says how many of the leaf's values, nulls aside, have a property.
func (f *field) count(is func(*node) bool) (yes, all int) {
	for _, v := range f.values {
		if v.kind == null {
			continue
		}
		all++
		if is(v) {
			yes++
		}
	}
	return yes, all
}

// every reports whether all values, and at least one, have a property.
func (f *field) every(is func(*node) bool) bool {
	yes, all := f.count(is)
	return all > 0 && yes == all
}

// census is every field of the samples, in the order in which they were met.
type census struct {
	bodies []*node
	fields []*field
	byPath map[string]*field
}

// plainName is a member's name that is no data: what else stands as a name (a
// number, a person, an id) becomes *, and is not written anywhere.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,47}$`)

var longNumber = regexp.MustCompile(`[0-9]{4}`)

func step(name string) string {
	if !plainName.MatchString(name) || longNumber.MatchString(name) {
		return "*"
	}
	return name
}

func take(bodies []*node) *census {
	c := &census{bodies: bodies, byPath: map[string]*field{}}
	for i, b := range bodies {
		for k, name := range b.names {
			c.visit(i+1, b.kids[k], []string{step(name)})
		}
	}
	return c
}

func (c *census) visit(body int, n *node, steps []string) {
	path := strings.Join(steps, ".")
	f := c.byPath[path]
	if f == nil {
		f = &field{steps: slices.Clone(steps), path: path, leaf: true}
		for _, s := range slices.Backward(steps) {
			if s != "#" && s != "*" {
				f.name = s
				break
			}
		}
		c.byPath[path], c.fields = f, append(c.fields, f)
	}
	f.leaf = f.leaf && n.leaf()
	f.values = append(f.values, n)
	if f.last != body {
		f.bodies, f.last = f.bodies+1, body
	}
	for i, kid := range n.kids {
		s := "#"
		if n.kind == object {
			s = step(n.names[i])
		}
		c.visit(body, kid, append(slices.Clone(steps), s))
	}
}

// leaves lists the fields that hold values.
func (c *census) leaves() []*field {
	var out []*field
	for _, f := range c.fields {
		if f.leaf {
			out = append(out, f)
		}
	}
	return out
}

// has reports whether something lies at or under a path that has a property.
func (c *census) has(path string, is func(*field) bool) bool {
	return slices.ContainsFunc(c.fields, func(f *field) bool { return f.below(path) && is(f) })
}
