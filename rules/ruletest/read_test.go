package ruletest

import (
	"errors"
	"strings"
	"testing"

	"chaperone/rules"
)

const smallPolicy = `
labels: {pan: {paths: [card], token: pan}}
destinations: {p: {url: "http://127.0.0.1:1", sees: {pan: plain}}}
routes: [{name: r, match: {method: POST, path: /r}, legs: [{to: p, primary: true, keep: all, success: {where: {status: [yes, 1]}}}]}]
`

func smallPlan(t testing.TB) *rules.Plan {
	t.Helper()
	plan, ds := rules.LoadBytes("rules.yaml", []byte(smallPolicy), nil)
	if plan == nil {
		t.Fatal(ds)
	}
	return plan
}

func noFile(string) ([]byte, error) { return nil, errors.New("there are no files here") }

func TestReadKeepsWhatIsWritten(t *testing.T) {
	f, ds := Read("a_test.yaml", []byte(`
now: 2027-01-01
answers: {p: timeout}
tests:
  - name: one
    request:
      route: r
      body: {card: 4111111111111111, amount: 12.50, list: [1, "1", ~]}
      with: {amount: 13.00, more.of: it}
      without: [list.0]
    expect: {status: 200}
  - name: two
    after: one
    now: 2028-02-03T04:05:06Z
    request: {method: POST, path: /r, headers: {x-one: [a, b]}}
    answers: {p: {status: 201}}
    expect: {outcome: released}
  - name: three
    after: [two, one]
    request: {route: r, body: {}}
    expect: {status: 200}
`), noFile)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	one, two := f.Tests[0], f.Tests[1]
	if got, want := string(one.Request.Body.Text), `{"card":4111111111111111,"amount":13.00,"list":["1",null],"more":{"of":"it"}}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if one.Now.Year() != 2027 || two.Now.Year() != 2028 {
		t.Errorf("%s, %s", one.Now, two.Now)
	}
	if h := two.Request.Headers; len(h) != 2 || h[0].Name != "X-One" || h[1].Text.Text != "b" {
		t.Errorf("%+v", h)
	}
	if a := two.Answers; len(a) != 2 || a[0].Status != 201 || a[1].Fault != FaultTimeout {
		t.Errorf("what a test says comes before what the file says: %+v", a)
	}
	var names []string
	for _, b := range f.Before(f.Tests[2]) {
		names = append(names, b.Name)
	}
	if got := strings.Join(names, " "); got != "one two" {
		t.Errorf("before three come %s", got)
	}
	if ds := f.Check(smallPlan(t)); len(ds) > 0 {
		t.Error(ds)
	}
}

func TestDefaultAnswerSucceeds(t *testing.T) {
	plan := smallPlan(t)
	if status, body := DefaultAnswer(plan, "r", "p"); status != 200 || string(body) != `{"status":"yes"}` {
		t.Errorf("%d %s", status, body)
	}
	if status, body := DefaultAnswer(plan, "r", "another"); status != 200 || body != nil {
		t.Errorf("%d %s", status, body)
	}
}

// FuzzRead reads anything: it says what is wrong, and never ends in a panic.
func FuzzRead(f *testing.F) {
	f.Add(`tests: [{name: a, request: {route: r, body: {a: [1, {b: ~}]}, with: {a.0: x}}, expect: {calls: {p: {has: {a: <any>}, lacks: [{value: 1}]}}}}]`)
	f.Add(`tests: [{name: a, request: {route: r, body_text: "{"}, expect: {answer: {body: [*x]}, decisions: [{to: p, form: mask}]}}]`)
	f.Add("answers: {p: {body: {a: !!x 1}}}\ntests: ~")
	plan := smallPlan(f)
	f.Fuzz(func(t *testing.T, text string) {
		file, ds := Read("a_test.yaml", []byte(text), noFile)
		ds = append(ds, file.Check(plan)...)
		if ds.HasErrors() {
			return
		}
		m := testMatcher()
		mint := func(_, _, value string) (string, error) { return "tok_" + value, nil }
		for _, test := range file.Tests {
			o := &Observed{Status: 200, Outcome: "released", Body: []byte(`{"a":1}`), Calls: []ObservedCall{{Leg: "p", To: "p", Body: []byte(`{"a":[1]}`)}}}
			if _, err := Judge(test, o, m, NewMasker(plan), mint); err != nil {
				t.Fatal(err)
			}
		}
	})
}
