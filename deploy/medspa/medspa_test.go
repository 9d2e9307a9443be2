package medspa_test

import (
	"encoding/json"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/deploy/medspa"
	"chaperone/rules"
)

func TestThePolicyLoadsWithoutAWord(t *testing.T) {
	plan, ds := rules.Load("rules.yaml")
	for _, d := range ds {
		if d.Code != "agreement_lapsed" { // years after this was written
			t.Errorf("%s\n  hint: %s", d, d.Hint)
		}
	}
	if plan == nil {
		t.Fatal("no plan")
	}
	if words := plan.Basket.Classes[0].Any[2].Conditions[0].Words; len(words) < 60 {
		t.Errorf("the catalogue has %d procedures", len(words))
	}
}

func TestEveryPolicyOfTheFolderIsLoaded(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		// chaperone.yaml is not a policy; the command's own tests load it.
		if file != "rules.yaml" && file != "chaperone.yaml" {
			t.Errorf("%s is loaded by no test", file)
		}
	}
}

func TestPlacesToPutOnesOwnOccurOnce(t *testing.T) {
	text, err := fs.ReadFile(medspa.Files, "rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{medspa.ProcessorURL, medspa.EHRURL, medspa.LedgerURL, medspa.FrontDeskKeySHA256} {
		if n := strings.Count(string(text), s); n != 1 {
			t.Errorf("%q occurs %d times", s, n)
		}
	}
}

func TestBodiesAddUp(t *testing.T) {
	names, err := fs.Glob(medspa.Files, "bodies/*.json")
	if err != nil || len(names) < 7 {
		t.Fatalf("%d bodies: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := fs.ReadFile(medspa.Files, name)
			if err != nil {
				t.Fatal(err)
			}
			if malformed := strings.HasSuffix(name, "malformed.json"); malformed || !json.Valid(text) {
				if malformed == json.Valid(text) {
					t.Fatalf("valid JSON: %v", json.Valid(text))
				}
				return
			}
			var b struct {
				Items []struct {
					Qty, Discount int
					Price         int `json:"unit_price"`
				}
				Totals struct{ Subtotal, Tax, Tip, Discount, Total int }
			}
			if err := json.Unmarshal(text, &b); err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, i := range b.Items {
				sum += i.Qty*i.Price - i.Discount
			}
			if sum != b.Totals.Subtotal || sum+b.Totals.Tax+b.Totals.Tip-b.Totals.Discount != b.Totals.Total {
				t.Errorf("the items add up to %d, the totals are %+v", sum, b.Totals)
			}
		})
	}
}
