package ruletest_test

import (
	"io/fs"
	"slices"
	"testing"

	"chaperone/rules/ruletest"
)

// TestExamplesOfCodes reads the example of each code: the wrong one gives that
// code and, but for those named, no other; the right one none.
func TestExamplesOfCodes(t *testing.T) {
	codes := func(src string) (codes []string) {
		_, ds := ruletest.Read("rules_test.yaml", []byte(src), func(string) ([]byte, error) { return nil, fs.ErrNotExist })
		for _, d := range ds {
			codes = append(codes, d.Code)
		}
		slices.Sort(codes)
		return slices.Compact(codes)
	}
	for _, e := range ruletest.Explanations() {
		if !e.HasExample() { // it takes a policy to give it
			continue
		}
		wrong, right, err := e.Versions(ruletest.Sample)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Sorted(slices.Values(append([]string{e.Code}, e.Others...)))
		if got := codes(wrong.File); !slices.Equal(got, want) {
			t.Errorf("%s: the wrong example gives %q:\n%s", e.Code, got, wrong.File)
		}
		if got := codes(right.File); len(got) > 0 {
			t.Errorf("%s: the right example gives %q:\n%s", e.Code, got, right.File)
		}
	}
}
