package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"chaperone/store"
	"chaperone/vault"
)

// explained is what the destination that sees tokens would get.
func explained(t *testing.T, b *bed, body string) string {
	t.Helper()
	plan, _ := load(t, b.policy)
	ex, err := Explain(plan, Sample{Route: "tokens", Caller: "till", Body: []byte(body)})
	if err != nil || ex.Refusal != nil {
		t.Fatalf("%v %+v", err, ex)
	}
	return string(ex.Parties[0].Body)
}

func TestExplainShowsVaultedTokens(t *testing.T) {
	b := newShelf(t, shelf{panToken: "{format: vaulted, keep: bin6+last4}", phiToken: "vaulted"})
	got := explained(t, b, `{"card":"4242424242424242","name":"Ada"}`)
	if token := gjson.Get(got, "card").String(); !strings.HasPrefix(token, "424242") || token == "4242424242424242" {
		t.Errorf("the card is shown as %q", token)
	}
	if token := gjson.Get(got, "name").String(); !strings.HasPrefix(token, "vt_") {
		t.Errorf("the name is shown as %q", token)
	}
	if keys, _, err := b.driver.ScanKeys(t.Context(), "v:", "", 10); len(keys) != 0 || err != nil {
		t.Errorf("to explain stored %d tokens, %v", len(keys), err)
	}
}

func TestVaultedExpires(t *testing.T) {
	now := time.Now()
	b := newShelf(t, shelf{panToken: "{format: vaulted, ttl: 90d}", phiToken: "{format: vaulted, ttl: 90d}"}, func(b *bed) {
		b.tune = func(o *Options) { o.Clock = func() time.Time { return now } }
	})
	got := b.tokenize(`{"card":"4242424242424242","name":"Ada"}`)
	b.stop()
	now = now.Add(89 * 24 * time.Hour)
	b.start()
	if a, _ := b.reveal(got); a.status != 200 {
		t.Errorf("a day before its end: %d %s", a.status, a.body)
	}
	b.stop()
	now = now.Add(2 * 24 * time.Hour)
	b.start()
	for _, member := range []string{"card", "name"} {
		if a, back := b.reveal(`{"` + member + `":"` + gjson.Get(got, member).String() + `"}`); a.status != 422 || code(a) != "token_unknown" || back != "" {
			t.Errorf("%s a day after: %d %s", member, a.status, a.body)
		}
	}
}

// TestFormatChanged: a label whose tokens were of format pan reveals those when
// they are vaulted from now on.
func TestFormatChanged(t *testing.T) {
	b := newShelf(t, shelf{panToken: "pan", phiToken: "sealed"})
	old := b.tokenize(`{"card":"4242424242424242","name":"Ada"}`)
	b.stop()
	b.policy = strings.NewReplacer("token: pan", "token: {format: vaulted, keep: bin6+last4}", "token: sealed", "token: vaulted").Replace(b.policy)
	b.start()
	a, back := b.reveal(old)
	if a.status != 200 || gjson.Get(back, "card").String() != "4242424242424242" || gjson.Get(back, "name").String() != "Ada" {
		t.Errorf("%d %s: %s", a.status, a.body, back)
	}
	if fresh := b.tokenize(`{"card":"4242424242424242"}`); !strings.HasPrefix(gjson.Get(fresh, "card").String(), "424242") {
		t.Errorf("the new format is not used: %s", fresh)
	}
}

// TestVaultedInTexts: ids are found in the midst of a text, and numbers stay
// numbers.
func TestVaultedInTexts(t *testing.T) {
	b := newShelf(t, shelf{panToken: "vaulted", phiToken: "vaulted"})
	got := b.tokenize(`{"cards":[4242424242424242],"other":"card 4242 4242 4242 4242 and 5555555555554444."}`)
	if strings.Contains(got, "4242 4242 4242 4242") || strings.Contains(got, "5555555555554444") {
		t.Fatalf("a card went out: %s", got)
	}
	if r := gjson.Get(got, "cards.0"); r.Type != gjson.Number || r.Raw[0] != '8' {
		t.Errorf("a number became %s", r.Type)
	}
	_, back := b.reveal(got)
	if gjson.Get(back, "cards.0").Raw != "4242424242424242" || gjson.Get(back, "other").String() != "card 4242424242424242 and 5555555555554444." {
		t.Errorf("back came %s", back)
	}
}

// TestNothingIsForwardedWithoutTheStore: a vaulted token that could not be
// stored is not given out.
func TestNothingIsForwardedWithoutTheStore(t *testing.T) {
	b := newShelf(t, shelf{panToken: "vaulted", phiToken: "vaulted"})
	if err := b.driver.Close(); err != nil {
		t.Fatal(err)
	}
	if a := b.post("/tokens", `{"name":"Ada"}`); a.status != 503 || len(b.ehr.all()) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.cancel()
	<-b.served // its error is that the store is gone
	b.cancel = nil
}

// TestRevokedWhileUnderWay: a request that was given a token just before it was
// revoked stores its value again. It is never revealed, and does not stay.
func TestRevokedWhileUnderWay(t *testing.T) {
	b := newShelf(t, shelf{panToken: "vaulted", phiToken: "vaulted"})
	got := b.tokenize(`{"name":"Ada"}`)
	keys, _, err := b.driver.ScanKeys(t.Context(), "v:", "", 10)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	c := []store.Command{{Kind: store.Get, Key: keys[0]}}
	if err := b.driver.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	late := []store.Command{{Kind: store.SetOnce, Key: keys[0], Value: c[0].Prior}}
	d := b.desk()
	d.Settle = time.Second
	done := make(chan error, 1)
	go func() {
		_, err := d.Revoke(t.Context(), operatorOf("default"), gjson.Get(got, "name").String(), "")
		done <- err
	}()
	mark := []store.Command{{Kind: store.Get, Key: store.TokenKey("default", r2id(keys[0]))}}
	b.until("the token is revoked", func() bool {
		if err := b.driver.Apply(t.Context(), mark); err != nil {
			t.Fatal(err)
		}
		return vault.Revoked(mark[0].Prior)
	})
	if err := b.driver.Apply(t.Context(), late); err != nil || !late[0].Won {
		t.Fatalf("the value was not deleted: %v", err)
	}
	if a, back := b.reveal(got); a.status != 422 || back != "" {
		t.Errorf("stored again: %d %s", a.status, a.body)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if left, _, err := b.driver.ScanKeys(t.Context(), "v:", "", 10); len(left) != 0 || err != nil {
		t.Errorf("%d values are left, %v", len(left), err)
	}
}
