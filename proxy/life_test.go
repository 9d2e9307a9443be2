package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"chaperone/vault"
)

// TestMixedBasket is the main job: each party gets its part and no more, the
// caller gets its token.
func TestMixedBasket(t *testing.T) {
	b := newBed(t)
	a := b.post("/v1/checkout", checkout(t))
	if a.status != 200 {
		t.Fatalf("status %d: %s\n%s", a.status, a.body, b.logs)
	}
	for name, want := range map[string]string{headerUpstream: "200", headerOutcome: "released", headerLegs: "processor=200 ehr=queued ledger=queued"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	token := gjson.Get(a.body, "card_token").String()
	if len(token) != 16 || strings.Contains("23456", token[:1]) || !strings.HasSuffix(token, "4242") {
		t.Errorf("card_token = %q", token)
	}
	if got := gjson.Get(a.body, "card.number").String(); got != token {
		t.Errorf("the card in the answer is %q, want its token", got)
	}

	p := b.processor.await(t, 1)[0]
	e := b.ehr.await(t, 1)[0]
	l := b.ledger.await(t, 1)[0]
	for _, tt := range []struct{ who, body, path, want string }{
		{"processor", p.body, "payment.card.number", "4242424242424242"},
		{"processor", p.body, "payment.card.cvv", "737"},
		{"processor", p.body, "totals.total", "35978"},
		{"processor", p.body, "patient", ""},
		{"processor", p.body, "items", ""},
		{"processor", p.body, "description", "Store purchase"},
		{"ehr", e.body, "payment.card.number", token},
		{"ehr", e.body, "payment.card.cvv", ""},
		{"ehr", e.body, "patient.name", "Margaret Okonkwo"},
		{"ehr", e.body, "items.#", "1"},
		{"ehr", e.body, "items.0.sku", "TX-BTX-U"},
		{"ledger", l.body, "payment.card.number", "************4242"},
		{"ledger", l.body, "patient", ""},
		{"ledger", l.body, "items.#", "1"},
		{"ledger", l.body, "items.0.sku", "SK-CRM-050"},
	} {
		if !json.Valid([]byte(tt.body)) {
			t.Errorf("%s got no JSON: %s", tt.who, tt.body)
		}
		if got := gjson.Get(tt.body, tt.path).String(); got != tt.want {
			t.Errorf("%s: %s = %q, want %q", tt.who, tt.path, got, tt.want)
		}
	}
	ids := map[string]bool{}
	for _, body := range []string{p.body, e.body, l.body} {
		ids[gjson.Get(body, "transaction_id").String()] = true
	}
	if len(ids) != 3 || ids["MS-2026-004411"] {
		t.Errorf("the transaction id is not unlinked: %v", ids)
	}
	if got := gjson.Get(e.body, "totals.total").Int() + gjson.Get(l.body, "totals.total").Int(); got != 35978 {
		t.Errorf("the shares add up to %d", got)
	}
	keys := map[string]bool{p.key: true, e.key: true, l.key: true}
	if len(keys) != 3 || keys[""] {
		t.Errorf("idempotency keys: %v", keys)
	}
	if got := p.header.Get("Authorization"); got != "" {
		t.Errorf("the caller's credentials were forwarded")
	}
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
}

// TestTokenInstead: the token of a first sale pays for a second.
func TestTokenInstead(t *testing.T) {
	b := newBed(t)
	token := gjson.Get(b.post("/v1/checkout", checkout(t)).body, "card_token").String()
	body := strings.NewReplacer("4242424242424242", token, `"737"`, "null").Replace(sale(t, "second"))
	if a := b.post("/v1/checkout", body); a.status != 200 {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	got := b.processor.await(t, 2)[1].body
	if n := gjson.Get(got, "payment.card.number").String(); n != "4242424242424242" {
		t.Errorf("the processor got %q", n)
	}
	// One digit off: somebody else's card, if anybody's.
	forged := []byte(token)
	for done := false; !done; done = vault.IsPANToken(forged) && string(forged) != token {
		forged[5] = '0' + (forged[5]-'0'+1)%10
	}
	body = strings.NewReplacer("4242424242424242", string(forged), `"737"`, "null").Replace(sale(t, "third"))
	if a := b.post("/v1/checkout", body); a.status != 422 || gjson.Get(a.body, "code").String() != "token_unknown" {
		t.Errorf("a forged token: %d %s", a.status, a.body)
	}
	if n := len(b.processor.all()); n != 2 {
		t.Errorf("%d requests reached the processor", n)
	}
}
