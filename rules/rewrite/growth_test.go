package rewrite

import (
	"fmt"
	"strings"
	"testing"

	"chaperone/rules"
)

// TestWhitespaceIsPassedOnce has a megabyte of blanks before a hundred thousand
// members that are all asked about and dropped. Were the blanks looked at once
// for each of them, the test would not end.
func TestWhitespaceIsPassedOnce(t *testing.T) {
	e := one(t, "{}", "keep: all", "")
	blanks := strings.Repeat(" ", 1<<20)
	body := `{"patient":{` + blanks + strings.Repeat(`"a":1,`, 100_000) + `"b":2` + blanks + `},"x":` + blanks + `1}`
	out := process(e, newFakeVault(e.Plan()), 0, body)
	if out.err != nil {
		t.Fatal(out.err)
	}
	if want := `{"x":` + blanks + `1}`; out.legs[0] != want {
		t.Errorf("%d bytes are left of %d", len(out.legs[0]), len(body))
	}
}

// TestWorkIsLinear holds what a leg costs, in nodes, edits and frames, to the
// number of values, at any nesting and with any number of duplicates.
func TestWorkIsLinear(t *testing.T) {
	e := one(t, "{pan: token}", "keep: all", "")
	shapes := map[string]func(n int) string{
		"wide":           func(n int) string { return `{` + strings.Repeat(`"a":1,"patient":2,`, n) + `"z":3}` },
		"duplicates":     func(n int) string { return `{` + strings.Repeat(`"patient":{"phone":1},`, n) + `"z":3}` },
		"all dropped":    func(n int) string { return `{"patient":[` + strings.Repeat(`{"x":1},`, n) + `2]}` },
		"items":          func(n int) string { return `[` + strings.Repeat(`{"pan":"`+card+`","note":"a b"},`, n) + `0]` },
		"cards in texts": func(n int) string { return `{"n":"` + strings.Repeat(card+", ", n) + `"}` },
		"nested": func(n int) string {
			return strings.Repeat(`{"patient":1,"a":`, n) + `2` + strings.Repeat(`,"patient":{"x":3}}`, n)
		},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			cost := func(n int) (nodes, edits int) {
				m, v := e.NewMessage(), e.NewView()
				body := []byte(shape(n))
				if err := e.ScanRequest(m, 0, body, Limits{Depth: 2*n + 10}); err != nil {
					t.Fatal(err)
				}
				if err := e.DecideLeg(m, 0, v); err != nil {
					t.Fatal(err)
				}
				if len(v.frames) != 0 || len(m.stack) != 0 {
					t.Errorf("%d frames and %d containers are left open", len(v.frames), len(m.stack))
				}
				return len(m.tape) + len(m.spans), len(v.edits) + len(v.tally.chosen)
			}
			nodes, edits := cost(50)
			manyNodes, manyEdits := cost(5000)
			if manyNodes > 110*nodes || manyEdits > 110*edits {
				t.Errorf("100 times the body: %d nodes and %d edits became %d and %d", nodes, edits, manyNodes, manyEdits)
			}
		})
	}
}

// BenchmarkRules is the same body under policies of ten and a thousand path
// rules, of which it meets ten.
func BenchmarkRules(b *testing.B) {
	body := benchBody(b)
	for _, n := range []int{10, 1000} {
		paths := []string{"patient", "payment.card.number", "note", "appointment", "consent.form", "pos.cashier", "totals.tip", "items.#.lot", "items.#.area", "items.#.practitioner"}
		for i := len(paths); i < n; i++ {
			paths = append(paths, fmt.Sprintf("section%d.field%d", i%40, i))
		}
		e := one(b, "{pan: mask}", "keep: all", "labels: {secret: {paths: [\""+strings.Join(paths, `","`)+"\"]}}")
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmark(b, e, 1, body) })
	}
}

// BenchmarkCatalogue classifies by a catalogue of thirty and of three thousand
// names, which the basket's do not occur in.
func BenchmarkCatalogue(b *testing.B) {
	for _, n := range []int{30, 3000} {
		plan := *benchEngine(b).Plan()
		names := rules.Condition{Field: plan.Basket.Classes[1].Any[0].Conditions[0].Field}
		names.Field.Steps = []rules.Step{{Kind: rules.StepName, Name: "name"}}
		for i := range n {
			names.Words = append(names.Words, fmt.Sprintf("treatment%d of kind%d", i, i%7))
		}
		changed := *plan.Basket
		changed.Classes = append([]rules.Class(nil), changed.Classes...)
		changed.Classes[0].Any = append([]rules.Rule{{Conditions: []rules.Condition{names}}}, changed.Classes[0].Any...)
		plan.Basket = &changed
		e, diags := Compile(&plan)
		if len(diags) > 0 {
			b.Fatal(diags)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmark(b, e, 1, benchBody(b)) })
	}
}
