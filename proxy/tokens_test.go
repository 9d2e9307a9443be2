package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/rules"
	"chaperone/store"
	"chaperone/vault"
)

// shelfPolicy has a destination that sees values and one that sees tokens.
const shelfPolicy = `
labels:
  pan: {paths: [card, cards.#], detect: [pan], token: TOKEN}
  phi: {paths: [name, note], token: PHITOKEN}
destinations:
  processor: {url: "PROCESSOR", sees: {pan: plain, phi: plain}, agreement: {kind: BAA, reference: X-1, expires: 2099-01-01}}
  ehr: {url: "EHR", sees: {pan: token, phi: token}, agreement: {kind: BAA, reference: X-2, expires: 2099-01-01}}
callers:
  till: {key_sha256: KEYTILL, routes: all, sees: {pan: token, phi: plain} LIMITS}
  other: {key_sha256: KEYOTHER, routes: all, scope: other, sees: {pan: token}}
routes:
  - name: values
    match: {method: POST, path: /values}
    legs: [{to: processor, primary: true, keep: all, success: http}]
  - name: tokens
    match: {method: POST, path: /tokens}
    legs: [{to: ehr, primary: true, keep: all, success: http}]
`

type shelf struct {
	panToken, phiToken string
	limits             string
}

func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// newShelf is a bed on that policy.
func newShelf(t *testing.T, s shelf, change ...func(*bed)) *bed {
	return newBed(t, append([]func(*bed){func(b *bed) {
		b.processor.setAnswer(always(200, `{}`))
		b.ehr.setAnswer(always(200, `{}`))
		b.policy = strings.NewReplacer("PHITOKEN", s.phiToken, "TOKEN", s.panToken, "PROCESSOR", b.processor.URL, "EHR", b.ehr.URL,
			"KEYTILL", keyHash(b.key), "KEYOTHER", keyHash("chp_other"), " LIMITS", s.limits).Replace(shelfPolicy)
	}}, change...)...)
}

// tokenize sends a body to the destination that sees tokens, and gives what it
// got.
func (b *bed) tokenize(body string, header ...string) string {
	b.t.Helper()
	n := len(b.ehr.all())
	if a := b.post("/tokens", body, header...); a.status != 200 {
		b.t.Fatalf("%d %s", a.status, a.body)
	}
	return b.ehr.await(b.t, n+1)[n].body
}

// reveal sends a body to the one that sees values.
func (b *bed) reveal(body string, header ...string) (answerOf, string) {
	b.t.Helper()
	n := len(b.processor.all())
	a := b.post("/values", body, header...)
	if all := b.processor.all(); len(all) > n {
		return a, all[n].body
	}
	return a, ""
}

func TestVaultedThroughTheProxy(t *testing.T) {
	const card = "4242424242424242"
	for _, c := range []struct {
		name, pan string
		looks     func(token string) bool
	}{
		{"by default", "vaulted", func(s string) bool { return strings.HasPrefix(s, "8") && strings.HasSuffix(s, "4242") && len(s) == 16 }},
		{"BIN and last four", "{format: vaulted, keep: bin6+last4, ttl: 90d}", func(s string) bool {
			return strings.HasPrefix(s, "424242") && strings.HasSuffix(s, "4242") && s != card
		}},
		{"Luhn", "{format: vaulted, luhn: valid}", func(s string) bool { return strings.HasPrefix(s, "89999") && strings.HasSuffix(s, "4242") }},
		{"opaque", "{format: vaulted, keep: none}", func(s string) bool { return strings.HasPrefix(s, "vt_") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newShelf(t, shelf{panToken: c.pan, phiToken: "vaulted"})
			body := `{"card":"4242 4242 4242 4242","cards":["4242424242424242",4242424242424242],"name":"Ada \u004covelace","note":"paid with 4242424242424242, ok"}`
			got := b.tokenize(body)
			token := gjson.Get(got, "card").String()
			if strings.Contains(got, card) || strings.Contains(got, "Ada") {
				t.Fatalf("a value went out: %s", got)
			}
			if !c.looks(token) {
				t.Errorf("the token looks otherwise")
			}
			if c.pan != "{format: vaulted, keep: none}" {
				for _, same := range gjson.Get(got, "cards").Array() {
					if same.String() != token {
						t.Errorf("equal values of one message have two tokens: %s", got)
					}
				}
			}
			if again := b.tokenize(body); gjson.Get(again, "card").String() != token || gjson.Get(again, "name").String() != gjson.Get(got, "name").String() {
				t.Error("equal values have other tokens in the next message")
			}
			a, back := b.reveal(got)
			if a.status != 200 || gjson.Get(back, "name").String() != "Ada Lovelace" || strings.ReplaceAll(gjson.Get(back, "card").String(), " ", "") != card {
				t.Errorf("%d %s: back came %s", a.status, a.body, back)
			}
			if a, back = b.reveal(got, "Authorization", "Bearer chp_other"); a.status != 422 || code(a) != "token_unknown" || back != "" {
				t.Errorf("another scope: %d %s", a.status, a.body)
			}
			if other := b.tokenize(body, "Authorization", "Bearer chp_other"); gjson.Get(other, "card").String() == token {
				t.Error("one token in two scopes")
			}
			b.restart()
			if a, _ = b.reveal(got); a.status != 200 {
				t.Errorf("after a restart: %d %s", a.status, a.body)
			}
		})
	}
}

// TestStrangersAreUnknown sends mistyped, forged and foreign tokens by the
// thousand through the whole proxy. None gets to the destination.
func TestStrangersAreUnknown(t *testing.T) {
	for _, c := range []struct{ name, pan string }{{"pan", "pan"}, {"vaulted", "{format: vaulted, keep: bin6+last4}"}, {"last four", "vaulted"}, {"Luhn", "{format: vaulted, luhn: valid}"}} {
		t.Run(c.name, func(t *testing.T) {
			b := newShelf(t, shelf{panToken: c.pan, phiToken: "sealed", limits: ", limits: {failed_reveals_per_hour: 1000000}"})
			rnd := rand.New(rand.NewPCG(7, 9))
			known := map[string]bool{}
			var ours, theirs []string
			for range 25 {
				number := cardOf(rnd, "4", 16)
				token := gjson.Get(b.tokenize(`{"card":"`+number+`"}`), "card").String()
				known[token] = true
				ours = append(ours, token)
				theirs = append(theirs, gjson.Get(b.tokenize(`{"card":"`+number+`"}`, "Authorization", "Bearer chp_other"), "card").String())
			}
			tried := map[string]int{}
			try := func(kind, token string) {
				if known[token] || !shapedLike(c.pan, token) {
					return
				}
				tried[kind]++
				if a, got := b.reveal(`{"card":"` + token + `"}`); a.status != 422 || code(a) != "token_unknown" || got != "" {
					t.Fatalf("%s: %d %s", kind, a.status, a.body)
				}
			}
			for i := 0; tried["mistyped"] < 1000 && i < 100000; i++ {
				typo := []byte(ours[i%len(ours)])
				at := rnd.IntN(len(typo))
				typo[at] = byte('0' + (int(typo[at]-'0')+1+rnd.IntN(9))%10)
				try("mistyped", string(typo))
			}
			for i := 0; tried["forged"] < 1000 && i < 100000; i++ {
				forged := []byte(ours[i%len(ours)])
				for j := 6; j < 12; j++ {
					forged[j] = byte('0' + rnd.IntN(10))
				}
				try("forged", string(forged))
			}
			for i := range 1000 {
				if known[theirs[i%len(theirs)]] {
					continue // by chance the same digits
				}
				try("foreign", theirs[i%len(theirs)])
			}
			for _, kind := range []string{"mistyped", "forged", "foreign"} {
				if tried[kind] < 900 {
					t.Errorf("only %d %s tokens were tried", tried[kind], kind)
				}
			}
			if a, got := b.reveal(`{"card":"` + ours[0] + `"}`); a.status != 200 || got == "" {
				t.Errorf("a good token after all that: %d %s", a.status, a.body)
			}
		})
	}
}

func cardOf(rnd *rand.Rand, head string, n int) string {
	c := []byte(head)
	for len(c) < n-1 {
		c = append(c, byte('0'+rnd.IntN(10)))
	}
	for d := byte('0'); ; d++ {
		if luhnOK(append(c, d)) {
			return string(append(c, d))
		}
	}
}

func luhnOK(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// shapedLike tells which digits are taken for a token; others are cards, or
// typing mistakes of one.
func shapedLike(format, token string) bool {
	switch {
	case strings.Contains(format, "luhn"):
		return strings.HasPrefix(token, "89999") && luhnOK([]byte(token)) || token[0] == '8' && !luhnOK([]byte(token))
	case strings.Contains(format, "bin6"):
		return token[0] != '1' && token[0] != '7' && token[0] != '8' && !strings.HasPrefix(token, "62") && !luhnOK([]byte(token))
	}
	return (token[0] == '1' || token[0] == '7' || token[0] == '8') && !luhnOK([]byte(token))
}

// TestCardsThatNoCardTokenFits get a clear decision, and are never passed on.
func TestCardsThatNoCardTokenFits(t *testing.T) {
	for _, c := range []struct{ name, format, card, prefix string }{
		{"the airlines' plan", "pan", "122000000000003", "tok_"},
		{"UnionPay without a Luhn digit", "pan", "6210948000000019", "tok_"},
		{"a typing mistake", "pan", "4242424242424241", "tok_"},
		{"too short", "pan", "42424242", "tok_"},
		{"no digits", "pan", "abc", "tok_"},
		{"American Express, vaulted", "vaulted", "378282246310005", "8"},
		{"American Express keeping its BIN", "{format: vaulted, keep: bin6+last4}", "378282246310005", "378282"},
		{"UnionPay keeps no BIN", "{format: vaulted, keep: bin6+last4}", "6210948000000019", "8"},
		{"too short, vaulted", "vaulted", "42424242", "vt_"},
		{"a typing mistake, vaulted", "vaulted", "4242424242424241", "vt_"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newShelf(t, shelf{panToken: c.format, phiToken: "sealed"})
			got := b.tokenize(`{"card":"` + c.card + `"}`)
			if token := gjson.Get(got, "card").String(); !strings.HasPrefix(token, c.prefix) || strings.Contains(got, c.card) {
				t.Errorf("it became something else: %d bytes", len(token))
			}
			if a, back := b.reveal(got); a.status != 200 || gjson.Get(back, "card").String() != c.card {
				t.Errorf("it does not come back: %d %s", a.status, a.body)
			}
		})
	}
}

func (b *bed) desk() *admin.TokenDesk {
	s := b.server
	return &admin.TokenDesk{Plan: func() *rules.Plan { return s.policy.Load().plan }, Ring: s.ring, Driver: s.driver, Commit: s.commitEntry,
		Limiter: s.limiter, Forget: s.recent.clear, Clock: s.clock, Logger: s.logger}
}

func operatorOf(scope string) admin.Asker {
	return admin.Asker{Name: "local:7", Scope: scope, Reason: "a test"}
}

func TestRevokedTokensAreUnknown(t *testing.T) {
	for _, c := range []struct{ name, pan, phi string }{{"stateless", "pan", "sealed"}, {"vaulted", "{format: vaulted, keep: bin6+last4}", "vaulted"}} {
		t.Run(c.name, func(t *testing.T) {
			b := newShelf(t, shelf{panToken: c.pan, phiToken: c.phi})
			const body = `{"card":"4242424242424242","name":"Ada"}`
			got := b.tokenize(body)
			for _, member := range []string{"card", "name"} {
				token := gjson.Get(got, member).String()
				one := `{"` + member + `":"` + token + `"}`
				if a, _ := b.reveal(one); a.status != 200 {
					t.Fatalf("before: %d %s", a.status, a.body)
				}
				if _, err := b.desk().Revoke(t.Context(), operatorOf("other"), token, ""); err == nil {
					t.Error("a token was revoked from another scope")
				}
				r, err := b.desk().Revoke(t.Context(), operatorOf("default"), token, "")
				if err != nil || r.Erased != (c.name == "vaulted") || r.Scrubbed != r.Erased {
					t.Fatalf("%+v %v", r, err)
				}
				if a, back := b.reveal(one); a.status != 422 || code(a) != "token_unknown" || back != "" {
					t.Errorf("%s after: %d %s", member, a.status, a.body)
				}
				if a := b.post("/tokens", one); a.status != 422 {
					t.Errorf("%s where it would stay: %d %s", member, a.status, a.body)
				}
				said := false
				for _, e := range b.entries() {
					if e.Action == audit.ActionTokenRevoke && e.Result == audit.ResultOK && len(e.Tokens) == 1 && string(e.Tokens[0].Key) == r.ID {
						said = e.Why == "a test" && e.Caller == "local:7"
					}
				}
				if !said {
					t.Error("the log does not say who revoked it, and why")
				}
			}
			// The same values again have other tokens, and those work.
			again := b.tokenize(body)
			for _, member := range []string{"card", "name"} {
				if gjson.Get(again, member).String() == gjson.Get(got, member).String() {
					t.Errorf("%s got its revoked token again", member)
				}
			}
			if a, _ := b.reveal(again); a.status != 200 {
				t.Errorf("the new tokens: %d %s", a.status, a.body)
			}
		})
	}
}

// TestErasure looks for a revoked value, and for its ciphertext, in every file
// of the data folder.
func TestErasure(t *testing.T) {
	b := newShelf(t, shelf{panToken: "vaulted", phiToken: "vaulted"})
	got := b.tokenize(`{"name":"Ada Augusta King"}`)
	token := gjson.Get(got, "name").String()
	tokens := vault.New(b.ring, "default")
	key := store.VaultedKey("default", string(tokens.IndexKey(nil, []byte(token))))
	c := []store.Command{{Kind: store.Get, Key: key}}
	if err := b.driver.Apply(t.Context(), c); err != nil || !c[0].Found {
		t.Fatalf("the register is not there: %v", err)
	}
	sealed := c[0].Prior
	r, err := tokens.OpenRecord(key, sealed)
	if err != nil {
		t.Fatal(err)
	}
	finger := store.FingerprintKey("default", r.Fingerprint)
	// Neither a piece of it. The head is common to all that the ring seals.
	mark := sealed[len(sealed)-16:]
	holds := func(text []byte) (found bool) {
		err := filepath.WalkDir(b.dir, func(name string, e os.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			raw, err := os.ReadFile(name)
			found = found || bytes.Contains(raw, text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if !holds(mark) || !holds([]byte(finger)) {
		t.Fatal("the store does not hold the value: the test looks for the wrong thing")
	}
	out, err := b.desk().Revoke(t.Context(), operatorOf("default"), "", r2id(key))
	if err != nil || !out.Scrubbed {
		t.Fatalf("%+v %v", out, err)
	}
	for what, text := range map[string][]byte{"the ciphertext": mark, "the fingerprint": []byte(finger), "the value": []byte("Ada Augusta"), "the token": []byte(token)} {
		if holds(text) {
			t.Errorf("a file still holds %s", what)
		}
	}
	proved := false
	for _, e := range b.entries() {
		proved = proved || e.Action == audit.ActionTokenScrub && e.Result == audit.ResultOK && len(e.Tokens) == 1
	}
	if !proved {
		t.Error("the log does not say that the files are clean")
	}
}

func r2id(key string) string { return key[strings.LastIndexByte(key, ':')+1:] }
