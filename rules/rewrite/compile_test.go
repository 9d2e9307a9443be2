package rewrite

import (
	"fmt"
	"strings"
	"testing"

	"chaperone/rules"
)

func TestWildcardBlowupIsADiagnostic(t *testing.T) {
	wild := "**.a" + strings.Repeat(".*", 24) + ".b"
	policy := onePolicy("{}", "keep: [x]", `
labels:
  phi:
    paths: [patient, "`+wild+`"]
`)
	plan := load(t, policy)
	e, diags := Compile(plan)
	if e != nil || len(diags) != 1 {
		t.Fatalf("engine %v, diagnostics %v", e, diags)
	}
	d := diags[0]
	if d.Code != "wildcard_blowup" || d.Position.Line != 4 || d.Position.Column != 22 || d.Severity != rules.Error {
		t.Errorf("%v", d)
	}
	if !strings.Contains(d.Message, wild) || d.Hint == "" {
		t.Errorf("message %q, hint %q", d.Message, d.Hint)
	}
}

func TestTooLargeRoutes(t *testing.T) {
	plan := load(t, onePolicy("{}", "keep: [x]", ""))
	for range maxParties {
		plan.Routes[0].Legs = append(plan.Routes[0].Legs, rules.Leg{})
	}
	if e, diags := Compile(plan); e != nil || len(diags) != 1 || diags[0].Code != "route_too_large" {
		t.Errorf("65 legs: %v", diags)
	}
	plan = load(t, onePolicy("{}", "keep: [x]", ""))
	for i := range 70 {
		plan.Routes[0].Unlink = append(plan.Routes[0].Unlink, rules.Path{Source: "x", Steps: []rules.Step{{Name: fmt.Sprint("m", i)}}})
	}
	if e, diags := Compile(plan); e != nil || len(diags) != 1 || diags[0].Code != "route_too_large" {
		t.Errorf("70 deciding members: %v", diags)
	}
}

// TestThousandRules: many rules change neither the tape nor the steps, and the
// right one is told.
func TestThousandRules(t *testing.T) {
	var paths strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&paths, "%q, ", fmt.Sprintf("section%d.field%d", i%20, i))
	}
	e := one(t, "{phi: mask}", "keep: all", "labels: {phi: {paths: ["+paths.String()+`"**.last"]}}`)
	out := process(e, newFakeVault(e.Plan()), 0, `{"section7":{"field7":1,"field8":2,"field987":3},"x":{"last":4}}`)
	if out.err != nil {
		t.Fatal(out.err)
	}
	if want := `{"section7":{"field7":"****","field8":2,"field987":"****"},"x":{"last":"****"}}`; out.legs[0] != want {
		t.Errorf("got %s", out.legs[0])
	}
	patterns := map[string]bool{}
	for _, d := range out.decisions[0] {
		patterns[d.Pattern] = true
	}
	for _, want := range []string{"section7.field7", "section7.field987", "**.last"} {
		if !patterns[want] {
			t.Errorf("no decision by %s: %+v", want, out.decisions[0])
		}
	}
}
