package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// baits are bodies in which detectors find something where it is meant, where
// it is not, and where it must not be.
var baits = map[string]string{
	"typed into the name of goods": `{"sale_id": "S-1", "patient": {"name": "A", "phone": "+1 512 555 0142"}, "items": [
		{"name": "Botox", "kind": "treatment", "qty": 1, "price": 300}, {"name": "Cream, ring 512-555-0188 or ann@x.example", "kind": "retail", "qty": 2, "price": 50}],
		"total": 400, "card": {"number": "5555555555554444", "cvv": "123"}}`,
	"article numbers like telephone numbers": `{"sale_id": "S-1", "patient": {"name": "A", "phone": "+1 512 555 0142"}, "items": [
		{"name": "Botox", "kind": "treatment", "sku": "A-1", "qty": 1, "price": 300}, {"name": "Cream", "kind": "retail", "sku": "512-555-0199", "qty": 2, "price": 50}],
		"total": 400, "card": {"number": "5555555555554444", "cvv": "123"}}`,
	"an id like a social security number": `{"sale_id": "219-09-9999", "patient": {"name": "A", "ssn": "219-09-9998"}, "items": [
		{"name": "Botox", "kind": "treatment", "qty": 1, "price": 300}, {"name": "Cream", "kind": "retail", "qty": 2, "price": 50}],
		"total": 400, "card": {"number": "5555555555554444", "cvv": "123"}}`,
	"members whose names say nothing": `{"sale_id": "S-1", "f1": "+1 512 555 0142", "f2": "219-09-9999", "f3": "GB82WEST12345698765432", "f4": "a@x.example", "f5": "see 512-555-0188", "items": [
		{"name": "Botox", "kind": "treatment", "qty": 1, "price": 300}, {"name": "Cream", "kind": "retail", "qty": 2, "price": 50}],
		"total": 400, "card": {"number": "5555555555554444", "cvv": "123"}}`,
	"a payment": `{"reference": "PMT-1", "amount": "180.00", "currency": "USD", "card_number": "4242424242424242", "cvv": "737", "cardholder_name": "A", "memo": "call 512-555-0142"}`,
}

// TestProposedDetectorsDoWhatIsSaid has explain show what each party would get
// of the samples, under the proposed policy and under one without its
// detectors: they differ in those members alone of which init has said so.
func TestProposedDetectorsDoWhatIsSaid(t *testing.T) {
	bodies := map[string]string{}
	maps.Copy(bodies, baits)
	files, err := filepath.Glob(filepath.Join("..", "..", "rules", "propose", "testdata", "*", "1.json"))
	if err != nil || len(files) < 6 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(filepath.Dir(f)); name != "ehr-read" { // of which there is no request with a body
			bodies[name] = string(text)
		}
	}
	changed := 0
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			said := runIn(t, body, "init", "--from", "-")
			var want []string
			for _, m := range regexp.MustCompile(`(?m)^  (\S+) +detect\..* in its place$`).FindAllStringSubmatch(said, -1) {
				want = append(want, m[1])
			}
			with := explained(t, body)
			policy, err := os.ReadFile("rules.yaml")
			if err != nil {
				t.Fatal(err)
			}
			bare := regexp.MustCompile(`(?m)^    detect: +#.*\n(      - .*\n)+`).ReplaceAll(policy, nil)
			if bytes.Equal(bare, policy) {
				t.Fatal("the policy has no detectors")
			}
			bare = regexp.MustCompile(`(?m)^  phi\.contact:\n\n`).ReplaceAll(bare, []byte("\n"))
			if err := os.WriteFile("rules.yaml", bare, 0o600); err != nil {
				t.Fatal(err)
			}
			without := explained(t, body)
			var got []string
			for path, text := range without {
				if with[path] != text {
					got = append(got, regexp.MustCompile(`\.[0-9]+(\.|$)`).ReplaceAllString(path[strings.IndexByte(path, ' ')+1:], ".#$1"))
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if got, want = slices.Compact(got), slices.Compact(want); !slices.Equal(got, want) {
				t.Errorf("the detectors change %q, and init says %q\n%s", got, want, said)
			}
			changed += len(want)
		})
	}
	if changed == 0 {
		t.Error("nothing was changed in any")
	}
}

func runIn(t *testing.T, in string, args ...string) string {
	t.Helper()
	var out, said bytes.Buffer
	if code := run(args, strings.NewReader(in), &out, &said); code != exitOK || said.Len() > 0 {
		t.Fatalf("%s: exit code %d\n%s%s", args[0], code, out.String(), said.String())
	}
	return out.String()
}

// explained are the values that the parties would get, by party and path, but
// for those that a keyring makes.
func explained(t *testing.T, body string) map[string]string {
	t.Helper()
	policy, err := os.ReadFile("rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	route := string(regexp.MustCompile(`(?m)^  - name: (\w+)$`).FindSubmatch(policy)[1])
	var doc struct {
		Refusal any
		Parties []struct {
			To   string
			Body any
		}
	}
	dec := json.NewDecoder(strings.NewReader(runIn(t, body, "explain", "--json", "--config", "chaperone.yaml", "--route", route)))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.Refusal != nil {
		t.Fatalf("refused: %v", doc.Refusal)
	}
	made := regexp.MustCompile(`^(al_.*|[0-9]{13,19})$`)
	values := map[string]string{}
	for _, p := range doc.Parties {
		var walk func(path string, v any)
		walk = func(path string, v any) {
			switch v := v.(type) {
			case map[string]any:
				for name, k := range v {
					walk(path+"."+name, k)
				}
			case []any:
				for i, e := range v {
					walk(fmt.Sprintf("%s.%d", path, i), e)
				}
			default:
				text := fmt.Sprint(v)
				if made.MatchString(text) {
					text = "made"
				}
				values[p.To+" "+strings.TrimPrefix(path, ".")] = text
			}
		}
		walk("", p.Body)
	}
	if len(values) < 5 {
		t.Fatalf("only %d values", len(values))
	}
	return values
}
