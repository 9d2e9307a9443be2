package proxy

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/rewrite"
)

func sampleClaim() claim {
	return claim{
		Request: "abc", Chain: "node-x", At: 1700000000000, Caller: "front-desk", Route: "checkout", Plan: "p", Subject: "s",
		Purpose: "payment", MAC: []byte("mac"), Keep: 5,
		Legs: []heldLeg{
			{Leg: 1, Name: "ehr", To: "ehr", Method: "POST", Target: "/v1?x=1", Key: "k", Group: "g", HasBody: true, Body: []byte(`{}`),
				Fields: []heldField{{"X-Till", "4"}}, Forms: []heldForm{{"phi", rules.Plain}, {"pan", rules.Token}}},
			{Leg: 2, Name: "ledger", To: "ledger", Method: "GET", Target: "/"},
		},
	}
}

// fullClaim is one of the second layout.
func fullClaim() claim {
	c := sampleClaim()
	c.Primary = &heldLeg{Leg: 0, Name: "processor", To: "processor", Method: "POST", Target: "/v1/payments", Key: "p", HasBody: true,
		Body: []byte(`{"a":1}`), Forms: []heldForm{{"pan", rules.Plain}}}
	c.Sale, c.SaleKeep = []byte("shares"), 77
	c.Decides = saleDecision{Key: "kk", Attempt: 2, Result: audit.ResultCancelled}
	return c
}

func sampleOutcome() outcome {
	return outcome{Owner: "abc", By: "primary", At: 9, Result: audit.ResultReleased, Upstream: 201, Answer: &storedAnswer{
		Status: 201, Sees: []byte("f"), Legs: "a=200", Fields: []heldField{{"Content-Type", "application/json"}}, Body: []byte(`{"ok":true}`)}}
}

func TestRegistersRoundTrip(t *testing.T) {
	c := sampleClaim()
	var c2 claim
	if err := c2.parse(c.append(nil)); err != nil {
		t.Fatal(err)
	}
	c2.Legs[1].Body = nil // empty and absent are the same
	if d := cmp.Diff(c, c2); d != "" {
		t.Errorf("claim: %s", d)
	}
	full := fullClaim()
	if err := c2.parse(full.append(nil)); err != nil {
		t.Fatal(err)
	}
	c2.Legs[1].Body = nil
	if d := cmp.Diff(full, c2); d != "" {
		t.Errorf("claim with a primary and a sale: %s", d)
	}
	o := sampleOutcome()
	var o2 outcome
	if err := o2.parse(o.append(nil)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(o, o2); d != "" {
		t.Errorf("outcome: %s", d)
	}
	for _, raw := range []bool{false, true} {
		spooled := sampleOutcome()
		spooled.MAC, spooled.Answer.Raw = []byte("mac"), raw
		if err := o2.parse(spooled.append(nil)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(spooled, o2); d != "" {
			t.Errorf("outcome of a claim on local disk: %s", d)
		}
	}
	kept := saleRecord{Key: "kk", Also: "k2", Request: "abc", Attempt: 3, At: 5, Route: "checkout", Subject: "who", Scope: "clinic", Exponent: 2,
		Groups: []saleGroup{{"ehr", "g"}, {"ledger", ""}}, Split: true,
		Shares: []rewrite.ClassShare{{Class: "clinical", Subtotal: 1, Tax: -2, Tip: 3, Discount: math.MinInt64, Total: math.MaxInt64}, {Class: "retail"}}}
	var kept2 saleRecord
	if err := kept2.parse(kept.append(nil)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(kept, kept2); d != "" {
		t.Errorf("sale: %s", d)
	}
	called := named{Key: "kk", Value: []byte("MS-1")}
	var called2 named
	if err := called2.parse(called.append(nil)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(called, called2); d != "" {
		t.Errorf("the name of a sale: %s", d)
	}
	n := note{Owner: "abc", At: 4, Result: audit.ResultUnknown, Reason: "primary_timeout", Status: 503}
	var n2 note
	if err := n2.parse(n.append(nil)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(n, n2); d != "" {
		t.Errorf("note: %s", d)
	}
}

// TestClaimsOfTheVersionBefore: what an upgrade finds is read, and what needs
// nothing new is written as before.
func TestClaimsOfTheVersionBefore(t *testing.T) {
	c, full := sampleClaim(), fullClaim()
	if got := c.append(nil); got[0] != claimPlain {
		t.Errorf("a plain claim has layout %d", got[0])
	}
	if got := full.append(nil); got[0] != claimFull {
		t.Errorf("a claim with a primary has layout %d", got[0])
	}
	for _, b := range [][]byte{c.append(nil), full.append(nil)} {
		b[0] = claimFull + 1
		var c2 claim
		if c2.parse(b) == nil {
			t.Error("a layout of a later version parses")
		}
	}
}

// TestRegistersRefuseParts: no beginning of a register parses as one.
func TestRegistersRefuseParts(t *testing.T) {
	c, o := sampleClaim(), sampleOutcome()
	full := fullClaim()
	for name, whole := range map[string][]byte{"claim": c.append(nil), "full claim": full.append(nil), "outcome": o.append(nil)} {
		for n := range whole {
			var c2 claim
			var o2 outcome
			if (name != "outcome" && c2.parse(whole[:n]) == nil) || (name == "outcome" && o2.parse(whole[:n]) == nil) {
				t.Errorf("%s: the first %d of %d bytes parse", name, n, len(whole))
			}
		}
		var c2 claim
		var o2 outcome
		longer := append(bytes.Clone(whole), 0)
		if c2.parse(longer) == nil || o2.parse(longer) == nil {
			t.Errorf("%s: parses with a byte too many", name)
		}
	}
}

func FuzzRegisters(f *testing.F) {
	c, o := sampleClaim(), sampleOutcome()
	f.Add(c.append(nil))
	f.Add(o.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c, c2 claim
		if c.parse(b) == nil && c2.parse(c.append(nil)) != nil {
			t.Error("a claim that parses does not when written again")
		}
		var o, o2 outcome
		if o.parse(b) == nil && o2.parse(o.append(nil)) != nil {
			t.Error("an outcome that parses does not when written again")
		}
	})
}
