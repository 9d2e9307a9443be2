package rules

import (
	"slices"
	"testing"
)

func TestLabelsAt(t *testing.T) {
	p := mustLoad(t, `
labels:
  phi: [patient, "items.#.note"]
  phi.contact: [patient.phone]
  phi.deep: ["**.phone"]
  pan: ["patient.*"]
destinations: {till: {url: "https://till.example"}}
`+oneLeg)
	for path, want := range map[string][]string{
		"patient":            {"phi"},
		"patient.name":       {"pan", "phi"},
		"patient.phone":      {"pan", "phi.contact", "phi.deep"}, // same node, same depth of name: both count
		"patient.home.phone": {"pan", "phi.deep"},
		"items.3.note.x":     {"phi"},
		"items.x.note":       nil,
		"total":              nil,
	} {
		t.Run(path, func(t *testing.T) {
			exact, err := ParsePath(path)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, id := range p.labelsAt(exact) {
				got = append(got, p.Labels[id].Name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestTouches(t *testing.T) {
	for _, c := range []struct {
		pattern, exact string
		want           bool
	}{
		{"items", "items", true},
		{"items.#.sku", "items", true},
		{"sale", "sale.items", true},
		{"*", "sale.items", true},
		{"sale.*.x", "sale.items", true},
		{"sale.note", "sale.items", false},
		{"note", "items", false},
		{"**.items", "sale.items", true},
		{"**.sku", "items", true},
		{"#.items", "sale.items", false},
	} {
		pattern, err := ParsePath(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		exact, err := ParsePath(c.exact)
		if err != nil {
			t.Fatal(err)
		}
		if got := touches(pattern.Steps, exact.Steps); got != c.want {
			t.Errorf("%s touches %s: %v", c.pattern, c.exact, got)
		}
	}
}

func TestPatternCovers(t *testing.T) {
	for _, c := range []struct {
		p, q string
		want bool
	}{
		{"/a", "/a", true},
		{"/a/{x}", "/a/b", true},
		{"/a/{x}", "/a/{y}", true},
		{"/a/b", "/a/{x}", false},
		{"/*", "/", true},
		{"/*", "/a/b/*", true},
		{"/a/*", "/a", true},
		{"/a/*", "/b/*", false},
		{"/a/{x}/*", "/a/*", false},
		{"/a/b", "/a/*", false},
		{"/a", "/a/b", false},
	} {
		p, err := ParsePattern(c.p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := ParsePattern(c.q)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Covers(q); got != c.want {
			t.Errorf("%s covers %s: %v", c.p, c.q, got)
		}
	}
}

func TestParsePath(t *testing.T) {
	for source, want := range map[string][]Step{
		"a.b":      {{Name: "a"}, {Name: "b"}},
		`a\.b.c`:   {{Name: "a.b"}, {Name: "c"}},
		"a.#.*":    {{Name: "a"}, {Kind: StepElement}, {Kind: StepMember}},
		"**.cvv":   {{Kind: StepDeep}, {Name: "cvv"}},
		`\#.\*.\\`: {{Name: "#"}, {Name: "*"}, {Name: `\`}},
		"items.0":  {{Name: "items"}, {Name: "0"}},
		"naïve.日本": {{Name: "naïve"}, {Name: "日本"}},
	} {
		t.Run(source, func(t *testing.T) {
			p, err := ParsePath(source)
			if err != nil || !slices.Equal(p.Steps, want) || p.String() != source {
				t.Errorf("got %+v, %v", p.Steps, err)
			}
		})
	}
}

func TestStepIndex(t *testing.T) {
	for name, want := range map[string]int{"0": 0, "12": 12, "01": -1, "": -1, "x": -1, "1234567": -1, "-1": -1} {
		got, ok := Step{Name: name}.Index()
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q is %d, want %d", name, got, want)
		}
	}
}

func TestReach(t *testing.T) {
	for address, want := range map[string]reach{
		"http://127.0.0.1:1":           onThisMachine,
		"http://[::1]:1":               onThisMachine,
		"http://localhost":             onThisMachine,
		"http://a.localhost":           onThisMachine,
		"http://[::ffff:127.0.0.1]":    onThisMachine,
		"http://10.1.2.3":              onOwnNetwork,
		"http://192.168.0.9:80/x":      onOwnNetwork,
		"http://[fe80::1%25eth0]":      onOwnNetwork,
		"http://ehr":                   onOwnNetwork,
		"http://ehr.clinic.internal.":  onOwnNetwork,
		"http://172.32.0.1":            onTheInternet,
		"http://pay.example":           onTheInternet,
		"http://internal.pay.example":  onTheInternet,
		"http://127.0.0.1.pay.example": onTheInternet,
	} {
		if got := reachOf(address); got != want {
			t.Errorf("%s is %d, want %d", address, got, want)
		}
	}
}

func TestComparisons(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Condition
		text string
		want bool
	}{
		{"equal folds case", Condition{Equal: []string{"Laser"}}, "LASER", true},
		{"equal is whole", Condition{Equal: []string{"laser"}}, "lasers", false},
		{"glob", Condition{Globs: []string{"TX-*-?"}}, "tx-ab-c-9", true},
		{"glob needs a character", Condition{Globs: []string{"TX-?"}}, "TX-", false},
		{"word", Condition{Words: []string{"lip filler"}}, "A Lip Filler, 1 ml", true},
		{"part of a word", Condition{Words: []string{"peel"}}, "peeling", false},
		{"what stands between", Condition{Words: []string{"lip filler"}}, "LIP-FILLER+", true},
		{"a mark belongs to the word", Condition{Words: []string{"peel"}}, "peel\u0301", false},
		{"no word", Condition{Words: []string{"+"}}, "a + b", false},
		{"second place", Condition{Words: []string{"peel"}}, "peeling by peel", true},
	} {
		if got := c.c.takesText(c.text); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a.b", `a\.b`, "**.x", "#", "a..b", `\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		p, err := ParsePath(source)
		if err == nil && (len(p.Steps) == 0 || len(p.Steps) > MaxPathSteps) {
			t.Errorf("%q has %d steps", source, len(p.Steps))
		}
	})
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"/", "/a/{b}/*", "/*", "//", "/a/.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if p, err := ParsePattern(source); err == nil && !p.Covers(p) {
			t.Errorf("%q does not cover itself", source)
		}
	})
}
