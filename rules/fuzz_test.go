package rules

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoad holds Load to its word: it never panics, and gives a plan or an
// error, never both and never neither.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/mistakes/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds: %v", err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	read := func(name string) ([]byte, error) {
		if name == "catalogs/procedures.txt" {
			return []byte("botox\nlip filler\n"), nil
		}
		return nil, errors.New("not there")
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		plan, ds := load("rules.yaml", src, read, testNow)
		if (plan == nil) != ds.HasErrors() {
			t.Fatalf("plan: %v, errors: %v", plan != nil, ds.HasErrors())
		}
		for _, d := range ds {
			if d.Code == "" || d.Message == "" || d.Position.File == "" {
				t.Fatalf("half a diagnostic: %+v", d)
			}
		}
		if plan != nil {
			checkPlan(t, plan)
		}
	})
}

// checkPlan holds a plan to what its readers take for granted.
func checkPlan(t *testing.T, p *Plan) {
	t.Helper()
	for _, d := range p.Destinations {
		if len(d.Sees) != len(p.Labels) || d.URL == "" {
			t.Fatalf("destination %+v", d)
		}
	}
	for _, c := range p.Callers {
		if len(c.Sees) != len(p.Labels) || p.HasCallers && len(c.KeyHashes) == 0 {
			t.Fatalf("caller %+v", c)
		}
	}
	for _, r := range p.Routes {
		if r.Name == "" || r.Method == "" || !r.Legs[r.Primary].Primary || r.Legs[r.Primary].Success == nil {
			t.Fatalf("route %+v", r)
		}
		for _, leg := range r.Legs {
			if leg.Destination < 0 || leg.Destination >= len(p.Destinations) || leg.Name == "" || leg.Items == ItemsClass && (p.Basket == nil || leg.Class == NoClass) {
				t.Fatalf("leg %+v", leg)
			}
		}
	}
	if b := p.Basket; b != nil && (b.Otherwise == NoClass || len(b.Items.Steps) == 0 || int(b.Otherwise) > len(b.Classes)) {
		t.Fatalf("basket %+v", b)
	}
}
