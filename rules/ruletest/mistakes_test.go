package ruletest_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/rules/ruletest"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata/mistakes")

// TestMistakes reads every file of testdata/mistakes and compares all that is
// said about it with the golden file beside it.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, ds := ruletest.Read(filepath.Base(file), src, os.ReadFile)
			if !ds.HasErrors() {
				t.Error("a mistake about which nothing is said")
			}
			var b strings.Builder
			for _, d := range ds {
				fmt.Fprintln(&b, d)
				if d.Hint != "" {
					fmt.Fprintf(&b, "    hint: %s\n", d.Hint)
				}
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
			}
		})
	}
}

// TestGoodFiles reads files in which every key is written in every way that is
// right: there is nothing to say.
func TestGoodFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, ds := ruletest.Read(file, src, os.ReadFile); len(ds) > 0 {
			t.Errorf("%s: %v", file, ds)
		}
	}
}
