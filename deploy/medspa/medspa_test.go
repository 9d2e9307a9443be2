package medspa_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/deploy/medspa"
	"chaperone/rules"
	"chaperone/rules/yamlfile"
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

// TestEveryFileIsRead reads the files beside the policy as strict YAML; what
// their keys mean is known to the command, whose own tests check them.
func TestEveryFileIsRead(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(medspa.Files, file)
		if err != nil {
			t.Errorf("%s is not part of the sample: %v", file, err)
			continue
		}
		var ds rules.Diagnostics
		if root := yamlfile.Parse(file, text, &ds); !root.Present() || len(ds) > 0 {
			t.Errorf("%s: %v", file, ds)
		}
	}
}

func TestPlacesToPutOnesOwnOccurOnce(t *testing.T) {
	text, err := fs.ReadFile(medspa.Files, "rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{medspa.ProcessorURL, medspa.EHRURL, medspa.LedgerURL, medspa.FrontDeskKeySHA256,
		medspa.ProcessorAgreement, medspa.EHRAgreement, medspa.SchemaLine, medspa.KeyComment} {
		if n := strings.Count(string(text), s); n != 1 {
			t.Errorf("%q occurs %d times", s, n)
		}
	}
}

// TestEditorsFindTheSchemas follows the line by which an editor finds the
// schema of each file.
func TestEditorsFindTheSchemas(t *testing.T) {
	for file, line := range map[string]string{"rules.yaml": medspa.SchemaLine, "rules_test.yaml": medspa.TestsSchemaLine} {
		text, err := fs.ReadFile(medspa.Files, file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), line) || strings.Count(string(text), line) != 1 {
			t.Errorf("%s does not begin with %q", file, line)
		}
		_, name, _ := strings.Cut(strings.TrimSpace(line), "$schema=")
		if _, err := os.Stat(name); err != nil {
			t.Errorf("%s: %v", file, err)
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
				Sale   string `json:"original_transaction_id"`
			}
			if err := json.Unmarshal(text, &b); err != nil {
				t.Fatal(err)
			}
			if len(b.Items) == 0 {
				if b.Sale == "" || b.Totals.Total == 0 {
					t.Error("no items, and no amount of a sale")
				}
				return
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
