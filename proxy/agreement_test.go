package proxy

import (
	"strings"
	"testing"

	"chaperone/rules/reason"
)

// unsigned is the sample policy without an agreement with the record: the one
// there was has lapsed. more is added to the record's leg.
func unsigned(t *testing.T, more string) string {
	t.Helper()
	const leg, paper = "path: /v1/encounters\n        items: clinical\n", "reference: EHR-7, expires: 2031-12-31"
	policy := sampleFile(t, "rules.yaml")
	if strings.Count(policy, leg) == 0 || strings.Count(policy, paper) != 1 {
		t.Fatal("the sample has changed")
	}
	policy = strings.Replace(policy, leg, leg+more, 1)
	return strings.Replace(policy, paper, "reference: EHR-7, expires: 2020-12-31", 1)
}

// TestAgreementOfALegThatIsLeftOut: what a request does not send needs no
// agreement; what it sends does. A queued leg waits for it.
func TestAgreementOfALegThatIsLeftOut(t *testing.T) {
	const (
		sync  = "        mode: sync\n"
		holds = "        when: 'total(\"clinical\") > 0'\n"
		fails = "        when: 'total(\"clinical\") > 100000000'\n"
	)
	for _, c := range []struct {
		name, leg, body string
		status          int
		states          string
		refused         bool
	}{
		{"sync", sync, "keyed-card", 403, "", true},
		{"sync, the condition holds", sync + holds, "keyed-card", 403, "", true},
		{"sync, the condition does not hold", sync + fails, "keyed-card", 200, "processor=200/ ledger=queued/delivered", false},
		{"sync, there is nothing for it", sync, "retail-only", 200, "processor=200/ ledger=queued/delivered", false},
		{"queued", "", "keyed-card", 200, "processor=200/ ehr=queued/parked ledger=queued/delivered", false},
		{"queued, the condition holds", holds, "keyed-card", 200, "processor=200/ ehr=queued/parked ledger=queued/delivered", false},
		{"queued, the condition does not hold", fails, "keyed-card", 200, "processor=200/ ledger=queued/delivered", false},
		{"queued, there is nothing for it", "", "retail-only", 200, "processor=200/ ledger=queued/delivered", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			policy, body := unsigned(t, c.leg), sampleFile(t, "bodies/"+c.body+".json")
			h := rehearse(t, policy).post(t, "/v1/checkout", body)
			if h.Status != c.status || h.legStates() != c.states {
				t.Errorf("%d %q, code %s", h.Status, h.legStates(), h.Code)
			}
			if c.refused && (h.Code != reason.AgreementLapsed || len(h.Calls) != 0) {
				t.Errorf("code %s, %d calls", h.Code, len(h.Calls))
			}
			if h.call("ehr") != nil {
				t.Error("the record was called")
			}
			// What is shown is what happens.
			plan, _ := load(t, policy)
			ex, err := Explain(plan, Sample{Route: "checkout", Body: []byte(body)})
			if err != nil {
				t.Fatal(err)
			}
			if (ex.Refusal != nil) != c.refused || c.refused && ex.Refusal.Code != reason.AgreementLapsed {
				t.Errorf("explained as %v", ex.Refusal)
			}
		})
	}
}

// TestConditionOfTheRequestBefore: that a request leaves a leg out is no matter
// of the next one, whose decisions are on record as its own.
func TestConditionOfTheRequestBefore(t *testing.T) {
	const leg = "path: /v1/encounters\n        items: clinical\n"
	r := rehearse(t, strings.Replace(sampleFile(t, "rules.yaml"), leg, leg+"        when: 'text(\"note\") == \"on file\"'\n", 1))
	// Whether the next request finds what this one used is the pool's to say.
	for i := range 8 {
		id := "S-" + string(rune('a'+i))
		out := r.post(t, "/v1/checkout", strings.Replace(sale(t, id+"-out"), `"appointment"`, `"note": "later", "appointment"`, 1))
		in := r.post(t, "/v1/checkout", strings.Replace(sale(t, id+"-in"), `"appointment"`, `"note": "on file", "appointment"`, 1))
		for want, h := range map[string]*Rehearsed{"processor=200/ ledger=queued/delivered": out, "processor=200/ ehr=queued/delivered ledger=queued/delivered": in} {
			if h.legStates() != want {
				t.Fatalf("%s, not %s", h.legStates(), want)
			}
		}
		ofRecord := 0
		for _, d := range in.Decisions {
			if strings.HasSuffix(string(d.Rule), whenRule) {
				t.Fatalf("%+v of a leg that was sent", d)
			}
			if d.To == "ehr" {
				ofRecord++
			}
		}
		if ofRecord == 0 {
			t.Fatal("nothing is on record of what the record got")
		}
	}
}
