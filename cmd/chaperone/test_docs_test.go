package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"chaperone/deploy/medspa"
)

// runTests runs `chaperone test` and gives what it prints, without its times.
func runTests(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(append([]string{"test"}, args...), strings.NewReader(""), &stdout, &stderr)
	return code, regexp.MustCompile(`\b[0-9.]+ m?s\b`).ReplaceAllString(stdout.String(), "TIME"), stderr.String()
}

// TestTheSampleIsTested runs the tests of the sample policy: they pass, and
// leave nothing out.
func TestTheSampleIsTested(t *testing.T) {
	code, out, said := runTests(t, "--coverage", "--coverage-min", "100", filepath.Join("..", "..", "deploy", "medspa"))
	if code != exitOK || said != "" || !strings.Contains(out, "100 %") {
		t.Errorf("exit code %d\n%s%s", code, out, said)
	}
}

// TestTestingRulesDocs runs every example of docs/testing-rules.md against the
// sample policy. One that is marked as failing prints what stands behind it.
func TestTestingRulesDocs(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "testing-rules.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, medspa.Files); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	blocks := regexp.MustCompile("(?ms)^```([\\w ]*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	passing, failing := 0, 0
	for i, b := range blocks {
		if !strings.HasPrefix(b[1], "yaml") {
			continue
		}
		if err := os.WriteFile("rules_test.yaml", []byte(b[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, said := runTests(t, "rules_test.yaml")
		if b[1] == "yaml" {
			passing++
			if code != exitOK {
				t.Errorf("example %d: exit code %d\n%s%s", i, code, out, said)
			}
			continue
		}
		failing++
		if want := blocks[i+1][2]; code != exitFailed || out != want {
			t.Errorf("example %d: exit code %d\n%s%s", i, code, out, said)
		}
	}
	if passing < 5 || failing < 1 {
		t.Errorf("%d passing and %d failing examples", passing, failing)
	}
}

// TestTestJSON reads the document of --json as it is documented.
func TestTestJSON(t *testing.T) {
	code, out, said := runTests(t, "--json", "--run", "refund", filepath.Join("..", "..", "deploy", "medspa", "rules_test.yaml"))
	var doc suiteDoc
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil || code != exitOK || said != "" {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, said)
	}
	if doc.Passed != 1 || doc.Failed != 0 || len(doc.Tests) != 1 || !doc.Tests[0].Passed || doc.Tests[0].Line == 0 {
		t.Errorf("%+v", doc)
	}
	if c := doc.Coverage; c.Reached == 0 || c.Reached >= c.Points || len(c.NotReached) != c.Points-c.Reached {
		t.Errorf("%+v", c)
	}
}
