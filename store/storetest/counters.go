package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chaperone/store"
)

func testCounter(t *testing.T, d store.Driver) {
	key := store.CounterKey("mints", "till", 7)
	incr := store.Command{Kind: store.Incr, Key: key, Score: 3}
	c := Apply(t, d, incr, incr, store.Command{Kind: store.Get, Key: key}, store.Command{Kind: store.Incr, Key: key})
	if c[0].Count != 3 || c[1].Count != 6 || string(c[2].Prior) != "6" || c[3].Count != 6 {
		t.Errorf("counts %d %d %q %d", c[0].Count, c[1].Count, c[2].Prior, c[3].Count)
	}
	if c := Apply(t, d, incr); c[0].Count != 9 {
		t.Errorf("count %d", c[0].Count)
	}
	// The life of a counter begins with it, and later additions change nothing.
	short := store.Command{Kind: store.Incr, Key: "n:short", Score: 1, TTL: 40 * time.Millisecond}
	Apply(t, d, short)
	Eventually(t, "a counter ends", func() bool {
		long := short
		long.TTL = time.Hour
		long.Score = 0
		return Apply(t, d, long)[0].Count == 0
	})
	// What is no number fails alone.
	Apply(t, d, store.Command{Kind: store.Set, Key: "n:text", Value: []byte("text")})
	c = Apply(t, d, store.Command{Kind: store.Incr, Key: "n:text", Score: 1}, incr)
	if c[0].Err == nil || c[1].Err != nil || c[1].Count != 12 {
		t.Errorf("a text was counted on: %v %v %d", c[0].Err, c[1].Err, c[1].Count)
	}
}

func testScanKeys(t *testing.T, d store.Driver) {
	var want []string
	for i := range 57 {
		key := store.VaultedKey("default", fmt.Sprintf("k%02d", i))
		want = append(want, key)
		Apply(t, d, store.Command{Kind: store.Set, Key: key, Value: []byte("x")})
	}
	Apply(t, d,
		store.Command{Kind: store.Set, Key: store.VaultedKey("defaul*", "k"), Value: []byte("x")},
		store.Command{Kind: store.Set, Key: store.VaultedKey("other", "k"), Value: []byte("x")},
		store.Command{Kind: store.Set, Key: store.TokenKey("default", "k"), Value: []byte("x")})
	for _, c := range []struct {
		prefix string
		want   []string
	}{
		{store.VaultedKey("default", ""), want},
		{store.VaultedKey("defaul*", ""), []string{store.VaultedKey("defaul*", "k")}},
		{store.VaultedKey("none", ""), nil},
	} {
		seen := map[string]bool{}
		for cursor, pages := "", 0; ; pages++ {
			keys, next, err := d.ScanKeys(Context(t), c.prefix, cursor, 10)
			if err != nil || pages > 100 {
				t.Fatalf("page %d of %s: %v", pages, c.prefix, err)
			}
			for _, k := range keys {
				seen[k] = true
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		var got []string
		for k := range seen {
			got = append(got, k)
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %d keys, want %d", c.prefix, len(got), len(c.want))
		}
	}
}

func testScrub(t *testing.T, d store.Driver) {
	Apply(t, d, store.Command{Kind: store.Set, Key: "m:stays", Value: []byte("x")})
	if _, err := d.Scrub(Context(t)); err != nil {
		t.Fatal(err)
	}
	if !Apply(t, d, store.Command{Kind: store.Get, Key: "m:stays"})[0].Found {
		t.Error("a register is gone")
	}
}
