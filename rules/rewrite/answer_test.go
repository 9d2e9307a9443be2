package rewrite

import (
	"context"
	"strings"
	"testing"

	"chaperone/rules"
	"chaperone/rules/reason"
)

const answerPolicy = `
labels:
  pan: {paths: [card.number], detect: [pan], token: pan}
  phi: {paths: [patient]}
  phi.contact: {paths: [patient.phone]}
destinations:
  d:
    url: http://127.0.0.1:9101
    agreement: {kind: BAA, reference: T-1, expires: 2099-12-31}
    sees: {pan: plain, phi: plain, phi.contact: alias}
    response:
      labels: {phi: [echo.person]}
      KEEP
callers:
  desk:
    key_sha256: 6f5b8c1d2a90e3474bd1c86a05f7e92c3d18ab64f05e79c2b3a6d7180e4f92c5
    routes: [r]
    sees: {pan: token, phi.contact: plain}
  book:
    key_sha256: 7f5b8c1d2a90e3474bd1c86a05f7e92c3d18ab64f05e79c2b3a6d7180e4f92c5
    routes: [s]
    sees: {pan: mask}
  none:
    key_sha256: 8f5b8c1d2a90e3474bd1c86a05f7e92c3d18ab64f05e79c2b3a6d7180e4f92c5
    routes: [s]
    sees: {}
routes:
  - name: r
    match: {method: POST, path: /r}
    unlink: [id]
    legs:
      - to: d
        primary: true
        keep: all
        success: {status: [200, 201], where: {status: [approved, 7, true, null], "deep.x": [ok]}}
    answer:
      set: {card_token: {token: card.number}}
  - name: s
    match: {method: POST, path: /s}
    legs:
      - {to: d, primary: true, keep: all, success: http}
`

func answerEngine(t testing.TB) *Engine {
	t.Helper()
	return compile(t, strings.Replace(answerPolicy, "KEEP", "keep: all", 1))
}

// answered takes a request and its answer through the engine for one caller.
func answered(t *testing.T, e *Engine, caller int, request, answer string) (string, []Decision, *reason.Error) {
	t.Helper()
	vault := newFakeVault(e.Plan())
	out := process(e, vault, 0, request)
	if out.err != nil {
		t.Fatal(out.err)
	}
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanAnswer(m, 0, 0, []byte(answer), Limits{}); err != nil {
		return "", nil, err
	}
	if err := e.DecideAnswer(m, out.message, caller, v); err != nil {
		return "", nil, err
	}
	if err := vault.Resolve(context.Background(), m.Ops()); err != nil {
		t.Fatal(err)
	}
	b, err := v.Render(nil)
	var kept Message
	out.message.KeepAsked(&kept)
	if asked := out.message.Asked(); !asked && len(kept.tokens) > 0 {
		t.Error("the request is asked for tokens, and says that it is not")
	} else if !asked {
		kept = Message{} // nothing of it is needed
	}
	out.message.Reset()
	if again := answeredKept(t, e, vault, caller, &kept, answer); err == nil && again != string(b) {
		t.Errorf("with what was kept of the request the answer is %s, not %s", again, b)
	}
	return string(b), v.Decisions(), err
}

// answeredKept is answered where of the request is left what KeepAsked keeps.
func answeredKept(t *testing.T, e *Engine, vault *fakeVault, caller int, kept *Message, answer string) string {
	t.Helper()
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanAnswer(m, 0, 0, []byte(answer), Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := e.DecideAnswer(m, kept, caller, v); err != nil {
		t.Fatal(err)
	}
	if err := vault.Resolve(context.Background(), m.Ops()); err != nil {
		t.Fatal(err)
	}
	b, err := v.Render(nil)
	if err != nil {
		t.Error(err)
	}
	kept.Reset()
	return string(b)
}

func TestAnswers(t *testing.T) {
	e := answerEngine(t)
	const desk, book, none, anonymous = 0, 1, 2, -1
	request := `{"id":"A-1","card":{"number":"4111111111111111"},"patient":{"phone":"555-0100"}}`
	id := string(alias(0, []byte("A-1")))
	phone := string(alias(0, []byte("555-0100")))
	token := `"card_token":"` + tok(card) + `"`
	tests := []struct {
		name            string
		caller          int
		request, answer string
		want            string
		err             reason.Code
	}{
		{name: "a token is set", caller: desk, answer: `{"a":1}`, want: `{"a":1,` + token + `}`},
		{name: "of a number too", caller: desk, request: `{"card":{"number":4111111111111111}}`, answer: `{"a":1}`, want: `{"a":1,` + token + `}`},
		{name: "masked where the caller sees a mask", caller: book, answer: `{"a":1}`, want: `{"a":1,"card_token":"************1111"}`},
		{name: "not where the caller sees nothing", caller: none, answer: `{"a":1}`, want: `{"a":1}`},
		{name: "not for anonymous", caller: anonymous, answer: `{"a":1}`, want: `{"a":1}`},
		{name: "an arrived token is the token", caller: desk, request: `{"card":{"number":"` + tok(card) + `"}}`, answer: `{}`, want: `{` + token + `}`, err: reason.TokenUnknown},
		{name: "no card, no token", caller: desk, request: `{"card":{"number":null}}`, answer: `{"a":1}`, want: `{"a":1}`},
		{name: "the last of two cards", caller: desk, request: `{"card":{"number":"5555555555554444","number":"4111111111111111"}}`, answer: `{}`, want: `{` + token + `}`},
		{name: "what the answer has of that name goes", caller: desk, answer: `{"card_token":"4111111111111111"}`, want: `{` + token + `}`},
		{name: "an answer that is no object", caller: desk, answer: `[1]`, want: `[1]`},
		{name: "labels", caller: none, answer: `{"patient":{"x":1},"echo":{"person":"Ann","k":1},"card":{"number":"4111111111111111"}}`, want: `{"echo":{"k":1}}`},
		{name: "a card anywhere is tokenized", caller: desk, answer: `{"note":"4111111111111111"}`, want: `{"note":"` + tok(card) + `",` + token + `}`},
		{name: "an alias turns back", caller: none, answer: `{"ref":"` + id + `","other":"al_zzzz"}`, want: `{"ref":"A-1","other":"al_zzzz"}`},
		{name: "an alias within a text does not", caller: none, answer: `{"ref":"for ` + id + `"}`, want: `{"ref":"for ` + id + `"}`},
		{name: "an alias of a labelled value turns back for who may see it", caller: desk, answer: `{"p":"` + phone + `"}`, want: `{"p":"555-0100",` + token + `}`},
		{name: "and not for others", caller: none, answer: `{"a":1,"p":"` + phone + `"}`, want: `{"a":1}`},
		{name: "a foreign token is text", caller: none, answer: `{"t":"tok_zzzzabcdefghijkmnpqrstuvwxyzabcdefg"}`, want: `{"t":"tok_zzzzabcdefghijkmnpqrstuvwxyzabcdefg"}`},
		{name: "success twice", caller: desk, answer: `{"status":1,"status":2}`, err: reason.AmbiguousMember},
		{name: "not JSON", caller: desk, answer: `<html>`, err: reason.BodyMalformed},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			if c.request == "" {
				c.request = request
			}
			if c.name == "an arrived token is the token" {
				checkArrived(t, e, c.request)
				return
			}
			got, _, err := answered(t, e, c.caller, c.request, c.answer)
			if c.err != "" {
				if err == nil || err.Code != c.err {
					t.Fatalf("error %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// checkArrived: a token that came with the request is the one that the answer
// gets, and it is revealed to the destination that sees plain.
func checkArrived(t *testing.T, e *Engine, request string) {
	t.Helper()
	vault := newFakeVault(e.Plan())
	vault.pan([]byte(card))
	out := process(e, vault, 0, request)
	if out.err != nil {
		t.Fatal(out.err)
	}
	if !strings.Contains(out.legs[0], card) {
		t.Errorf("the leg is %s", out.legs[0])
	}
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanAnswer(m, 0, 0, []byte(`{}`), Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := e.DecideAnswer(m, out.message, 0, v); err != nil {
		t.Fatal(err)
	}
	if b, err := v.Render(nil); err != nil || string(b) != `{"card_token":"`+tok(card)+`"}` {
		t.Errorf("answer %s, %v", b, err)
	}
}

func TestResponseKeep(t *testing.T) {
	e := compile(t, strings.Replace(answerPolicy, "KEEP", "keep: [a, card]", 1))
	got, decisions, err := answered(t, e, 1, `{}`, `{"a":1,"b":2,"patient":"x","card":{"number":"4111111111111111"}}`)
	if want := `{"a":1,"card":{"number":"************1111"}}`; err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	found := false
	for _, d := range decisions {
		found = found || d == Decision{Rule: "keep", Pattern: "patient", Label: "phi", Form: rules.Drop, Count: 1}
	}
	if !found {
		t.Errorf("no decision for the labelled value that is not kept: %+v", decisions)
	}
}

func TestSuccess(t *testing.T) {
	e := answerEngine(t)
	tests := []struct {
		name   string
		status int
		answer string
		want   bool
	}{
		{"approved", 200, `{"deep":{"x":"ok"},"status":"approved"}`, true},
		{"by an escape", 200, `{"deep":{"\u0078":"\u006fk"},"status":"approved"}`, true},
		{"a number", 201, `{"deep":{"x":"ok"},"status":7}`, true},
		{"a word", 200, `{"deep":{"x":"ok"},"status":true}`, true},
		{"null", 200, `{"deep":{"x":"ok"},"status":null}`, true},
		{"the text of a number", 200, `{"deep":{"x":"ok"},"status":"7"}`, false},
		{"another status code", 202, `{"deep":{"x":"ok"},"status":"approved"}`, false},
		{"declined", 200, `{"deep":{"x":"ok"},"status":"declined"}`, false},
		{"absent", 200, `{"deep":{"x":"ok"}}`, false},
		{"one of two", 200, `{"status":"approved"}`, false},
		{"a container", 200, `{"deep":{"x":"ok"},"status":["approved"]}`, false},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m := e.NewMessage()
			if err := e.ScanAnswer(m, 0, 0, []byte(c.answer), Limits{}); err != nil {
				t.Fatal(err)
			}
			if got := m.Succeeded(c.status); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
	plain := identity(t)
	m := plain.NewMessage()
	if err := plain.ScanAnswer(m, 0, 0, []byte(`{}`), Limits{}); err != nil {
		t.Fatal(err)
	}
	if !m.Succeeded(204) || m.Succeeded(302) || m.Pending(204) || m.Pending(402) {
		t.Error("success: http is not any 2xx")
	}
	if err := e.ScanAnswer(e.NewMessage(), 0, 1, []byte(`{}`), Limits{}); err == nil || err.Code != reason.Internal {
		t.Errorf("another destination's answer: %v", err)
	}
}
