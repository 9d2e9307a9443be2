package rewrite

import (
	"strings"
	"testing"

	"chaperone/rules/reason"
)

// formulaPolicy has a route with expressions, and one without.
const formulaPolicy = `
labels:
  pan: {paths: [card], detect: [pan], token: pan}
  phi: {paths: [patient]}
basket:
  items: items
  currency: currency
  units: major
  line: {amount: amount}
  totals: {total: total}
  classes:
    clinical: {label: phi, any: [{kind: treatment}]}
    retail: {any: [{kind: goods}]}
  otherwise: clinical
destinations:
  bank: {url: "https://bank.example", sees: {pan: plain}}
  shop: {url: "https://shop.example"}
  ehr: {url: "https://ehr.example", agreement: {kind: BAA, reference: R, expires: 2099-12-31}, sees: {phi: plain, pan: token}}
routes:
  - name: sale
    match: {method: POST, path: /sale}
    legs:
      - {to: bank, primary: true, success: http, items: none, keep: [id], set: {"a.b": {compute: 'text("card") + "/" + text("note")'}, t: {compute: total}}}
      - {to: shop, items: retail, keep: [items], set: {about: {compute: 'text("note") + ": " + count("retail")'}, part: {compute: total("retail")}, fee: {compute: round(total("retail") * 0.015)}, more: {compute: number("n") + 1}}}
      - {to: ehr, items: clinical, keep: [items], when: 'text("card") startsWith "4" and text("note") != "skip"', set: {who: {compute: 'text("patient.name")'}}, forward: {headers: [X-Note]}}
      - {to: ehr, name: late, items: none, keep: [id], when: 'header("X-Note") == "late" or caller == "anonymous" and query("q") == "1"', forward: {headers: [X-Note], query: [q]}}
  - {name: ping, match: {method: POST, path: /ping}, legs: [{to: shop, primary: true, success: http, items: none, keep: [id]}]}
`

// outside is a request's head.
type outside map[string][]string

func (outside) CallerName() string { return "anonymous" }

func (o outside) get(name string) ([]byte, int) {
	if len(o[name]) == 0 {
		return nil, 0
	}
	return []byte(o[name][0]), len(o[name])
}

func (o outside) HeaderField(name string) ([]byte, int) { return o.get(name) }
func (o outside) QueryMember(name string) ([]byte, int) { return o.get("?" + name) }

// goodFormula is a body about which everything can be decided.
const goodFormula = `{"id":"S","card":"4242-A","note":"x","n":"2.50","currency":"USD","patient":{"name":"Ada"},"total":"100.10","items":[{"kind":"treatment","amount":60.05},{"kind":"goods","amount":"40.05"}]}`

// decided decides a leg as the proxy does: its body, "skipped", or the refusal.
func decided(t *testing.T, e *Engine, leg int, body string, o outside) (string, *reason.Error) {
	t.Helper()
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanRequest(m, 0, []byte(body), Limits{}); err != nil {
		return "", err
	}
	m.UseOutside(o)
	wanted, err := e.Wanted(m, leg, v)
	if err != nil {
		return "", err
	}
	if !wanted {
		return "skipped", nil
	}
	if err := e.DecideLeg(m, leg, v); err != nil {
		return "", err
	}
	for i := range m.Ops() {
		m.Ops()[i].Result = []byte("tok")
	}
	out, err := v.Render(nil)
	return string(out), err
}

func TestFormulas(t *testing.T) {
	e := compile(t, formulaPolicy)
	change := func(old, new string) string { return strings.Replace(goodFormula, old, new, 1) }
	const sealed = "tok_AAAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for _, c := range []struct {
		name string
		leg  int
		body string
		head outside
		want string // of the leg's body; begins with !: the refusal's
	}{
		{"a text of two, below the root", 0, goodFormula, nil, `"b":"4242-A/x"`},
		{"an amount is written as it came", 0, goodFormula, nil, `"t":"100.10"`},
		{"an amount that came as a number", 0, change(`"100.10"`, `100.1`), nil, `"t":100.10`},
		{"a text is escaped", 0, change(`"note":"x"`, `"note":"a\"\u0001\n"`), nil, `4242-A/a\"\u0001`},
		{"a count", 1, goodFormula, nil, `"about":"x: 1"`},
		{"the class's part", 1, goodFormula, nil, `"part":"40.05"`},
		{"rounded to the cent", 1, goodFormula, nil, `"fee":"0.60"`},
		{"rounded as the currency has it", 1, strings.NewReplacer("USD", "JPY", "100.10", "100", "60.05", "60", "40.05", "40").Replace(goodFormula), nil, `"fee":"1"`},
		{"a number keeps its decimals", 1, goodFormula, nil, `"more":3.50`},
		{"a card number that only the bank sees goes there", 0, change(`"note":"x"`, `"note":"4111111111111111"`), nil, `4242-A/4111111111111111`},
		{"but not to the shop", 1, change(`"note":"x"`, `"note":"4111 1111 1111 1111"`), nil, `!expression_undecided routes.sale.legs.shop.set.about note`},
		{"nor made of a number", 1, change(`"2.50"`, `4111111111111110`), nil, `!expression_undecided routes.sale.legs.shop.set.more `},
		{"a sealed token is not looked behind", 1, change(`"note":"x"`, `"note":"`+sealed+`"`), nil, `!expression_undecided routes.sale.legs.shop.set.about note`},
		{"null is missing", 1, change(`"note":"x"`, `"note":null`), nil, `!expression_undecided routes.sale.legs.shop.set.about note`},
		{"a number is no text", 1, change(`"note":"x"`, `"note":1`), nil, `!expression_undecided routes.sale.legs.shop.set.about note`},
		{"a text is no number", 1, change(`"2.50"`, `"two"`), nil, `!expression_undecided routes.sale.legs.shop.set.more n`},
		{"a member twice", 1, change(`"note":"x"`, `"note":"x","no\u0074e":"y"`), nil, `!ambiguous_member  `},
		{"a condition that holds", 2, goodFormula, nil, `"who":"Ada"`},
		{"a condition that does not", 2, change(`"note":"x"`, `"note":"skip"`), nil, `skipped`},
		{"it may depend on what the destination sees as a token", 2, change("4242-A", "5105105105105100"), nil, `skipped`},
		{"a card's token is not looked behind", 2, change("4242-A", "7111111111111113"), nil, `!expression_undecided routes.sale.legs.ehr.when card`},
		{"a condition on what is missing", 2, change(`"card":"4242-A",`, ``), nil, `!expression_undecided routes.sale.legs.ehr.when card`},
		{"a header", 3, goodFormula, outside{"X-Note": {"late"}}, `"id":"S"`},
		{"a header that is there twice", 3, goodFormula, outside{"X-Note": {"late", "early"}}, `!expression_undecided routes.sale.legs.late.when `},
		{"a header that is not there", 3, goodFormula, nil, `!expression_undecided routes.sale.legs.late.when `},
		{"a header with a token", 3, goodFormula, outside{"X-Note": {sealed}}, `!expression_undecided routes.sale.legs.late.when `},
		{"a header that is no text", 3, goodFormula, outside{"X-Note": {"\xff"}}, `!expression_undecided routes.sale.legs.late.when `},
		{"a query member", 3, goodFormula, outside{"X-Note": {"early"}, "?q": {"1"}}, `"id":"S"`},
		{"line items that are none", 1, change(`"items":[`, `"items":7,"more":[`), nil, `!basket_shape basket.items items`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := decided(t, e, c.leg, c.body, c.head)
			if err != nil {
				got = "!" + string(err.Code) + " " + err.Rule + " " + err.Pattern
				if strings.Contains(err.Error(), "4111") || strings.Contains(err.Error(), "tok_") {
					t.Errorf("the refusal holds a value: %v", err)
				}
			}
			if strings.HasPrefix(c.want, "!") && got != c.want || !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestComputedLabelsAreDecisions: what flows into a computed value is on record
// as what a value that goes there as it is would be.
func TestComputedLabelsAreDecisions(t *testing.T) {
	e := compile(t, formulaPolicy)
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanRequest(m, 0, []byte(goodFormula), Limits{}); err != nil {
		t.Fatal(err)
	}
	m.UseOutside(outside{})
	if err := e.DecideLeg(m, 2, v); err != nil {
		t.Fatal(err)
	}
	for _, d := range v.Decisions() {
		if d.Rule == "routes.sale.legs.ehr.set.who" && d.Label == "phi" && d.Form.String() == "plain" && d.Count == 1 {
			return
		}
	}
	t.Errorf("%+v", v.Decisions())
}

// TestRoutesWithoutExpressionsPayNothing: beside a route with expressions,
// another allocates nothing and is not asked.
func TestRoutesWithoutExpressionsPayNothing(t *testing.T) {
	e := compile(t, formulaPolicy)
	if !e.Asks(0) || e.Asks(1) {
		t.Fatalf("asks: %v, %v", e.Asks(0), e.Asks(1))
	}
	m, v, body := e.NewMessage(), e.NewView(), []byte(`{"id":"S","note":"x"}`)
	var dst []byte
	run := func() {
		if err := e.ScanRequest(m, 1, body, Limits{}); err != nil {
			t.Fatal(err)
		}
		if wanted, err := e.Wanted(m, 0, v); !wanted || err != nil {
			t.Fatal(wanted, err)
		}
		if err := e.DecideLeg(m, 0, v); err != nil {
			t.Fatal(err)
		}
		var err *reason.Error
		if dst, err = v.Render(dst[:0]); err != nil || string(dst) != `{"id":"S"}` {
			t.Fatalf("%s, %v", dst, err)
		}
		m.Reset()
		v.Reset()
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > pooled {
		t.Errorf("%v allocations", n)
	}
}
