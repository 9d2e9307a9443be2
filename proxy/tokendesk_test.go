package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/store"
	"chaperone/store/redistest"
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

// TestTokenWritesSurviveFailover: what is written about tokens beside a record of
// a request is there again after a failover: the index that was built anew, and
// the second deletion of a revoked value.
func TestTokenWritesSurviveFailover(t *testing.T) {
	b := &redisBed{redis: redistest.Start(t, redistest.Options{})}
	b.bed = newShelf(t, shelf{panToken: "pan", phiToken: "vaulted"}, onRedis(t, b.redis))
	name := gjson.Get(b.tokenize(`{"card":"4242424242424242","name":"Ada"}`), "name").String()
	b.restart() // which knows nothing of what it would send again
	known := b.keys("t:*")
	if len(known) != 1 {
		t.Fatalf("known tokens: %v", known)
	}
	b.do("DEL", known[0])
	if out, err := b.desk().Rebuild(t.Context(), operatorOf("default")); err != nil || out.Restored != 1 {
		t.Fatalf("%+v %v", out, err)
	}
	b.lose(known...)
	b.until("the index is whole", func() bool { return slices.Equal(b.keys("t:*"), known) })

	values := b.keys("v:*")
	if len(values) != 1 {
		t.Fatalf("values: %v", values)
	}
	desk, stored, late := b.desk(), b.value(values[0]), 0
	desk.Settle = time.Millisecond
	desk.Commit = func(ctx context.Context, e *audit.Entry, cmds []store.Command) error {
		err := b.server.commitEntry(ctx, e, cmds)
		if err == nil && e != nil && e.Action == audit.ActionTokenRevoke {
			// A request that was under way stores the value once more.
			late++
			err = b.server.commitSoon(ctx, []store.Command{{Kind: store.SetOnce, Key: values[0], Value: stored}})
		}
		return err
	}
	if _, err := desk.Revoke(t.Context(), operatorOf("default"), name, ""); err != nil || late != 1 || len(b.keys("v:*")) != 0 {
		t.Fatalf("%v, %d, %v", err, late, b.keys("v:*"))
	}
	resent := b.server.committer.Stats().Resent
	b.lose()
	if b.server.committer.Stats().Resent == resent || len(b.keys("v:*")) != 0 {
		t.Errorf("after a failover: %v", b.keys("v:*"))
	}
}
