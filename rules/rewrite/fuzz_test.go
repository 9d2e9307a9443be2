package rewrite

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/rules/reason"
)

var seeds = []string{
	``, ` `, `{}`, `[]`, `null`, `"x"`, `0`, `-1.5e+3`, `{"a":[1,{"b":null}],"a":"\u00e9\ud83d\ude00"}`,
	"\ufeff{}", `"\ud800"`, "\"\xff\"", "\"\xe2\x82\xac\"", `[1,]`, `{"a":1,}`, `01`, `"\x"`, "\"\x01\"", `[[[[[[]]]]]]`,
	`{"payment":{"card":{"number":"4111 1111 1111 1111","cvv":"123"}},"patient":{"phone":"1"},"x":4111111111111111}`,
	`{"4111111111111111":{"pan":"7111111111101111"},"n":"call \u0034111111111111111 tok_abcdefghijkmnpqrstuvwxyzabcdefg"}`,
	`{"items":[{"sku":"TX-1","price":1},{"category":"cream","price":"2"}],"totals":{"total":3}}`,
}

// FuzzScan holds the scanner to encoding/json: it accepts the same texts but
// for those that are not UTF-8 or have half a surrogate pair, and under the
// identity plan no byte changes.
func FuzzScan(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	e := identity(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 {
			return // encoding/json stops at 10,000 levels
		}
		code, out := scanOnly(e, body, Limits{Depth: 10_000})
		valid := json.Valid(body)
		switch code {
		case reason.None:
			if !valid || !bytes.Equal(out, body) {
				t.Errorf("accepted, valid %v, same %v", valid, bytes.Equal(out, body))
			}
			if !utf8.Valid(body) {
				t.Error("accepted, and not UTF-8")
			}
		case reason.BodyNotUTF8:
			if valid && utf8.Valid(body) && !bytes.Contains(bytes.ToLower(body), []byte(`\ud`)) {
				t.Error("said not to be UTF-8")
			}
		case reason.BodyTooDeep:
		case reason.TokenUnknown: // it looks like a sealed token of a label that the plan does not have
		default:
			if valid {
				t.Errorf("refused with %s, and valid", code)
			}
		}
	})
}

// FuzzRewrite takes any body through a strict leg and looks at what comes out
// as a receiver would: valid, without a card number, without what is labelled.
func FuzzRewrite(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	strict := one(f, "{pan: mask}", "keep: all", "")
	f.Fuzz(func(t *testing.T, body []byte) {
		vault := newFakeVault(strict.Plan())
		out := process(strict, vault, 0, string(body))
		if out.err != nil {
			if out.err.Code == reason.Internal {
				t.Error(out.err)
			}
			return
		}
		looksClean(t, []byte(out.legs[0]))
		if len(out.decisions[0]) == 0 && out.legs[0] != string(body) && !bytes.Contains(body, []byte("{}")) {
			var compact bytes.Buffer
			if json.Compact(&compact, body) == nil && compact.String() != out.legs[0] && !strings.Contains(compact.String(), "{}") {
				t.Errorf("changed without a decision: %q", out.legs[0])
			}
		}
		for _, d := range out.decisions[0] {
			if d.Count <= 0 || d.Rule == "" {
				t.Errorf("decision %+v", d)
			}
		}
	})
}

// FuzzIdentifiers takes any body through a leg that may see no identifier: what
// comes out is valid, and the spans are in order, without overlap, each at a node
// that is known to have some.
func FuzzIdentifiers(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	for _, s := range []string{
		`{"note":"SSN 078-05-1121, jane@clinic.example +442079460958 \u0034010232137","ssn":219099999,"078-05-1121":{}}`,
		`["401-023-2137 x1",["4111111111111111@x.org"],{"phone":["4155550132"],"mrn":"A12345","tok_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@x.org":1}]`,
	} {
		f.Add([]byte(s))
	}
	e := one(f, "{}", "keep: all", idLabels)
	f.Fuzz(func(t *testing.T, body []byte) {
		out := process(e, newFakeVault(e.Plan()), 0, string(body))
		if out.err != nil {
			if out.err.Code == reason.Internal {
				t.Error(out.err)
			}
			return
		}
		if !json.Valid([]byte(out.legs[0])) {
			t.Fatalf("not valid JSON: %q", out.legs[0])
		}
		m, last := out.message, span{}
		for i, s := range m.spans {
			if s.start >= s.end || i > 0 && (s.node < last.node || s.start < last.end) {
				t.Fatalf("%q: %+v behind %+v", body, s, last)
			}
			if last = s; m.tape[s.node].state&stateSpans == 0 {
				t.Fatalf("%q: nobody looks at %+v", body, s)
			}
		}
	})
}

// looksClean walks every string, name and number of a body with encoding/json.
func looksClean(t *testing.T, body []byte) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not valid JSON: %v: %q", err, body)
		}
		switch x := token.(type) {
		case string:
			if spans := detect.FindPANs(nil, []byte(x)); len(spans) > 0 {
				t.Errorf("a card number in %q", x)
			}
		case json.Number:
			if _, ok := detect.PANNumber(nil, []byte(x)); ok {
				t.Errorf("the card number %s", x)
			}
		}
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) == nil {
		for _, gone := range []string{"patient", "staff", "cvv"} {
			if v, ok := m[gone]; ok {
				t.Errorf("%s is left: %s", gone, v)
			}
		}
	}
}

// FuzzModel looks for random plans and bodies on which engine and model differ.
func FuzzModel(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		checkAgainstModel(t, generator{rand.New(rand.NewPCG(a, b))})
	})
}

// FuzzAnswer takes any bytes as the answer to a request with an alias and a
// card.
func FuzzAnswer(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"ref":"` + string(alias(0, []byte("A-1"))) + `","card":{"number":"` + tok(card) + `"}}`))
	e := answerEngine(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		out, decisions, err := answered(t, e, 0, `{"id":"A-1","card":{"number":"`+card+`"}}`, string(body))
		if err != nil {
			if err.Code == reason.Internal {
				t.Error(err)
			}
			return
		}
		if !json.Valid([]byte(out)) {
			t.Errorf("not valid JSON: %q", out)
		}
		for _, d := range decisions {
			if d.Label == "phi" && d.Form != rules.Drop {
				t.Errorf("decision %+v", d)
			}
		}
	})
}
