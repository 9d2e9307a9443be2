package proxy

import (
	"strings"
	"testing"

	"chaperone/audit"
)

// TestEveryNameOfADecisionIsKnown: what is recorded of the sample's sales costs
// a look-up a name.
func TestEveryNameOfADecisionIsKnown(t *testing.T) {
	plan, _ := load(t, sampleFile(t, "rules.yaml"))
	names := planNames(plan)
	known := func(what, name string) {
		t.Helper()
		if name != "" && !names.Has(audit.Name(name)) {
			t.Errorf("%s %q is not among the plan's names", what, name)
		}
	}
	ex, err := Explain(plan, Sample{Route: "checkout", Body: []byte(checkout(t))})
	if err != nil || ex.Refusal != nil {
		t.Fatalf("%v: %v", err, ex)
	}
	known("caller", ex.Caller)
	known("route", ex.Route)
	known("purpose", plan.Routes[0].Purpose)
	decided := 0
	for _, p := range ex.Parties {
		known("leg", p.Leg)
		known("destination", p.To)
		for _, d := range p.Decisions {
			decided++
			known("pattern", d.Pattern)
			known("label", d.Label)
			known("class", d.Class)
			derived := "labels."+d.Label == d.Rule || "basket.classes."+d.Class == d.Rule || "token."+d.Label == d.Rule
			if !derived {
				known("rule", d.Rule)
			}
			if strings.ContainsAny(d.Pattern, "0123456789") {
				t.Errorf("pattern %q is of a body", d.Pattern)
			}
		}
	}
	if decided < 20 {
		t.Errorf("only %d decisions", decided)
	}
}
