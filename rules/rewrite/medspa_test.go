package rewrite

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestSamplePolicy takes a sample body through the sample policy and pins what
// each party gets, and why.
func TestSamplePolicy(t *testing.T) {
	const number = "4242424242424242"
	e := medspa(t)
	out := process(e, newFakeVault(e.Plan()), 0, string(sample(t, "keyed-card.json")))
	if out.err != nil {
		t.Fatal(out.err)
	}
	tests := []struct {
		leg       string
		has       []string
		hasNot    []string
		decisions []string
	}{
		{
			"processor",
			[]string{number, `"cvv": "737"`, `"totals": {"total": 35978}`, `,"description":"Store purchase"`, string(alias(0, []byte("MS-2026-004411")))},
			[]string{"Okonkwo\",\n", "items", "patient", "MS-2026", "subtotal"},
			[]string{"keep patient phi drop 3", "labels.pan payment.card.number pan plain 1", "labels.sad payment.card.cvv sad plain 1", "basket.classes.clinical items.# phi drop 1"},
		},
		{
			"ehr",
			[]string{tok(number), `"patient": {`, "TX-BTX-U", `"totals": {"subtotal": 25000, "tax": 0, "tip": 5000, "discount": 1250, "total": 28750}`},
			[]string{number, "737", "SK-CRM", "MS-2026"},
			[]string{"labels.phi.contact patient.phone phi.contact plain 1", "labels.pan payment.card.number pan token 1", "basket.classes.clinical items.# phi plain 1", "keep payment.card.cvv sad drop 1"},
		},
		{
			"ledger",
			[]string{`"************4242"`, "SK-CRM", `"totals": {"subtotal": 7000, "tax": 578, "tip": 0, "discount": 350, "total": 7228}`},
			[]string{number, "737", "TX-BTX", "patient", "MS-2026"},
			[]string{"labels.pan payment.card.number pan mask 1", "basket.classes.retail items.#  plain 1", "unlink   alias 1"},
		},
	}
	for i, c := range tests {
		t.Run(c.leg, func(t *testing.T) {
			if !json.Valid([]byte(out.legs[i])) {
				t.Error("not valid JSON")
			}
			for _, s := range c.has {
				if !strings.Contains(out.legs[i], s) {
					t.Errorf("lacks %s", s)
				}
			}
			for _, s := range c.hasNot {
				if strings.Contains(out.legs[i], s) {
					t.Errorf("has %s", s)
				}
			}
			var all []string
			for _, d := range out.decisions[i] {
				all = append(all, fmt.Sprintf("%s %s %s %s %d", d.Rule, d.Pattern, d.Label, d.Form, d.Count))
			}
			for _, s := range c.decisions {
				if !strings.Contains("\n"+strings.Join(all, "\n")+"\n", "\n"+s+"\n") {
					t.Errorf("lacks the decision %q", s)
				}
			}
			if t.Failed() {
				t.Logf("%s\n%s", out.legs[i], strings.Join(all, "\n"))
			}
		})
	}
}

// TestSampleRefund gives a fifth of a sale of the sample back, by an amount
// without items.
func TestSampleRefund(t *testing.T) {
	e := medspa(t)
	m := e.NewMessage()
	sold := strings.Replace(string(sample(t, "token-instead-of-card.json")), "CARD_TOKEN", "", 1)
	if err := e.ScanRequest(m, 0, []byte(sold), Limits{}); err != nil {
		t.Fatal(err)
	}
	shares, exponent := m.Shares(nil), m.Exponent()
	legs, err := follow(t, e, 1, string(sample(t, "partial-refund.json")), shares, exponent)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`"totals": {"total": -8328}`, `"totals": {"total": -7700}`, `"totals": {"total": -628}`} {
		if key := string(alias(i, []byte("MS-2026-004414"))); !strings.Contains(legs[i], want) || !strings.Contains(legs[i], key) {
			t.Errorf("leg %d lacks %s or %s:\n%s", i, want, key, legs[i])
		}
	}
	if key, ok := m.IdempotencyKey(); !ok || string(key) != "MS-2026-004414" {
		t.Errorf("the sale is %q", key)
	}
}
