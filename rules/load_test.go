package rules

import (
	"os"
	"path/filepath"
	"testing"
)

func TestGoodPoliciesLoadWithoutAWord(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			plan, ds := load(file, src, beside(file), testNow)
			for _, d := range ds {
				t.Errorf("%s\n  hint: %s", d, d.Hint)
			}
			if plan == nil {
				t.Error("no plan")
			}
		})
	}
}
