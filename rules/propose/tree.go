package propose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/rules/rewrite"
)

// kind is what a JSON value is.
type kind byte

const (
	object kind = iota
	array
	text
	number
	truth
	null
)

// node is a JSON value, with the members of objects in their order.
type node struct {
	kind  kind
	text  string   // of a text, decoded; of a number, as it is written
	names []string // of an object's members, decoded
	kids  []*node

	// What the product's detectors find in a value: all that they would find in
	// a body, which of it each part is taken for, and what the whole value is.
	found, means, whole detect.Detectors
}

func (n *node) leaf() bool { return n.kind != object && n.kind != array }

// member returns the value of a member, nil where there is none.
func (n *node) member(name string) *node {
	if i := slices.Index(n.names, name); n.kind == object && i >= 0 {
		return n.kids[i]
	}
	return nil
}

// at returns what stands at an exact path, nil where there is nothing.
func (n *node) at(steps []string) *node {
	for _, s := range steps {
		if n = n.member(s); n == nil {
			return nil
		}
	}
	return n
}

// scanner is an engine that does nothing with a body but judge its form, as it
// does for the proxy.
var scanner = sync.OnceValues(func() (*rewrite.Engine, error) {
	plan, ds := rules.LoadBytes("propose", []byte(`
destinations: {nobody: {url: "http://127.0.0.1:1"}}
routes: [{name: any, match: {method: POST, path: /}, legs: [{to: nobody, primary: true, keep: [], success: http}]}]
`), nil)
	if plan == nil {
		return nil, fmt.Errorf("the scanner: %v", ds)
	}
	engine, ds := rewrite.Compile(plan)
	if ds.HasErrors() {
		return nil, fmt.Errorf("the scanner: %v", ds)
	}
	return engine, nil
})

// parse reads a body that the proxy's own scanner takes. The error holds no
// value of it.
func parse(body []byte) (*node, error) {
	engine, err := scanner()
	if err != nil {
		return nil, err
	}
	if refused := engine.ScanRequest(engine.NewMessage(), 0, body, rewrite.Limits{}); refused != nil {
		return nil, fmt.Errorf("%s at byte %d", refused.Code, refused.Offset)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	n, err := read(d)
	if err != nil {
		return nil, errors.New("it cannot be read") // the scanner has read it: this is not reached
	}
	new(finder).look(n, "")
	return n, nil
}

func read(d *json.Decoder) (*node, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := t.(type) {
	case json.Delim:
		n := &node{kind: array}
		if v == '{' {
			n.kind = object
		}
		return n, readInto(d, n)
	case string:
		return &node{kind: text, text: v}, nil
	case json.Number:
		return &node{kind: number, text: v.String()}, nil
	case bool:
		return &node{kind: truth}, nil
	}
	return &node{kind: null}, nil
}

// readInto reads the members or elements, and the bracket that ends them. Of a
// member that is there twice the first one counts: what a duplicate means is
// not known, and the proxy sees both.
func readInto(d *json.Decoder, n *node) error {
	for d.More() {
		name := ""
		if n.kind == object {
			t, err := d.Token()
			if err != nil {
				return err
			}
			name, _ = t.(string)
		}
		kid, err := read(d)
		if err != nil {
			return err
		}
		if n.kind == object {
			if slices.Contains(n.names, name) {
				continue
			}
			n.names = append(n.names, name)
		}
		n.kids = append(n.kids, kid)
	}
	_, err := d.Token()
	return err
}
