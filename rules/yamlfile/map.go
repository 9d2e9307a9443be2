package yamlfile

import (
	"fmt"
	"slices"
	"strings"

	"chaperone/rules/diag"

	"github.com/goccy/go-yaml/ast"
)

// Entry is one key of a map, with its value.
type Entry struct {
	Key   string
	At    diag.Position // of the key
	Value Node
}

// Map is a node read as a map. Its keys are those that were asked for by Get
// or Require; Done reports the others. Use either that, or Entries where the
// keys are names that the admin chose.
type Map struct {
	node    Node
	entries []Entry
	asked   []string
}

// Map reads the node as a map; duplicate keys are reported, and the first one
// counts. A node of another kind is reported, and gives an empty map whose
// missing keys are not reported again.
func (n Node) Map() *Map {
	m := &Map{node: n}
	if !n.expect(Mapping) {
		return m
	}
	var values []*ast.MappingValueNode
	switch a := n.ast.(type) {
	case *ast.MappingNode:
		values = a.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{a}
	}
	seen := map[string]diag.Position{}
	for _, v := range values {
		key, at, ok := n.doc.key(v)
		if !ok {
			continue
		}
		if first, again := seen[key]; again {
			n.doc.fail(at, "duplicate_key", fmt.Sprintf("%q is written twice in %s", key, n.Name()), fmt.Sprintf("the first one is in line %d; keep one of them", first.Line))
			continue
		}
		seen[key] = at
		value := n.doc.node(v.Value, child(n.path, key)).Shaped(n.shape.value(key))
		if value.kind == Null {
			value.at = at // an absent value has no good place of its own
		}
		m.entries = append(m.entries, Entry{Key: key, At: at, Value: value})
	}
	return m
}

// key returns the text of a key.
func (d *document) key(v *ast.MappingValueNode) (string, diag.Position, bool) {
	k := d.node(v.Key, "")
	switch {
	case v.Key.Type() == ast.MappingKeyType:
		d.fail(k.at, "yaml_feature", "YAML keys with ? are not read", "write key: value")
	case k.kind == Scalar:
		return k.text, k.at, true
	case k.kind == Null:
		d.fail(k.at, "yaml_feature", "a key must be a text", "put the key in quotes")
	}
	return "", diag.Position{}, false
}

// Present reports whether there is a map to read.
func (m *Map) Present() bool { return m.node.kind == Mapping }

// Node returns the map's own node.
func (m *Map) Node() Node { return m.node }

// Entries returns all keys in the order of the file.
func (m *Map) Entries() []Entry { return m.entries }

// Get returns the value of a key; an absent one is an Absent node. To ask for a
// key that the model of the file does not have is a bug of ours, and panics.
func (m *Map) Get(key string) Node {
	if !m.node.shape.has(key) {
		panic(fmt.Sprintf("yamlfile: the model of the file has no key %q in %s; add it to the shape", key, m.node.Name()))
	}
	if !slices.Contains(m.asked, key) {
		m.asked = append(m.asked, key)
	}
	for _, e := range m.entries {
		if e.Key == key {
			return e.Value
		}
	}
	return Node{}
}

// At returns the position of a key, or of the map if it has no such key.
func (m *Map) At(key string) diag.Position {
	for _, e := range m.entries {
		if e.Key == key {
			return e.At
		}
	}
	return m.node.at
}

// Require returns the value of a key that must be there, and reports its
// absence with a hint.
func (m *Map) Require(key, hint string) Node {
	n := m.Get(key)
	if !n.Written() && m.Present() {
		m.node.Fail("missing_key", fmt.Sprintf("%s needs the key %q", m.node.Name(), key), hint)
	}
	return n
}

// Done reports every key that nobody asked for. Hints answer keys that people
// may expect here; for the others the nearest known key is suggested.
func (m *Map) Done(hints ...Hint) {
	for _, e := range m.entries {
		if slices.Contains(m.asked, e.Key) {
			continue
		}
		hint := Suggest(e.Key, m.asked)
		if hint == "" {
			hint = "the keys here are: " + strings.Join(m.asked, ", ")
		}
		for _, h := range hints {
			if h.Key == e.Key {
				hint = h.Text
			}
		}
		m.node.doc.fail(e.At, "unknown_key", fmt.Sprintf("%q is not a key of %s", e.Key, m.node.Name()), hint)
	}
}

// Hint is the answer to a key that people may expect where it is not read.
type Hint struct{ Key, Text string }
