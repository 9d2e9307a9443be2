package rewrite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"chaperone/rules"
	"chaperone/rules/reason"
)

const followsPolicy = `
labels:
  pan: {paths: [card], detect: [pan], token: pan}
  phi: {paths: [patient]}
basket:
  items: items
  currency: currency
  units: UNITS
  line: {amount: price}
  totals: {subtotal: totals.subtotal, tax: totals.tax, tip: totals.tip, discount: totals.discount, total: totals.total}
  tax: {taxable: [retail]}
  tip: {to: [clinical]}
  classes:
    clinical: {label: phi, any: [{category: laser}]}
    retail: {any: [{category: cream}]}
  otherwise: clinical
destinations:
  processor: {url: "http://127.0.0.1:9101", sees: {pan: plain}}
  ehr:
    url: http://127.0.0.1:9102
    agreement: {kind: BAA, reference: T-1, expires: 2099-12-31}
    sees: {phi: plain}
  ledger: {url: "http://127.0.0.1:9103"}
routes:
  - name: sale
    match: {method: POST, path: /sale}
    idempotency: {key: id}
    legs:
      - to: processor
        primary: true
        items: none
        keep: all
        success: {status: 2xx, where: {status: [paid]}}
        pending: {status: [2xx, 402], where: {status: [open], next.kind: [redirect, challenge]}}
      - {to: ehr, items: clinical, keep: [id, patient, items]}
      - {to: ledger, items: retail, keep: [id, items]}
  - name: refund
    match: {method: POST, path: /refund}
    follows: {key: sale.id, amount: AMOUNT, by: BY, release: {type: [paid]}, cancel: {type: [failed, dropped], final: true}}
    legs:
      - {to: processor, primary: true, items: none, keep: all, success: http}
      - {to: ehr, items: clinical, totals: recompute, keep: all}
      - {to: ledger, items: retail, totals: recompute, keep: all}
  - name: void
    match: {method: POST, path: /void}
    follows: {key: id, route: sale, cancel: success}
    legs:
      - {to: processor, primary: true, keep: all, success: {status: 200}, pending: {status: 202}}
      - {to: ehr, items: clinical, keep: all}
      - {to: ledger, items: retail, keep: all}
`

func followsEngine(t testing.TB, units, amount, by string) *Engine {
	t.Helper()
	return compile(t, strings.NewReplacer("UNITS", units, "AMOUNT", amount, "BY", by).Replace(followsPolicy))
}

// follow takes a request through a route as the proxy does: with a sale's
// shares where it has no line items. Legs that are not sent are "-".
func follow(t testing.TB, e *Engine, route int, body string, shares []ClassShare, exponent int) ([]string, *reason.Error) {
	t.Helper()
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanRequest(m, route, []byte(body), Limits{}); err != nil {
		return nil, err
	}
	if !m.HasItems() {
		if err := m.UseShares(shares, exponent); err != nil {
			return nil, err
		}
	}
	var out []string
	for i, leg := range e.Plan().Routes[route].Legs {
		if leg.Items == rules.ItemsClass && !m.HasClass(leg.Class) {
			out = append(out, "-")
			continue
		}
		if err := e.DecideLeg(m, i, v); err != nil {
			t.Fatal(err)
		}
		if err := newFakeVault(e.Plan()).Resolve(t.Context(), m.Ops()); err != nil {
			t.Fatal(err)
		}
		b, err := v.Render(nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out, nil
}

func TestSharesOfASale(t *testing.T) {
	e := followsEngine(t, "minor", "amount", "total")
	tests := []struct {
		name, body string
		want       []ClassShare
		err        reason.Code
	}{
		{
			name: "all totals, on a route where no leg recomputes",
			body: `{"items":[{"category":"laser","price":10000},{"category":"cream","price":5000}],"totals":{"subtotal":15000,"tax":412,"tip":2000,"discount":1500,"total":15912}}`,
			want: []ClassShare{{"clinical", 10000, 0, 2000, 1000, 11000}, {"retail", 5000, 412, 0, 500, 4912}},
		},
		{
			name: "no totals: what the items cost",
			body: `{"items":[{"category":"laser","price":700},{"category":"laser","price":1},{"category":"cream","price":30}]}`,
			want: []ClassShare{{"clinical", 701, 0, 0, 0, 701}, {"retail", 30, 0, 0, 0, 30}},
		},
		{
			name: "one class",
			body: `{"items":[{"category":"cream","price":30}],"totals":{"total":30}}`,
			want: []ClassShare{{"retail", 30, 0, 0, 0, 30}},
		},
		{name: "no line items", body: `{"items":[]}`, want: nil},
		{name: "totals that do not add up", body: `{"items":[{"price":30}],"totals":{"total":31}}`, err: reason.TotalsMismatch},
		{name: "a total twice", body: `{"items":[{"price":30}],"totals":{"total":30,"total":30}}`, err: reason.AmbiguousMember},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m := e.NewMessage()
			err := e.ScanRequest(m, 0, []byte(c.body), Limits{})
			if c.err != "" || err != nil {
				if err == nil || err.Code != c.err {
					t.Fatalf("%v, want %s", err, c.err)
				}
				return
			}
			if got := m.Shares(nil); !slices.Equal(got, c.want) || m.Exponent() != 0 || m.HasItems() != (len(c.want) > 0) {
				t.Errorf("%+v by %d", got, m.Exponent())
			}
		})
	}
	t.Run("in major units", func(t *testing.T) {
		e := followsEngine(t, "major", "amount", "total")
		m := e.NewMessage()
		if err := e.ScanRequest(m, 0, []byte(`{"currency":"KWD","items":[{"category":"cream","price":"30.125"}]}`), Limits{}); err != nil {
			t.Fatal(err)
		}
		if got := m.Shares(nil); len(got) != 1 || got[0].Total != 30125 || m.Exponent() != 3 {
			t.Errorf("%+v by %d", got, m.Exponent())
		}
	})
}

var soldBoth = []ClassShare{{"clinical", 10000, 0, 2000, 1000, 11000}, {"retail", 5000, 412, 0, 500, 4912}}

func TestAmountSplitAsTheSale(t *testing.T) {
	tests := []struct {
		name, units, path, by, body string
		shares                      []ClassShare
		exponent                    int
		want                        []string
		err                         reason.Code
	}{
		{
			name: "all of it", body: `{"sale":{"id":"S"},"amount":15912}`, shares: soldBoth,
			want: []string{`{"sale":{"id":"S"},"amount":15912}`, `{"sale":{"id":"S"},"amount":11000}`, `{"sale":{"id":"S"},"amount":4912}`},
		},
		{
			name: "a part, negative", body: `{"amount":-1000}`, shares: soldBoth,
			want: []string{`{"amount":-1000}`, `{"amount":-691}`, `{"amount":-309}`},
		},
		{
			name: "by subtotal", by: "subtotal", body: `{"amount":1000}`, shares: soldBoth,
			want: []string{`{"amount":1000}`, `{"amount":667}`, `{"amount":333}`},
		},
		{
			name: "by tax: a class without a share has no leg", by: "tax", body: `{"amount":"100"}`, shares: soldBoth,
			want: []string{`{"amount":"100"}`, "-", `{"amount":"100"}`},
		},
		{
			name: "by tip", by: "tip", body: `{"amount":100}`, shares: soldBoth,
			want: []string{`{"amount":100}`, `{"amount":100}`, "-"},
		},
		{
			name: "by tip, and the sale had none: to the classes that take tips", by: "tip", body: `{"amount":100}`,
			shares: []ClassShare{{Class: "clinical", Subtotal: 5}, {Class: "retail", Subtotal: 5}},
			want:   []string{`{"amount":100}`, `{"amount":100}`, "-"},
		},
		{
			name: "by tip, and nothing of the sale takes tips", by: "tip", body: `{"amount":100}`,
			shares: []ClassShare{{Class: "retail", Subtotal: 5}}, err: reason.TotalsUnsplittable,
		},
		{
			name: "in the style in which it came", units: "major", body: `{"currency":"USD","amount":"50.00"}`, shares: soldBoth, exponent: 2,
			want: []string{`{"currency":"USD","amount":"50.00"}`, `{"currency":"USD","amount":"34.57"}`, `{"currency":"USD","amount":"15.43"}`},
		},
		{
			name: "without a currency: the sale's exponent", units: "major", body: `{"amount":50.5}`, shares: soldBoth, exponent: 3,
			want: []string{`{"amount":50.5}`, `{"amount":34.911}`, `{"amount":15.589}`},
		},
		{name: "an unknown currency", units: "major", body: `{"currency":"XXQ","amount":50.5}`, shares: soldBoth, err: reason.CurrencyUnknown},
		{
			name: "no amount: the classes of the sale", body: `{"x":1}`, shares: soldBoth[1:],
			want: []string{`{"x":1}`, "-", `{"x":1}`},
		},
		{
			name: "an amount that is null", body: `{"amount":null}`, shares: soldBoth,
			want: []string{`{"amount":null}`, `{"amount":null}`, `{"amount":null}`},
		},
		{
			name: "an amount of nothing", body: `{"amount":0}`, shares: soldBoth,
			want: []string{`{"amount":0}`, `{"amount":0}`, `{"amount":0}`},
		},
		{
			name: "an empty array of items is none", body: `{"items":[],"amount":10}`, shares: soldBoth[:1],
			want: []string{`{"amount":10}`, `{"items":[],"amount":10}`, "-"},
		},
		{
			name: "a total is the amount: the others are nobody's part", path: "totals.total", body: `{"totals":{"subtotal":90,"tax":10,"total":100}}`, shares: soldBoth,
			want: []string{`{"totals":{"subtotal":90,"tax":10,"total":100}}`, `{"totals":{"total":69}}`, `{"totals":{"total":31}}`},
		},
		{
			name: "with line items: by their own shares", body: `{"items":[{"category":"laser","price":30},{"category":"cream","price":10}],"totals":{"total":40},"amount":20}`, shares: soldBoth,
			want: []string{
				`{"totals":{"total":40},"amount":20}`,
				`{"items":[{"category":"laser","price":30}],"totals":{"total":30},"amount":15}`,
				`{"items":[{"category":"cream","price":10}],"totals":{"total":10},"amount":5}`,
			},
		},
		{
			name: "a part that looks like a card", body: `{"amount":"8222222222222222"}`, shares: []ClassShare{{Class: "clinical", Total: 1}, {Class: "retail", Total: 1}},
			want: []string{`{"amount":"8222222222222222"}`, `{"amount":"4111111111111111"}`, `{"amount":"4111111111111111"}`},
		},
		{name: "no shares", body: `{"amount":10}`, err: reason.TotalsUnsplittable},
		{name: "shares of nothing", body: `{"amount":10}`, shares: []ClassShare{{Class: "retail"}}, err: reason.TotalsUnsplittable},
		{name: "a class that is gone", body: `{"amount":10}`, shares: []ClassShare{{Class: "old", Total: 1}}, err: reason.TotalsUnsplittable},
		{name: "no number", body: `{"amount":"ten"}`, shares: soldBoth, err: reason.AmountMalformed},
		{name: "a container", body: `{"amount":{"value":1}}`, shares: soldBoth, err: reason.AmountMalformed},
		{name: "half a cent", body: `{"amount":0.5}`, shares: soldBoth, err: reason.AmountMalformed},
		{name: "twice", body: `{"amount":1,"amount":2}`, shares: soldBoth, err: reason.AmbiguousMember},
		{name: "the key twice", body: `{"sale":{"id":1,"\u0069d":2}}`, err: reason.AmbiguousMember},
		{name: "what decides, twice", body: `{"type":"paid","type":"failed"}`, err: reason.AmbiguousMember},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			or := func(s, other string) string {
				if s == "" {
					return other
				}
				return s
			}
			e := followsEngine(t, or(c.units, "minor"), or(c.path, "amount"), or(c.by, "total"))
			got, err := follow(t, e, 1, c.body, c.shares, c.exponent)
			if c.err != "" || err != nil {
				if err == nil || err.Code != c.err {
					t.Fatalf("%v, want %q", err, c.err)
				}
				return
			}
			for i := range c.want {
				if got[i] != c.want[i] {
					t.Errorf("leg %d\ngot  %s\nwant %s", i, got[i], c.want[i])
				}
			}
		})
	}
}

// TestVoidHasTheClassesOfTheSale: a follower without an amount.
func TestVoidHasTheClassesOfTheSale(t *testing.T) {
	e := followsEngine(t, "minor", "amount", "total")
	got, err := follow(t, e, 2, `{"id":"S","amount":7}`, soldBoth[:1], 0)
	if err != nil || !slices.Equal(got, []string{`{"id":"S","amount":7}`, `{"id":"S","amount":7}`, "-"}) {
		t.Errorf("%v %q", err, got)
	}
	if _, err := follow(t, e, 2, `{"id":"S"}`, []ClassShare{{Class: "gone"}}, 0); err == nil || err.Code != reason.TotalsUnsplittable {
		t.Errorf("a class that is gone: %v", err)
	}
	m := e.NewMessage()
	if err := e.ScanNothing(m, 2); err != nil || m.HasItems() {
		t.Errorf("no body: %v", err)
	}
}

// TestPartsAddUp: the legs' amounts add up to the request's, whatever the
// shares; all of a sale gives exactly the sale's shares.
func TestPartsAddUp(t *testing.T) {
	e := followsEngine(t, "minor", "amount", "total")
	m, v := e.NewMessage(), e.NewView()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 9))
		shares := []ClassShare{{Class: "clinical", Total: r.Int64N(1e9)}, {Class: "retail", Total: r.Int64N(1e5)}}
		all := shares[0].Total + shares[1].Total
		amount := r.Int64N(2e9) - 1e9
		if seed%3 == 0 {
			amount = all
		}
		if err := e.ScanRequest(m, 1, fmt.Appendf(nil, `{"amount":%d}`, amount), Limits{}); err != nil {
			t.Fatal(err)
		}
		if err := m.UseShares(shares, 0); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		var parts [2]int64
		for i := range parts {
			if !m.HasClass(rules.ClassID(i + 1)) {
				continue
			}
			if err := e.DecideLeg(m, i+1, v); err != nil {
				t.Fatal(err)
			}
			b, err := v.Render(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscanf(string(b), `{"amount":%d}`, &parts[i]); err != nil {
				t.Fatalf("%v: %s", err, b)
			}
		}
		if parts[0]+parts[1] != amount {
			t.Fatalf("seed %d: %v of %d", seed, parts, amount)
		}
		if amount == all && (parts[0] != shares[0].Total || parts[1] != shares[1].Total) {
			t.Fatalf("seed %d: all of %v is %v", seed, shares, parts)
		}
		m.Reset()
	}
}

// TestAllOfASaleComesBack: the shares of a random sale add up to it, and giving
// all of it back gives each class what it had.
func TestAllOfASaleComesBack(t *testing.T) {
	e := followsEngine(t, "minor", "amount", "total")
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 11))
		var items []string
		var subtotal int64
		for i := range 2 + r.IntN(6) {
			price := r.Int64N(50000) + 1
			items = append(items, fmt.Sprintf(`{"category":%q,"price":%d}`, []string{"laser", "cream"}[i%2], price))
			subtotal += price
		}
		tax, tip, discount := r.Int64N(900), r.Int64N(3000), r.Int64N(subtotal)
		total := subtotal + tax + tip - discount
		body := fmt.Sprintf(`{"items":[%s],"totals":{"subtotal":%d,"tax":%d,"tip":%d,"discount":%d,"total":%d}}`, strings.Join(items, ","), subtotal, tax, tip, discount, total)
		m := e.NewMessage()
		if err := e.ScanRequest(m, 0, []byte(body), Limits{}); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		shares := m.Shares(nil)
		var sum ClassShare
		for _, s := range shares {
			sum.Subtotal, sum.Tax, sum.Tip = sum.Subtotal+s.Subtotal, sum.Tax+s.Tax, sum.Tip+s.Tip
			sum.Discount, sum.Total = sum.Discount+s.Discount, sum.Total+s.Total
		}
		if sum != (ClassShare{"", subtotal, tax, tip, discount, total}) {
			t.Fatalf("%s: %+v", body, shares)
		}
		back, err := follow(t, e, 1, fmt.Sprintf(`{"amount":%d}`, total), shares, m.Exponent())
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range shares {
			if want := fmt.Sprintf(`{"amount":%d}`, s.Total); s.Total != 0 && back[i+1] != want {
				t.Fatalf("%s: %s gets %s of %+v", body, s.Class, back[i+1], s)
			}
		}
	}
}

func TestFollowsAndDecides(t *testing.T) {
	e := followsEngine(t, "minor", "amount", "total")
	for _, c := range []struct {
		route           int
		body, key       string
		release, cancel bool
	}{
		{1, `{"sale":{"id":"A-\u0031"},"type":"paid"}`, "A-1", true, false},
		{1, `{"type":"failed","sale":{"id":17},"final":true}`, "17", false, true},
		{1, `{"type":"failed","final":"true"}`, "", false, false},
		{1, `{"type":"failed"}`, "", false, false},
		{1, `{"type":["paid"],"sale":{"id":{}}}`, "", false, false},
		{2, `{"id":"S","type":"paid"}`, "S", false, false},
		{0, `{"id":"S","type":"paid","items":[]}`, "", false, false},
	} {
		m := e.NewMessage()
		if err := e.ScanRequest(m, c.route, []byte(c.body), Limits{}); err != nil {
			t.Fatalf("%s: %v", c.body, err)
		}
		key, ok := m.Follows()
		release, cancel := m.Decides()
		if string(key) != c.key || ok != (c.key != "") || release != c.release || cancel != c.cancel {
			t.Errorf("%s: %q %v, release %v, cancel %v", c.body, key, ok, release, cancel)
		}
	}
}

func TestPending(t *testing.T) {
	e := followsEngine(t, "minor", "amount", "total")
	for _, c := range []struct {
		status             int
		body               string
		pending, succeeded bool
	}{
		{200, `{"status":"open","next":{"kind":"redirect"}}`, true, false},
		{402, `{"next":{"kind":"challenge"},"status":"open"}`, true, false},
		{403, `{"next":{"kind":"challenge"},"status":"open"}`, false, false},
		{200, `{"status":"open"}`, false, false},
		{200, `{"status":"paid","next":{"kind":"redirect"}}`, false, true},
	} {
		m := e.NewMessage()
		if err := e.ScanAnswer(m, 0, 0, []byte(c.body), Limits{}); err != nil {
			t.Fatal(err)
		}
		if got := m.Pending(c.status); got != c.pending || m.Succeeded(c.status) != c.succeeded {
			t.Errorf("%d %s: pending %v, succeeded %v", c.status, c.body, got, m.Succeeded(c.status))
		}
	}
	m := e.NewMessage()
	if err := e.ScanAnswer(m, 0, 0, []byte(`{"next":{},"next":{"kind":"redirect"}}`), Limits{}); err == nil || err.Code != reason.AmbiguousMember {
		t.Errorf("what decides, twice: %v", err)
	}
}

func TestHasSAD(t *testing.T) {
	e := answerEngine(t)
	for body, want := range map[string]bool{
		`{"a":[{"cvv":"123"}]}`: true,
		`{"a":{"track2":[1]}}`:  true,
		`{"card":{"number":1}}`: false,
		`[]`:                    false,
	} {
		m := e.NewMessage()
		if err := e.ScanAnswer(m, 0, 0, []byte(body), Limits{}); err != nil {
			t.Fatal(err)
		}
		if m.HasSAD() != want {
			t.Errorf("%s: %v", body, !want)
		}
	}
}

func TestFollowingDoesNotAllocate(t *testing.T) {
	e := followsEngine(t, "minor", "amount", "tip")
	m, v := e.NewMessage(), e.NewView()
	sale := []byte(`{"id":"S","items":[{"category":"laser","price":100},{"category":"cream","price":50}],"totals":{"tip":9,"total":159}}`)
	refund := []byte(`{"sale":{"id":"S"},"amount":"12","type":"paid","totals":{"total":12}}`)
	own := []byte(`{"amount":15,"items":[{"category":"laser","price":100},{"category":"cream","price":50}],"totals":{"tip":15}}`)
	answer := []byte(`{"status":"open","next":{"kind":"redirect"}}`)
	var shares []ClassShare
	var out []byte
	leg := func(i int) {
		if err := e.DecideLeg(m, i, v); err != nil {
			t.Fatal(err)
		}
		var err *reason.Error
		if out, err = v.Render(out[:0]); err != nil {
			t.Fatal(err)
		}
	}
	run := func() {
		if err := e.ScanRequest(m, 0, sale, Limits{}); err != nil {
			t.Fatal(err)
		}
		shares = m.Shares(shares[:0])
		m.Reset()
		if err := e.ScanRequest(m, 1, refund, Limits{}); err != nil {
			t.Fatal(err)
		}
		if err := m.UseShares(shares, m.Exponent()); err != nil {
			t.Fatal(err)
		}
		m.Follows()
		m.Decides()
		leg(1)
		m.Reset()
		if err := e.ScanRequest(m, 1, own, Limits{}); err != nil {
			t.Fatal(err)
		}
		leg(1)
		leg(2)
		m.Reset()
		if err := e.ScanAnswer(m, 0, 0, answer, Limits{}); err != nil || !m.Pending(200) || m.HasSAD() {
			t.Fatal(err)
		}
		m.Reset()
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > pooled {
		t.Errorf("%v allocations", n)
	}
}

// TestNothingIsLeftOfASale: a message that is used again knows no class and no
// part of the request before.
func TestNothingIsLeftOfASale(t *testing.T) {
	e := followsEngine(t, "minor", "amount", "total")
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanRequest(m, 1, []byte(`{"amount":10}`), Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := m.UseShares(soldBoth, 0); err != nil {
		t.Fatal(err)
	}
	m.Reset()
	if err := e.ScanRequest(m, 1, []byte(`{"amount":10}`), Limits{}); err != nil {
		t.Fatal(err)
	}
	if m.HasClass(1) || m.HasClass(2) {
		t.Error("a class is left")
	}
	if err := e.DecideLeg(m, 1, v); err != nil {
		t.Fatal(err)
	}
	if b, err := v.Render(nil); err != nil || string(b) != `{"amount":10}` {
		t.Errorf("%s %v", b, err)
	}
}

// FuzzShares splits any amount by any shares: the parts add up, or the request
// is refused with one of the codes.
func FuzzShares(f *testing.F) {
	f.Add(`100`, int64(1), int64(2), int64(0), uint8(0))
	f.Add(`"-1.50"`, int64(100), int64(-30), int64(7), uint8(1))
	f.Add(`1e3`, int64(0), int64(0), int64(5), uint8(3))
	var engines []*Engine
	for _, by := range []string{"total", "subtotal", "tax", "tip"} {
		engines = append(engines, followsEngine(f, "major", "amount", by))
	}
	f.Fuzz(func(t *testing.T, literal string, a, b, c int64, by uint8) {
		e := engines[int(by)%len(engines)]
		m := e.NewMessage()
		if e.ScanRequest(m, 1, []byte(`{"amount":`+literal+`}`), Limits{}) != nil {
			return
		}
		shares := []ClassShare{{"clinical", a, b, c, 0, a}, {"retail", b, c, a, 0, c}}
		if err := m.UseShares(shares, 2); err != nil {
			switch err.Code {
			case reason.AmountMalformed, reason.TotalsUnsplittable, reason.CurrencyUnknown:
			default:
				t.Error(err)
			}
			return
		}
		if !m.sale.split {
			return
		}
		sum := int64(0)
		for i, part := range m.sale.parts {
			if sum += part; part != 0 && !m.HasClass(rules.ClassID(i+1)) {
				t.Errorf("a class has %d and takes no part", part)
			}
		}
		if sum != m.sale.amount.Units {
			t.Errorf("%v add up to %d", m.sale.parts, m.sale.amount.Units)
		}
	})
}
