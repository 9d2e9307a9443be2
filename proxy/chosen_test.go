package proxy

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/rules"
	"chaperone/rules/rewrite"
)

// TestPreparedOnce: what is prepared of a choice is found again, whoever asked
// first, and never serves another recipient.
func TestPreparedOnce(t *testing.T) {
	plan := &rules.Plan{Hash: "abc", Labels: []rules.Label{{Name: "pan"}}}
	y := &policy{plan: plan, names: audit.NewNames("abc", "pan"), metrics: admin.NewMetrics(admin.Build{}).Use(plan, time.Unix(1, 0))}
	const many = 200
	all := make([]*rewrite.Choice, many)
	for i := range all {
		all[i] = &rewrite.Choice{Rule: "labels.pan", Pattern: fmt.Sprintf("a%d", i), Label: "pan", Form: rules.Mask, Number: i}
	}
	prepare := func(c *rewrite.Choice, to string) audit.Prepared {
		return y.prepare(nil, []rewrite.Chosen{{Choice: c, Count: 3}}, to)[0]
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range all {
				for _, to := range []string{"ehr", "ledger"} {
					d := prepare(all[(i*7)%many], to).Template.Decision()
					if want := fmt.Sprintf("a%d", (i*7)%many); string(d.Pattern) != want || string(d.To) != to || d.Form != "mask" || d.Label != "pan" {
						t.Errorf("choice %s to %s is prepared as %+v", want, to, d)
					}
				}
			}
		})
	}
	group.Wait()
	for _, c := range all {
		first := prepare(c, "ehr")
		if again := prepare(c, "ehr"); again.Template != first.Template || again.Count != 3 {
			t.Fatal("it was prepared again")
		}
	}
}
