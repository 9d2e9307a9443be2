package yamlfile_test

import (
	"strings"
	"testing"
	"time"

	"chaperone/rules/diag"
	"chaperone/rules/yamlfile"
)

// parse returns the root and what was said, a line each.
func parse(src string) (yamlfile.Node, func() string) {
	ds := new(diag.Diagnostics)
	root := yamlfile.Parse("f.yaml", []byte(src), ds)
	return root, func() string {
		ds.Sort()
		var b strings.Builder
		for _, d := range *ds {
			b.WriteString(d.String() + "\n")
		}
		return b.String()
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", 100)
	var blocks strings.Builder
	for i := range 100 {
		blocks.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, c := range map[string]struct{ src, want string }{
		"alias":           {"a: *x\n", "f.yaml:1:4: YAML aliases (*name) are not read [yaml_feature]"},
		"wildcard as key": {"a: [**.cvv]\n", "f.yaml:1:5: YAML aliases (*name) are not read [yaml_feature]"},
		"anchor":          {"a: &x 1\n", "f.yaml:1:4: YAML anchors (&name) are not read [yaml_feature]"},
		"tag":             {"a: !!str 1\n", "f.yaml:1:4: YAML tags (!name) are not read [yaml_feature]"},
		"merge":           {"a:\n  <<: {b: 1}\n", "f.yaml:2:3: YAML merges (<<) are not read [yaml_feature]"},
		"directive":       {"%YAML 1.2\n---\na: 1\n", "f.yaml:1:1: YAML directives (%NAME) are not read [yaml_feature]"},
		"documents":       {"a: 1\n---\nb: 2\n", "f.yaml:3:1: the file holds more than one YAML document [yaml_documents]"},
		"tab":             {"a:\n\tb: 1\n", "f.yaml:2:1: this is not YAML: found character '\t' that cannot start any token [yaml_syntax]"},
		"at sign":         {"a: [@query.x]\n", "f.yaml:1:5: this is not YAML: '@' is a reserved character [yaml_syntax]"},
		"open bracket":    {"a: [1\nb: 2\n", "f.yaml:2:1: this is not YAML: ',' or ']' must be specified [yaml_syntax]"},
		"not utf-8":       {"a: b\nc: \xff\n", "f.yaml:2:4: the file is not UTF-8 text [file_not_utf8]"},
		"deep":            {"a: " + deep, "f.yaml:1:68: the file is nested too deeply [yaml_depth]"},
		"deep block":      {blocks.String(), "f.yaml:65:66: the file is nested too deeply [yaml_depth]"},
		"deep dashes":     {strings.Repeat("- ", 100) + "a", "f.yaml:1:65: the file is nested too deeply [yaml_depth]"},
		"too large":       {strings.Repeat("#", yamlfile.MaxSize+1), "f.yaml: the file is larger than 1048576 bytes [file_too_large]"},
	} {
		t.Run(name, func(t *testing.T) {
			root, said := parse(c.src)
			readAll(root)
			if got := strings.TrimSuffix(said(), "\n"); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// readAll reads every value of a tree, as a caller that knows all keys would.
func readAll(n yamlfile.Node) {
	switch n.Kind() {
	case yamlfile.Mapping:
		for _, e := range n.Map().Entries() {
			readAll(e.Value)
		}
	case yamlfile.List:
		for _, item := range n.Items() {
			readAll(item)
		}
	}
}

func TestTypedReaders(t *testing.T) {
	root, said := parse(`
text: 0012
list: [a, 2]
one: a
flag: true
int: -7
span: 7d
size: 4MiB
day: 2027-03-31
word: minor
`)
	m := root.Map()
	if got, _ := m.Get("text").Text(); got != "0012" {
		t.Errorf("text = %q", got)
	}
	if got := m.Get("list").OneOrMore(); len(got) != 2 {
		t.Errorf("list has %d", len(got))
	}
	if got := m.Get("one").OneOrMore(); len(got) != 1 {
		t.Errorf("one has %d", len(got))
	}
	if !m.Get("flag").Bool() {
		t.Error("flag is false")
	}
	if got := m.Get("int").Int(-10, 10); got != -7 {
		t.Errorf("int = %d", got)
	}
	if got := m.Get("span").Duration(0, 365*24*time.Hour); got != 168*time.Hour {
		t.Errorf("span = %s", got)
	}
	if got := m.Get("size").Size(0, 1<<30); got != 4<<20 {
		t.Errorf("size = %d", got)
	}
	if got, _ := m.Get("day").Date(); !got.Equal(time.Date(2027, 3, 31, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("day = %s", got)
	}
	if got, _ := m.Get("word").OneOf("minor", "major"); got != "minor" {
		t.Errorf("word = %q", got)
	}
	if m.Get("nothing").Bool() || m.Get("nothing").Present() {
		t.Error("an absent key reads as something")
	}
	m.Done()
	if got := said(); got != "" {
		t.Errorf("said:\n%s", got)
	}
}

func TestEveryMistakeIsSaidAtOnce(t *testing.T) {
	root, said := parse(`
text: {a: 1}
empty: ""
nothing:
flag: "true"
int: 1.5
big: 99
span: soon
long: 20h
size: 4 potatoes
day: 31.03.2027
word: mayor
text: again
spam: 1
- : x
`[1:])
	m := root.Map()
	m.Get("text").Text()
	m.Require("absent", "")
	said1 := said()
	if !strings.HasPrefix(said1, "f.yaml:14:") || root.Present() {
		t.Fatalf("a line that fits nowhere was not refused:\n%s", said1)
	}

	root, said = parse(`
text: {a: 1}
empty: ""
nothing:
flag: "true"
int: 1.5
big: 99
span: soon
long: 20h
size: 4 potatoes
day: 31.03.2027
word: mayor
text: again
spam: 1
`[1:])
	m = root.Map()
	m.Get("text").Text()
	m.Get("empty").Text()
	m.Get("nothing").Map()
	m.Get("flag").Bool()
	m.Get("int").Int(0, 10)
	m.Get("big").Int(0, 10)
	m.Get("span").Duration(0, time.Hour)
	m.Get("long").Duration(0, time.Hour)
	m.Get("size").Size(0, 10)
	m.Get("day").Date()
	m.Get("word").OneOf("minor", "major")
	m.Require("absent", "write it")
	m.Done()
	want := `
f.yaml:1:1: the file needs the key "absent" [missing_key]
f.yaml:1:7: text must be a single value, not a map [wrong_type]
f.yaml:2:8: empty is empty [value_missing]
f.yaml:3:1: nothing has no value [value_missing]
f.yaml:4:7: flag must be true or false [wrong_type]
f.yaml:5:6: int must be a whole number [wrong_type]
f.yaml:6:6: big must be between 0 and 10 [out_of_range]
f.yaml:7:7: span is not a time span [bad_duration]
f.yaml:8:7: long must be between 0s and 1h0m0s [out_of_range]
f.yaml:9:7: size is not a size [bad_size]
f.yaml:10:6: day is not a date [bad_date]
f.yaml:11:7: word cannot be "mayor" [unknown_value]
f.yaml:12:1: "text" is written twice in the file [duplicate_key]
f.yaml:13:1: "spam" is not a key of the file [unknown_key]
`[1:]
	if got := said(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestHints(t *testing.T) {
	for name, c := range map[string]struct {
		written string
		known   []string
		want    string
	}{
		"swap":       {"sese", []string{"url", "sees"}, `did you mean "sees"?`},
		"missing":    {"agrement", []string{"agreement"}, `did you mean "agreement"?`},
		"case":       {"URL", []string{"url"}, `did you mean "url"?`},
		"far":        {"potato", []string{"url", "sees"}, ""},
		"short":      {"x", []string{"to"}, ""},
		"very long":  {strings.Repeat("x", 1000), []string{"to"}, ""},
		"none known": {"x", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := yamlfile.Suggest(c.written, c.known); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	for name, c := range map[string]struct{ src, want, said string }{
		"text":     {"v: a<b\n", `"a<b"`, ""},
		"quoted":   {`v: "12"` + "\n", `"12"`, ""},
		"number":   {"v: 1.50\n", `1.50`, ""},
		"exponent": {"v: 1e3\n", `1e3`, ""},
		"null":     {"v: ~\n", `null`, ""},
		"nested":   {"v: {z: [1, two, {a: true}], a: {}}\n", `{"z":[1,"two",{"a":true}],"a":{}}`, ""},
		"block":    {"v: |\n  a\n  b\n", `"a\nb\n"`, ""},
		"hex":      {"v: 0x1F\n", "", "f.yaml:1:4: v is a number that JSON cannot write [not_json]\n"},
		"infinity": {"v: [1, .inf]\n", "", "f.yaml:1:8: v[1] is a number that JSON cannot write [not_json]\n"},
		"twice":    {"v: {a: 1, a: 2}\n", `{"a":1}`, "f.yaml:1:11: \"a\" is written twice in v [duplicate_key]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			root, said := parse(c.src)
			got, ok := root.Map().Get("v").JSON()
			if ok != (c.want != "") || ok && string(got) != c.want {
				t.Errorf("got %s (%v), want %s", got, ok, c.want)
			}
			if said() != c.said {
				t.Errorf("said %q, want %q", said(), c.said)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "a: 1", "- a\n- {b: [c]}", "a: |\n x\n", "? a\n: b", "a: &x *x", "\"\\u00", "a: 'x", "{a, b}", "a:\n - b\n  - c", "%TAG", "--- a\n..."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		ds := new(diag.Diagnostics)
		root := yamlfile.Parse("f.yaml", []byte(src), ds)
		if !root.Written() && !ds.HasErrors() {
			t.Fatal("neither a root nor a mistake")
		}
		readAll(root)
		root.JSON()
	})
}
