package rules

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"chaperone/rules/reason"
)

// yamlBlocks are the parts of a page that are YAML.
var yamlBlocks = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// TestDocumentedPolicy loads the policy that docs/tokens.md shows.
func TestDocumentedPolicy(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "tokens.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlocks.FindAllSubmatch(text, -1)
	if len(blocks) != 1 {
		t.Fatalf("%d policies", len(blocks))
	}
	plan, ds := load("tokens.md", blocks[0][1], nil, testNow)
	if plan == nil || len(ds) > 0 {
		t.Fatalf("%v", ds)
	}
	if v := plan.Labels[plan.Label("pan")].Vaulted; v.Keep != KeepBIN6Last4 || v.TTL == 0 {
		t.Errorf("%+v", v)
	}
}

// TestDocumentedFollowUps loads the routes of docs/follow-ups.md, with what the
// page takes from the sample. The sum that it gives as an example is held by
// TestAmountSplitAsTheSale of package rewrite.
func TestDocumentedFollowUps(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "follow-ups.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n > 90 {
		t.Errorf("the page has %d lines", n)
	}
	file := filepath.Join("..", "deploy", "medspa", "rules.yaml")
	sample, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	policy, _, found := bytes.Cut(sample, []byte("# Who may call"))
	if !found {
		t.Fatal("the sample's callers are not where they were")
	}
	for _, block := range yamlBlocks.FindAllSubmatch(text, -1) {
		policy = append(append(policy, block[1]...), '\n')
	}
	plan, ds := load("follow-ups.md", policy, beside(file), testNow)
	if plan == nil || len(ds) > 0 {
		t.Fatalf("%s", render(ds))
	}
	if len(plan.Routes) != 6 || plan.Routes[0].Followed == nil {
		t.Errorf("%d routes", len(plan.Routes))
	}
	for _, code := range []reason.Code{reason.SaleUnknown, reason.SaleOpen, reason.SalePending, reason.TotalsUnsplittable} {
		if row := fmt.Sprintf("| %d `%s` |", code.Status(), code); !bytes.Contains(text, []byte(row)) {
			t.Errorf("the page has no row %s", row)
		}
	}
}
