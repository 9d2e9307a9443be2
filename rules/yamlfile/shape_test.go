package yamlfile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chaperone/rules/diag"
	"chaperone/rules/yamlfile"
)

var sampleShape = yamlfile.Keys("A file.",
	yamlfile.Must("word", yamlfile.Word("A word.", "minor", "major").Default("minor")),
	yamlfile.May("span", yamlfile.Span("A span.", time.Second, 48*time.Hour)),
	yamlfile.May("size", yamlfile.Bytes("A size.", 1<<10, 4<<20)),
	yamlfile.May("whole", yamlfile.Whole("A number.", 1, 9)),
	yamlfile.May("either", yamlfile.Either("A path, or a map.",
		yamlfile.Text("A path."),
		yamlfile.Keys("A map.", yamlfile.May("a", yamlfile.Truth("A truth.")), yamlfile.Refused("b")))),
	yamlfile.May("names", yamlfile.Names("Names.", "", yamlfile.Many("Some.", yamlfile.Word("A word.", "x")))),
)

func shaped(src string) (*yamlfile.Map, func() string) {
	ds := new(diag.Diagnostics)
	root := yamlfile.Parse("f.yaml", []byte(src), ds).Shaped(sampleShape)
	return root.Map(), func() string {
		var b strings.Builder
		for _, d := range *ds {
			b.WriteString(d.String() + "\n")
		}
		return b.String()
	}
}

func TestShapesLeadTheReader(t *testing.T) {
	m, said := shaped("word: major\nspan: 24h\nsize: 2MiB\nwhole: 3\neither: {a: true}\nnames: {n: [x], one: x}\n")
	if w, ok := m.Get("word").Word(); w != "major" || !ok {
		t.Errorf("word %q", w)
	}
	if v := m.Get("span").Span(); v != 24*time.Hour {
		t.Errorf("span %s", v)
	}
	if v := m.Get("size").Bytes(); v != 2<<20 {
		t.Errorf("size %d", v)
	}
	if v := m.Get("whole").Whole(); v != 3 {
		t.Errorf("whole %d", v)
	}
	if !m.Get("either").Map().Get("a").Bool() {
		t.Error("a is false")
	}
	for _, e := range m.Get("names").Map().Entries() {
		for _, n := range e.Value.OneOrMore() {
			if w, ok := n.Word(); w != "x" || !ok {
				t.Errorf("%s: %q", e.Key, w)
			}
		}
	}
	if m.Done(); said() != "" {
		t.Error(said())
	}
}

func TestShapesBound(t *testing.T) {
	m, said := shaped("word: mayor\nspan: 100h\nsize: 1GiB\nwhole: 10\neither: [a]\n")
	m.Get("word").Word()
	m.Get("span").Span()
	m.Get("size").Bytes()
	m.Get("whole").Whole()
	m.Get("either").Map().Get("a")
	want := `f.yaml:1:7: word cannot be "mayor" [unknown_value]
f.yaml:2:7: span must be between 1s and 48h0m0s [out_of_range]
f.yaml:3:7: size must be between 1024 and 4194304 bytes [out_of_range]
f.yaml:4:8: whole must be between 1 and 9 [out_of_range]
f.yaml:5:9: either must be a map, not a list [wrong_type]
`
	if said() != want {
		t.Errorf("got\n%s\nwant\n%s", said(), want)
	}
}

func TestReaderCannotLeaveTheModel(t *testing.T) {
	for name, ask := range map[string]func(m *yamlfile.Map){
		"a key that the model has not":          func(m *yamlfile.Map) { m.Get("spam") },
		"one below another":                     func(m *yamlfile.Map) { m.Get("either").Map().Get("spam") },
		"a type that the model does not have":   func(m *yamlfile.Map) { m.Get("word").Whole() },
		"a word where the model has any number": func(m *yamlfile.Map) { m.Get("whole").Word() },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("nothing was said")
				}
			}()
			m, _ := shaped("word: minor\nwhole: 1\neither: {a: true}\n")
			ask(m)
		})
	}
}

func TestEveryShapeSaysWhatItIs(t *testing.T) {
	keys := 0
	sampleShape.WalkKeys(func(place string, k yamlfile.Key) {
		keys++
		if k.Name == "a" && place != "either" || k.Name == "word" && !k.Must || k.Name == "b" && !k.Refused {
			t.Errorf("%q in %q", k.Name, place)
		}
	})
	if keys != 8 {
		t.Errorf("%d keys", keys)
	}
	text, err := sampleShape.JSONSchema("urn:x", "a file")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"$id": "urn:x"`, `"default": "minor"`, `A span. From 1s to 2d`, `From 1KiB to 4MiB.`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), `"b"`) {
		t.Error("a refused key is offered")
	}
}

func TestRows(t *testing.T) {
	shape := yamlfile.Keys("A file.",
		yamlfile.Must("word", yamlfile.Word("A word.", "minor", "major").Default("minor").See("words.md")),
		yamlfile.May("bytes", yamlfile.Bytes("A size.", 1<<10, 4<<20).Example("2MiB")),
		yamlfile.May("lists", yamlfile.Many("Some places.", yamlfile.Text("A path of the body.").Example("a.b"))),
		yamlfile.May("either", yamlfile.Either("A path, or a map.", yamlfile.Text("A path."),
			yamlfile.Keys("A map.", yamlfile.May("a", yamlfile.Truth("A truth.")), yamlfile.Refused("b")))),
		yamlfile.May("names", yamlfile.Names("Names.", "", yamlfile.Either("What it is.", yamlfile.Text("A path."),
			yamlfile.Keys("A map.", yamlfile.May("a", yamlfile.Truth("A truth.")))))),
		yamlfile.May("list", yamlfile.ListOf("Maps.", yamlfile.Keys("A map.", yamlfile.May("a", yamlfile.Whole("A number.", 1, 9))))),
	)
	want := `word | ` + "`minor` or `major` | `minor`" + ` | true | A word. |  | [words.md]
bytes | size, 1KiB to 4MiB |  | false | A size. | ` + "`2MiB`" + ` | []
lists | text, or a list |  | false | Some places. A path of the body. | ` + "`a.b`" + ` | []
either | text; or map |  | false | A path, or a map. |  | []
either.a | ` + "`true` or `false`" + ` |  | false | A truth. |  | []
either.b refused
names | map of names |  | false | Names. |  | []
names.* | text; or map |  | false | What it is. |  | []
names.*.a | ` + "`true` or `false`" + ` |  | false | A truth. |  | []
list | list of maps |  | false | Maps. |  | []
list.#.a | number, 1 to 9 |  | false | A number. |  | []
`
	var b strings.Builder
	for _, r := range shape.Rows() {
		if r.Refused {
			fmt.Fprintln(&b, r.Place, "refused")
			continue
		}
		fmt.Fprintln(&b, r.Place, "|", r.Value, "|", r.Default, "|", r.Must, "|", r.Doc, "|", r.Example, "|", r.See)
	}
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestShapesOfMoreThanOneKey(t *testing.T) {
	shape := yamlfile.Keys("A file.",
		yamlfile.May("now", yamlfile.Moment("A moment.").Example("2027-03-31")),
		yamlfile.May("header", yamlfile.Single("A value.")),
		yamlfile.May("text", yamlfile.Text("A text.").OrEmpty()),
		yamlfile.May("many", yamlfile.Word("One.", strings.Fields("a b c d e f g h i j k l m n o p q")...)),
		yamlfile.May("call", yamlfile.Keys("A call.", yamlfile.May("x", yamlfile.Truth("A truth.")))),
		yamlfile.May("answer", yamlfile.Keys("An answer.", yamlfile.May("x", yamlfile.Truth("A truth."))).ToldAt("call")),
	).NotEmpty().Beside("text", "now", "header")
	var rows []string
	for _, r := range shape.Rows() {
		rows = append(rows, r.Place+": "+r.Value+": "+r.Keys)
	}
	want := "now: date, or date and time: \nheader: single value: \ntext: text: \nmany: one of 17 words: \ncall: map: \ncall.x: `true` or `false`: \nanswer: map: call"
	if got := strings.Join(rows, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	text, err := shape.JSONSchema("urn:x", "a file")
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(text)), "")
	for _, want := range []string{
		`"minProperties":1`, `"dependentSchemas":{"text":{"anyOf":[{"required":["now"]},{"required":["header"]}]}}`,
		`"format":"date-time"`, `"type":["string","number","boolean","null"]`,
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(flat, "minLength") {
		t.Error("a text that may be empty has a least length")
	}
}
