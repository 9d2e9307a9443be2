package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/vault"
	"chaperone/vault/keys"
	"chaperone/vault/keys/vaulttest"
)

// transitBatch is how many values one batch call of Vault holds.
const transitBatch = 100

// numbered makes the n-th card number of a range.
func numbered(n int) []byte {
	card := fmt.Appendf(nil, "424242%09d0", n%1_000_000_000)
	sum := 0
	for i := range card {
		d := int(card[len(card)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	card[len(card)-1] = byte('0' + (10-sum%10)%10)
	return card
}

// BenchmarkTokens compares what one token costs: ours, and a call of Vault's
// Transit for each value. Everything listens on loopback.
func BenchmarkTokens(b *testing.B) {
	ring := keys.Ephemeral()
	defer ring.Close()
	tokens := vault.New(ring, "default")
	tag := [4]byte{'b', 'e', 'n', 'c'}
	card := []byte("4242424242424242")
	buf := make([]byte, 0, 256)

	b.Run("pan/make", func(b *testing.B) {
		for b.Loop() {
			if _, err := tokens.MintPAN(buf, card); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pan/reveal", func(b *testing.B) {
		token, err := tokens.MintPAN(nil, card)
		if err != nil {
			b.Fatal(err)
		}
		index := tokens.IndexKey(nil, token)
		for b.Loop() {
			if _, err := tokens.RevealKnown(buf, token, index); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sealed/make", func(b *testing.B) {
		for b.Loop() {
			tokens.Seal(buf, "phi", tag, card, true, false)
		}
	})
	b.Run("sealed/reveal", func(b *testing.B) {
		token := tokens.Seal(nil, "phi", tag, card, true, false)
		for b.Loop() {
			if _, _, err := tokens.Unseal(buf, "phi", token); err != nil {
				b.Fatal(err)
			}
		}
	})
	benchVaulted(b, tokens)
	benchTransit(b, card)
}

// benchVaulted makes and reveals tokens that Redis holds, one at a time: each
// waits for its round trips, as a request does.
func benchVaulted(b *testing.B, tokens *vault.Tokens) {
	r := redistest.Start(b, redistest.Options{})
	d, err := store.OpenRedis(b.Context(), store.RedisOptions{Addresses: []string{r.Addr}})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	apply := func(cmds ...store.Command) []store.Command {
		if err := d.Apply(context.Background(), cmds); err != nil {
			b.Fatal(err)
		}
		return cmds
	}
	mint := func(value []byte, shape vault.Shape) *vault.VaultedMint {
		m := &vault.VaultedMint{Label: "pan", Tag: [4]byte{'b', 'e', 'n', 'c'}, Shape: shape, Card: shape != vault.Opaque, Value: value}
		first := apply(tokens.BeginVaulted(m, time.Now()))
		open, err := tokens.TakeVaulted(m, &first[0])
		if err == nil && open {
			err = tokens.FinishVaulted(context.Background(), d.Apply, []*vault.VaultedMint{m})
		}
		if err != nil {
			b.Fatal(err)
		}
		apply(tokens.StoreVaulted(nil, m)...)
		return m
	}
	n := 0
	for _, c := range []struct {
		name  string
		shape vault.Shape
	}{{"digits", vault.Last4}, {"id", vault.Opaque}} {
		b.Run("vaulted/"+c.name+"/new", func(b *testing.B) {
			for b.Loop() {
				n++
				mint(numbered(n), c.shape)
			}
		})
		// A day old: nothing is left to store.
		known := &vault.VaultedMint{Label: "pan", Shape: c.shape, Card: c.shape != vault.Opaque, Tag: [4]byte{'b', 'e', 'n', 'c'}, Value: numbered(7_000_000)}
		first := apply(tokens.BeginVaulted(known, time.Now().Add(-24*time.Hour)))
		if open, err := tokens.TakeVaulted(known, &first[0]); err != nil {
			b.Fatal(err)
		} else if open {
			if err := tokens.FinishVaulted(context.Background(), d.Apply, []*vault.VaultedMint{known}); err != nil {
				b.Fatal(err)
			}
		}
		apply(tokens.StoreVaulted(nil, known)...)
		b.Run("vaulted/"+c.name+"/known", func(b *testing.B) {
			for b.Loop() {
				mint(known.Value, c.shape)
			}
		})
		b.Run("vaulted/"+c.name+"/reveal", func(b *testing.B) {
			key := store.VaultedKey("default", known.Index)
			for b.Loop() {
				got := apply(store.Command{Kind: store.Get, Key: key})
				if _, _, err := tokens.OpenVaulted(nil, key, "pan", got[0].Prior, time.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchTransit encrypts with Vault: one value a call, and many.
func benchTransit(b *testing.B, card []byte) {
	s := vaulttest.Start(b)
	s.TransitKey(b, "bench")
	connection := s.Client(b)
	// As a program in earnest would: one connection for all calls.
	if t, ok := connection.CloneConfig().HttpClient.Transport.(*http.Transport); ok {
		t.DisableKeepAlives = false
	}
	client := connection.Logical()
	text := base64.StdEncoding.EncodeToString(card)
	encrypt := func(b *testing.B, body map[string]any) {
		if _, err := client.WriteWithContext(b.Context(), "transit/encrypt/bench", body); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("transit/one", func(b *testing.B) {
		for b.Loop() {
			encrypt(b, map[string]any{"plaintext": text})
		}
	})
	b.Run(fmt.Sprintf("transit/batch-%d", transitBatch), func(b *testing.B) {
		batch := make([]map[string]any, transitBatch)
		for i := range batch {
			batch[i] = map[string]any{"plaintext": text}
		}
		calls := 0
		for b.Loop() {
			encrypt(b, map[string]any{"batch_input": batch})
			calls++
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(calls*transitBatch), "ns/value")
	})
}
