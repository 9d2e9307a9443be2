package yamlfile

import (
	"fmt"
	"strings"

	"chaperone/rules/diag"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Kind is the shape of a node.
type Kind uint8

// The kinds.
const (
	Absent  Kind = iota // the key is not there
	Bad                 // it cannot be read, and that has been said
	Null                // nothing, ~ or null
	Scalar              // a text, number or truth value
	List                // a sequence
	Mapping             // a map
)

var kindNames = [...]string{"nothing", "nothing", "nothing", "a single value", "a list", "a map"}

// Node is one value of a file. The zero Node is Absent: typed readers of it
// return zero values and report nothing, so that an optional key needs no
// special case.
type Node struct {
	doc  *document
	ast  ast.Node
	kind Kind
	text string
	// quoted tells "12" from 12.
	quoted bool
	at     diag.Position
	path   string
	shape  *Shape // nil: the file has no model here
}

// node makes a Node of a syntax node. Path is its place in the file, in dots,
// for messages.
func (d *document) node(n ast.Node, path string) Node {
	node := Node{doc: d, ast: n, at: d.at(first(n)), path: path}
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		node.kind = Mapping
	case *ast.SequenceNode:
		node.kind = List
	case *ast.NullNode:
		node.kind = Null
	case *ast.LiteralNode:
		node.kind, node.text, node.quoted = Scalar, n.Value.Value, true
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		tk := n.GetToken()
		node.kind, node.text = Scalar, tk.Value
		node.quoted = tk.Type == token.SingleQuoteType || tk.Type == token.DoubleQuoteType
	default:
		node.kind = Bad // anchors, aliases, tags: said when the tokens were read
	}
	return node
}

// Kind returns the node's shape.
func (n Node) Kind() Kind { return n.kind }

// Present reports whether the key was written, with a value that can be read.
func (n Node) Present() bool { return n.kind > Bad }

// Written reports whether the key was written at all, readable or not.
func (n Node) Written() bool { return n.kind != Absent }

// Position returns where the node begins.
func (n Node) Position() diag.Position { return n.at }

// Path returns the node's place in the file, as in "destinations.ehr.sees".
func (n Node) Path() string { return n.path }

// As returns the node under another path, for elements that have a name.
func (n Node) As(path string) Node {
	n.path = path
	return n
}

// Fail records a mistake at the node.
func (n Node) Fail(code, message, hint string) {
	if n.doc != nil {
		n.doc.fail(n.at, code, message, hint)
	}
}

// Warn records a warning at the node.
func (n Node) Warn(code, message, hint string) {
	if n.doc != nil {
		n.doc.diags.Add(diag.Diagnostic{Position: n.at, Severity: diag.Warning, Code: code, Message: message, Hint: hint})
	}
}

// Items returns the elements of a list. Another kind is reported.
func (n Node) Items() []Node {
	if !n.expect(List) {
		return nil
	}
	seq := n.ast.(*ast.SequenceNode)
	items := make([]Node, 0, len(seq.Values))
	for i, v := range seq.Values {
		item := n.doc.node(v, fmt.Sprintf("%s[%d]", n.path, i)).Shaped(n.shape.element())
		if item.kind == Null && i < len(seq.Entries) {
			item.at = n.doc.at(seq.Entries[i].Start) // an absent value has no good place of its own
		}
		items = append(items, item)
	}
	return items
}

// OneOrMore returns the elements of a list, or a single value as a list of
// one. A map is reported, and so is an empty list.
func (n Node) OneOrMore() []Node {
	if n.kind == Scalar {
		if n.shape != nil && n.shape.is == isList {
			n = n.Shaped(n.shape.each)
		}
		return []Node{n}
	}
	items := n.Items()
	if n.kind == List && len(items) == 0 {
		n.Fail("list_empty", n.Name()+" is an empty list", "list at least one value, or remove the key")
	}
	return items
}

// Name returns the path for a message: the file's own root has none.
func (n Node) Name() string {
	if n.path == "" {
		return "the file"
	}
	return n.path
}

// expect reports whether the node is of a kind, and says so if it is not.
func (n Node) expect(kind Kind) bool {
	switch {
	case n.kind == kind:
		return true
	case n.kind <= Bad:
	case n.kind == Null:
		n.Fail("value_missing", n.Name()+" has no value", "write "+kindNames[kind]+", or remove the key")
	default:
		n.Fail("wrong_type", fmt.Sprintf("%s must be %s, not %s", n.Name(), kindNames[kind], kindNames[n.kind]), "")
	}
	return false
}

// child joins a path and a key.
func child(path, key string) string {
	if strings.ContainsAny(key, ". ") {
		key = fmt.Sprintf("%q", key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
