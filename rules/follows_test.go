package rules

import (
	"os"
	"slices"
	"testing"
	"time"
)

// TestFollowsPlan reads all that a route may say of doubt, outages and the
// sale that it follows.
func TestFollowsPlan(t *testing.T) {
	file := "testdata/good/follows.yaml"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, ds := load(file, src, nil, testNow)
	if p == nil {
		t.Fatal(render(ds))
	}
	sale, refund, tip, void, hook := &p.Routes[0], &p.Routes[1], &p.Routes[2], &p.Routes[3], &p.Routes[4]
	day := 24 * time.Hour
	t.Run("the sale", func(t *testing.T) {
		if sale.OnDoubt != DoubtReplay || sale.OnOutage != OutageSpool || sale.Follows != nil {
			t.Errorf("%+v", sale)
		}
		pending := sale.Legs[0].Pending
		if pending == nil || !slices.Equal(pending.Status, []StatusRange{{200, 299}, {402, 402}}) || pending.Within != 2*time.Hour ||
			pending.Where[0].Path.Source != "status" || !slices.Equal(pending.Where[0].Values, []Scalar{{ScalarString, "requires_action"}}) {
			t.Errorf("pending is %+v", pending)
		}
		if sale.Legs[0].Sync || !sale.Legs[1].Sync || sale.Legs[2].Sync {
			t.Errorf("the legs are %+v", sale.Legs)
		}
		f := sale.Followed
		if f == nil || f.Within != 365*day || !f.Shares || !slices.Equal(f.Aliases, []int{0}) {
			t.Errorf("followed is %+v", f)
		}
	})
	t.Run("a refund", func(t *testing.T) {
		f := refund.Follows
		if f.Key.Source != "original" || f.Route != 0 || f.Group != "" || f.As != -1 || f.Amount.Source != "amount" || f.By != ShareTotal ||
			f.Within != 180*day || f.Unknown || f.Release != nil || f.Cancel != nil || refund.Followed != nil {
			t.Errorf("%+v", f)
		}
		if refund.OnDoubt != DoubtRetry || refund.OnOutage != OutageRefuse {
			t.Errorf("%+v", refund)
		}
	})
	t.Run("a tip", func(t *testing.T) {
		if f := tip.Follows; f.Amount.Source != "tip.amount" || f.By != ShareTip || f.Within != 3*day || tip.OnDoubt != DoubtHold || tip.OnOutage != OutageDefault {
			t.Errorf("%+v", f)
		}
	})
	t.Run("a void", func(t *testing.T) {
		if f := void.Follows; f.Amount != nil || !f.Unknown || f.Release != nil || f.Cancel == nil || !f.Cancel.Success {
			t.Errorf("%+v", f)
		}
	})
	t.Run("a webhook", func(t *testing.T) {
		f := hook.Follows
		if f.Key.Source != "data.transaction_id" || f.Group != "clinic" || f.As != 0 || f.Release.Success || len(f.Release.Where) != 1 ||
			!slices.Equal(f.Cancel.Where[0].Values, []Scalar{{ScalarString, "payment.failed"}, {ScalarString, "payment.canceled"}}) {
			t.Errorf("%+v", f)
		}
	})
}

// TestFollowsInShort finds the only route that can be meant.
func TestFollowsInShort(t *testing.T) {
	p := mustLoad(t, `
destinations: {till: {url: "https://till.example"}}
routes:
  - name: refund
    match: {method: POST, path: /refund}
    idempotency: {key: id}
    follows: original
    legs: [{to: till, primary: true, keep: [id], success: http}]
  - name: sale
    match: {method: POST, path: /sale}
    idempotency: {key: id}
    legs: [{to: till, primary: true, keep: [id], success: http}]
  - name: look
    match: {method: GET, path: /look}
    idempotency: {}
    legs: [{to: till, primary: true, keep: [id], success: http}]
`)
	f := p.Routes[0].Follows
	if f.Route != 1 || f.Key.Source != "original" || f.As != -1 || f.Within != defaultFollowed {
		t.Errorf("%+v", f)
	}
	if sale := p.Routes[1].Followed; sale == nil || sale.Shares || sale.Within != defaultFollowed || len(sale.Aliases) != 0 {
		t.Errorf("%+v", sale)
	}
	if p.Routes[2].Followed != nil {
		t.Error("a route that makes no sales is followed")
	}
}
