package propose

import (
	"strings"
	"testing"

	"chaperone/rules/detect"
)

// TestIdentifiersByValue gives a member whose name says nothing each kind of
// value: the label is that of the detector which finds it.
func TestIdentifiersByValue(t *testing.T) {
	for name, c := range map[string]struct{ member, value, label, why string }{
		"an e-mail address":              {"f1", `"ann@x.example"`, labelContact, "detect.email finds an e-mail address in 1 of 1 value (sure)"},
		"an international phone number":  {"f1", `"+49 30 901820"`, labelContact, "detect.phone finds a phone number in 1 of 1 value (likely)"},
		"a North American one":           {"f1", `"(512) 555-0142 x12"`, labelContact, "detect.phone finds a phone number in 1 of 1 value (likely)"},
		"a social security number":       {"f1", `"219-09-9999"`, labelPHI, "detect.ssn finds a social security number in 1 of 1 value (sure)"},
		"one that nobody can have":       {"f1", `"900-00-0001"`, "", ""},
		"an NHS number":                  {"f1", `"9991234500"`, labelPHI, "detect.nhs_number finds an NHS number in 1 of 1 value (likely)"},
		"a bank account":                 {"f1", `"GB82 WEST 1234 5698 7654 32"`, labelPHI, "detect.iban finds a bank account in 1 of 1 value (likely)"},
		"a provider":                     {"npi", `1234567893`, labelPHI, "detect.npi finds the number of a provider in 1 of 1 value (likely)"},
		"a record's number by its name":  {"chart_no", `"AB-55712"`, labelPHI, "detect.mrn finds a medical record number in 1 of 1 value (likely)"},
		"in a text":                      {"f1", `"ring 512-555-0142"`, labelPHI, "detect.phone finds a phone number in a text, in 1 of 1 value (likely)"},
		"a day of birth, American":       {"f1", `"02/29/1980"`, labelPHI, "looks like a day of birth in 1 of 1 value (likely)"},
		"a day of this year":             {"f1", `"2026-02-28"`, "", ""},
		"an id like an NHS number":       {"order_number", `"9991234500"`, "", ""},
		"a moment like a phone number":   {"created_at", `"0151-234-5678"`, "", ""},
		"a phone number of the business": {"store.f1", `"+1 512 555 0142"`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			member := `"` + c.member + `": ` + c.value
			if in, at, deep := strings.Cut(c.member, "."); deep {
				member = `"` + in + `": {"` + at + `": ` + c.value + `}`
			}
			p := proposed(t, []Sample{{"a.json", []byte(`{"sale_id": "S-1", ` + member + `, "total": 100, "items": [{"name": "Cream", "kind": "retail", "price": 100}]}`)}})
			policy := string(p.Files[0].Text)
			labels, _, _ := strings.Cut(policy, "\nbasket:")
			line := ""
			for _, label := range []string{labelPHI, labelContact} {
				_, block, _ := strings.Cut(labels, "\n  "+label+":")
				block, _, _ = strings.Cut(block, "\n    detect:")
				for l := range strings.Lines(block) {
					if strings.Contains(l, "- "+c.member+" ") {
						line = label + l
					}
				}
			}
			if c.label == "" && line != "" || !strings.HasPrefix(line, c.label) || !strings.Contains(line, c.why) {
				t.Errorf("got %q in\n%s", line, labels)
			}
		})
	}
}

// TestDetectorsThatFit proposes for bodies in which a detector would take what
// somebody needs.
func TestDetectorsThatFit(t *testing.T) {
	const items = `"items": [{"name": "Botox", "kind": "treatment", "price": 60}, {"name": "Cream", "kind": "retail", "price": 40}], "total": 100`
	for name, c := range map[string]struct {
		country, body string
		on, off       []string
		look          string
	}{
		"what is usual in the States": {"US", `{"sale_id": "S-1", ` + items + `}`, []string{"email", "phone", "ssn", "mrn"}, []string{"nhs_number", "iban", "npi", "date_of_birth"}, ""},
		"what is usual in the UK":     {"GB", `{"sale_id": "S-1", ` + items + `}`, []string{"nhs_number", "mrn"}, []string{"ssn"}, ""},
		"nobody said where":           {"", `{"sale_id": "S-1", ` + items + `}`, []string{"phone", "mrn"}, []string{"ssn", "nhs_number"}, ""},
		"found":                       {"US", `{"sale_id": "S-1", "patient": {"nhs": "9991234500", "born": "1980-02-29", "iban": "GB82WEST12345698765432"}, ` + items + `}`, []string{"nhs_number", "date_of_birth", "iban"}, []string{"npi"}, ""},
		"an id that is taken for one": {"US", `{"sale_id": "219-09-9999", "patient": {"ssn": "219-09-9998"}, ` + items + `}`, []string{"phone"}, []string{"ssn"}, "sale_id: detect.ssn takes it for a social security number, and it is needed as it is: that detector is left out"},
		// 512 555 0140 satisfies the check of an NHS number, as every eleventh does.
		"a phone number that is also an NHS number": {"GB", `{"patient": {"id": "P-1", "phone": "512-555-0140", "nhs": "9991234500"}, "allergies": ["latex"]}`, []string{"phone"}, []string{"nhs_number"},
			"patient.phone: detect.nhs_number takes it for an NHS number, and it is needed as it is: that detector is left out"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.Country = c.country
			p, err := Propose([]Sample{{"a.json", []byte(c.body)}}, o)
			if err != nil {
				t.Fatal(err)
			}
			loads(t, p)
			on := map[string]bool{}
			for _, line := range p.Found {
				if list, is := strings.CutPrefix(line, "detectors: "); is {
					for d := range strings.SplitSeq(list, ", ") {
						on[d] = true
					}
				}
			}
			for _, d := range c.on {
				if !on[d] || !strings.Contains(string(p.Files[0].Text), "      - "+d+" ") {
					t.Errorf("%s is not switched on", d)
				}
			}
			for _, d := range c.off {
				if on[d] {
					t.Errorf("%s is switched on", d)
				}
			}
			if !strings.Contains(p.screen(), c.look) {
				t.Errorf("nobody is told %q:\n%s", c.look, p.screen())
			}
		})
	}
}

// TestMadeUpIdentifiers asks the detectors about what stands for theirs in the
// proposed tests.
func TestMadeUpIdentifiers(t *testing.T) {
	if len(identifiers) != detect.NumDetectors {
		t.Errorf("%d of %d detectors", len(identifiers), detect.NumDetectors)
	}
	var s detect.Seeker
	for _, i := range identifiers {
		text := "Cream, " + i.word + " " + i.made
		found := s.Find(anyDetector, nil, []byte(text))
		if len(found) != 1 || text[found[0].Start:found[0].End] != i.made || !found[0].Found.Has(i.Detector) {
			t.Errorf("%s: found %v in %q", i, found, text)
		}
	}
}
