package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/store"
	"chaperone/vault"
)

func TestLimitsHoldAcrossProxies(t *testing.T) {
	b := newShelf(t, shelf{panToken: "pan", phiToken: "sealed", limits: ", limits: {mints_per_day: 12, reveals_per_day: 30, failed_reveals_per_hour: 8}"})
	// Another proxy on the same store.
	plan, engine := load(t, b.policy)
	o := Options{Plan: plan, Engine: engine, Ring: b.ring, Tokens: vault.New(b.ring, TokenScope), Driver: b.driver, Listen: "127.0.0.1:0", DataDir: t.TempDir()}
	second, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- second.Serve(ctx) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	first := b.server
	use := func(i int) {
		b.server = first
		if i%2 == 1 {
			b.server = second
		}
	}
	defer func() { b.server = first }()
	rnd := rand.New(rand.NewPCG(3, 3))
	var cards []string
	for i := range 12 {
		use(i)
		cards = append(cards, cardOf(rnd, "4", 16))
		if a := b.post("/tokens", `{"card":"`+cards[i]+`"}`); a.status != 200 {
			t.Fatalf("card %d: %d %s", i, a.status, a.body)
		}
	}
	for i := range 4 {
		use(i)
		if a := b.post("/tokens", `{"card":"`+cardOf(rnd, "5100", 16)+`"}`); a.status != 429 || code(a) != "token_limit" {
			t.Errorf("one card too many: %d %s", a.status, a.body)
		}
		if a := b.post("/tokens", `{"card":"`+cards[i]+`"}`); a.status != 200 {
			t.Errorf("a card that is known: %d %s", a.status, a.body)
		}
	}
	use(0)
	token := gjson.Get(b.tokenize(`{"card":"`+cards[0]+`"}`), "card").String()
	failures := 0
	for i := 0; failures < 7; i++ {
		use(i)
		forged := fmt.Sprintf("%s%04d%s", token[:7], i, token[11:])
		if forged == token || !vault.IsPANToken([]byte(forged)) {
			continue
		}
		failures++
		if a, _ := b.reveal(`{"card":"` + forged + `"}`); a.status != 422 {
			t.Errorf("failure %d: %d %s", failures, a.status, a.body)
		}
	}
	use(0)
	if a, _ := b.reveal(`{"card":"` + token + `"}`); a.status != 200 {
		t.Errorf("a token below the limit of failures: %d %s", a.status, a.body)
	}
	if a, _ := b.reveal(`{"card":"1000000000000001"}`); a.status != 422 {
		t.Errorf("the last failure: %d %s", a.status, a.body)
	}
	for i := range 4 {
		use(i)
		if a, back := b.reveal(`{"card":"` + token + `"}`); a.status != 429 || code(a) != "token_limit" || back != "" {
			t.Errorf("after as many failures as are allowed: %d %s", a.status, a.body)
		}
	}
	if !strings.Contains(b.logs.String(), "has reached its limit") {
		t.Error("the log says nothing")
	}
}

func TestDeskAndProxyAgree(t *testing.T) {
	b := newShelf(t, shelf{panToken: "pan", phiToken: "{format: vaulted, ttl: 90d}"})
	got := b.tokenize(`{"card":"4242424242424242","name":"Ada"}`)
	d := b.desk()
	for _, c := range []struct{ label, value, member string }{{"pan", "4242 4242 4242 4242", "card"}, {"phi", "Ada", "name"}} {
		made, err := d.Make(t.Context(), operatorOf("default"), c.label, []string{c.value})
		if err != nil || made[0].Token != gjson.Get(got, c.member).String() {
			t.Errorf("%s: another token than the proxy's: %v", c.label, err)
			continue
		}
		v, err := d.Reveal(t.Context(), operatorOf("default"), made[0].Token)
		if err != nil || v.Value != strings.ReplaceAll(c.value, " ", "") || v.Label != c.label {
			t.Errorf("%s: %v", c.label, err)
		}
		if _, err := d.Reveal(t.Context(), operatorOf("other"), made[0].Token); err == nil {
			t.Error("it is revealed in another scope")
		}
	}
	seen := map[string]control.TokenInfo{}
	for cursor := ""; ; {
		page, err := d.List(t.Context(), operatorOf("default"), cursor, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Tokens {
			seen[i.Label] = i
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if p := seen["pan"]; p.Last4 != "4242" || p.State != "live" || p.Format != "pan" || p.Scope != "default" || p.Created.IsZero() {
		t.Errorf("listed %+v", p)
	}
	if p := seen["phi"]; p.Last4 != "" || p.Format != "vaulted" || p.Expires.Sub(p.Created) != 90*24*time.Hour {
		t.Errorf("listed %+v", p)
	}
	kinds := map[audit.Kind]int{}
	for _, e := range b.entries() {
		if e.Kind == audit.KindMint || e.Kind == audit.KindReveal {
			kinds[e.Kind]++
			if e.Why != "a test" || e.Caller != "local:7" || len(e.Tokens) != 1 {
				t.Errorf("an entry does not say who, why or which: %s", e.Append(nil))
			}
		}
	}
	if kinds[audit.KindMint] != 2 || kinds[audit.KindReveal] != 4 {
		t.Errorf("entries: %v", kinds)
	}
}

func TestIndexRebuilt(t *testing.T) {
	b := newShelf(t, shelf{panToken: "pan", phiToken: "sealed"})
	kept := gjson.Get(b.tokenize(`{"card":"4242424242424242"}`), "card").String()
	gone := gjson.Get(b.tokenize(`{"card":"5555555555554444"}`), "card").String()
	foreign := gjson.Get(b.tokenize(`{"card":"4242424242424242"}`, "Authorization", "Bearer chp_other"), "card").String()
	if _, err := b.desk().Revoke(t.Context(), operatorOf("default"), gone, ""); err != nil {
		t.Fatal(err)
	}
	keys, _, err := b.driver.ScanKeys(t.Context(), "t:", "", 1000)
	if err != nil || len(keys) != 3 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, k := range keys {
		if err := b.driver.Apply(t.Context(), []store.Command{{Kind: store.Delete, Key: k}}); err != nil {
			t.Fatal(err)
		}
	}
	if a, _ := b.reveal(`{"card":"` + kept + `"}`); a.status != 422 {
		t.Fatalf("without the index: %d", a.status)
	}
	for round, restored := range []int{2, 0} {
		out, err := b.desk().Rebuild(t.Context(), operatorOf("default"))
		if err != nil || out.Tokens != 2 || out.Restored != restored || out.Revoked != 1 || out.Unreadable != 0 {
			t.Errorf("round %d: %+v %v", round, out, err)
		}
	}
	if a, _ := b.reveal(`{"card":"` + kept + `"}`); a.status != 200 {
		t.Errorf("a token that is known again: %d %s", a.status, a.body)
	}
	if a, _ := b.reveal(`{"card":"`+foreign+`"}`, "Authorization", "Bearer chp_other"); a.status != 200 {
		t.Errorf("one of another scope: %d %s", a.status, a.body)
	}
	if a, _ := b.reveal(`{"card":"` + gone + `"}`); a.status != 422 {
		t.Errorf("a revoked token: %d %s", a.status, a.body)
	}
}
