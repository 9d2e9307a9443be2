package rules_test

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"chaperone/rules"
	"chaperone/rules/diag"
	"chaperone/rules/rewrite"
)

// codesIn compiles one version of an example, as check does, and returns its
// codes, each once.
func codesIn(v diag.Version) (codes []string, said string) {
	read := func(name string) ([]byte, error) {
		if name == "words.txt" && v.Words != "" {
			return []byte(v.Words), nil
		}
		return nil, fs.ErrNotExist
	}
	plan, ds := rules.LoadBytes("rules.yaml", []byte(v.File), read)
	if plan != nil {
		_, more := rewrite.Compile(plan)
		ds = append(ds, more...)
	}
	var b strings.Builder
	for _, d := range ds {
		if !slices.Contains(codes, d.Code) {
			codes = append(codes, d.Code)
		}
		fmt.Fprintln(&b, d)
	}
	return codes, b.String()
}

func sameCodes(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// TestExamplesOfCodes compiles the example of each code: the wrong one gives
// that code and no other, the right one none.
func TestExamplesOfCodes(t *testing.T) {
	if codes, said := codesIn(diag.Version{File: rules.Sample}); len(codes) > 0 {
		t.Fatalf("the sample itself:\n%s", said)
	}
	for _, e := range rules.Explanations() {
		t.Run(e.Code, func(t *testing.T) {
			if e.Means == "" || e.Why == "" {
				t.Error("it explains nothing")
			}
			if !e.HasExample() {
				return
			}
			wrong, right, err := e.Versions(rules.Sample)
			if err != nil {
				t.Fatal(err)
			}
			if codes, said := codesIn(wrong); !sameCodes(codes, append([]string{e.Code}, e.Others...)) {
				t.Errorf("the wrong example gives %q:\n%s\n%s", codes, said, wrong.File)
			}
			if codes, said := codesIn(right); len(codes) > 0 {
				t.Errorf("the right example gives\n%s\n%s", said, right.File)
			}
		})
	}
}

// unshown are the codes without an example: of the file as a whole, of what is
// too large to show, and of what cannot be written in a text.
var unshown = []string{
	"expression_too_large", "file_not_utf8", "file_too_large", "file_unreadable", "route_too_large", "tag_collision", "too_many",
	"wildcard_blowup", "words_not_utf8", "words_too_long",
}

// TestEveryCodeIsExplained reads which codes the sources can give: each has one
// explanation and, but for a few, an example; and nothing else has.
func TestEveryCodeIsExplained(t *testing.T) {
	elsewhere := map[string]bool{"bad_size": true} // no size is asked for in a policy
	explained := map[string]bool{}
	for _, e := range rules.Explanations() {
		if explained[e.Code] {
			t.Errorf("%s is explained twice", e.Code)
		}
		explained[e.Code] = true
		if e.HasExample() == slices.Contains(unshown, e.Code) {
			t.Errorf("%s: an example is there, %v", e.Code, e.HasExample())
		}
	}
	codes := rules.CodesOf(t, ".", "yamlfile", "rewrite", "expression")
	for code, at := range codes {
		if !explained[code] && !elsewhere[code] {
			t.Errorf("%s: %s is not explained", at, code)
		}
	}
	for code := range explained {
		if _, given := codes[code]; !given && code != "file_unreadable" {
			t.Errorf("%s is explained, and never given", code)
		}
	}
}
