package yamlfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml/ast"
)

// jsonNumber is the grammar of RFC 8259, section 6.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// ScalarKind is the JSON type of a single value.
type ScalarKind uint8

// The JSON types.
const (
	JSONString ScalarKind = iota
	JSONNumber
	JSONBool
	JSONNull
)

// JSONScalar reads a single value as JSON sees it: text is the decoded string,
// or the literal of a number, true, false and null. What stands in quotes is a
// string. A number that YAML knows and JSON does not (0x1F, 1_000, .5) is
// reported: another reader would take it for something else.
func (n Node) JSONScalar() (kind ScalarKind, text string, ok bool) {
	switch {
	case n.kind == Null:
		return JSONNull, "null", true
	case !n.expect(Scalar):
		return 0, "", false
	case n.quoted:
		return JSONString, n.text, true
	case n.text == "true" || n.text == "false":
		return JSONBool, n.text, true
	case jsonNumber.MatchString(n.text):
		return JSONNumber, n.text, true
	case n.yamlNumber():
		n.Fail("not_json", fmt.Sprintf("%s is a number that JSON cannot write", n.Name()), "write a plain decimal number, or put it in quotes to mean the text")
		return 0, "", false
	}
	return JSONString, n.text, true
}

// JSON returns the value as compact JSON; the members of an object keep the
// order of the file.
func (n Node) JSON() ([]byte, bool) {
	var b bytes.Buffer
	ok := n.appendJSON(&b)
	return b.Bytes(), ok
}

func (n Node) appendJSON(b *bytes.Buffer) bool {
	switch n.kind {
	case Absent, Bad:
		return false
	case List:
		return n.appendList(b)
	case Mapping:
		return n.appendMap(b)
	}
	kind, text, ok := n.JSONScalar()
	if ok && kind == JSONString {
		return appendText(b, text)
	}
	b.WriteString(text)
	return ok
}

func (n Node) appendList(b *bytes.Buffer) bool {
	ok := true
	b.WriteByte('[')
	for i, item := range n.Items() {
		if i > 0 {
			b.WriteByte(',')
		}
		ok = item.appendJSON(b) && ok
	}
	b.WriteByte(']')
	return ok
}

func (n Node) appendMap(b *bytes.Buffer) bool {
	ok := true
	b.WriteByte('{')
	for i, e := range n.Map().Entries() {
		if i > 0 {
			b.WriteByte(',')
		}
		ok = appendText(b, e.Key) && ok
		b.WriteByte(':')
		ok = e.Value.appendJSON(b) && ok
	}
	b.WriteByte('}')
	return ok
}

// yamlNumber reports whether YAML takes the value for a number.
func (n Node) yamlNumber() bool {
	switch n.ast.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return true
	}
	return false
}

// appendText writes a JSON string. HTML characters stay as they are: the
// receivers are not browsers, and an admin compares texts.
func appendText(b *bytes.Buffer, text string) bool {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if enc.Encode(text) != nil {
		return false
	}
	b.Truncate(b.Len() - 1) // the encoder ends with a line feed
	return true
}
