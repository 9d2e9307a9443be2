package rewrite

import (
	"strings"
	"testing"

	"chaperone/rules/reason"
)

const basketPolicy = `
labels:
  pan: {paths: [payment.card.number], detect: [pan], token: pan}
  phi: {paths: [patient, "items.#.lot"]}
basket:
  items: items
  currency: currency
  units: UNITS
  line: {quantity: qty, unit_price: price, discount: off}
  totals: {subtotal: totals.subtotal, tax: totals.tax, tip: totals.tip, discount: totals.discount, total: totals.total}
  tax: {taxable: [retail]}
  tip: {to: [clinical]}
  classes:
    clinical:
      label: phi
      any: [{category: [laser]}, {sku: "TX-*"}]
    retail:
      any: [{category: [cream]}]
  otherwise: clinical
destinations:
  processor:
    url: http://127.0.0.1:9101
    sees: {pan: plain}
  ehr:
    url: http://127.0.0.1:9102
    agreement: {kind: BAA, reference: T-1, expires: 2099-12-31}
    sees: {phi: plain, pan: token}
  ledger:
    url: http://127.0.0.1:9103
    sees: {pan: mask}
routes:
  - name: sale
    match: {method: POST, path: /sale}
    ITEMS
    legs:
      - {to: processor, primary: true, success: http, items: none, keep: all}
      - {to: ehr, items: clinical, totals: recompute, keep: all}
      - {to: ledger, items: retail, totals: recompute, keep: all}
  - name: plain
    match: {method: POST, path: /plain}
    legs:
      - {to: ledger, primary: true, success: http, keep: all}
`

func basketEngine(t testing.TB, units, items string) *Engine {
	t.Helper()
	return compile(t, strings.NewReplacer("UNITS", units, "ITEMS", items).Replace(basketPolicy))
}

func TestItemsToLegs(t *testing.T) {
	e := basketEngine(t, "minor", "items: required")
	tests := []struct {
		name, body             string
		processor, ehr, ledger string
		err                    reason.Code
	}{
		{
			name:      "one of each",
			body:      `{"items":[{"sku":"TX-1","price":100},{"category":"cream","price":50}],"totals":{"total":150}}`,
			processor: `{"totals":{"total":150}}`,
			ehr:       `{"items":[{"sku":"TX-1","price":100}],"totals":{"total":100}}`,
			ledger:    `{"items":[{"category":"cream","price":50}],"totals":{"total":50}}`,
		},
		{
			name:      "fields behind what they decide",
			body:      `{"totals":{"total":300},"items":[{"price":100,"qty":1,"deep":{"x":[1]},"category":"LASER"},{"qty":4,"price":50,"lot":"L1","category":"cream"}]}`,
			processor: `{"totals":{"total":300}}`,
			ehr:       `{"totals":{"total":100},"items":[{"price":100,"qty":1,"deep":{"x":[1]},"category":"LASER"}]}`,
			ledger:    `{"totals":{"total":200},"items":[{"qty":4,"price":50,"category":"cream"}]}`,
		},
		{
			name:      "an unknown item is the stricter class, and a class that is absent has no leg",
			body:      `{"items":[{"price":1,"category":"?"},{"price":1}]}`,
			processor: `{}`,
			ehr:       `{"items":[{"price":1,"category":"?"},{"price":1}]}`,
		},
		{
			name:      "an escaped field name and value",
			body:      `{"items":[{"c\u0061tegory":"cr\u0065am","price":1}]}`,
			processor: `{}`,
			ledger:    `{"items":[{"c\u0061tegory":"cr\u0065am","price":1}]}`,
		},
		{
			name:      "tax, tip and discount go where the rules say",
			body:      `{"items":[{"sku":"TX-1","price":10000},{"category":"cream","price":5000}],"totals":{"subtotal":15000,"tax":412,"tip":2000,"discount":1500,"total":15912}}`,
			processor: `{"totals":{"subtotal":15000,"tax":412,"tip":2000,"discount":1500,"total":15912}}`,
			ehr:       `{"items":[{"sku":"TX-1","price":10000}],"totals":{"subtotal":10000,"tax":0,"tip":2000,"discount":1000,"total":11000}}`,
			ledger:    `{"items":[{"category":"cream","price":5000}],"totals":{"subtotal":5000,"tax":412,"tip":0,"discount":500,"total":4912}}`,
		},
		{
			name:      "a refund",
			body:      `{"items":[{"sku":"TX-1","price":-100},{"category":"cream","price":-50}],"totals":{"total":-150}}`,
			processor: `{"totals":{"total":-150}}`,
			ehr:       `{"items":[{"sku":"TX-1","price":-100}],"totals":{"total":-100}}`,
			ledger:    `{"items":[{"category":"cream","price":-50}],"totals":{"total":-50}}`,
		},
		{
			name:      "a total that is null stays null",
			body:      `{"items":[{"category":"cream","price":5}],"totals":{"tax":null,"total":5}}`,
			processor: `{"totals":{"tax":null,"total":5}}`,
			ledger:    `{"items":[{"category":"cream","price":5}],"totals":{"tax":null,"total":5}}`,
		},
		{
			name:      "a total that looks like a card",
			body:      `{"items":[{"sku":"TX-1","price":4111111111111110},{"category":"cream","price":1}],"totals":{"subtotal":"4111111111111111","total":4111111111111111}}`,
			processor: `{"totals":{"subtotal":"4111111111111111","total":4111111111111111}}`,
			ehr:       `{"items":[{"sku":"TX-1","price":4111111111111110}],"totals":{"subtotal":"4111111111111110","total":4111111111111110}}`,
			ledger:    `{"items":[{"category":"cream","price":1}],"totals":{"subtotal":"1","total":1}}`,
		},
		{name: "no items", body: `{"a":1}`, err: reason.BasketShape},
		{name: "items are no array", body: `{"items":{}}`, err: reason.BasketShape},
		{name: "an item is no object", body: `{"items":[1]}`, err: reason.BasketShape},
		{name: "items twice", body: `{"items":[],"items":[]}`, err: reason.AmbiguousMember},
		{name: "items twice, escaped", body: `{"items":[],"\u0069tems":[]}`, err: reason.AmbiguousMember},
		{name: "a class field twice", body: `{"items":[{"category":"cream","category":"laser","price":1}]}`, err: reason.AmbiguousMember},
		{name: "an amount twice", body: `{"items":[{"price":1,"sku":"TX-1","price":2}]}`, err: reason.AmbiguousMember},
		{name: "totals twice", body: `{"totals":{},"items":[],"totals":{}}`, err: reason.AmbiguousMember},
		{name: "the same field in two items is no duplicate", body: `{"items":[{"category":"cream","price":1},{"category":"cream","price":2}]}`,
			processor: `{}`, ledger: `{"items":[{"category":"cream","price":1},{"category":"cream","price":2}]}`},
		{name: "totals that do not add up", body: `{"items":[{"price":1,"category":"cream"}],"totals":{"total":2}}`, err: reason.TotalsMismatch},
		{name: "a line without an amount", body: `{"items":[{"category":"cream"}]}`, err: reason.AmountMalformed},
		{name: "an amount that is no number", body: `{"items":[{"category":"cream","price":"12x"}]}`, err: reason.AmountMalformed},
		{name: "an amount that is an object", body: `{"items":[{"category":"cream","price":{}}]}`, err: reason.AmountMalformed},
		{name: "a total that is no amount", body: `{"items":[{"category":"cream","price":1}],"totals":{"tip":true}}`, err: reason.AmountMalformed},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			out := process(e, newFakeVault(e.Plan()), 0, c.body)
			if c.err != "" {
				if out.err == nil || out.err.Code != c.err {
					t.Fatalf("error %v, want %s", out.err, c.err)
				}
				return
			}
			if out.err != nil {
				t.Fatal(out.err)
			}
			for i, want := range []string{c.processor, c.ehr, c.ledger} {
				if out.legs[i] != want {
					t.Errorf("leg %d\ngot  %s\nwant %s", i, out.legs[i], want)
				}
			}
		})
	}
}

func TestTotalsInTheirStyle(t *testing.T) {
	e := basketEngine(t, "major", "items: required")
	body := `{"currency":"USD","items":[{"sku":"TX-1","price":"100.00"},{"category":"cream","qty":2,"price":25.25}],"totals":{"subtotal":150.5,"total":"150.50"}}`
	out := process(e, newFakeVault(e.Plan()), 0, body)
	if out.err != nil {
		t.Fatal(out.err)
	}
	if want := `"totals":{"subtotal":100.00,"total":"100.00"}}`; !strings.HasSuffix(out.legs[1], want) {
		t.Errorf("got %s, want %s", out.legs[1], want)
	}
	if want := `"totals":{"subtotal":50.50,"total":"50.50"}}`; !strings.HasSuffix(out.legs[2], want) {
		t.Errorf("got %s, want %s", out.legs[2], want)
	}
	for name, body := range map[string]string{
		"no currency":      `{"items":[{"price":1}]}`,
		"unknown currency": `{"currency":"XXQ","items":[{"price":1}]}`,
		"not a string":     `{"currency":840,"items":[{"price":1}]}`,
	} {
		if out := process(e, newFakeVault(e.Plan()), 0, body); out.err == nil || out.err.Code != reason.CurrencyUnknown {
			t.Errorf("%s: %v", name, out.err)
		}
	}
}

// TestFixedCurrency is of bodies that do not say their currency: the policy does,
// and what a body says of it changes nothing.
func TestFixedCurrency(t *testing.T) {
	policy := strings.NewReplacer("UNITS", "major", "ITEMS", "items: required", "currency: currency", "currency: {code: jpy}").Replace(basketPolicy)
	e := compile(t, policy)
	for name, c := range map[string]struct {
		body, ehr string
		err       reason.Code
	}{
		"whole":                 {body: `{"items":[{"sku":"TX-1","price":"100"},{"category":"cream","price":50}],"totals":{"total":150}}`, ehr: `{"items":[{"sku":"TX-1","price":"100"}],"totals":{"total":100}}`},
		"finer than its minor":  {body: `{"items":[{"sku":"TX-1","price":"100.50"}],"totals":{"total":"100.50"}}`, err: reason.AmountMalformed},
		"another one said":      {body: `{"currency":"KWD","items":[{"sku":"TX-1","price":"1.001"}],"totals":{"total":"1.001"}}`, err: reason.AmountMalformed},
		"another, of no matter": {body: `{"currency":"KWD","items":[{"sku":"TX-1","price":7}],"totals":{"total":7}}`, ehr: `{"currency":"KWD","items":[{"sku":"TX-1","price":7}],"totals":{"total":7}}`},
	} {
		t.Run(name, func(t *testing.T) {
			out := process(e, newFakeVault(e.Plan()), 0, c.body)
			if c.err != "" {
				if out.err == nil || out.err.Code != c.err {
					t.Errorf("error %v, want %s", out.err, c.err)
				}
				return
			}
			if out.err != nil {
				t.Fatal(out.err)
			}
			if out.legs[1] != c.ehr {
				t.Errorf("got %s, want %s", out.legs[1], c.ehr)
			}
		})
	}
}

func TestOptionalItems(t *testing.T) {
	e := basketEngine(t, "minor", "items: optional")
	out := process(e, newFakeVault(e.Plan()), 0, `{"a":1}`)
	if out.err != nil || out.legs[0] != `{"a":1}` {
		t.Errorf("%v %q", out.err, out.legs)
	}
	if out := process(e, newFakeVault(e.Plan()), 0, `{"items":null}`); out.err == nil || out.err.Code != reason.BasketShape {
		t.Errorf("items: null: %v", out.err)
	}
}

// TestClassLabelsOnEveryRoute: what an item is does not depend on whether the
// route splits it. A destination that may not see the class's label gets the
// item on no route.
func TestClassLabelsOnEveryRoute(t *testing.T) {
	e := basketEngine(t, "minor", "items: required")
	out := process(e, newFakeVault(e.Plan()), 1, `{"items":[{"sku":"TX-1"},{"category":"cream"},"loose",{"sku":"TX-2","x":[{}]}],"b":1}`)
	if out.err != nil {
		t.Fatal(out.err)
	}
	if want := `{"items":[{"category":"cream"}],"b":1}`; out.legs[0] != want {
		t.Errorf("got %s, want %s", out.legs[0], want)
	}
	for _, d := range out.decisions[0] {
		if d.Class == "clinical" && (d.Label != "phi" || d.Count != 3 || d.Form.String() != "drop") {
			t.Errorf("decision %+v", d)
		}
	}
	if out := process(e, newFakeVault(e.Plan()), 1, `{"items":7}`); out.err != nil || out.legs[0] != `{"items":7}` {
		t.Errorf("no items: %v %q", out.err, out.legs)
	}
}
