package ruletest

import (
	"strings"
	"testing"

	"chaperone/rules"
)

func parsed(t *testing.T, text string) *Value {
	t.Helper()
	v, err := ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// testMatcher takes tok_… for a token and al_… for an alias.
func testMatcher() *Matcher {
	return &Matcher{Is: func(kind, text string) bool {
		return strings.HasPrefix(text, map[string]string{RefToken: "tok_", RefAlias: "al_"}[kind])
	}}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct{ name, want, got, paths string }{
		{"equal", `{"a":1,"b":[true,null]}`, `{"b":[true,null],"a":1}`, ""},
		{"another value", `{"a":1}`, `{"a":2}`, "a"},
		{"another type", `{"a":1}`, `{"a":"1"}`, "a"},
		{"written otherwise", `{"a":12.5}`, `{"a":12.50}`, "a"},
		{"an exponent", `1e2`, `100`, ""},
		{"missing", `{"a":1,"b":2}`, `{"a":1}`, "b"},
		{"more", `{"a":1}`, `{"a":1,"b":{}}`, "b"},
		{"twice", `{"a":1}`, `{"a":1,"a":1}`, "a"},
		{"twice as expected", `{"a":1,"a":2}`, `{"a":1,"a":2}`, ""},
		{"a shorter array", `[1,2]`, `[1]`, "1"},
		{"a longer array", `[1]`, `[1,2,3]`, "1 2"},
		{"deep", `{"a":[{"b.c":1}]}`, `{"a":[{"b.c":2}]}`, `a.0.b\.c`},
		{"null is not nothing", `{"a":null}`, `{}`, "a"},
		{"any", `{"a":"<any>","b":"<any>"}`, `{"a":{"x":1},"b":null}`, ""},
		{"any is not nothing", `{"a":"<any>"}`, `{}`, "a"},
		{"a token", `"<token>"`, `"tok_abc"`, ""},
		{"no token", `"<token>"`, `"4111"`, ""},
		{"a token in a text", `"card <token>, kept"`, `"card tok_abc, kept"`, ""},
		{"another text", `"card <token>, kept"`, `"card tok_abc, lost"`, ""},
		{"the same alias", `["<alias:a>","<alias:a>","<alias:b>"]`, `["al_x","al_x","al_y"]`, ""},
		{"another alias", `["<alias:a>","<alias:a>"]`, `["al_x","al_y"]`, "1"},
		{"twice in a text", `"<any:a> and <any:a>"`, `"x and y"`, ""},
		{"names of two kinds", `["<alias:a>","<token:a>"]`, `["al_x","tok_x"]`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var paths []string
			differences := testMatcher().Compare(parsed(t, c.want), parsed(t, c.got))
			for _, d := range differences {
				paths = append(paths, d.Path)
			}
			want := c.paths
			fails := map[string]bool{"an exponent": true, "no token": true, "another text": true, "twice in a text": true}[c.name]
			if got := strings.Join(paths, " "); got != want || (fails || want != "") != (len(differences) > 0) {
				t.Errorf("differs at %q, want %q", got, want)
			}
		})
	}
}

func TestFindSetRemove(t *testing.T) {
	path := func(text string) []rules.Step {
		p, err := rules.ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		return p.Steps
	}
	const body = `{"a":[{"b":1},{"b":2,"c":3}],"b":4,"7":5}`
	for at, want := range map[string]string{"a.#.b": "1 2", "a.1.b": "2", "**.b": "4 1 2", "*": `[{"b":1},{"b":2,"c":3}] 4 5`, "7": "5", "a.2.b": "", "b.x": ""} {
		var found []string
		for _, v := range parsed(t, body).find(path(at)) {
			found = append(found, string(v.JSON()))
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
	for at, want := range map[string]string{
		"b": `{"a":[{"b":1},{"b":2,"c":3}],"b":"x","7":5}`, "a.0.b": `{"a":[{"b":"x"},{"b":2,"c":3}],"b":4,"7":5}`,
		"d.e": `{"a":[{"b":1},{"b":2,"c":3}],"b":4,"7":5,"d":{"e":"x"}}`, "a.2": `{"a":[{"b":1},{"b":2,"c":3},"x"],"b":4,"7":5}`, "b.x": "", "a.9": "",
	} {
		v := parsed(t, body)
		if ok := v.set(path(at), &Value{Kind: String, Text: "x"}); ok != (want != "") || ok && string(v.JSON()) != want {
			t.Errorf("set %s: %v %s", at, ok, v.JSON())
		}
	}
	for at, want := range map[string]string{"a.#.b": `{"a":[{},{"c":3}],"b":4,"7":5}`, "a.0": `{"a":[{"b":2,"c":3}],"b":4,"7":5}`, "7": `{"a":[{"b":1},{"b":2,"c":3}],"b":4}`, "x": ""} {
		v := parsed(t, body)
		if gone := v.remove(path(at)); gone != (want != "") || gone && string(v.JSON()) != want {
			t.Errorf("remove %s: %v %s", at, gone, v.JSON())
		}
	}
}

func TestMask(t *testing.T) {
	plan, ds := rules.LoadBytes("rules.yaml", []byte(`
labels: {sad: {paths: [card.secret]}}
destinations: {p: {url: "http://127.0.0.1:1", sees: {sad: plain}}}
routes: [{name: r, match: {method: POST, path: /r}, legs: [{to: p, primary: true, keep: all, success: http}]}]
`), nil)
	if plan == nil {
		t.Fatal(ds)
	}
	m := NewMasker(plan)
	for _, c := range []struct{ path, value, want string }{
		{"a", `"4111 1111-1111 1111, kept"`, `"**** ****-**** 1111, kept"`},
		{"a", `4111111111111111`, `************1111`},
		{"a", `4.111111111111111e15`, `************1111`},
		{"a", `{"n":"4111111111111111","cvv":"737","secret":1,"t":35978}`, `{"n":"************1111","cvv":"[sad]","secret":"[sad]","t":35978}`},
		{"card.cvv", `"737"`, `"[sad]"`},
		{"card.secret.part", `"737"`, `"[sad]"`},
		{`a\.cvv`, `"737"`, `"737"`},
		{"a", `["tok_abc",null]`, `["tok_abc",null]`},
	} {
		if got := m.Show(c.path, parsed(t, c.value)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.path, c.value, got, c.want)
		}
	}
	if got := m.Show("cvv", nil); got != "nothing" {
		t.Error(got)
	}
	if got := MaskCards("a ４１１１１１１１１１１１１１１１ b"); strings.Contains(got, "４") {
		t.Error(got)
	}
}

// TestNothingIsLostInReading reads numbers and texts that a careless reader
// would change.
func TestNothingIsLostInReading(t *testing.T) {
	for _, text := range []string{`{"a":12.50,"b":1e400,"c":12345678901234567890.10,"a":"<&>"}`, `"\u0001"`, `-0`, `[]`, `{}`} {
		if got := string(parsed(t, text).JSON()); got != text {
			t.Errorf("%s became %s", text, got)
		}
	}
	for _, text := range []string{``, `{`, `1 2`, `{"a":1}}`, `{"a"}`, `[1,]`} {
		if _, err := ParseJSON([]byte(text)); err == nil {
			t.Errorf("%s is taken for JSON", text)
		}
	}
}
