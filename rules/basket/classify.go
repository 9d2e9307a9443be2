package basket

import (
	"strings"

	"chaperone/rules"
)

// Classifier says what a line item is. It is compiled once from the policy,
// immutable and safe for concurrent use.
type Classifier struct {
	fields    []rules.Path
	rules     []rule // of classes with a label first
	otherwise rules.ClassID
}

// rule is one alternative of a class of the policy.
type rule struct {
	class rules.ClassID
	index int         // in the class
	all   []condition // one at least; all of them hold
}

// condition compares the folded value of one field.
type condition struct {
	field int
	equal equals
	globs []glob
	words *phrases
	plain bool // of a short value, its words say whether the condition holds
}

// NewClassifier compiles the classes of a basket. Case is folded by Unicode's
// simple folding, once and on both sides; no other normalization takes place.
func NewClassifier(b *rules.Basket) *Classifier {
	c := &Classifier{otherwise: b.Otherwise}
	index := map[string]int{}
	for _, labelled := range [...]bool{true, false} {
		for i, spec := range b.Classes {
			if (spec.Label != rules.NoLabel) != labelled {
				continue
			}
			for j, alternative := range spec.Any {
				r := rule{class: rules.ClassID(i + 1), index: j}
				for _, cond := range alternative.Conditions {
					r.all = append(r.all, c.compile(cond, index))
				}
				if len(r.all) > 0 {
					c.rules = append(c.rules, r)
				}
			}
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
	for _, s := range cond.Equal {
		out.equal.add(string(fold(nil, []byte(s))))
	}
	for _, s := range cond.Globs {
		out.globs = append(out.globs, newGlob(string(fold(nil, []byte(s)))))
	}
	if len(cond.Words) > 0 {
		out.words = newPhrases(cond.Words)
	}
	out.plain = out.words == nil && out.equal.many == nil
	for i := range out.globs {
		out.plain = out.plain && out.globs[i].prefix && len(out.globs[i].head) <= 8
	}
	return out
}

// Fields returns the distinct fields that the classes look at, relative to the
// item. Classify takes their values in this order. The slice is the
// Classifier's: it must not be changed.
func (c *Classifier) Fields() []rules.Path { return c.fields }

// Scratch is what Classify folds values into. The zero Scratch is ready; it is
// not safe for concurrent use.
type Scratch struct {
	text   []byte
	used   int      // the most of text that was in use since Reset
	done   [][]byte // folded values by field, nil where not folded yet
	folded bool     // some of them are
	shorts []short  // by field: of values that are short
}

// Reset zeroes what the scratch holds of values.
func (s *Scratch) Reset() {
	s.used = max(s.used, len(s.text))
	clear(s.text[:s.used])
	clear(s.done)
	clear(s.shorts)
	s.text, s.done, s.shorts, s.used, s.folded = s.text[:0], s.done[:0], s.shorts[:0], 0, false
}

// start forgets the folded values of the item before, and takes this one's short
// values.
func (s *Scratch) start(fields int, values [][]byte) {
	if s.folded {
		s.used = max(s.used, len(s.text))
		s.text, s.folded = s.text[:0], false
		clear(s.done)
	}
	if cap(s.done) < fields {
		s.done, s.shorts = make([][]byte, fields), make([]short, fields)
	}
	s.done, s.shorts = s.done[:fields], s.shorts[:fields]
	for i := range s.shorts {
		if i < len(values) {
			s.shorts[i].set(values[i])
		} else {
			s.shorts[i].n = 0
		}
	}
}

// room makes room for the folded values of an item, so that no text is left
// behind in a buffer that was too small.
func (s *Scratch) room(values [][]byte) {
	room := 0
	for _, v := range values {
		room += 2 * len(v) // a folded letter may be longer by half
	}
	if cap(s.text) < room {
		clear(s.text[:max(s.used, len(s.text))])
		s.text, s.used = make([]byte, 0, 2*room), 0
	}
}

// Classify returns the class of an item with these values, one for each of
// Fields: the decoded text of a string, the literal of a number, true or
// false; nil where the item has no such member or its value is null, an object
// or an array. Classes with a label are tried first, then the others, each in
// the order of the policy; the first that matches is it, else Otherwise. The
// values are only read; their folded texts stay in the scratch until its
// Reset. It allocates nothing once the scratch has grown to the longest item.
func (c *Classifier) Classify(s *Scratch, values [][]byte) rules.ClassID {
	class, _ := c.ClassifyBy(s, values)
	return class
}

// ClassifyBy is Classify, and says which alternative of the class it was: its
// index in the policy, or -1 where no class matches.
func (c *Classifier) ClassifyBy(s *Scratch, values [][]byte) (class rules.ClassID, rule int) {
	s.start(len(c.fields), values)
	for i := range c.rules {
		if r := &c.rules[i]; s.all(r.all, values) {
			return r.class, r.index
		}
	}
	return c.otherwise, -1
}

// all reports whether all conditions hold.
func (s *Scratch) all(conditions []condition, values [][]byte) bool {
	for i := range conditions {
		c := &conditions[i]
		if f := &s.shorts[c.field]; f.n > 0 && c.plain {
			if !c.shortHolds(f) {
				return false
			}
		} else if c.field >= len(values) || values[c.field] == nil || !c.holds(s.value(c.field, values)) {
			return false
		}
	}
	return true
}

// value returns the folded value of a field.
func (s *Scratch) value(field int, values [][]byte) []byte {
	if s.done[field] == nil {
		if len(s.text) == 0 {
			s.room(values)
		}
		start := len(s.text)
		s.text = fold(s.text, values[field])
		s.done[field], s.folded = s.text[start:len(s.text):len(s.text)], true
	}
	return s.done[field]
}

// shortHolds is holds for a short value and a plain condition.
func (c *condition) shortHolds(v *short) bool {
	if c.equal.lengths>>v.n&1 != 0 {
		for i := range c.equal.shorts {
			if e := &c.equal.shorts[i]; e.w0 == v.w0 && e.w1 == v.w1 && e.n == v.n {
				return true
			}
		}
	}
	for i := range c.globs {
		if g := &c.globs[i]; v.n >= len(g.head) && v.w0&g.mask == g.word {
			return true
		}
	}
	return false
}

func (c *condition) holds(v []byte) bool {
	if c.equal.has(v) {
		return true
	}
	for i := range c.globs {
		if c.globs[i].match(v) {
			return true
		}
	}
	return c.words != nil && c.words.occur(v)
}

// equals is a set of folded texts. Most values are turned away by their length.
type equals struct {
	lengths uint64 // bit n: some text has n bytes; the last bit, that or more
	few     []string
	many    map[string]struct{} // all texts, where there are more than a few
	shorts  []short             // those that a short value can be
}

// fewEquals is how many texts are compared one by one.
const fewEquals = 12

func (e *equals) add(text string) {
	var f short
	if f.set([]byte(text)); f.n > 0 {
		e.shorts = append(e.shorts, f)
	}
	e.lengths |= 1 << min(len(text), 63)
	if e.few = append(e.few, text); len(e.few) <= fewEquals {
		return
	}
	if e.many == nil {
		e.many = map[string]struct{}{}
		for _, t := range e.few {
			e.many[t] = struct{}{}
		}
	}
	e.many[text] = struct{}{}
}

func (e *equals) has(text []byte) bool {
	if e.lengths>>min(len(text), 63)&1 == 0 {
		return false
	}
	if e.many != nil {
		_, ok := e.many[string(text)]
		return ok
	}
	for _, t := range e.few {
		if t == string(text) {
			return true
		}
	}
	return false
}
