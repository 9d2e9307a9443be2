package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRulesByExample runs every example of docs/rules-by-example.md as its
// reader does: the policy has no mistake and no warning, and its tests pass.
func TestRulesByExample(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "rules-by-example.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?ms)^## ([^\n]*)\n(?:.*?)^```yaml rules\n(.*?)^```\n\n```yaml test\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if headings := strings.Count(string(text), "\n## "); len(examples) != headings || headings < 6 {
		t.Fatalf("%d examples under %d headings", len(examples), headings)
	}
	for _, e := range examples {
		t.Run(e[1], func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, content := range map[string]string{"rules.yaml": e[2], "rules_test.yaml": e[3]} {
				if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if code, out, said := runTests(t, "."); code != exitOK {
				t.Errorf("exit code %d\n%s%s", code, out, said)
			}
			var out, errs strings.Builder
			if code := run([]string{"check", "rules.yaml"}, strings.NewReader(""), &out, &errs); code != exitOK || strings.Contains(out.String()+errs.String(), "warning") {
				t.Errorf("check: %d\n%s%s", code, out.String(), errs.String())
			}
		})
	}
}
