package vault

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"chaperone/vault/keys"
	"chaperone/vault/letters"
)

var testTag = [4]byte{'a', 'b', 'C', 'z'}

func TestSealed(t *testing.T) {
	tokens, _ := testTokens(t)
	for name, value := range map[string]string{
		"empty":        "",
		"a string":     `"Jane Doe"`,
		"a number":     "12.50",
		"null":         "null",
		"an object":    `{"a":[1,2,3]}`,
		"not UTF-8":    "\xff\x00",
		"a card":       "9704000000000018",
		"a great text": strings.Repeat("note ", 40_000),
	} {
		for _, deterministic := range []bool{false, true} {
			for _, fragment := range []bool{false, true} {
				token := tokens.Seal([]byte("head"), "phi", testTag, []byte(value), fragment, deterministic)[4:]
				if !bytes.HasPrefix(token, []byte("tok_abCz")) || !letters.Valid(token[len("tok_"):]) {
					t.Fatalf("%s: token %.40q", name, token)
				}
				if tag, ok := SealedTag(token); !ok || tag != testTag {
					t.Errorf("%s: tag %q, %t", name, tag, ok)
				}
				got, isFragment, err := tokens.Unseal([]byte("kept"), "phi", token)
				if err != nil || string(got) != "kept"+value || isFragment != fragment {
					t.Errorf("%s: %.40q, fragment %t, %v", name, got, isFragment, err)
				}
				again := tokens.Seal(nil, "phi", testTag, []byte(value), fragment, deterministic)
				if bytes.Equal(again, token) != deterministic {
					t.Errorf("%s: deterministic %t, equal %t", name, deterministic, bytes.Equal(again, token))
				}
			}
		}
	}
}

func TestUnsealRefuses(t *testing.T) {
	tokens, ring := testTokens(t)
	otherRing := keys.Ephemeral()
	t.Cleanup(otherRing.Close)
	for _, deterministic := range []bool{false, true} {
		good := tokens.Seal(nil, "phi", testTag, []byte("value"), false, deterministic)
		retagged := bytes.Clone(good)
		copy(retagged[4:8], "zzzz")
		for name, tt := range map[string]struct {
			tokens *Tokens
			label  string
			token  []byte
		}{
			"another label":    {tokens, "phi.contact", good},
			"another scope":    {New(ring, "another clinic"), "phi", good},
			"another keyring":  {New(otherRing, "clinic"), "phi", good},
			"another tag":      {tokens, "phi", retagged},
			"cut":              {tokens, "phi", good[:len(good)-8]},
			"longer":           {tokens, "phi", append(bytes.Clone(good), "aaaaaaaa"...)},
			"no prefix":        {tokens, "phi", good[4:]},
			"empty":            {tokens, "phi", nil},
			"prefix only":      {tokens, "phi", []byte("tok_")},
			"somebody else's":  {tokens, "phi", []byte("tok_1NirD82eZvKYlo2C0vXwHqZ4yPQrS6tU")},
			"all zero":         {tokens, "phi", []byte("tok_" + strings.Repeat("a", 68))},
			"label and scope":  {New(ring, "clini"), "cphi", good},
			"another case":     {tokens, "phi", bytes.ToLower(good)},
			"unassigned flags": {tokens, "phi", append(append([]byte("tok_"), testTag[:]...), letters.Encode(nil, append([]byte{2}, make([]byte, 40)...))...)},
		} {
			got, _, err := tt.tokens.Unseal([]byte("kept"), tt.label, tt.token)
			if !errors.Is(err, ErrUnknown) || string(got) != "kept" {
				t.Errorf("deterministic %t, %s: %q, %v", deterministic, name, got, err)
			}
		}
		// Every letter of it counts.
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] = letters.Alphabet[(strings.IndexByte(letters.Alphabet, bad[i])+1)%32]
			if _, _, err := tokens.Unseal(nil, "phi", bad); !errors.Is(err, ErrUnknown) {
				t.Errorf("deterministic %t, letter %d changed: %v", deterministic, i, err)
			}
		}
	}
}

func TestSealedAcrossGenerations(t *testing.T) {
	tokens, ring := testTokens(t)
	random := tokens.Seal(nil, "phi", testTag, []byte("value"), false, false)
	join := tokens.Seal(nil, "phi", testTag, []byte("value"), false, true)
	for _, use := range []keys.Use{keys.UseSealed, keys.UseJoin} {
		if _, err := ring.Rotate(t.Context(), use); err != nil {
			t.Fatal(err)
		}
	}
	for _, token := range [][]byte{random, join} {
		if got, _, err := tokens.Unseal(nil, "phi", token); err != nil || string(got) != "value" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if bytes.Equal(tokens.Seal(nil, "phi", testTag, []byte("value"), false, true), join) {
		t.Error("a deterministic token did not change with its key")
	}
	for _, use := range []keys.Use{keys.UseSealed, keys.UseJoin} {
		if err := ring.Destroy(t.Context(), use, 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, token := range [][]byte{random, join} {
		if _, _, err := tokens.Unseal(nil, "phi", token); !errors.Is(err, ErrUnknown) {
			t.Errorf("of a destroyed generation: %v", err)
		}
	}
}

func TestAlias(t *testing.T) {
	tokens, ring := testTokens(t)
	base := string(tokens.Alias([]byte("head"), "ehr", []byte("sale-1")))[4:]
	if len(base) != 3+20 || base[:3] != "al_" || !letters.Valid([]byte(base[3:])) {
		t.Fatalf("alias %q", base)
	}
	if again := string(tokens.Alias(nil, "ehr", []byte("sale-1"))); again != base {
		t.Errorf("not stable: %q, %q", base, again)
	}
	for name, alias := range map[string][]byte{
		"destination": tokens.Alias(nil, "ledger", []byte("sale-1")),
		"value":       tokens.Alias(nil, "ehr", []byte("sale-2")),
		"scope":       New(ring, "another clinic").Alias(nil, "ehr", []byte("sale-1")),
		"cut":         tokens.Alias(nil, "ehrs", []byte("ale-1")),
	} {
		if string(alias) == base {
			t.Errorf("another %s, the same alias", name)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	tokens, _ := testTokens(t)
	value := []byte("Jane Doe, 12 High St")
	token, back, alias := make([]byte, 0, 256), make([]byte, 0, 256), make([]byte, 0, 64)
	if n := testing.AllocsPerRun(1000, func() {
		token = tokens.Seal(token[:0], "phi", testTag, value, false, false)
		back, _, _ = tokens.Unseal(back[:0], "phi", token)
		alias = tokens.Alias(alias[:0], "ehr", value)
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations, want 0", n)
	}
}

// FuzzTokens reads any text as a token of either kind: nothing crashes, what is
// refused leaves the buffer alone, and a card that comes out of a pan token has
// that very token.
func FuzzTokens(f *testing.F) {
	tokens, _ := testTokens(f)
	for _, pan := range []string{"4111111111111111", "600000000004", "378282246310005", "6250941006528599"} {
		token, err := tokens.MintPAN(nil, []byte(pan))
		if err != nil && !errors.Is(err, ErrNotPAN) {
			f.Fatal(err)
		}
		f.Add(token)
		f.Add([]byte(pan))
	}
	f.Add(tokens.Seal(nil, "phi", testTag, []byte("value"), false, false))
	f.Add(tokens.Seal(nil, "phi", testTag, []byte("value"), true, true))
	f.Add([]byte("tok_aaaa"))
	f.Add([]byte("8111111111111113"))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		out, _, err := tokens.Unseal([]byte("kept"), "phi", text)
		if err != nil && string(out) != "kept" {
			t.Errorf("Unseal failed and gave %q", out)
		}
		if _, ok := SealedTag(text); err == nil && !ok {
			t.Error("opened what does not have the shape")
		}
		pan, err := tokens.RevealPAN([]byte("kept"), text)
		if err != nil {
			if string(pan) != "kept" {
				t.Errorf("RevealPAN failed and gave %q", pan)
			}
		} else {
			if !IsPANToken(text) {
				t.Error("revealed what does not have the shape")
			}
			if again, err := tokens.MintPAN(nil, pan[4:]); err != nil || !bytes.Equal(again, text) {
				t.Errorf("the token of the card revealed is %q, %v", again, err)
			}
		}
		if key := tokens.IndexKey(nil, text); len(key) != IndexKeyLen || !letters.Valid(key) {
			t.Errorf("index key %q", key)
		}
		if !bytes.Equal(text, before) {
			t.Error("the token was changed")
		}
	})
}

func BenchmarkTokens(b *testing.B) {
	tokens, _ := testTokens(b)
	pan, token, back := []byte("4111111111111111"), make([]byte, 0, 256), make([]byte, 0, 256)
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
	mint, err := tokens.MintPAN(nil, pan)
	if err != nil {
		b.Fatal(err)
	}
	random := tokens.Seal(nil, "phi", testTag, pan, false, false)
	join := tokens.Seal(nil, "phi", testTag, pan, false, true)
	run("MintPAN", func() { token, _ = tokens.MintPAN(token[:0], pan) })
	run("RevealPAN", func() { back, _ = tokens.RevealPAN(back[:0], mint) })
	run("IndexKey", func() { back = tokens.IndexKey(back[:0], mint) })
	run("Seal", func() { token = tokens.Seal(token[:0], "phi", testTag, pan, false, false) })
	run("Unseal", func() { back, _, _ = tokens.Unseal(back[:0], "phi", random) })
	run("SealJoin", func() { token = tokens.Seal(token[:0], "phi", testTag, pan, false, true) })
	run("UnsealJoin", func() { back, _, _ = tokens.Unseal(back[:0], "phi", join) })
	run("Alias", func() { back = tokens.Alias(back[:0], "ehr", pan) })
}
