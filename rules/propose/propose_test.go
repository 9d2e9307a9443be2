package propose

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/*/proposed anew")

// options are those of every golden file.
func options() Options {
	return Options{
		Caller: "front-desk", KeySHA256: strings.Repeat("6f", 32),
		Processor: "http://127.0.0.1:9101", EHR: "http://127.0.0.1:9102", Ledger: "http://127.0.0.1:9103",
		Agreement: Agreement{"BAA", "EHR-7", "2031-12-31"}, Country: "US", Currency: "USD", Procedures: []byte("botox\nlaser\nfiller\nhydrafacial\nmicroneedling\n"),
	}
}

// samplesOf reads the bodies of a fixture.
func samplesOf(t testing.TB, name string) []Sample {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", name, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no bodies: %v", name, err)
	}
	var samples []Sample
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, Sample{filepath.Base(f), body})
	}
	return samples
}

func fixtures(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "fuzz" {
			names = append(names, e.Name())
		}
	}
	if len(names) < 6 {
		t.Fatalf("only %d fixtures", len(names))
	}
	return names
}

func proposed(t testing.TB, samples []Sample) *Proposal {
	t.Helper()
	p, err := Propose(samples, options())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// screen is what is shown besides what is written.
func (p *Proposal) screen() string {
	var b strings.Builder
	for _, line := range p.Found {
		b.WriteString(line + "\n")
	}
	for _, l := range p.Looks {
		b.WriteString(l.Path + ": " + l.Why + "\n")
	}
	return b.String()
}

// TestGolden holds what is proposed for each fixture against what was, which
// `go test ./rules/propose -update` writes anew.
func TestGolden(t *testing.T) {
	for _, name := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			p := proposed(t, samplesOf(t, name))
			files := append(slices.Clone(p.Files), File{"screen.txt", []byte(p.screen())})
			for _, f := range files {
				golden := filepath.Join("testdata", name, "proposed", filepath.FromSlash(f.Name))
				if *update {
					if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(golden, f.Text, 0o644); err != nil {
						t.Fatal(err)
					}
					continue
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if string(want) != string(f.Text) {
					t.Errorf("%s differs; see what changed with -update and git diff\n%s", f.Name, f.Text)
				}
			}
		})
	}
}
