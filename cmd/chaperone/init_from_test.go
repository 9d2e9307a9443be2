package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInitFromEveryFixture writes a policy from each of the room's samples: it
// is one that check --strict takes, and whose tests pass and reach nearly all
// of it.
func TestInitFromEveryFixture(t *testing.T) {
	fixtures, err := filepath.Abs(filepath.Join("..", "..", "rules", "propose", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(fixtures)
	if err != nil || len(entries) < 6 {
		t.Fatalf("%d fixtures, %v", len(entries), err)
	}
	for _, e := range entries {
		if e.Name() == "fuzz" {
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, args := range [][]string{
				{"init", "--from", filepath.Join(fixtures, e.Name())},
				{"check", "--strict", "chaperone.yaml"},
				{"test", "--coverage", "--coverage-min", "80", "."},
			} {
				var out, said bytes.Buffer
				if code := run(args, strings.NewReader(""), &out, &said); code != exitOK || said.Len() > 0 {
					t.Fatalf("%s: exit code %d\n%s%s", args[0], code, out.String(), said.String())
				}
				if args[0] == "test" {
					t.Log(out.String())
				}
			}
		})
	}
}
