package rules

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/vault/letters"
)

// mustLoad compiles a policy that is right.
func mustLoad(t *testing.T, src string) *Plan {
	t.Helper()
	plan, ds := load("rules.yaml", []byte(src), nil, testNow)
	if plan == nil {
		t.Fatalf("the policy does not load:\n%s", render(ds))
	}
	return plan
}

const oneLeg = `
routes:
  - name: sale
    match: {method: POST, path: "/sale/{id}"}
    legs:
      - {to: till, primary: true, keep: [id], success: http}
`

func TestDesignPlan(t *testing.T) {
	file := "testdata/good/design.yaml"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, ds := load(file, src, beside(file), testNow)
	if p == nil {
		t.Fatal(render(ds))
	}
	t.Run("labels", func(t *testing.T) {
		contact := p.Labels[p.Label("phi.contact")]
		if contact.Parent != p.Label("phi") || contact.Family != p.Label("phi") || contact.Depth != 1 || contact.Format != FormatSealed || contact.Join {
			t.Errorf("phi.contact is %+v", contact)
		}
		if pan := p.Labels[p.Label("pan")]; pan.Format != FormatPAN || !slices.Equal(pan.Detect, []string{"pan"}) {
			t.Errorf("pan is %+v", pan)
		}
		if phi := p.Labels[p.Label("phi")]; !slices.Equal(phi.Detect, []string{"nhs_number", "ssn", "mrn"}) {
			t.Errorf("phi is %+v", phi)
		}
	})
	t.Run("basket", func(t *testing.T) {
		b := p.Basket
		if b.Items.Source != "items" || b.Units != UnitsMinor || b.Line.Amount != nil || b.Line.UnitPrice.Source != "unit_price" || b.Totals.Tip.Source != "totals.tip" {
			t.Errorf("basket is %+v", b)
		}
		if b.Otherwise != 1 || b.Classes[0].Label != p.Label("phi") || b.Classes[1].Label != NoLabel {
			t.Errorf("classes are %+v", b.Classes)
		}
		if b.Tax.Kind != AllocateClasses || !slices.Equal(b.Tax.Classes, []ClassID{2}) || !slices.Equal(b.Tip.Classes, []ClassID{1}) {
			t.Errorf("tax %+v, tip %+v", b.Tax, b.Tip)
		}
		rules := b.Classes[0].Any
		if !slices.Equal(rules[0].Conditions[0].Equal, []string{"injectable", "treatment", "laser"}) ||
			!slices.Equal(rules[1].Conditions[0].Globs, []string{"TX-*"}) ||
			!slices.Equal(rules[2].Conditions[0].Words, []string{"botox", "lip filler"}) || rules[2].Conditions[0].File != "catalogs/procedures.txt" {
			t.Errorf("rules are %+v", rules)
		}
	})
	t.Run("destinations", func(t *testing.T) {
		ehr := p.Destinations[1]
		want := Clearance{Token, Drop, Plain, Plain}
		if !slices.Equal(ehr.Sees, want) || !ehr.SeesPHI || ehr.Idempotent || !ehr.Response.KeepAll {
			t.Errorf("ehr is %+v", ehr)
		}
		if last := time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC); !ehr.Agreement.Expires.Equal(last) {
			t.Errorf("the agreement ends at %s: it holds through the day that it names", ehr.Agreement.Expires)
		}
		if p.Destinations[0].SeesPHI || p.Destinations[2].SeesPHI {
			t.Error("processor or ledger sees phi")
		}
	})
	t.Run("routes", func(t *testing.T) {
		r := p.Routes[0]
		if r.Method != "POST" || r.Primary != 0 || r.Idempotency.TTL != 24*time.Hour || r.Idempotency.Key.Source != "transaction_id" || r.Subject.Source != "patient.id" || r.ItemsOptional {
			t.Errorf("route is %+v", r)
		}
		first, second := r.Legs[0], r.Legs[1]
		if first.Items != ItemsNone || first.Path.Source != "/v1/payments" || string(first.Set[0].JSON) != `"Store purchase"` || first.Name != "processor" {
			t.Errorf("first leg is %+v", first)
		}
		if s := first.Success; s.HTTP || !slices.Equal(s.Status, []StatusRange{{200, 299}}) || !slices.Equal(s.Where[0].Values, []Scalar{{ScalarString, "approved"}, {ScalarString, "captured"}}) {
			t.Errorf("success is %+v", s)
		}
		if second.Items != ItemsClass || second.Class != 1 || !second.Recompute || second.Path != nil || second.Success != nil {
			t.Errorf("second leg is %+v", second)
		}
		if set := r.Answer.Set[0]; set.Token.Source != "payment.card.number" || set.JSON != nil {
			t.Errorf("answer sets %+v", set)
		}
	})
	t.Run("callers", func(t *testing.T) {
		c := p.Callers[0]
		if !p.HasCallers || c.Group != "front-desk" || len(c.KeyHashes) != 1 || !slices.Equal(c.Routes, []int{0}) || !slices.Equal(c.Sees, Clearance{Token, Drop, Drop, Plain}) {
			t.Errorf("caller is %+v", c)
		}
	})
}

func TestWithoutCallersThereIsAnonymous(t *testing.T) {
	p := mustLoad(t, `destinations: {till: {url: "https://till.example/"}}`+oneLeg)
	c := p.Callers[0]
	if p.HasCallers || len(p.Callers) != 1 || c.Name != Anonymous || !c.AllRoutes || slices.ContainsFunc(c.Sees, func(f Form) bool { return f != Drop }) || len(c.Sees) != len(p.Labels) {
		t.Errorf("the caller is %+v", c)
	}
	if p.Destinations[0].URL != "https://till.example" {
		t.Errorf("the address is %q", p.Destinations[0].URL)
	}
}

func TestPlacesOutsideOfTheBody(t *testing.T) {
	p := mustLoad(t, `
labels:
  phi: ["@query.patient", "@header.x-patient", "@path.id", "\\@literal"]
destinations:
  till: {url: "https://till.example", agreement: {kind: BAA, reference: 1, expires: 2029-01-01}, sees: {phi: plain}}
`+oneLeg)
	var got []string
	for _, lp := range p.Labels[p.Label("phi")].Paths {
		got = append(got, fmt.Sprint(lp.Source, " ", lp.Name, lp.Path.Source))
	}
	want := []string{"1 patient", "2 X-Patient", "3 id", `0 \@literal`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFilesAreNamedFromTheFolderOfThePolicy(t *testing.T) {
	src := `
destinations:
  till:
    url: https://till.example
    ca_file: ca.pem
    headers: {Authorization: {file: secrets/key, prefix: "Bearer "}, X-Abs: {file: /run/key}}
` + oneLeg
	p, ds := load(filepath.Join("etc", "rules.yaml"), []byte(src), nil, testNow)
	if p == nil {
		t.Fatal(render(ds))
	}
	d := p.Destinations[0]
	if d.CAFile != filepath.Join("etc", "ca.pem") || d.Headers[0].File != filepath.Join("etc", "secrets", "key") || d.Headers[1].File != "/run/key" || d.Headers[0].Prefix != "Bearer " {
		t.Errorf("the files are %+v and %q", d.Headers, d.CAFile)
	}
}

func TestHashFollowsEveryTextThatDecides(t *testing.T) {
	file := "testdata/good/design.yaml"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	hash := func(src []byte, words string) string {
		p, ds := load(file, src, func(string) ([]byte, error) { return []byte(words), nil }, testNow)
		if p == nil {
			t.Fatal(render(ds))
		}
		return p.Hash
	}
	first := hash(src, "botox\n")
	if first != hash(src, "botox\n") {
		t.Error("the same texts have two hashes")
	}
	if first == hash(src, "botox\npeel\n") {
		t.Error("another word list has the same hash")
	}
	if first == hash(append(bytes.Clone(src), '\n'), "botox\n") {
		t.Error("another policy has the same hash")
	}
	if len(first) != 52 || strings.ToLower(first) != first {
		t.Errorf("the hash is %q", first)
	}
}

func TestLoadReadsFromTheDisk(t *testing.T) {
	p, ds := Load("testdata/good/design.yaml")
	if p == nil || len(p.Basket.Classes[0].Any[2].Conditions[0].Words) != 2 {
		t.Fatal(render(ds))
	}
	p, ds = Load(filepath.Join(t.TempDir(), "absent.yaml"))
	if p != nil || len(ds) != 1 || ds[0].Code != "file_unreadable" || strings.Count(ds[0].String(), "absent.yaml") != 1 {
		t.Errorf("an absent file gives %v", ds)
	}
}

func TestLettersAreThoseOfTheVault(t *testing.T) {
	if Letters() != letters.Alphabet {
		t.Errorf("rules has %s, the vault has %s", Letters(), letters.Alphabet)
	}
}

// TestTagsThatCollideAreFound looks for two names with one tag: among some
// thousands of names there are always a few.
func TestTagsThatCollideAreFound(t *testing.T) {
	seen := map[[4]byte]string{}
	for i := range 1 << 14 {
		name := fmt.Sprintf("label%d", i)
		other, taken := seen[TagOf(name)]
		seen[TagOf(name)] = name
		if !taken {
			continue
		}
		src := fmt.Sprintf("labels: {%s: [a], %s: [b]}\ndestinations: {till: {url: \"https://till.example\"}}%s", other, name, oneLeg)
		plan, ds := load("rules.yaml", []byte(src), nil, testNow)
		if plan != nil || len(ds) != 1 || ds[0].Code != "tag_collision" {
			t.Errorf("%s and %s: %s", other, name, render(ds))
		}
		return
	}
	t.Fatal("no two names have one tag")
}

func TestTooMany(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	till := "destinations: {till: {url: \"https://till.example\"}}\n"
	for name, src := range map[string]string{
		"labels": "labels:\n" + many(maxLabels+1, "  l%d: [a]\n") + till + oneLeg,
		"routes": till + "routes:\n" + many(maxRoutes+1, "  - {name: r%[1]d, match: {method: POST, path: /r%[1]d}, legs: [{to: till, primary: true, keep: [], success: http}]}\n"),
		"legs":   till + oneLeg + many(maxLegs, "      - {to: till, name: l%d, keep: []}\n"),
		"classes": till + oneLeg + "basket:\n  items: items\n  otherwise: c0\n  classes:\n" +
			many(maxClasses+1, "    c%[1]d: {any: [{a: v%[1]d}]}\n"),
	} {
		t.Run(name, func(t *testing.T) {
			plan, ds := load("rules.yaml", []byte(src), nil, testNow)
			if plan != nil || !slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Code == "too_many" }) {
				t.Error(render(ds))
			}
		})
	}
}

func TestAgreementHoldsThroughItsLastDay(t *testing.T) {
	src := "destinations: {till: {url: \"https://till.example\", agreement: {kind: BAA, reference: 1, expires: 2026-06-01}}}" + oneLeg
	for name, c := range map[string]struct {
		now    time.Time
		lapsed bool
	}{
		"last instant": {time.Date(2026, 6, 1, 23, 59, 59, 0, time.UTC), false},
		"day after":    {time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC), true},
	} {
		t.Run(name, func(t *testing.T) {
			plan, ds := load("rules.yaml", []byte(src), nil, c.now)
			if plan == nil || (len(ds) == 1) != c.lapsed {
				t.Error(render(ds))
			}
		})
	}
}
