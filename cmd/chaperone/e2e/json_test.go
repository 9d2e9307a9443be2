package e2e

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// decode reads JSON as any receiver would, keeping numbers as they are
// written.
func decode(t *testing.T, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, b)
	}
	return v
}

// at follows a dotted path of members; elements are not addressed. It returns
// nil where nothing is.
func at(v any, path string) any {
	for _, name := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// walk visits every string, number and member name.
func walk(v any, visit func(text string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			visit(name)
			walk(member, visit)
		}
	case []any:
		for _, element := range v {
			walk(element, visit)
		}
	case string:
		visit(v)
	case json.Number:
		visit(v.String())
	}
}

// expect compares the value at a path, as JSON text.
func expect(t *testing.T, who string, v any, path, want string) {
	t.Helper()
	got, err := json.Marshal(at(v, path))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s: %s is %s, want %s", who, path, got, want)
	}
}
