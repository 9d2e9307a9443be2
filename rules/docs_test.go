package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestDocumentedPolicy loads the policy that docs/tokens.md shows.
func TestDocumentedPolicy(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "tokens.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllSubmatch(text, -1)
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
