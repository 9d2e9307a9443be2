package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chaperone/proxy"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/ruletest"
)

// TestExamplesOfConfigCodes checks the example of each code of a chaperone.yaml
// together with the sample policy: the wrong one gives that code and no other,
// the right one none.
func TestExamplesOfConfigCodes(t *testing.T) {
	for _, e := range configExplanations {
		t.Run(e.Code, func(t *testing.T) {
			wrong, right, err := e.Versions(configSample)
			if err != nil {
				t.Fatal(err)
			}
			policy := rules.Sample
			if e.Code == "anonymous_listener" {
				policy = "destinations: {shop: {url: http://127.0.0.1:8081}}\nroutes:\n" +
					"  - {name: sale, match: {method: POST, path: /sale}, legs: [{to: shop, primary: true, keep: [id], success: http}]}\n"
			}
			want := append([]string{e.Code}, e.Others...)
			if got := codesOfFiles(t, wrong.File, policy); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("the wrong example gives %q:\n%s", got, wrong.File)
			}
			got := codesOfFiles(t, right.File, policy)
			got = slices.DeleteFunc(got, func(code string) bool { return slices.Contains(e.Others, code) })
			if len(got) > 0 {
				t.Errorf("the right example gives %q:\n%s", got, right.File)
			}
		})
	}
}

// codesOfFiles checks the two files, and returns the codes, each once.
func codesOfFiles(t *testing.T, config, policy string) []string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "chaperone.yaml")
	for name, text := range map[string]string{file: config, filepath.Join(dir, "rules.yaml"): policy} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := checker{checked: map[string]bool{}}
	c.file(file)
	var codes []string
	for _, d := range c.found {
		codes = append(codes, d.Code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// TestEveryConfigCodeIsExplained reads which codes this package's sources can
// give.
func TestEveryConfigCodeIsExplained(t *testing.T) {
	given := rules.Explanations()
	explained := map[string]bool{}
	for _, e := range slices.Concat(given, configExplanations, ruletest.Explanations()) {
		explained[e.Code] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := filepath.Glob("../../rules/ruletest/*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, tests...)
	var sources strings.Builder
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") || file == "codes_config.go" || filepath.Base(file) == "explain.go" && file != "explain.go" {
			continue
		}
		sources.Write(text)
		for _, m := range diagnosticCode.FindAllStringSubmatch(string(text), -1) {
			found++
			if code := m[1] + m[2] + m[3]; !explained[code] {
				t.Errorf("%s: %s is not explained", file, code)
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d codes were found", found)
	}
	for _, e := range configExplanations {
		if text := `"` + e.Code + `"`; !strings.Contains(sources.String(), text) && e.Code != "bad_size" {
			t.Errorf("%s is explained, and never given", e.Code)
		}
	}
}

// TestExamplesOfReasons sends the bodies of the examples through the sample
// policy.
func TestExamplesOfReasons(t *testing.T) {
	plan, ds := rules.LoadBytes("rules.yaml", []byte(rules.Sample), nil)
	if plan == nil {
		t.Fatal(ds)
	}
	refusal := func(body string) reason.Code {
		t.Helper()
		ex, err := proxy.Explain(plan, proxy.Sample{Route: "sale", Caller: "till", Body: []byte(body), Limits: proxy.Limits{Body: 1 << 20, Depth: 64}})
		if err != nil {
			t.Fatal(err)
		}
		if ex.Refusal == nil {
			return ""
		}
		return ex.Refusal.Code
	}
	tried := 0
	for _, e := range reason.Explanations() {
		if !strings.HasPrefix(e.Wrong, "{") {
			continue
		}
		tried++
		if got := refusal(e.Wrong); got != e.Code {
			t.Errorf("%s: the wrong example is refused as %q", e.Code, got)
		}
		if got := refusal(e.Right); got != "" {
			t.Errorf("%s: the right example is refused as %q", e.Code, got)
		}
	}
	if tried < 5 {
		t.Errorf("only %d examples", tried)
	}
}

// diagnosticCode finds the codes in the sources: the first argument of Fail and
// Warn, and the field of a diagnostic.
var diagnosticCode = regexp.MustCompile(`\.(?:Fail|Warn)\("([a-z_0-9]+)"|\.(?:fail|name)\([\w.]+, "([a-z_0-9]+)"|Code: +"([a-z_0-9]+)"`)
