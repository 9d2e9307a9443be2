package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/store/redistest"
)

// followRoutes are routes of calls that follow a sale of the sample's route
// checkout.
const followRoutes = `
  - name: part-refund                # an amount without items
    match: {method: POST, path: /v1/part-refunds}
    idempotency: {key: transaction_id}
    follows: {key: original_transaction_id, route: checkout, amount: amount}
    unlink: [transaction_id, original_transaction_id]
    legs:
      - {to: processor, primary: true, path: /v1/refunds, items: none, keep: [transaction_id, original_transaction_id, currency, amount], success: {where: {status: [refunded, approved]}}}
      - {to: ehr, path: /v1/refunds, items: clinical, keep: [transaction_id, original_transaction_id, amount]}
      - {to: ledger, path: /v1/refunds, items: retail, keep: [transaction_id, original_transaction_id, amount]}
  - name: item-refund                # with the items that come back
    match: {method: POST, path: /v1/item-refunds}
    items: optional
    idempotency: {key: transaction_id}
    follows: {key: original_transaction_id, route: checkout, amount: totals.total, within: 2h}
    unlink: [transaction_id, original_transaction_id]
    legs:
      - {to: processor, primary: true, path: /v1/refunds, items: none, keep: [transaction_id, original_transaction_id, currency, totals.total], success: {where: {status: [refunded, approved]}}}
      - {to: ehr, path: /v1/refunds, items: clinical, totals: recompute, keep: [transaction_id, original_transaction_id, items, totals]}
      - {to: ledger, path: /v1/refunds, items: retail, totals: recompute, keep: [transaction_id, original_transaction_id, items, totals]}
  - name: tip
    match: {method: POST, path: /v1/tips}
    follows: {key: original_transaction_id, route: checkout, amount: tip, by: tip}
    unlink: [original_transaction_id]
    legs:
      - {to: processor, primary: true, items: none, keep: [original_transaction_id, tip], success: http}
      - {to: ehr, path: /v1/tips, items: clinical, keep: [original_transaction_id, tip]}
      - {to: ledger, path: /v1/tips, items: retail, keep: [original_transaction_id, tip]}
  - name: capture
    match: {method: POST, path: /v1/captures}
    idempotency: {key: transaction_id}
    follows: {key: original_transaction_id, route: checkout, release: success}
    unlink: [original_transaction_id]
    legs:
      - {to: processor, primary: true, keep: [original_transaction_id], success: {where: {status: [captured]}}}
      - {to: ehr, path: /v1/captures, items: none, keep: [original_transaction_id]}
  - name: void
    match: {method: POST, path: /v1/voids}
    idempotency: {key: transaction_id}
    follows: {key: original_transaction_id, route: checkout, cancel: success}
    unlink: [original_transaction_id]
    legs:
      - {to: processor, primary: true, keep: [original_transaction_id], success: {where: {status: [voided]}}}
  - name: note                       # goes its way whether the sale is known or not
    match: {method: POST, path: /v1/notes}
    follows: {key: original_transaction_id, route: checkout, unknown: send}
    unlink: [original_transaction_id]
    legs:
      - {to: processor, primary: true, keep: [original_transaction_id], success: http}
      - {to: ehr, path: /v1/notes, keep: [original_transaction_id]}
  - name: hook                       # from the processor, which knows the sale by its alias
    match: {method: POST, path: /hooks/processor}
    idempotency: {key: event}
    follows:
      key: data.transaction_id
      route: checkout
      group: front-desk
      as: processor
      release: {type: [payment.captured]}
      cancel: {type: [payment.failed, payment.canceled]}
    unlink: [data.transaction_id]
    legs:
      - {to: ledger, primary: true, path: /hooks, items: none, keep: [type, data.transaction_id], success: http}
`

const hookKey = "chp_hook"

// withFollowers adds the routes that follow to a bed's policy.
func withFollowers(b *bed) {
	sum := sha256.Sum256([]byte(hookKey))
	b.policy = strings.NewReplacer(
		"    routes: [checkout, refund]\n", "    routes: [checkout, refund, part-refund, item-refund, tip, capture, void, note]\n",
		"# What comes in, and which calls it becomes.\n", "  processor-hook:\n    key_sha256: "+hex.EncodeToString(sum[:])+"\n    routes: [hook]\n\n",
		"        success: {status: [2xx], where: {status: [approved, captured]}}\n      - to: ehr\n        path: /v1/encounters\n        items: clinical\n        totals: recompute\n        keep: [transaction_id, timestamp, currency, patient, consent",
		"        success: {status: [2xx], where: {status: [approved, captured]}}\n        pending: {status: [2xx], where: {status: [requires_action]}, within: 1h}\n      - to: ehr\n        path: /v1/encounters\n        items: clinical\n        totals: recompute\n        keep: [transaction_id, timestamp, currency, patient, consent",
	).Replace(b.policy) + followRoutes
}

// about is a body of a call that follows a sale.
func about(id, of, more string) string {
	return fmt.Sprintf(`{"transaction_id":%q,"original_transaction_id":%q,"currency":"USD"%s}`, id, of, more)
}

// processorSays answers by the path of the request.
func processorSays(says map[string]string) func(int, received) reply {
	return func(_ int, r received) reply {
		status, ok := says[r.path]
		if !ok {
			status = "approved"
		}
		return reply{status: 200, body: `{"status":"` + status + `"}`}
	}
}

// bothStores runs a test on an embedded store and on Redis.
func bothStores(t *testing.T, test func(t *testing.T, on func(*bed))) {
	t.Run("file", func(t *testing.T) { test(t, func(*bed) {}) })
	t.Run("redis", func(t *testing.T) { test(t, onRedis(t, redistest.Start(t, redistest.Options{}))) })
}

// at gives what a receiver got at a path.
func (r *receiver) at(path string) (all []received) {
	for _, got := range r.all() {
		if got.path == path {
			all = append(all, got)
		}
	}
	return all
}

func (b *bed) delivered() {
	b.t.Helper()
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
}

// TestNoSaleToFollow: what is said of a sale that is not, or not yet,
// completed. Nothing is forwarded.
func TestNoSaleToFollow(t *testing.T) {
	tests := []struct {
		name   string
		sale   *reply // nil: there is none
		status int
		code   string
		retry  bool
	}{
		{"never there", nil, 422, "sale_unknown", false},
		{"declined", &reply{status: 402, body: `{"status":"declined"}`}, 422, "sale_unknown", false},
		{"in doubt", &reply{status: 500}, 409, "sale_open", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, withFollowers)
			if tt.sale != nil {
				b.processor.setAnswer(func(int, received) reply { return *tt.sale })
				b.post("/v1/checkout", sale(t, "s1"))
			}
			seen := len(b.processor.all())
			for _, path := range []string{"/v1/part-refunds", "/v1/captures", "/v1/voids", "/v1/tips"} {
				a := b.post(path, about("r1", "s1", `,"amount":100,"tip":100`))
				if a.status != tt.status || code(a) != tt.code || (a.header.Get("Retry-After") != "") != tt.retry {
					t.Errorf("%s: %d %s", path, a.status, a.body)
				}
			}
			if n := len(b.processor.all()); n != seen {
				t.Errorf("%d requests were forwarded", n-seen)
			}
		})
	}
}

// TestFollowerOfASaleInFlight is told to come again.
func TestFollowerOfASaleInFlight(t *testing.T) {
	b := newBed(t, withFollowers)
	hang := make(chan struct{})
	b.processor.setAnswer(func(_ int, r received) reply {
		if r.path == "/v1/payments" {
			return reply{status: 200, body: approved, hang: hang}
		}
		return reply{status: 200, body: `{"status":"refunded"}`}
	})
	ended := make(chan answerOf, 1)
	go func() { ended <- b.post("/v1/checkout", sale(t, "s1")) }()
	b.processor.await(t, 1)
	a := b.post("/v1/part-refunds", about("r1", "s1", `,"amount":100`))
	if a.status != 409 || code(a) != "sale_open" || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	close(hang)
	if a := <-ended; a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	if a := b.post("/v1/part-refunds", about("r1", "s1", `,"amount":100`)); a.status != 200 {
		t.Errorf("once it is completed: %d %s", a.status, a.body)
	}
}

// TestUnknownSaleIsSent where the route says so, as a request of its own.
func TestUnknownSaleIsSent(t *testing.T) {
	b := newBed(t, withFollowers)
	for _, body := range []string{about("n1", "s1", ""), `{"transaction_id":"n2"}`} {
		if a := b.post("/v1/notes", body); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	b.delivered()
	if n := len(b.ehr.at("/v1/notes")); n != 2 {
		t.Errorf("the record got %d", n)
	}
}

// everyStore is bothStores, and a Cluster.
func everyStore(t *testing.T, test func(t *testing.T, on func(*bed))) {
	bothStores(t, test)
	t.Run("cluster", func(t *testing.T) { test(t, onCluster(t)) })
}

// onCluster puts a bed on a Cluster of three masters.
func onCluster(t *testing.T) func(*bed) {
	c := redistest.StartCluster(t, 3)
	return func(b *bed) {
		b.open = func() store.Driver {
			d, err := store.OpenRedis(t.Context(), store.RedisOptions{Addresses: c.Addrs(), Cluster: true})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
}

// TestFollowersComeAfterTheSale: at each destination, whatever fails meanwhile,
// under the sale's own alias.
func TestFollowersComeAfterTheSale(t *testing.T) {
	everyStore(t, func(t *testing.T, on func(*bed)) {
		b := newBed(t, on, withFollowers)
		b.processor.setAnswer(processorSays(map[string]string{"/v1/refunds": "refunded", "/v1/captures": "captured"}))
		b.ehr.setAnswer(func(n int, _ received) reply {
			if n%3 != 2 {
				return reply{status: 503}
			}
			return reply{status: 201}
		})
		if a := b.post("/v1/checkout", sale(t, "s1")); a.status != 200 {
			t.Fatal(a.status, a.body)
		}
		var want []string
		for i := range 8 {
			id := fmt.Sprint("c", i)
			if a := b.post("/v1/captures", about(id, "s1", "")); a.status != 200 || a.header.Get(headerLegs) != "processor=200 ehr=queued" {
				t.Fatal(a.status, a.body, a.header)
			}
			want = append(want, "/v1/captures")
		}
		b.delivered()
		var paths, keys []string
		for _, r := range b.ehr.all() {
			if len(keys) == 0 || keys[len(keys)-1] != r.key {
				paths, keys = append(paths, r.path), append(keys, r.key)
			}
		}
		if got := strings.Join(paths, " "); got != "/v1/encounters "+strings.Join(want, " ") {
			t.Errorf("the record got %s", got)
		}
		for name, r := range map[string]*receiver{"processor": b.processor, "ehr": b.ehr} {
			first := gjson.Get(r.all()[0].body, "transaction_id").String()
			for _, got := range r.all()[1:] {
				if alias := gjson.Get(got.body, "original_transaction_id"); alias.Exists() && alias.String() != first || strings.Contains(got.body, `"s1"`) {
					t.Errorf("%s knows the sale as %s, and then as %s", name, first, got.body)
				}
			}
		}
	})
}

// TestFollowerElsewhere: another proxy on the same store knows the sale, and so
// does the next process.
func TestFollowerElsewhere(t *testing.T) {
	r := redistest.Start(t, redistest.Options{})
	b := newBed(t, onRedis(t, r), withFollowers)
	other := newBed(t, onRedis(t, r), withFollowers, func(o *bed) {
		o.ring, o.policy = b.ring, b.policy
	})
	b.ehr.setAnswer(always(503, ""))
	if a := b.post("/v1/checkout", sale(t, "s1")); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	b.processor.setAnswer(processorSays(map[string]string{"/v1/captures": "captured"}))
	if a := other.post("/v1/captures", about("c1", "s1", "")); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	other.restart()
	if a := other.post("/v1/captures", about("c2", "s1", "")); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	b.ehr.setAnswer(always(201, ""))
	b.delivered()
	got := b.ehr.all()
	if n := len(got); n < 3 || got[n-1].path != "/v1/captures" || got[n-2].path != "/v1/captures" || got[n-3].path != "/v1/encounters" {
		t.Errorf("%d, %+v", n, got)
	}
}

// TestFollowerIsRepeated: the repeat of a request is told what the first was
// told, though the sale may be followed no more.
func TestFollowerIsRepeated(t *testing.T) {
	b := newBed(t, withFollowers)
	b.processor.setAnswer(processorSays(map[string]string{"/v1/captures": "captured"}))
	b.post("/v1/checkout", sale(t, "s1"))
	first := b.post("/v1/captures", about("c1", "s1", ""))
	b.delivered()
	ctx := t.Context()
	key := b.server.letters("idempotency", []byte("front-desk"), []byte("checkout"), []byte("s1"))
	err := b.driver.Apply(ctx, []store.Command{{Kind: store.Delete, Key: store.SaleKey(key)}, {Kind: store.Delete, Key: store.ClaimKey(key, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	again := b.post("/v1/captures", about("c1", "s1", ""))
	if again.status != 200 || again.header.Get(headerReplayed) != "true" || again.body != first.body {
		t.Errorf("%d %v %s", again.status, again.header, again.body)
	}
	if a := b.post("/v1/captures", about("c1", "s1", `,"more":1`)); code(a) != "body_differs" {
		t.Errorf("another body: %d %s", a.status, a.body)
	}
	if a := b.post("/v1/captures", about("c2", "s1", "")); code(a) != "sale_unknown" {
		t.Errorf("a new one: %d %s", a.status, a.body)
	}
}

// TestPartialRefunds: each refund is split as the sale was, its parts add up to
// it exactly, and the primary is told the whole.
func TestPartialRefunds(t *testing.T) {
	bothStores(t, func(t *testing.T, on func(*bed)) {
		b := newBed(t, on, withFollowers)
		b.processor.setAnswer(processorSays(map[string]string{"/v1/refunds": "refunded"}))
		if a := b.post("/v1/checkout", sale(t, "s1")); a.status != 200 {
			t.Fatal(a.status, a.body)
		}
		clinical := gjson.Get(b.ehr.await(t, 1)[0].body, "totals.total").Int()
		retail := gjson.Get(b.ledger.await(t, 1)[0].body, "totals.total").Int()
		if clinical+retail != 35978 || clinical == 0 || retail == 0 {
			t.Fatalf("the sale was split into %d and %d", clinical, retail)
		}
		amounts := []int64{1, 2, 99, 100, 3333, 10_001, 35978}
		for _, amount := range amounts {
			a := b.post("/v1/part-refunds", about(fmt.Sprint("r", amount), "s1", fmt.Sprintf(`,"amount":%d`, amount)))
			if a.status != 200 || a.header.Get(headerOutcome) != "released" {
				t.Fatal(amount, a.status, a.body)
			}
		}
		b.delivered()
		got := map[string]map[int64]int64{} // receiver → whole → part
		for name, r := range map[string]*receiver{"processor": b.processor, "ehr": b.ehr, "ledger": b.ledger} {
			got[name] = map[int64]int64{}
			// In the order of the refunds; a part that is zero is sent, too.
			for i, r := range r.at("/v1/refunds") {
				got[name][amounts[i]] = gjson.Get(r.body, "amount").Int()
			}
			if len(got[name]) != len(amounts) {
				t.Errorf("%s got %d refunds", name, len(got[name]))
			}
		}
		for _, amount := range amounts {
			if got["processor"][amount] != amount || got["ehr"][amount]+got["ledger"][amount] != amount {
				t.Errorf("%d: processor %d, ehr %d, ledger %d", amount, got["processor"][amount], got["ehr"][amount], got["ledger"][amount])
			}
			// No part is off by a whole unit from what the sale's shares make of it.
			exact := float64(amount) * float64(clinical) / 35978
			if off := float64(got["ehr"][amount]) - exact; off <= -1 || off >= 1 {
				t.Errorf("%d: ehr %d, exactly %f", amount, got["ehr"][amount], exact)
			}
		}
	})
}

// TestWhatFollowersCarry: which legs there are, and what they are told.
func TestWhatFollowersCarry(t *testing.T) {
	retail := func(id string) string {
		return strings.Replace(sampleFile(t, "bodies/retail-only.json"), gjson.Get(sampleFile(t, "bodies/retail-only.json"), "transaction_id").String(), id, 1)
	}
	items := `,"items":[{"sku":"TX-BTX-U","name":"Botox Cosmetic, unit","category":"injectable","qty":-1,"unit_price":1250},` +
		`{"sku":"SK-CRM-050","name":"Ceramide Face Cream 50 ml","category":"skincare","qty":-1,"unit_price":3500}],` +
		`"totals":{"subtotal":-4750,"tax":-289,"tip":0,"discount":0,"total":-5039}`
	tests := []struct {
		name        string
		sale        string
		path        string
		body        string
		legs        string
		at          string // path at ehr and ledger
		member      string
		ehr, ledger string
	}{
		{"an amount, a sale of goods alone", retail("s1"), "/v1/part-refunds", about("r1", "s1", `,"amount":500`),
			"processor=200 ledger=queued", "/v1/refunds", "amount", "", "500"},
		{"an amount in a text", sale(t, "s1"), "/v1/part-refunds", about("r1", "s1", `,"amount":"35978"`),
			"processor=200 ehr=queued ledger=queued", "/v1/refunds", "amount", "28750", "7228"},
		{"no amount", sale(t, "s1"), "/v1/part-refunds", about("r1", "s1", ""),
			"processor=200 ehr=queued ledger=queued", "/v1/refunds", "amount", "", ""},
		{"items", sale(t, "s1"), "/v1/item-refunds", about("r1", "s1", items),
			"processor=200 ehr=queued ledger=queued", "/v1/refunds", "totals.total", "-1250", "-3789"},
		{"a tip", sale(t, "s1"), "/v1/tips", about("r1", "s1", `,"tip":700`),
			"processor=200 ehr=queued", "/v1/tips", "tip", "700", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, withFollowers)
			b.processor.setAnswer(processorSays(map[string]string{"/v1/refunds": "refunded"}))
			if a := b.post("/v1/checkout", tt.sale); a.status != 200 {
				t.Fatal(a.status, a.body)
			}
			if a := b.post(tt.path, tt.body); a.status != 200 || a.header.Get(headerLegs) != tt.legs {
				t.Fatal(a.status, a.body, a.header)
			}
			b.delivered()
			for _, side := range []struct {
				name string
				r    *receiver
				want string
			}{{"ehr", b.ehr, tt.ehr}, {"ledger", b.ledger, tt.ledger}} {
				got := ""
				for _, r := range side.r.at(tt.at) {
					got += gjson.Get(r.body, tt.member).String()
				}
				if got != side.want || len(side.r.at(tt.at)) != strings.Count(tt.legs, side.name) {
					t.Errorf("%s got %q", side.name, got)
				}
			}
		})
	}
}

// TestUnsplittable: an amount is not sent where nobody knows whose it is.
func TestUnsplittable(t *testing.T) {
	b := newBed(t, withFollowers)
	b.processor.setAnswer(processorSays(map[string]string{"/v1/refunds": "refunded"}))
	b.post("/v1/checkout", sale(t, "s1"))
	seen := len(b.processor.all())
	for name, body := range map[string]string{
		"no number":     about("r1", "s1", `,"amount":"much"`),
		"a fraction":    about("r2", "s1", `,"amount":1.5`),
		"an object":     about("r3", "s1", `,"amount":{"value":1}`),
		"too many":      about("r4", "s1", `,"amount":1000000000000000000000`),
		"twice a value": about("r5", "s1", `,"amount":1,"amount":2`),
	} {
		if a := b.post("/v1/part-refunds", body); a.status != 422 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if n := len(b.processor.all()); n != seen {
		t.Errorf("%d were forwarded", n-seen)
	}
}

// TestSaleOfAnEarlierPolicy: of a sale that was made before the policy knew of
// followers, its claim tells what there is; how it was split is not known.
func TestSaleOfAnEarlierPolicy(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.policy = regexp.MustCompile(`(?m)^    follows:\n(      .*\n)+`).ReplaceAllString(b.policy, "") // the sample's refund
	})
	b.ehr.setAnswer(always(503, ""))
	b.post("/v1/checkout", sale(t, "s1"))
	b.stop()
	withFollowers(b)
	b.start()
	b.processor.setAnswer(processorSays(map[string]string{"/v1/refunds": "refunded", "/v1/captures": "captured"}))
	if a := b.post("/v1/part-refunds", about("r1", "s1", `,"amount":100`)); a.status != 422 || code(a) != "totals_unsplittable" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := b.post("/v1/captures", about("c1", "s1", "")); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.ehr.setAnswer(always(201, ""))
	b.delivered()
}

// TestWithin: a sale can be followed for so long, and no longer.
func TestWithin(t *testing.T) {
	var ahead atomic.Int64 // nanoseconds
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	b := newBed(t, withFollowers, func(b *bed) {
		b.policy = strings.Replace(b.policy, "release: success", "release: success, within: 2h", 1)
		b.open = func() store.Driver {
			d, err := store.OpenFile(filepath.Join(b.dir, "store.db"), store.FileOptions{NoSync: true, Clock: now})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		b.tune = func(o *Options) { o.Clock = now }
	})
	b.processor.setAnswer(processorSays(map[string]string{"/v1/captures": "captured", "/v1/refunds": "refunded"}))
	b.post("/v1/checkout", sale(t, "s1"))
	b.delivered()
	ahead.Store(int64(119 * time.Minute))
	if a := b.post("/v1/captures", about("c1", "s1", "")); a.status != 200 {
		t.Errorf("within: %d %s", a.status, a.body)
	}
	ahead.Store(int64(121 * time.Minute))
	if a := b.post("/v1/captures", about("c2", "s1", "")); code(a) != "sale_unknown" {
		t.Errorf("later: %d %s", a.status, a.body)
	}
	if a := b.post("/v1/part-refunds", about("r1", "s1", `,"amount":1`)); a.status != 200 {
		t.Errorf("on a route with more time: %d %s", a.status, a.body)
	}
	ahead.Store(int64(181 * 24 * time.Hour))
	if a := b.post("/v1/part-refunds", about("r2", "s1", `,"amount":1`)); code(a) != "sale_unknown" {
		t.Errorf("when the register has ended: %d %s", a.status, a.body)
	}
}

// TestHookOfACompletedSale: the processor names the sale by its own alias, and
// whoever is told of it gets its own.
func TestHookOfACompletedSale(t *testing.T) {
	bothStores(t, func(t *testing.T, on func(*bed)) {
		b := newBed(t, on, withFollowers)
		b.post("/v1/checkout", sale(t, "s1"))
		alias := gjson.Get(b.processor.all()[0].body, "transaction_id").String()
		inLedger := gjson.Get(b.ledger.await(t, 1)[0].body, "transaction_id").String()
		b.key = hookKey
		event := func(id, of string) string {
			return fmt.Sprintf(`{"event":%q,"type":"payment.settled","data":{"transaction_id":%q}}`, id, of)
		}
		if a := b.post("/hooks/processor", event("e1", alias)); a.status != 201 {
			t.Fatal(a.status, a.body)
		}
		if got := b.ledger.at("/hooks"); len(got) != 1 || gjson.Get(got[0].body, "data.transaction_id").String() != inLedger {
			t.Errorf("the ledger knows the sale as %s and is told %+v", inLedger, got)
		}
		for id, of := range map[string]string{"e2": "s1", "e3": inLedger, "e4": "al_none"} {
			if a := b.post("/hooks/processor", event(id, of)); a.status != 422 || code(a) != "sale_unknown" {
				t.Errorf("%s: %d %s", of, a.status, a.body)
			}
		}
	})
}

// TestSaleWithAKeyInAHeader: a till that gives its keys in a header names the
// sale by the key of its body all the same, and so does the processor.
func TestSaleWithAKeyInAHeader(t *testing.T) {
	bothStores(t, func(t *testing.T, on func(*bed)) {
		b := newBed(t, on, withFollowers)
		says := func(payment string) {
			b.processor.setAnswer(processorSays(map[string]string{"/v1/payments": payment, "/v1/captures": "captured", "/v1/refunds": "refunded"}))
		}
		said := func(a answerOf, status int, code string) {
			t.Helper()
			if a.status != status || gjson.Get(a.body, "code").String() != code {
				t.Errorf("%d %s, want %d %s", a.status, a.body, status, code)
			}
		}
		says("declined")
		b.post("/v1/checkout", sale(t, "s1"), "Idempotency-Key", "try-1")
		said(b.post("/v1/captures", about("c0", "s1", "")), 422, "sale_unknown")
		says("requires_action")
		b.post("/v1/checkout", sale(t, "s1"), "Idempotency-Key", "try-2")
		said(b.post("/v1/part-refunds", about("r0", "s1", `,"amount":100`)), 409, "sale_pending")
		// Another body under a key that is taken is refused, and is no sale.
		said(b.post("/v1/checkout", sale(t, "s2"), "Idempotency-Key", "try-2"), 422, "body_differs")
		said(b.post("/v1/captures", about("c1", "s2", "")), 422, "sale_unknown")
		alias := gjson.Get(b.processor.at("/v1/payments")[1].body, "transaction_id").String()
		desk := b.key
		b.key = hookKey
		said(b.post("/hooks/processor", event("e1", "payment.captured", alias)), 201, "")
		b.key = desk
		// A third try with the same body is declined; the sale stays the sale.
		says("declined")
		b.post("/v1/checkout", sale(t, "s1"), "Idempotency-Key", "try-3")
		said(b.post("/v1/part-refunds", about("r1", "s1", `,"amount":100`)), 200, "")
		said(b.post("/v1/part-refunds", about("r2", "try-2", `,"amount":100`)), 200, "")
		b.delivered()
		paths := ""
		for _, r := range b.ehr.all() {
			paths += " " + r.path
		}
		if paths != " /v1/encounters /v1/refunds /v1/refunds" {
			t.Errorf("the record got %s", paths)
		}
	})
}

// TestSaleWithoutItsRegister: between the outcome and the sale's own register,
// the claim tells the same.
func TestSaleWithoutItsRegister(t *testing.T) {
	b := newBed(t, withFollowers)
	b.processor.setAnswer(processorSays(map[string]string{"/v1/refunds": "refunded"}))
	b.post("/v1/checkout", sale(t, "s1"))
	key := b.server.letters("idempotency", []byte("front-desk"), []byte("checkout"), []byte("s1"))
	gone := []store.Command{{Kind: store.Delete, Key: store.SaleKey(key)}}
	if err := b.driver.Apply(t.Context(), gone); err != nil || !gone[0].Found {
		t.Fatal(gone[0].Found, err)
	}
	if a := b.post("/v1/part-refunds", about("r1", "s1", `,"amount":35978`)); a.status != 200 || a.header.Get(headerLegs) != "processor=200 ehr=queued ledger=queued" {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.delivered()
	if got := gjson.Get(b.ehr.at("/v1/refunds")[0].body, "amount").Int(); got != 28750 {
		t.Errorf("the record got %d", got)
	}
}

// TestFollowersOnRecord: the log says of which sale a call was, and whose data
// went out.
func TestFollowersOnRecord(t *testing.T) {
	b := newBed(t, withFollowers)
	b.processor.setAnswer(processorSays(map[string]string{"/v1/refunds": "refunded"}))
	b.post("/v1/checkout", sale(t, "s1"))
	b.post("/v1/part-refunds", about("r1", "s1", `,"amount":100`))
	b.delivered()
	var subject audit.ID
	var key audit.ID
	found := 0
	for _, e := range b.entries() {
		switch {
		case e.Kind == audit.KindDecision && e.Route == "checkout":
			subject, key = e.Subject, e.Key
			if e.Target != "" {
				t.Errorf("the sale is about %s", e.Target)
			}
		case e.Kind == audit.KindDecision && e.Route == "part-refund":
			found++
			if string(e.Target) != string(key)+"/1" || e.Key == key {
				t.Errorf("the refund is about %q, the sale is %s", e.Target, key)
			}
			fallthrough
		case e.Kind == audit.KindDelivery && e.Route == "part-refund":
			if e.Kind == audit.KindDelivery {
				found += len(e.Legs)
			}
			if e.Subject != subject || subject == "" {
				t.Errorf("%v of the refund: subject %q, the sale's is %q", e.Kind, e.Subject, subject)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d are on record", found)
	}
}
