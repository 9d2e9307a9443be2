package yamlfile

import (
	"fmt"
	"slices"
	"time"
)

// Shape says what one value of a file may be. A tree of shapes is the model of
// a whole file: the reader takes its keys, words and bounds from it, and an
// editor's schema is written from it, so that the two cannot part. A Shape is
// not changed after it was made, and is safe for concurrent use.
type Shape struct {
	doc      string
	is       shapeKind
	keys     []Key      // isKeys
	needs    []string   // isKeys: at least one of these
	only     [][]string // isKeys: of each of these at most one
	beside   []beside   // isKeys
	some     bool       // isKeys: at least one key
	names    string     // isNames: the pattern of a name
	each     *Shape     // isNames, isList
	orOne    bool       // isList: a single value is a list of one
	empty    bool       // isList, isNames, isText: may be empty
	words    []string   // isWord
	pattern  string     // isText
	low      int64      // isInt; isSpan in nanoseconds; isSize in bytes
	high     int64
	ways     []*Shape // isEither: at most one of each kind of node
	standard any      // the default; nil: none that could be written
	examples []any
	see      []string // pages of docs that say more
	told     string   // the place where a reference tells its keys
}

// beside says that a key stands beside one of others, or not at all.
type beside struct {
	key    string
	others []string
}

type shapeKind uint8

const (
	isKeys   shapeKind = iota // a map whose keys are known
	isNames                   // a map whose keys are the admin's own names
	isList                    // a list
	isText                    // a single value, read as text
	isWord                    // one of some words
	isTruth                   // true or false
	isInt                     // a whole number
	isSpan                    // a time span
	isSize                    // a number of bytes
	isDate                    // a day
	isMoment                  // a day, or a moment of it
	isSingle                  // a single value as JSON has it, or null
	isAny                     // whatever JSON can write
	isEither                  // one of several shapes
)

// Key is one key of a map.
type Key struct {
	Name  string
	Shape *Shape
	Must  bool // the map is refused without it
	// Refused keys are read only to be refused with a better answer than that
	// the key is unknown; they have no shape.
	Refused bool
}

// Must returns a key without which its map is refused.
func Must(name string, s *Shape) Key { return Key{Name: name, Shape: s, Must: true} }

// May returns a key that can be left out.
func May(name string, s *Shape) Key { return Key{Name: name, Shape: s} }

// Refused returns a key that is always refused, by the reader itself.
func Refused(name string) Key { return Key{Name: name, Refused: true} }

// Keys is a map with known keys. The doc of a shape is a sentence for the
// person who writes the file.
func Keys(doc string, keys ...Key) *Shape { return &Shape{doc: doc, is: isKeys, keys: keys} }

// Names is a map whose keys are names that the admin chooses; pattern is a
// regular expression that they match, "" for any.
func Names(doc, pattern string, each *Shape) *Shape {
	return &Shape{doc: doc, is: isNames, names: pattern, each: each}
}

// ListOf is a list with at least one element.
func ListOf(doc string, each *Shape) *Shape { return &Shape{doc: doc, is: isList, each: each} }

// Many is a list with at least one element, or a single value for a list of
// one.
func Many(doc string, each *Shape) *Shape {
	return &Shape{doc: doc, is: isList, each: each, orOne: true}
}

// Text is a single value that is not empty, read as it was written.
func Text(doc string) *Shape { return &Shape{doc: doc, is: isText} }

// Word is one of some words.
func Word(doc string, words ...string) *Shape { return &Shape{doc: doc, is: isWord, words: words} }

// Truth is true or false.
func Truth(doc string) *Shape { return &Shape{doc: doc, is: isTruth} }

// Whole is a whole number within bounds, both included.
func Whole(doc string, low, high int64) *Shape {
	return &Shape{doc: doc, is: isInt, low: low, high: high}
}

// Span is a time span within bounds, both included.
func Span(doc string, low, high time.Duration) *Shape {
	return &Shape{doc: doc, is: isSpan, low: int64(low), high: int64(high)}
}

// Bytes is a number of bytes within bounds, both included.
func Bytes(doc string, low, high int64) *Shape {
	return &Shape{doc: doc, is: isSize, low: low, high: high}
}

// Day is a date.
func Day(doc string) *Shape { return &Shape{doc: doc, is: isDate} }

// Moment is a date, or a moment as RFC 3339 writes it.
func Moment(doc string) *Shape { return &Shape{doc: doc, is: isMoment} }

// Single is a text, perhaps an empty one, a number, a truth value or null.
func Single(doc string) *Shape { return &Shape{doc: doc, is: isSingle} }

// Any is whatever JSON can write.
func Any(doc string) *Shape { return &Shape{doc: doc, is: isAny} }

// Either is one of several shapes, which differ in the kind of their nodes: a
// single value, a list or a map. Its own doc introduces theirs.
func Either(doc string, ways ...*Shape) *Shape { return &Shape{doc: doc, is: isEither, ways: ways} }

// NeedsOne returns a copy of a map's shape that wants at least one of some
// keys.
func (s *Shape) NeedsOne(keys ...string) *Shape {
	c := *s
	c.needs = keys
	return &c
}

// OnlyOne returns a copy of a map's shape that refuses more than one of some
// keys.
func (s *Shape) OnlyOne(keys ...string) *Shape {
	c := *s
	c.only = append(slices.Clone(s.only), keys)
	return &c
}

// NotEmpty returns a copy of a map's shape that wants at least one of its keys.
func (s *Shape) NotEmpty() *Shape {
	c := *s
	c.some = true
	return &c
}

// Beside returns a copy of a map's shape that refuses a key without one of some
// others.
func (s *Shape) Beside(key string, others ...string) *Shape {
	c := *s
	c.beside = append(slices.Clone(s.beside), beside{key, others})
	return &c
}

// OrEmpty returns a copy of a shape of lists, names or texts that may be empty.
func (s *Shape) OrEmpty() *Shape {
	c := *s
	c.empty = true
	return &c
}

// Matching returns a copy of a text's shape with a regular expression that the
// text matches.
func (s *Shape) Matching(pattern string) *Shape {
	c := *s
	c.pattern = pattern
	return &c
}

// Default returns a copy of a shape with the value that holds where none is
// written.
func (s *Shape) Default(value any) *Shape {
	c := *s
	c.standard = value
	return &c
}

// Example returns a copy of a shape with values that could be written.
func (s *Shape) Example(values ...any) *Shape {
	c := *s
	c.examples = values
	return &c
}

// value returns the shape of a key's value.
func (s *Shape) value(name string) *Shape {
	if s == nil || s.is == isAny {
		return nil
	}
	if s.is == isNames {
		return s.each
	}
	for _, k := range s.keys {
		if k.Name == name {
			return k.Shape
		}
	}
	return nil
}

// has reports whether a map may have a key; one without a shape may have any.
func (s *Shape) has(name string) bool {
	return s == nil || s.is != isKeys || slices.ContainsFunc(s.keys, func(k Key) bool { return k.Name == name })
}

// element returns the shape of a list's elements, or of a map's values.
func (s *Shape) element() *Shape {
	if s == nil {
		return nil
	}
	return s.each
}

// of returns the shape that speaks of a node of that kind; nil where none does.
func (s *Shape) of(kind Kind) *Shape {
	if s == nil || s.is != isEither {
		return s
	}
	for _, way := range s.ways {
		if way.takes(kind) {
			return way
		}
	}
	return nil
}

// takes reports whether a node of that kind may have the shape.
func (s *Shape) takes(kind Kind) bool {
	switch s.is {
	case isAny:
		return true
	case isKeys, isNames:
		return kind == Mapping
	case isList:
		return kind == List || s.orOne && s.each.takes(kind)
	case isSingle:
		return kind == Scalar || kind == Null
	case isEither:
		return slices.ContainsFunc(s.ways, func(way *Shape) bool { return way.takes(kind) })
	}
	return kind == Scalar
}

// Shaped returns the node as one of that shape, and with it all that is below
// it. The root of a file is given the model of the file.
func (n Node) Shaped(s *Shape) Node {
	n.shape = s.of(n.kind)
	return n
}

// shaped returns the node's shape for a typed reader. A reader that asks a node
// for what its shape is not is a bug of ours, which every test of it meets.
func (n Node) shaped(is shapeKind) *Shape {
	if n.shape == nil || n.shape.is != is {
		panic(fmt.Sprintf("yamlfile: the model of the file has another shape for %s", n.Name()))
	}
	return n.shape
}

// Word reads one of the words of the node's shape; another is reported with the
// nearest one.
func (n Node) Word() (string, bool) {
	if n.kind != Scalar {
		n.expect(Scalar)
		return "", false
	}
	return n.OneOf(n.shaped(isWord).words...)
}

// Whole reads a whole number within the bounds of the node's shape.
func (n Node) Whole() int64 {
	if n.kind != Scalar {
		n.expect(Scalar)
		return 0
	}
	s := n.shaped(isInt)
	return n.Int(s.low, s.high)
}

// Span reads a time span within the bounds of the node's shape.
func (n Node) Span() time.Duration {
	if n.kind != Scalar {
		n.expect(Scalar)
		return 0
	}
	s := n.shaped(isSpan)
	return n.Duration(time.Duration(s.low), time.Duration(s.high))
}

// Bytes reads a number of bytes within the bounds of the node's shape.
func (n Node) Bytes() int64 {
	if n.kind != Scalar {
		n.expect(Scalar)
		return 0
	}
	s := n.shaped(isSize)
	return n.Size(s.low, s.high)
}
