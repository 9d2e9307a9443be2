package basket

import (
	"strings"
	"sync"

	"chaperone/rules"
)

// Classifier says what a line item is. It is compiled once from the policy,
// immutable and safe for concurrent use.
type Classifier struct {
	fields    []rules.Path
	classes   []class // those with a label first
	otherwise rules.ClassID
	pool      sync.Pool // of *folder
}

// class is one class of the policy.
type class struct {
	id  rules.ClassID
	any [][]condition // alternatives, of which all conditions hold
}

// condition compares the folded value of one field.
type condition struct {
	field int
	equal map[string]struct{}
	globs []glob
	words *phrases
}

// NewClassifier compiles the classes of a basket. Case is folded by Unicode's
// simple folding, once and on both sides; no other normalization takes place.
func NewClassifier(b *rules.Basket) *Classifier {
	c := &Classifier{otherwise: b.Otherwise}
	c.pool.New = func() any { return new(folder) }
	index := map[string]int{}
	for _, labelled := range [...]bool{true, false} {
		for i, spec := range b.Classes {
			if (spec.Label != rules.NoLabel) != labelled {
				continue
			}
			compiled := class{id: rules.ClassID(i + 1)}
			for _, rule := range spec.Any {
				var all []condition
				for _, cond := range rule.Conditions {
					all = append(all, c.compile(cond, index))
				}
				compiled.any = append(compiled.any, all)
			}
			c.classes = append(c.classes, compiled)
		}
	}
	return c
}

// compile compiles one condition and gives its field an index.
func (c *Classifier) compile(cond rules.Condition, index map[string]int) condition {
	var key strings.Builder
	for _, s := range cond.Field.Steps {
		key.WriteString(s.Name)
		key.WriteByte(0)
	}
	field, ok := index[key.String()]
	if !ok {
		field = len(c.fields)
		index[key.String()] = field
		c.fields = append(c.fields, cond.Field)
	}
	out := condition{field: field}
	if len(cond.Equal) > 0 {
		out.equal = make(map[string]struct{}, len(cond.Equal))
		for _, s := range cond.Equal {
			out.equal[string(fold(nil, []byte(s)))] = struct{}{}
		}
	}
	for _, s := range cond.Globs {
		out.globs = append(out.globs, glob([]rune(string(fold(nil, []byte(s))))))
	}
	if len(cond.Words) > 0 {
		out.words = newPhrases(cond.Words)
	}
	return out
}

// Fields returns the distinct fields that the classes look at, relative to the
// item. Classify takes their values in this order. The slice is the
// Classifier's: it must not be changed.
func (c *Classifier) Fields() []rules.Path { return c.fields }

// Classify returns the class of an item with these values, one for each of
// Fields: the decoded text of a string, the literal of a number, true or
// false; nil where the item has no such member or its value is null, an object
// or an array. Classes with a label are tried first, then the others, each in
// the order of the policy; the first that matches is it, else Otherwise. The
// values are only read; nothing of them is kept. It allocates nothing once its
// scratch has grown to the longest value.
func (c *Classifier) Classify(values [][]byte) rules.ClassID {
	f := c.pool.Get().(*folder)
	f.reset(len(c.fields))
	id := c.otherwise
search:
	for i := range c.classes {
		for _, all := range c.classes[i].any {
			if len(all) > 0 && f.all(all, values) {
				id = c.classes[i].id
				break search
			}
		}
	}
	c.pool.Put(f)
	return id
}

// folder holds the folded values of one item.
type folder struct {
	text []byte
	done [][]byte // folded values by field, nil where not folded yet
}

func (f *folder) reset(fields int) {
	f.text = f.text[:0]
	if cap(f.done) < fields {
		f.done = make([][]byte, fields)
	}
	f.done = f.done[:fields]
	clear(f.done)
}

// value returns the folded value of a field, and false where it is absent.
func (f *folder) value(field int, values [][]byte) ([]byte, bool) {
	if field >= len(values) || values[field] == nil {
		return nil, false
	}
	if f.done[field] == nil {
		start := len(f.text)
		f.text = fold(f.text, values[field])
		f.done[field] = f.text[start:len(f.text):len(f.text)]
	}
	return f.done[field], true
}

// all reports whether all conditions hold.
func (f *folder) all(conditions []condition, values [][]byte) bool {
	for i := range conditions {
		c := &conditions[i]
		v, ok := f.value(c.field, values)
		if !ok || !c.holds(v) {
			return false
		}
	}
	return true
}

func (c *condition) holds(v []byte) bool {
	if c.equal != nil {
		if _, ok := c.equal[string(v)]; ok {
			return true
		}
	}
	for _, g := range c.globs {
		if g.match(v) {
			return true
		}
	}
	return c.words != nil && c.words.occur(v)
}
