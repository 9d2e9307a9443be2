package rewrite

import (
	"slices"
	"strings"
	"testing"

	"chaperone/rules"
)

// idLabels are labels with detectors: phi finds four kinds, contact two.
const idLabels = `
labels:
  pan:
    paths: [payment.card.number]
    detect: [pan]
    token: pan
  phi:
    paths: [patient, "@query.staff"]
    detect: [nhs_number, ssn, mrn, date_of_birth]
  contact:
    paths: [to]
    detect: [email, phone]
  staff: {paths: [staff]}
`

func TestIdentifierForms(t *testing.T) {
	const ssn, mail = "078-05-1121", "jane@clinic.example"
	for _, c := range []struct{ name, sees, body, want string }{
		{"dropped within a note", "{}", `{"note":"SSN 078-05-1121, call"}`, `{"note":"SSN [ssn], call"}`},
		{"each by its own name", "{}", `{"note":"a@b.org +442079460958 943 476 5919 4111111111111111 MRN A12345"}`, `{"note":"[email] [phone] [nhs_number] [pan] MRN [mrn]"}`},
		{"all of a string", "{}", `{"x":"078-05-1121"}`, `{"x":"[ssn]"}`},
		{"plain", "{phi: plain}", `{"note":"078-05-1121 a@b.org"}`, `{"note":"078-05-1121 [email]"}`},
		{"masked", "{phi: mask}", `{"note":"078-05-1121."}`, `{"note":"****."}`},
		{"a token", "{phi: token}", `{"note":"078-05-1121."}`, `{"note":"SEALED-PHI."}`},
		{"an alias", "{contact: alias}", `{"note":"jane@clinic.example!"}`, `{"note":"ALIAS!"}`},
		{"escaped", "{}", `{"note":"\"\u0030\u00378-05-1121\"\n\u006aane@clinic.example"}`, `{"note":"\"[ssn]\"\n[email]"}`},
		{"a number", "{}", `{"id":4010232137,"n":1}`, `{"n":1}`},
		{"a number, masked", "{phi: mask}", `{"id":4010232137,"n":1}`, `{"id":"****","n":1}`},
		{"a number, plain", "{phi: plain}", `{"id":4010232137}`, `{"id":4010232137}`},
		{"a number by its member's name", "{}", `{"ssn":219099999,"order":219099999}`, `{"order":219099999}`},
		{"text by its member's name", "{}", `{"patientSsn":"219099999","order":"219099999"}`, `{"patientSsn":"[ssn]","order":"219099999"}`},
		{"text in an array by the array's name", "{}", `{"phones":["x"],"phone":["4155550132",["4155550132"],{"a":"4155550132"}]}`, `{"phones":["x"],"phone":["[phone]",["[phone]"],{"a":"4155550132"}]}`},
		{"an escaped name", "{}", `{"\u0073sn":"219099999","a\"ssn":"219099999"}`, `{"\u0073sn":"[ssn]","a\"ssn":"[ssn]"}`},
		{"in a name: the member goes", "{}", `{"078-05-1121":1,"b":{"jane@clinic.example":{"x":1},"c":2}}`, `{"b":{"c":2}}`},
		{"in a name, masked", "{phi: mask}", `{"a 078-05-1121":1}`, `{"a ****":1}`},
		{"in an escaped name", "{}", `{"\u003078-05-1121":1,"b":2}`, `{"b":2}`},
		{"an empty member of that name", "{}", `{"078-05-1121":{},"b":2}`, `{"b":2}`},
		{"a stricter place", "{phi: plain, contact: drop}", `{"to":"078-05-1121","b":1}`, `{"b":1}`},
		{"a stricter detector", "{phi: mask, contact: plain}", `{"to":"SSN 078-05-1121"}`, `{"to":"SSN ****"}`},
		{"the place is as strict", "{phi: mask}", `{"patient":"SSN 078-05-1121"}`, `{"patient":"****"}`},
		{"two that overlap: the stricter", "{phi: plain, contact: mask}", `{"n":"401-023-2137"}`, `{"n":"****"}`},
		{"two that overlap: the other is stricter", "{phi: drop, contact: mask}", `{"n":"401-023-2137"}`, `{"n":"[nhs_number]"}`},
		{"two that overlap: both dropped", "{}", `{"n":"401-023-2137 x12."}`, `{"n":"[nhs_number]."}`},
		{"a card within an identifier", "{pan: plain, contact: plain}", `{"n":"4111111111111111@x.org"}`, `{"n":"4111111111111111@x.org"}`},
		{"a card within an identifier: the card is dropped", "{contact: plain}", `{"n":"a.4111111111111111@x.org!"}`, `{"n":"[pan]!"}`},
		{"a card within an identifier: the identifier is", "{pan: mask}", `{"n":"a.4111111111111111@x.org!"}`, `{"n":"[email]!"}`},
		{"a card and an identifier that are one", "{pan: mask, phi: plain}", `{"mrn":"4111111111111111"}`, `{"mrn":"************1111"}`},
		{"a card and an identifier that are one, by the identifier", "{pan: plain, phi: mask}", `{"mrn":"4111111111111111"}`, `{"mrn":"****"}`},
		{"a token stays beside an identifier", "{phi: token}", `{"n":"SEALED-PHI@x.org a@x.org"}`, `{"n":"SEALED-PHI[email] [email]"}`},
		{"null and words", "{}", `{"ssn":null,"dob":true,"phone":""}`, `{"ssn":null,"dob":true,"phone":""}`},
		{"blanks around the colon", "{}", "{ \"ssn\" \n:\t \"219099999\" }", "{ \"ssn\" \n:\t \"[ssn]\" }"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := one(t, c.sees, keepAll, idLabels)
			vault := newFakeVault(e.Plan())
			sealed := string(vault.sealed(e.Plan().Label("phi"), []byte(ssn), true))
			expand := strings.NewReplacer("SEALED-PHI", sealed, "ALIAS", string(alias(0, []byte(mail))))
			out := process(e, vault, 0, expand.Replace(c.body))
			if out.err != nil {
				t.Fatal(out.err)
			}
			if want := expand.Replace(c.want); out.legs[0] != want {
				t.Errorf("got  %s\nwant %s", out.legs[0], want)
			}
		})
	}
}

func TestIdentifierBlocks(t *testing.T) {
	e := one(t, "{phi: block}", keepAll, idLabels)
	for _, body := range []string{`{"n":"078-05-1121"}`, `{"078-05-1121":1}`, `{"ssn":219099999}`} {
		out := process(e, newFakeVault(e.Plan()), 0, body)
		if out.err == nil || out.err.Code != "blocked" || out.err.Rule != "labels.phi" || strings.Contains(out.err.Error(), "1121") {
			t.Errorf("%s: %v", body, out.err)
		}
	}
}

// TestIdentifierDecisions: each detector has its own, also where the leg does not
// list the value.
func TestIdentifierDecisions(t *testing.T) {
	e := one(t, "{contact: mask}", `keep: [note, "401-023-2137"]`, idLabels)
	out := process(e, newFakeVault(e.Plan()), 0, `{"note":"078-05-1121 a@b.org 078-05-1122","401-023-2137":1,"other":"078-05-1123"}`)
	if out.err != nil {
		t.Fatal(out.err)
	}
	want := []Decision{
		{Rule: "detect.ssn", Label: "phi", Form: rules.Drop, Count: 2},
		{Rule: "detect.email", Label: "contact", Form: rules.Mask, Count: 1},
		{Rule: "detect.nhs_number", Label: "phi", Form: rules.Drop, Count: 1},
		{Rule: "detect.phone", Label: "contact", Form: rules.Drop, Count: 1},
		{Rule: "keep", Label: "phi", Form: rules.Drop, Count: 1},
	}
	if !slices.Equal(out.decisions[0], want) {
		t.Errorf("%+v", out.decisions[0])
	}
}

// TestIdentifierTexts: query members, headers and captures are looked at as
// strings of the body are, and their names speak.
func TestIdentifierTexts(t *testing.T) {
	e := one(t, "{contact: mask}", keepAll, idLabels)
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanRequest(m, 0, []byte(`{"a":"078-05-1121"}`), Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := e.DecideLeg(m, 0, v); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"q", `C:\u0041 078-05-1121 a@b.org`, `C:\u0041 [ssn] ****`},
		{"X-Patient-Ssn", "219099999", "[ssn]"},
		{"X-Order", "219099999", "219099999"},
	} {
		text, err := v.DecideText(rules.SourceHeader, c.name, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.AppendText(nil, text); err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
		}
	}
	if got, err := v.Render(nil); err != nil || string(got) != `{"a":"[ssn]"}` {
		t.Errorf("%s, %v", got, err)
	}
}

// TestIdentifierAliasComesBack: what a detector would hide from the caller stays
// hidden where an answer names it by its alias.
func TestIdentifierAliasComesBack(t *testing.T) {
	e := compile(t, idLabels+`
destinations:
  d: {url: "http://127.0.0.1:9101", sees: {phi: alias}, agreement: {kind: BAA, reference: T-1, expires: 2099-12-31}}
callers:
  all: {key_sha256: "`+strings.Repeat("0a", 32)+`", routes: [r], sees: {phi: plain}}
  none: {key_sha256: "`+strings.Repeat("0b", 32)+`", routes: [r]}
routes:
  - name: r
    match: {method: POST, path: /r}
    unlink: [id]
    legs: [{to: d, primary: true, keep: all, success: http}]
`)
	m := e.NewMessage()
	v, vault := e.NewView(), newFakeVault(e.Plan())
	if err := e.ScanRequest(m, 0, []byte(`{"id":"078-05-1121"}`), Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := e.DecideLeg(m, 0, v); err != nil {
		t.Fatal(err)
	}
	if err := vault.Resolve(t.Context(), m.Ops()); err != nil {
		t.Fatal(err)
	}
	sent, err := v.Render(nil)
	if err != nil || strings.Contains(string(sent), "1121") {
		t.Fatalf("%s, %v", sent, err)
	}
	for caller, want := range []string{`{"id":"078-05-1121"}`, `{}`} {
		answer, shown := e.NewMessage(), e.NewView()
		if err := e.ScanAnswer(answer, 0, 0, sent, Limits{}); err != nil {
			t.Fatal(err)
		}
		if err := e.DecideAnswer(answer, m, caller, shown); err != nil {
			t.Fatal(err)
		}
		if got, err := shown.Render(nil); err != nil || string(got) != want {
			t.Errorf("caller %d gets %s, %v, want %s", caller, got, err, want)
		}
	}
}

// TestNoDetectorsNoCost: a policy without such detectors has no scratch for them.
func TestNoDetectorsNoCost(t *testing.T) {
	e := one(t, "{}", keepAll, "")
	out := process(e, newFakeVault(e.Plan()), 0, `{"note":"SSN 078-05-1121"}`)
	if out.err != nil || out.message.identifiers != nil || out.legs[0] != `{"note":"SSN 078-05-1121"}` {
		t.Errorf("%v, %v, %s", out.err, out.message.identifiers, out.legs[0])
	}
}

func TestIdentifiersOfABodyDoNotAllocate(t *testing.T) {
	e := one(t, "{contact: mask}", keepAll, idLabels)
	body := []byte(`{"note":"078-05-1121 \u0061@b.org 078-05-1122","mrn":"A12345","phone":["4155550132"],"401-023-2137":1,"id":4010232137}`)
	m, v := e.NewMessage(), e.NewView()
	if n := testing.AllocsPerRun(100, func() {
		if err := e.ScanRequest(m, 0, body, Limits{}); err != nil {
			t.Fatal(err)
		}
		if err := e.DecideLeg(m, 0, v); err != nil {
			t.Fatal(err)
		}
		m.Reset()
	}); n > pooled {
		t.Errorf("%v allocations", n)
	}
}

// TestIdentifiersForgotten: Reset leaves nothing of what was found.
func TestIdentifiersForgotten(t *testing.T) {
	e := one(t, "{}", keepAll, idLabels)
	m := e.NewMessage()
	if err := e.ScanRequest(m, 0, []byte(`{"note":"\u0030\u003778-05-1121 4010232137 4111111111111111","mrn":4010232137}`), Limits{}); err != nil {
		t.Fatal(err)
	}
	if len(m.spans) < 3 {
		t.Fatalf("%d spans", len(m.spans))
	}
	m.Reset()
	for _, s := range m.identifiers.before[:cap(m.identifiers.before)] {
		if s.text != nil {
			t.Errorf("%+v is still there", s)
		}
	}
}
