package rewrite

import (
	"slices"
	"strings"
	"testing"

	"chaperone/rules"
	"chaperone/rules/detect"
)

const coarseLabels = `
labels:
  pan: {paths: [payment.card.number], detect: [pan], token: pan}
  phi: {paths: [patient, "@header.X-Seen"], detect: [ssn]}
  phi.dob: {paths: [patient.dob, patient.visits, "@query.dob"], detect: [date_of_birth], generalize: date}
  phi.age: {paths: [patient.age], generalize: age}
  phi.zip: {paths: ["**.postcode"], generalize: postcode}
  phi.zip.old: {paths: [former]}
  phi.item: {}
  phi.treatment: {paths: ["items.#.name", "items.#.sku", treatment], generalize: class}
  other: {paths: [twice, patient.both], generalize: postcode}
basket:
  items: items
  classes:
    clinical: {label: phi.item, any: [{category: [injectable]}]}
    retail: {any: [{category: [cream]}]}
  otherwise: clinical
`

// coarse is an engine of coarseLabels whose clock stands in 2026.
func coarse(t testing.TB, sees string) *Engine {
	t.Helper()
	e := one(t, sees, keepAll, coarseLabels)
	e.year = func() int { return 2026 }
	return e
}

func TestGeneralize(t *testing.T) {
	const all = "{phi: generalize, phi.item: plain, other: generalize}"
	for _, c := range []struct{ name, sees, body, want string }{
		{"a date", all, `{"patient":{"dob":"1950-01-02"},"z":1}`, `{"patient":{"dob":"1950"},"z":1}`},
		{"a date and time", all, `{"patient":{"dob":"1950-01-02T10:30:00.5+01:00"}}`, `{"patient":{"dob":"1950"}}`},
		{"an escaped one", all, `{"patient":{"dob":"\u0031950-01-02"}}`, `{"patient":{"dob":"1950"}}`},
		{"in an array", all, `{"patient":{"visits":["2026-11-21","yesterday","2025-01-01"]}}`, `{"patient":{"visits":["2026","2025"]}}`},
		{"of ninety years ago", all, `{"patient":{"dob":"1936-12-31"}}`, `{"patient":{"dob":"90+"}}`},
		{"of eighty-nine years ago", all, `{"patient":{"dob":"1937-01-01"}}`, `{"patient":{"dob":"1937"}}`},
		{"a year is one already", all, `{"patient":{"dob":"1950"}}`, `{"patient":{"dob":"1950"}}`},
		{"a number", all, `{"patient":{"visits":[1950,19500102,1763712345,-1950,1.95e3]}}`, `{"patient":{"visits":[1950,"1950"]}}`},
		{"no date is dropped", all, `{"patient":{"dob":"Tuesday"},"z":1}`, `{"z":1}`},
		{"two digits of a year", all, `{"patient":{"dob":"02/01/50"},"z":1}`, `{"z":1}`},
		{"null stays", all, `{"patient":{"dob":null}}`, `{"patient":{"dob":null}}`},
		{"true does not", all, `{"patient":{"dob":true},"z":1}`, `{"z":1}`},
		{"an age", all, `{"patient":{"age":89}}`, `{"patient":{"age":89}}`},
		{"an age above", all, `{"patient":{"age":90}}`, `{"patient":{"age":"90+"}}`},
		{"an age as text", all, `{"patient":{"age":"93"}}`, `{"patient":{"age":"90+"}}`},
		{"no age", all, `{"patient":{"age":"old"},"z":[{"postcode":"9"}]}`, `{}`},
		{"a postcode", all, `{"a":[{"postcode":"SW1A 1AA"},{"postcode":"90210-1234"},{"postcode":"03601"},{"postcode":"Paris"}]}`, `{"a":[{"postcode":"SW"},{"postcode":"902"},{"postcode":"000"}]}`},
		{"a ZIP code as a number", all, `{"postcode":90210,"z":[{"postcode":2139}]}`, `{"postcode":"902"}`},
		{"a kind takes the word over", all, `{"former":"EC1A 1BB"}`, `{"former":"EC"}`},
		{"a class", all, `{"items":[{"category":"injectable","name":"Botox","sku":7,"qty":1},{"category":"cream","name":"Night","qty":2}]}`,
			`{"items":[{"category":"injectable","name":"clinical","sku":"clinical","qty":1},{"category":"cream","name":"retail","qty":2}]}`},
		{"no class outside of items", all, `{"treatment":"Botox","z":1}`, `{"z":1}`},
		{"what has no word is dropped", all, `{"patient":{"name":"Ann","dob":"1950-01-02"}}`, `{"patient":{"dob":"1950"}}`},
		{"under the class's label", "{phi: generalize}", `{"items":[{"category":"injectable","name":"Botox","qty":1},{"category":"cream","name":"Night","qty":2}]}`,
			`{"items":[{"name":"clinical"},{"category":"cream","name":"retail","qty":2}]}`},
		{"a stricter label at the same place", "{phi: generalize, other: mask}", `{"patient":{"both":"SW1A 1AA"}}`, `{"patient":{"both":"****"}}`},
		{"another label says what it is", all, `{"patient":{"both":"SW1A 1AA"}}`, `{"patient":{"both":"SW"}}`},
		{"a detector is stricter", "{phi.dob: generalize}", `{"patient":{"dob":"1950-01-02 SSN 078-05-1121"},"z":1}`, `{"z":1}`},
		{"within a note", all, `{"note":"DOB 2 May 1950, born on 1/2/1931, dob 1/2/31."}`, `{"note":"DOB 1950, born on 90+, dob [date_of_birth]."}`},
		{"a detector without a word", all, `{"note":"SSN 078-05-1121."}`, `{"note":"SSN [ssn]."}`},
		{"by its member's name", all, `{"birthDate":"1950-01-02","dob":19500102}`, `{"birthDate":"1950","dob":"1950"}`},
		{"in a name", all, `{"DOB 1950-01-02":1,"dob 1/2/31":2}`, `{"DOB 1950":1}`},
		{"a token does not say what it is", all, `{"patient":{"dob":"SEALED"},"note":"SEALED-NOTE!"}`, `{"note":"[phi.dob]!"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := coarse(t, c.sees)
			vault := newFakeVault(e.Plan())
			dob := e.Plan().Label("phi.dob")
			expand := strings.NewReplacer("SEALED-NOTE", string(vault.sealed(dob, []byte("1950"), true)), "SEALED", string(vault.sealed(dob, []byte(`"1950-01-02"`), false)))
			out := process(e, vault, 0, expand.Replace(c.body))
			if out.err != nil {
				t.Fatal(out.err)
			}
			if out.legs[0] != c.want {
				t.Errorf("got  %s\nwant %s", out.legs[0], c.want)
			}
		})
	}
}

// TestGeneralizeDecisions: what could not be made coarser is said to be dropped.
func TestGeneralizeDecisions(t *testing.T) {
	e := coarse(t, "{phi: generalize}")
	out := process(e, newFakeVault(e.Plan()), 0, `{"patient":{"dob":"1950-01-02","visits":["x"]},"note":"DOB 1950, dob 1/2/31, SSN 078-05-1121"}`)
	if out.err != nil {
		t.Fatal(out.err)
	}
	want := []Decision{
		{Rule: "labels.phi.dob", Pattern: "patient.dob", Label: "phi.dob", Form: rules.Generalize, Count: 1},
		{Rule: "detect.date_of_birth", Label: "phi.dob", Form: rules.Generalize, Count: 2}, // the member's name says it as well
		{Rule: "labels.phi.dob", Pattern: "patient.visits", Label: "phi.dob", Form: rules.Drop, Count: 1},
		{Rule: "detect.date_of_birth", Label: "phi.dob", Form: rules.Drop, Count: 1},
		{Rule: "detect.ssn", Label: "phi", Form: rules.Drop, Count: 1},
	}
	if !slices.Equal(out.decisions[0], want) {
		t.Errorf("%+v", out.decisions[0])
	}
}

func TestGeneralizeTexts(t *testing.T) {
	e := coarse(t, "{phi: generalize}")
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanNothing(m, 0); err != nil {
		t.Fatal(err)
	}
	if err := e.DecideLeg(m, 0, v); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		source           rules.Source
		name, text, want string
	}{
		{rules.SourceQuery, "dob", "1950-01-02", "1950"},
		{rules.SourceQuery, "dob", "1950", "1950"},
		{rules.SourceQuery, "dob", "x", ""},
		{rules.SourceHeader, "X-Seen", "1950-01-02", ""},
		{rules.SourceHeader, "X-Note", "dob 1950-01-02.", "dob 1950."},
	} {
		text, err := v.DecideText(c.source, c.name, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.AppendText(nil, text); err != nil || string(got) != c.want || text.Dropped() != (c.want == "") {
			t.Errorf("%s %s: %q, %v, want %q", c.name, c.text, got, err, c.want)
		}
	}
}

func TestYearOf(t *testing.T) {
	for text, want := range map[string]int{
		"1950-01-02": 1950, "1950-01": 1950, "1950": 1950, "19500102": 1950, "02/01/1950": 1950, "31/12/1950": 1950, "12/31/1950": 1950,
		"2 May 1950": 1950, "May 2nd, 1950": 1950, "1950-01-02T10:30": 1950, "1950-01-02 10:30:00": 1950, "1950-01-02T10:30:00Z": 1950,
		"1950-01-02T10:30:00.123456789+01:00": 1950,
		"1950-13":                             0, "1950-1x": 0, "195": 0, "19501": 0, "0950": 0, "+950": 0, "1950-01-02x": 0, "1950-01-02T": 0, "1950-01-02T1030": 0, "1950-01-02 Ann Roe": 0,
		"1950-01-02T10:30 Ann": 0, "13/13/1950": 0, "02/01/50": 0, "": 0, "1763712345": 0, "1950-01-02T10:30:00.123456789012345678": 0,
	} {
		if got := yearOf([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestPostcodes(t *testing.T) {
	for text, want := range map[string]string{
		"SW1A 1AA": "SW", "sw1a1aa": "SW", "M1 1AE": "M", "B33 8TH": "B", "CR2 6XH": "CR", "DN55 1PT": "DN", "W1A 0AX": "W", "EC1A 1BB": "EC", "SW1A": "SW", "M1": "M", "E1 6AN": "E",
		"90210": "902", "90210-1234": "902", "02139": "021", "10001": "100",
		"03601": "000", "05901": "000", "06390": "000", "10201": "000", "20301": "000", "55601": "000", "69201": "000", "79001": "000", "82101": "000",
		"82301": "000", "83001": "000", "83101": "000", "87801": "000", "87901": "000", "88401": "000", "89001": "000", "89301": "000",
		"": "", "London": "", "9021": "", "902101": "", "90210 1234": "", "90210-123x": "", "SW1A 1AA 1": "", "S": "", "ABC1 2CD": "", "GIR 0AA": "", "SW123 1AA": "", "SW-1": "", "A1B 2C3": "", "1A 2BC": "",
	} {
		got, ok := appendArea(nil, []byte(text))
		if string(got) != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", text, got, ok, want)
		}
	}
	n := 0
	for _, few := range sparse {
		if few {
			n++
		}
	}
	if n != 17 {
		t.Errorf("%d areas with few people", n)
	}
}

func TestAges(t *testing.T) {
	for text, want := range map[string]string{"0": "0", "89": "89", "90": "90+", "130": "90+", "131": "", "1000": "", "": "", "9x": "", "-5": "", "89.5": ""} {
		if got, ok := appendAge(nil, []byte(text)); string(got) != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", text, got, ok, want)
		}
	}
}

// FuzzGeneralize: whatever the text, what is left of it is a year, an age, an area
// or a class, and no more.
func FuzzGeneralize(f *testing.F) {
	for _, s := range []string{"1950-01-02", "SW1A 1AA", "90210", "93", "May 2nd, 1950", "1950-01-02T10:30:00Z", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if y := yearOf(text); y != 0 {
			if got := string(appendYear(nil, y, 2026)); got != over && (len(got) != 4 || !detect.ValidYear(y) || 2026-y >= oldest) {
				t.Errorf("%q: %s", text, got)
			}
		}
		if got, ok := appendArea(nil, text); ok && (len(got) > 3 || len(got) == 0) || !ok && len(got) > 0 {
			t.Errorf("%q: %q", text, got)
		}
		if got, ok := appendAge(nil, text); ok && len(got) > 3 || !ok && len(got) > 0 {
			t.Errorf("%q: %q", text, got)
		}
	})
}
