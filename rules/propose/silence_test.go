package propose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"chaperone/rules/detect"
)

// valuesOf lists the texts and numbers of four characters and more of a body.
func valuesOf(t testing.TB, body []byte) (values []string) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range v {
				walk(k)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case string:
			if len(v) >= 4 {
				values = append(values, v)
			}
		case json.Number:
			if len(v) >= 4 {
				values = append(values, v.String())
			}
		}
	}
	walk(v)
	return values
}

// allowed are the values that a policy may have of the samples: the categories
// and the first letters of article numbers in its class rules.
func allowed(samples []Sample) map[string]bool {
	ok := map[string]bool{}
	for _, s := range samples {
		n, err := parse(s.Body)
		if err != nil {
			continue
		}
		c := take([]*node{n})
		for _, f := range c.line(c.items()).category {
			for _, v := range f.values {
				ok[v.text] = codeShape.MatchString(v.text)
			}
		}
	}
	return ok
}

// silent fails where a value of the samples is in anything that is written or
// shown.
func silent(t testing.TB, samples []Sample, p *Proposal) {
	t.Helper()
	ok := allowed(samples)
	out := p.screen()
	for _, f := range p.Files {
		if !strings.HasPrefix(f.Name, "catalogs/") { // the program's own
			out += string(f.Text)
		}
	}
	for _, s := range samples {
		for _, v := range valuesOf(t, s.Body) {
			if !ok[v] && alone(out, v) {
				t.Errorf("a value of %s is in what is written: %q", s.Name, v)
			}
		}
	}
}

// alone reports whether a value stands in a text, and not as a part of a longer
// word or number.
func alone(out, value string) bool {
	part := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' || c == '_'
	}
	for at := 0; ; {
		i := strings.Index(out[at:], value)
		if i < 0 {
			return false
		}
		i += at
		end := i + len(value)
		if (i == 0 || !part(out[i-1])) && (end == len(out) || !part(out[end])) {
			return true
		}
		at = i + 1
	}
}

// TestNoValueIsWritten looks for the values of every fixture. The fixtures have
// none that the program's own words have.
func TestNoValueIsWritten(t *testing.T) {
	for _, name := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			samples := samplesOf(t, name)
			silent(t, samples, proposed(t, samples))
		})
	}
}

// TestOnlyShapesCount gives every fixture other values of the same shape: what
// is written is the same to the byte, so that nothing of a value can be in it.
func TestOnlyShapesCount(t *testing.T) {
	for _, name := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			samples := samplesOf(t, name)
			want := proposed(t, samples)
			for seed := range uint64(20) {
				others := disguised(t, samples, seed)
				got := proposed(t, others)
				if g, w := everything(got), everything(want); g != w {
					t.Fatalf("seed %d: %s\ngave\n%s", seed, others[0].Body, firstDifference(g, w))
				}
				silent(t, others, got)
			}
		})
	}
}

func everything(p *Proposal) string {
	out := p.screen()
	for _, f := range p.Files {
		out += "\n== " + f.Name + "\n" + string(f.Text)
	}
	return out
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("got  %s\nwant %s", g[i], w[i])
		}
	}
	return "one is longer"
}

// disguised replaces texts by others of their shape: letters by letters of the
// same case, and digits by digits where none of the shapes would change. What
// the policy needs, and what decides a shape, stays.
func disguised(t testing.TB, samples []Sample, seed uint64) []Sample {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	stays := allowed(samples)
	var out []Sample
	for _, s := range samples {
		n, err := parse(s.Body)
		if err != nil {
			t.Fatal(err)
		}
		c := take([]*node{n})
		for _, f := range c.leaves() {
			for _, v := range f.values {
				if v.kind == text && !stays[v.text] {
					v.text = disguise(r, v, f)
				}
			}
		}
		var b bytes.Buffer
		dump(&b, n)
		out = append(out, Sample{s.Name, b.Bytes()})
	}
	return out
}

func disguise(r *rand.Rand, n *node, f *field) string {
	switch {
	case isCurrency(n), isAmount(n), isBirth(n), isDate(n), isDateTime(n), n.found != 0 && !n.found.Has(detect.Email), strings.Contains(fold(f.name), "sku"), fold(f.name) == "plu":
		return n.text // the shape is in the digits
	case wholePAN(n):
		return []string{"4111111111111111", "5454545454545454", "4242424242424242"}[r.IntN(3)][:16]
	case holdsPAN(n):
		return n.text
	}
	other := []rune(n.text)
	for i, c := range other {
		switch {
		case c >= 'a' && c <= 'z':
			other[i] = 'a' + rune(r.IntN(26))
		case c >= 'A' && c <= 'Z':
			other[i] = 'A' + rune(r.IntN(26))
		case c >= '1' && c <= '9' && !longDigits(n):
			other[i] = '1' + rune(r.IntN(9))
		}
	}
	return string(other)
}

// dump writes a node as JSON.
func dump(b *bytes.Buffer, n *node) {
	switch n.kind {
	case object, array:
		brackets := map[kind]string{object: "{}", array: "[]"}[n.kind]
		b.WriteByte(brackets[0])
		for i, k := range n.kids {
			if i > 0 {
				b.WriteByte(',')
			}
			if n.kind == object {
				name, _ := json.Marshal(n.names[i])
				b.Write(name)
				b.WriteByte(':')
			}
			dump(b, k)
		}
		b.WriteByte(brackets[1])
	case text:
		v, _ := json.Marshal(n.text)
		b.Write(v)
	case number:
		b.WriteString(n.text)
	case truth:
		b.WriteString("true")
	case null:
		b.WriteString("null")
	}
}

// TestErrorsAreSilent gives bodies that nothing can be made of: what is said of
// them has no value.
func TestErrorsAreSilent(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON":          `{"patient": "Evangeline", `,
		"a text":           `"Evangeline"`,
		"a list of texts":  `["Evangeline"]`,
		"nothing in it":    `{}`,
		"nothing is known": `{"greeting": "Evangeline", "colour": "violet"}`,
		"no UTF-8":         "{\"a\": \"Evangeline\xff\"}",
		"an empty list":    `[]`,
		"too deep":         strings.Repeat("[", 2000) + strings.Repeat("]", 2000),
		"no amount":        `{"card_number": "4111111111111111", "who": "Evangeline"}`,
		"items of nothing": `{"items": [], "who": "Evangeline"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Propose([]Sample{{"sale.json", []byte(body)}}, options())
			if err == nil {
				t.Fatal("there is a proposal")
			}
			if strings.Contains(err.Error(), "Evangeline") || strings.Contains(err.Error(), "violet") || strings.Contains(err.Error(), "4111") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
	if _, err := Propose(nil, options()); err != ErrNoSample {
		t.Errorf("got %v", err)
	}
}

// TestNamesThatAreData keeps what stands as a member's name and is none.
func TestNamesThatAreData(t *testing.T) {
	const body = `{"sale_id": "S-1", "total": 100, "items": [{"name": "Botox", "price": 100, "by": {"Margaret Okonkwo": true, "4111111111111111": 1}}],
		"patients": {"PT-88213": {"phone": "+1 512 555 0142"}, "patient@example.org": {"phone": "+1 512 555 0143"}}}`
	samples := []Sample{{"a.json", []byte(body)}}
	out := everything(proposed(t, samples))
	for _, name := range []string{"Margaret", "PT-88213", "patient@example.org", "88213"} {
		if strings.Contains(out, name) {
			t.Errorf("%q is written", name)
		}
	}
	if !slices.ContainsFunc(strings.Split(out, "\n"), func(line string) bool { return strings.Contains(line, "patients") }) {
		t.Error("the member around is not written")
	}
}
