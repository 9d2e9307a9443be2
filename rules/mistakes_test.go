package rules

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata/mistakes")

// TestMistakes loads every policy of testdata/mistakes and compares all that
// is said about it with the golden file beside it.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d policies: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			plan, ds := load(filepath.Base(file), src, beside(file), testNow)
			if (plan == nil) != ds.HasErrors() {
				t.Errorf("plan %v, errors %v", plan != nil, ds.HasErrors())
			}
			if len(ds) == 0 {
				t.Error("a mistake about which nothing is said")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			got := render(ds)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func render(ds Diagnostics) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintln(&b, d)
		if d.Hint != "" {
			fmt.Fprintf(&b, "    hint: %s\n", d.Hint)
		}
	}
	return b.String()
}

// codeShape tells a diagnostic's code from its message.
var codeShape = regexp.MustCompile(`^[a-z]+(_[a-z0-9]+)+$`)

// TestEveryCodeHasAMistake reads which codes the sources can give, and asks
// for a golden file that has each of them.
func TestEveryCodeHasAMistake(t *testing.T) {
	seen := strings.Builder{}
	goldens, err := filepath.Glob("testdata/mistakes/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range goldens {
		text, err := os.ReadFile(g)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(text)
	}
	// Not of a policy, or with a test of their own: the file itself, sizes,
	// and limits that would take large files.
	elsewhere := map[string]bool{
		"file_unreadable": true, "file_too_large": true, "file_not_utf8": true, "bad_size": true,
		"too_many": true, "tag_collision": true,
	}
	codes := codesOf(t, ".", "yamlfile", "expression")
	if len(codes) < 60 {
		t.Errorf("only %d codes were found", len(codes))
	}
	for code, at := range codes {
		if !elsewhere[code] && !strings.Contains(seen.String(), "["+code+"]") {
			t.Errorf("%s: no mistake shows [%s]", at, code)
		}
	}
}

// codesOf collects the codes that are passed to the functions which record
// diagnostics.
func codesOf(t *testing.T, dirs ...string) map[string]token.Position {
	t.Helper()
	records := map[string]bool{"Fail": true, "Warn": true, "fail": true, "failAt": true, "warnAt": true, "sayAt": true, "report": true, "undefined": true, "undefinedAt": true}
	codes := map[string]token.Position{}
	fset := token.NewFileSet()
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(fset, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || !records[sel.Sel.Name] {
					return true
				}
				for _, arg := range call.Args {
					lit, ok := arg.(*ast.BasicLit)
					if !ok || lit.Kind != token.STRING {
						continue
					}
					if code, err := strconv.Unquote(lit.Value); err == nil && codeShape.MatchString(code) {
						codes[code] = fset.Position(lit.Pos())
						break
					}
				}
				return true
			})
		}
	}
	return codes
}
