package ruletest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"chaperone/rules/diag"
	"chaperone/rules/yamlfile"
)

// Kind is the JSON type of a Value.
type Kind uint8

// The types.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// Value is a JSON value as it was written: numbers keep their digits, objects
// their order and their duplicates.
type Value struct {
	Kind  Kind
	Text  string   // of a string, decoded; the literal of a number, true, false or null
	Names []string // of an object's members, decoded
	Items []*Value // of an object or an array
	At    diag.Position
}

var errMoreJSON = errors.New("something follows the JSON value")

// ParseJSON reads one JSON value. The error may quote the text.
func ParseJSON(text []byte) (*Value, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := readValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errMoreJSON
	}
	return v, nil
}

func readValue(d *json.Decoder) (*Value, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		return readContainer(d, t)
	case json.Number:
		return &Value{Kind: Number, Text: t.String()}, nil
	case string:
		return &Value{Kind: String, Text: t}, nil
	case bool:
		text := "false"
		if t {
			text = "true"
		}
		return &Value{Kind: Bool, Text: text}, nil
	}
	return &Value{Kind: Null, Text: "null"}, nil
}

func readContainer(d *json.Decoder, open json.Delim) (*Value, error) {
	v := &Value{Kind: Array}
	if open == '{' {
		v.Kind = Object
	}
	for d.More() {
		if v.Kind == Object {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v.Names = append(v.Names, name.(string)) // the decoder admits nothing else
		}
		item, err := readValue(d)
		if err != nil {
			return nil, err
		}
		v.Items = append(v.Items, item)
	}
	_, err := d.Token() // the closing one
	return v, err
}

// valueOf reads a node as JSON sees it, with the places of its parts.
func valueOf(n yamlfile.Node) (*Value, bool) {
	v := &Value{At: n.Position()}
	ok := true
	switch n.Kind() {
	case yamlfile.Absent, yamlfile.Bad:
		return nil, false
	case yamlfile.List:
		v.Kind = Array
		for _, item := range n.Items() {
			child, fine := valueOf(item)
			v.Items, ok = append(v.Items, child), ok && fine
		}
		return v, ok
	case yamlfile.Mapping:
		v.Kind = Object
		for _, e := range n.Map().Entries() {
			child, fine := valueOf(e.Value)
			v.Names, v.Items, ok = append(v.Names, e.Key), append(v.Items, child), ok && fine
		}
		return v, ok
	}
	kind, text, ok := n.JSONScalar()
	v.Kind = [...]Kind{yamlfile.JSONString: String, yamlfile.JSONNumber: Number, yamlfile.JSONBool: Bool, yamlfile.JSONNull: Null}[kind]
	v.Text = text
	return v, ok
}

// at puts all of a value at one place.
func (v *Value) at(p diag.Position) *Value {
	v.At = p
	for _, item := range v.Items {
		item.at(p)
	}
	return v
}

// JSON writes the value, compact.
func (v *Value) JSON() []byte {
	var b strings.Builder
	v.write(&b, nil)
	return []byte(b.String())
}

// write appends the value; show, where it is not nil, says what stands for a
// value other than a container.
func (v *Value) write(b *strings.Builder, show func(name string, v *Value) string) {
	v.writeNamed(b, "", show)
}

func (v *Value) writeNamed(b *strings.Builder, name string, show func(string, *Value) string) {
	switch {
	case v.Kind == Array:
		b.WriteByte('[')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.writeNamed(b, name, show)
		}
		b.WriteByte(']')
	case v.Kind == Object:
		b.WriteByte('{')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quote(v.Names[i]))
			b.WriteByte(':')
			item.writeNamed(b, v.Names[i], show)
		}
		b.WriteByte('}')
	case show != nil:
		b.WriteString(show(name, v))
	default:
		b.WriteString(v.literal())
	}
}

// literal is the text of a value that is no container, as JSON writes it.
func (v *Value) literal() string {
	if v.Kind == String {
		return quote(v.Text)
	}
	return v.Text
}

// quote writes a JSON string. HTML characters stay as they are.
func quote(text string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(text) != nil {
		return `""` // a string always can be written
	}
	return strings.TrimSuffix(b.String(), "\n")
}
