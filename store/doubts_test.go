package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/storetest"
)

// noting is a driver that notes what is added to Doubt and taken out of it.
type noting struct {
	store.Driver
	mu    sync.Mutex
	lose  int // so many writes are done, but not acknowledged
	lines []string
}

func (n *noting) Write(ctx context.Context, b *store.Batch) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range b.Groups {
		for i := range g {
			if g[i].Queue != store.Doubt {
				continue
			}
			switch g[i].Kind {
			case store.QueueAdd:
				n.lines = append(n.lines, fmt.Sprint("add ", g[i].Member, " ", g[i].Score))
			case store.QueueRemove:
				n.lines = append(n.lines, "remove "+g[i].Member)
			}
		}
	}
	err := n.Driver.Write(ctx, b)
	if n.lose > 0 {
		n.lose--
		return errors.Join(store.ErrUnavailable, err)
	}
	return err
}

func (n *noting) noted() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines)
}

// claiming is what a sale writes first, ending what it writes last, and opening
// what one writes of which nobody knows how it ended.
func claiming(k string) *store.Unit {
	return &store.Unit{Entries: [][]byte{[]byte("entry " + k)}, Commands: []store.Command{
		{Kind: store.SetOnce, Key: store.ClaimKey(k, 1), Value: []byte("claim " + k)},
		{Kind: store.QueueAdd, Queue: store.Doubt, Member: store.DoubtMember(k, 1), Score: 7},
		{Kind: store.Set, Key: store.TokenKey("s", k), Value: []byte("1")},
	}}
}

func ending(k string) *store.Unit {
	return &store.Unit{Commands: []store.Command{
		{Kind: store.SetOnce, Key: store.OutcomeKey(k, 1), Value: []byte("outcome " + k)},
		{Kind: store.QueueRemove, Queue: store.Doubt, Member: store.DoubtMember(k, 1)},
		{Kind: store.Expire, Key: store.ClaimKey(k, 1), TTL: time.Hour},
	}}
}

func opening(key string) *store.Unit {
	return &store.Unit{Commands: []store.Command{{Kind: store.SetOnce, Key: key, Value: []byte("open")}}}
}

func TestDoubtsAreHeldBack(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration
		lose  int
		units []*store.Unit
		want  []string
	}{
		"an outcome follows":               {time.Hour, 0, []*store.Unit{claiming("k"), ending("k")}, nil},
		"of several, one":                  {time.Hour, 0, []*store.Unit{claiming("k"), claiming("l"), ending("k")}, []string{"add l|1 7"}},
		"the outcome is not known":         {time.Hour, 0, []*store.Unit{claiming("k"), opening(store.UnknownKey("k", 1)), ending("k")}, []string{"add k|1 7", "remove k|1"}},
		"the primary left it open":         {time.Hour, 0, []*store.Unit{claiming("k"), opening(store.PendingKey("k", 1))}, []string{"add k|1 7"}},
		"another's is not known":           {time.Hour, 0, []*store.Unit{claiming("k"), opening(store.UnknownKey("l", 1)), ending("k")}, nil},
		"of a claim of before":             {time.Hour, 0, []*store.Unit{ending("k")}, []string{"remove k|1"}},
		"again, after an outcome":          {time.Hour, 0, []*store.Unit{claiming("k"), ending("k"), ending("k")}, []string{"remove k|1"}},
		"a lost reply":                     {time.Hour, 2, []*store.Unit{claiming("k"), opening(store.UnknownKey("k", 1)), ending("k")}, []string{"add k|1 7", "remove k|1"}},
		"not at all":                       {0, 0, []*store.Unit{claiming("k"), ending("k")}, []string{"add k|1 7", "remove k|1"}},
		"nothing follows until it is over": {time.Hour, 0, []*store.Unit{claiming("k")}, []string{"add k|1 7"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &noting{Driver: storetest.Open(t), lose: c.lose}
			com := startCommitter(t, d, store.CommitterOptions{DoubtAfter: c.after})
			for _, u := range c.units {
				if err := com.Commit(storetest.Context(t), u); err != nil {
					t.Fatal(err)
				}
				for i := range u.Commands {
					if u.Commands[i].Kind == store.SetOnce && !u.Commands[i].Won {
						t.Errorf("%s was not won", u.Commands[i].Key)
					}
				}
			}
			closeCommitter(t, com)
			if got := slices.Compact(d.noted()); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestDoubtsAreAddedInTime has claims without an outcome added while nothing
// else is written, each once.
func TestDoubtsAreAddedInTime(t *testing.T) {
	d := &noting{Driver: storetest.Open(t)}
	com := startCommitter(t, d, store.CommitterOptions{DoubtAfter: 20 * time.Millisecond})
	for i := range 20 {
		if err := com.Commit(storetest.Context(t), claiming(fmt.Sprint("k", i))); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Eventually(t, "all in doubt", func() bool {
		s, err := d.QueueStats(storetest.Context(t), store.Doubt, "")
		return err == nil && s.Len == 20
	})
	closeCommitter(t, com)
	if n := len(d.noted()); n != 20 {
		t.Errorf("%d additions", n)
	}
}

// TestHeldBackIsRebuilt loses what was held back, as a process does that dies.
func TestHeldBackIsRebuilt(t *testing.T) {
	d := storetest.Open(t)
	com := startCommitter(t, d, store.CommitterOptions{DoubtAfter: time.Hour})
	if err := com.Commit(storetest.Context(t), claiming("k")); err != nil {
		t.Fatal(err)
	}
	index := func(*store.Claim) (store.Index, error) { return store.Index{Since: 7}, nil }
	if _, err := store.Rebuild(storetest.Context(t), d, index); err != nil {
		t.Fatal(err)
	}
	if items, _, err := d.QueueList(storetest.Context(t), store.Doubt, "", "", 10); err != nil || len(items) != 1 || items[0].Member != "k|1" {
		t.Errorf("%v %v", items, err)
	}
}
