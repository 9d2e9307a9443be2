package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
	"chaperone/vault/keys"
)

// someCard makes a card number of n digits that begins with head.
func someCard(rnd *rand.Rand, head string, n int) []byte {
	card := []byte(head)
	for len(card) < n {
		card = append(card, byte('0'+rnd.IntN(10)))
	}
	card[n-1] = '0'
	sum, _ := luhn(card)
	card[n-1] = byte('0' + (10-sum)%10)
	return card
}

func TestVaultedShapes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name  string
		shape Shape
		head  string
		want  func(card, token []byte, sum int) bool
	}{
		{"last four", Last4, "4", func(_, token []byte, sum int) bool { return token[0] == '8' && sum >= 8 && !IsPANToken(token) }},
		{"BIN and last four", BIN6Last4, "5", func(card, token []byte, sum int) bool {
			return bytes.Equal(token[:6], card[:6]) && sum != 0 && !IsPANToken(token)
		}},
		{"BIN of UnionPay", BIN6Last4, "62", func(_, token []byte, sum int) bool { return token[0] == '8' && sum >= 8 }},
		{"satisfies Luhn", LuhnLast4, "4", func(_, token []byte, sum int) bool {
			return bytes.HasPrefix(token, []byte("89999")) && sum == 0 && !IsPANToken(token)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 5000 {
				card := someCard(rnd, c.head, 12+rnd.IntN(8))
				token, err := candidate(nil, c.shape, [4]byte{}, card)
				if err != nil {
					t.Fatal(err)
				}
				sum, ok := luhn(token)
				if !ok || len(token) != len(card) || !bytes.Equal(token[len(token)-4:], card[len(card)-4:]) || !c.want(card, token, sum) {
					t.Fatalf("card of %d digits: a token of another shape, Luhn remainder %d", len(card), sum)
				}
				if len(token) == 16 && string(token) > "9007199254740991" {
					t.Fatal("a token is not safe as a JSON number")
				}
			}
		})
	}
	id, err := candidate(nil, Opaque, [4]byte{'p', 'h', 'i', 'x'}, nil)
	if tag, ok := VaultedTag(id); err != nil || !ok || string(tag[:]) != "phix" {
		t.Errorf("an opaque id has tag %q, %v, %v", tag, ok, err)
	}
	for _, bad := range []string{"", "41111111111", "41111111111111111111", "4111-1111-1111-1111"} {
		if _, err := candidate(nil, Last4, [4]byte{}, []byte(bad)); !errors.Is(err, ErrShape) {
			t.Errorf("%d characters that are no card: %v", len(bad), err)
		}
	}
}

func TestRandomBelowIsFair(t *testing.T) {
	var seen [10]int
	for range 100_000 {
		seen[randomBelow(10)]++
	}
	for d, n := range seen {
		if n < 9500 || n > 10500 { // more than five standard deviations
			t.Errorf("digit %d came %d times of 100,000", d, n)
		}
	}
}

// mint makes vaulted tokens as a request does, and stores them if keep says so.
func mint(t testing.TB, tokens *Tokens, d store.Driver, now time.Time, keep bool, ms ...*VaultedMint) {
	t.Helper()
	var first []store.Command
	for _, m := range ms {
		first = append(first, tokens.BeginVaulted(m, now))
	}
	storetest.Apply(t, d, first...)
	var open []*VaultedMint
	for i, m := range ms {
		more, err := tokens.TakeVaulted(m, &first[i])
		if err != nil {
			t.Fatal(err)
		}
		if more {
			open = append(open, m)
		}
	}
	if len(open) > 0 {
		if err := tokens.FinishVaulted(context.Background(), d.Apply, open); err != nil {
			t.Fatal(err)
		}
	}
	if !keep {
		return
	}
	var last []store.Command
	for _, m := range ms {
		last = tokens.StoreVaulted(last, m)
	}
	storetest.Apply(t, d, last...)
}

func open(t testing.TB, tokens *Tokens, d store.Driver, scope, label string, token []byte, now time.Time) ([]byte, Record, error) {
	t.Helper()
	key := store.VaultedKey(scope, string(tokens.IndexKey(nil, token)))
	c := storetest.Apply(t, d, store.Command{Kind: store.Get, Key: key})[0]
	if !c.Found {
		return nil, Record{}, ErrUnknown
	}
	return tokens.OpenVaulted(nil, key, label, c.Prior, now)
}

func TestVaultedRoundTrip(t *testing.T) {
	ring := keys.Ephemeral()
	defer ring.Close()
	d := storetest.Open(t)
	north, south := New(ring, "north"), New(ring, "south")
	now := time.Now().Truncate(time.Millisecond)
	card := []byte("4242424242424242")
	for _, c := range []struct {
		name string
		m    VaultedMint
	}{
		{"an opaque id", VaultedMint{Label: "phi", Value: []byte(`"Ada"`)}},
		{"a fragment", VaultedMint{Label: "phi", Value: []byte("Ada"), Fragment: true}},
		{"an empty value", VaultedMint{Label: "phi", Value: []byte(`""`)}},
		{"digits", VaultedMint{Label: "pan", Shape: BIN6Last4, Card: true, Value: card}},
		{"digits that end", VaultedMint{Label: "pan", Shape: Last4, Card: true, Value: card, TTL: 90 * 24 * time.Hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b, other := c.m, c.m, c.m
			mint(t, north, d, now, true, &a)
			mint(t, north, d, now.Add(time.Hour), true, &b)
			mint(t, south, d, now, true, &other)
			if !bytes.Equal(a.Token, b.Token) || !a.Fresh || b.Fresh {
				t.Error("the same value has two tokens in one scope")
			}
			if bytes.Equal(a.Token, other.Token) {
				t.Error("the same value has one token in two scopes")
			}
			if cmds := north.StoreVaulted(nil, &b); len(cmds) != 0 {
				t.Errorf("%d commands to store what is stored", len(cmds))
			}
			value, r, err := open(t, north, d, "north", c.m.Label, a.Token, now)
			if err != nil || !bytes.Equal(value, c.m.Value) || r.Fragment != c.m.Fragment || r.Card != c.m.Card || !r.Created.Equal(now) {
				t.Errorf("%d bytes, %+v, %v", len(value), r, err)
			}
			if want := map[bool]string{true: "4242"}[c.m.Shape != Opaque]; r.Last4 != want {
				t.Errorf("last four %q, want %q", r.Last4, want)
			}
			if _, _, err := open(t, south, d, "south", c.m.Label, a.Token, now); !errors.Is(err, ErrUnknown) {
				t.Errorf("the token resolves in another scope: %v", err)
			}
			if _, _, err := open(t, north, d, "north", "other", a.Token, now); !errors.Is(err, ErrUnknown) {
				t.Errorf("the token resolves under another label: %v", err)
			}
			_, _, err = open(t, north, d, "north", c.m.Label, a.Token, now.Add(91*24*time.Hour))
			if expired := errors.Is(err, ErrUnknown); expired != (c.m.TTL > 0) {
				t.Errorf("after 91 days: %v", err)
			}
		})
	}
}

func TestVaultedRace(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		d := storetest.Open(t)
		raceVaulted(t, [2]store.Driver{d, d})
	})
	t.Run("two proxies on Redis", func(t *testing.T) {
		s := redistest.Start(t, redistest.Options{})
		var drivers [2]store.Driver
		for i := range drivers {
			d, err := store.OpenRedis(storetest.Context(t), store.RedisOptions{Addresses: []string{s.Addr}})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			drivers[i] = d
		}
		raceVaulted(t, drivers)
	})
}

// raceVaulted lets many ask for the token of one value at once.
func raceVaulted(t *testing.T, drivers [2]store.Driver) {
	t.Helper()
	ring := keys.Ephemeral()
	defer ring.Close()
	now := time.Now()
	for _, shape := range []Shape{Opaque, BIN6Last4} {
		for round := range 20 {
			value := fmt.Appendf(nil, "424242424242%04d", round)
			ms := make([]VaultedMint, 8)
			var group sync.WaitGroup
			for i := range ms {
				group.Go(func() {
					ms[i] = VaultedMint{Label: "pan", Shape: shape, Card: shape != Opaque, Value: value}
					// Every second maker fails before it stores anything.
					mint(t, New(ring, "default"), drivers[i/2%2], now, i%2 == 0, &ms[i])
				})
			}
			group.Wait()
			for i := range ms {
				if !bytes.Equal(ms[i].Token, ms[0].Token) {
					t.Fatal("a race ended with two tokens of one value")
				}
			}
			got, _, err := open(t, New(ring, "default"), drivers[round%2], "default", "pan", ms[0].Token, now)
			if err != nil || !bytes.Equal(got, value) {
				t.Fatalf("the token of a race does not resolve: %v", err)
			}
		}
	}
}

// TestVaultedCollisions asks for more tokens of one BIN and last four than
// chance gives without finding some that are in use: of 12 digits there are 90
// at most. What finds none gets an opaque id.
func TestVaultedCollisions(t *testing.T) {
	ring := keys.Ephemeral()
	defer ring.Close()
	d := storetest.Open(t)
	tokens := New(ring, "default")
	seen := map[string]bool{}
	opaque := 0
	for i := range 100 {
		m := VaultedMint{Label: "pan", Shape: BIN6Last4, Card: true, Value: fmt.Appendf(nil, "601100%02d4242", i)}
		mint(t, tokens, d, time.Now(), true, &m)
		if seen[string(m.Token)] {
			t.Fatal("two values have one token")
		}
		seen[string(m.Token)] = true
		if m.Token[0] > '9' {
			opaque++
		}
		if got, _, err := open(t, tokens, d, "default", "pan", m.Token, time.Now()); err != nil || !bytes.Equal(got, m.Value) {
			t.Fatalf("value %d: %v", i, err)
		}
	}
	if opaque == 0 || opaque > 60 {
		t.Errorf("%d opaque ids of 100", opaque)
	}
}

func TestRegistersCannotBeMoved(t *testing.T) {
	ring := keys.Ephemeral()
	defer ring.Close()
	d := storetest.Open(t)
	tokens := New(ring, "default")
	a, b := VaultedMint{Label: "phi", Value: []byte("1")}, VaultedMint{Label: "phi", Value: []byte("2")}
	mint(t, tokens, d, time.Now(), true, &a, &b)
	keyA, keyB := store.VaultedKey("default", a.Index), store.VaultedKey("default", b.Index)
	got := storetest.Apply(t, d, store.Command{Kind: store.Get, Key: keyA}, store.Command{Kind: store.Get, Key: keyB})
	if _, err := tokens.OpenRecord(keyB, got[0].Prior); err == nil {
		t.Error("a record opens under another name")
	}
	metaA, _, _ := splitVaulted(got[0].Prior)
	_, valueB, _ := splitVaulted(got[1].Prior)
	mixed := append(append(append([]byte(nil), got[0].Prior[:2]...), metaA...), valueB...)
	if _, _, err := tokens.OpenVaulted(nil, keyA, "phi", mixed, time.Now()); err == nil {
		t.Error("another token's value opens")
	}
	for n := range got[0].Prior {
		if _, _, err := tokens.OpenVaulted(nil, keyA, "phi", got[0].Prior[:n], time.Now()); err == nil {
			t.Fatalf("%d bytes of it open", n)
		}
	}
	r := Record{Label: "pan", Format: "pan", Created: time.UnixMilli(7).UTC(), Revoked: time.UnixMilli(9).UTC()}
	mark := tokens.Mark("t:default:x", &r)
	if back, err := tokens.OpenMark("t:default:x", mark); err != nil || back != r || !Revoked(mark) || Known(mark) {
		t.Errorf("mark %+v, %v", back, err)
	}
	mark[0] = markKnown
	if _, err := tokens.OpenMark("t:default:x", mark); err == nil {
		t.Error("a revoked mark passes for a known one")
	}
	if !Known([]byte{1}) || Revoked(nil) || Known(nil) {
		t.Error("the marks of the first version are not read")
	}
}
