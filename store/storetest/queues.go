package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"

	"chaperone/store"
)

// list reads a whole queue, page by page, in order of score.
func list(t *testing.T, d store.Driver, q store.Queue, dest string, max int) []store.Item {
	t.Helper()
	var all []store.Item
	for cursor := ""; ; {
		items, next, err := d.QueueList(Context(t), q, dest, cursor, max)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		all = append(all, items...)
		if cursor = next; cursor == "" {
			break
		}
	}
	slices.SortFunc(all, func(a, b store.Item) int {
		return cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(a.Member, b.Member))
	})
	return all
}

func wantQueue(t *testing.T, d store.Driver, q store.Queue, dest string, want ...store.Item) {
	t.Helper()
	if got := list(t, d, q, dest, 100); !slices.Equal(got, want) {
		t.Errorf("queue: got %v, want %v", got, want)
	}
	s, err := d.QueueStats(Context(t), q, dest)
	if err != nil || s.Len != int64(len(want)) {
		t.Errorf("queue has %d members (%v), want %d", s.Len, err, len(want))
	}
	if len(want) > 0 && s.Oldest != want[0].Score {
		t.Errorf("oldest %d, want %d", s.Oldest, want[0].Score)
	}
}

// wantDue checks which legs of ehr are due at a time, and their order.
func wantDue(t *testing.T, d store.Driver, now int64, want ...store.Item) {
	t.Helper()
	got, err := d.DueBefore(Context(t), "ehr", now, 100)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("due at %d: got %v (%v), want %v", now, got, err, want)
	}
}

func add(q store.Queue, member string, score int64) store.Command {
	return store.Command{Kind: store.QueueAdd, Queue: q, Member: member, Score: score}
}

func remove(q store.Queue, member string, score int64) store.Command {
	return store.Command{Kind: store.QueueRemove, Queue: q, Member: member, Score: score}
}

func leg(k, group string) string {
	return store.Member{Dest: "ehr", K: k, A: 1, N: 2, Group: group}.String()
}

func testQueue(t *testing.T, d store.Driver) {
	a, b, c := leg("a", ""), leg("b", ""), leg("c", "")
	ledger := store.Member{Dest: "ledger", K: "a", A: 1, N: 3}.String()
	Apply(t, d, add(store.Due, b, 200), add(store.Due, a, 100), add(store.Due, c, 300), add(store.Due, ledger, 150))
	wantDue(t, d, 50)
	wantDue(t, d, 200, store.Item{Member: a, Score: 100}, store.Item{Member: b, Score: 200})
	if one, err := d.DueBefore(Context(t), "ehr", 999, 1); err != nil || len(one) != 1 || one[0].Member != a {
		t.Errorf("at most one: %v %v", one, err)
	}
	dests, err := d.Destinations(Context(t))
	if err != nil || !slices.Equal(dests, []string{"ehr", "ledger"}) {
		t.Errorf("destinations: %v %v", dests, err)
	}
	// Added again it keeps its score.
	Apply(t, d, add(store.Due, a, 900))
	wantDue(t, d, 200, store.Item{Member: a, Score: 100}, store.Item{Member: b, Score: 200})

	// To the dead letters and back, in one batch.
	Apply(t, d, add(store.Dead, a, 500), remove(store.Due, a, 0))
	wantQueue(t, d, store.Dead, "", store.Item{Member: a, Score: 500})
	wantDue(t, d, 200, store.Item{Member: b, Score: 200})
	Apply(t, d, add(store.Due, a, 600), remove(store.Dead, a, 0))
	wantQueue(t, d, store.Dead, "")
	wantQueue(t, d, store.Due, "ehr", store.Item{Member: b, Score: 200}, store.Item{Member: c, Score: 300}, store.Item{Member: a, Score: 600})

	// Order on one queue counts, even within a batch.
	Apply(t, d, add(store.Doubt, "k|1", 1), remove(store.Doubt, "k|1", 0), add(store.Doubt, "k|1", 2), add(store.Doubt, "l|1", 3))
	wantQueue(t, d, store.Doubt, "", store.Item{Member: "k|1", Score: 2}, store.Item{Member: "l|1", Score: 3})
	Apply(t, d, remove(store.Doubt, "nobody|1", 0))
}

func testQueuePages(t *testing.T, d store.Driver) {
	var cmds []store.Command
	var want []store.Item
	for i := range 57 {
		// Many of one score, so that pages end among them.
		it := store.Item{Member: store.DoubtMember(fmt.Sprintf("k%02d", i), 1), Score: int64(10 + i/25)}
		cmds = append(cmds, add(store.Doubt, it.Member, it.Score))
		want = append(want, it)
	}
	Apply(t, d, cmds...)
	for _, max := range []int{1, 2, 7, 25, 57, 58, 1000} {
		if got := list(t, d, store.Doubt, "", max); !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %d items, want %d, or others", max, len(got), len(want))
		}
	}
	for _, cursor := range []string{"x", "1", "-1 5 a", "99 5 a", "0 x a"} {
		if _, _, err := d.QueueList(Context(t), store.Doubt, "", cursor, 10); err == nil {
			t.Errorf("cursor %q was taken", cursor)
		}
	}
}

func testLease(t *testing.T, d store.Driver) {
	m := leg("a", "")
	Apply(t, d, add(store.Due, m, 100))
	var wg sync.WaitGroup
	won := make(chan int64, 20)
	for i := range 20 {
		wg.Go(func() {
			c := []store.Command{{Kind: store.QueueMove, Queue: store.Due, Member: m, From: 100, Score: int64(1000 + i%2)}}
			if err := d.Apply(Context(t), c); err != nil {
				t.Error(err)
			}
			if c[0].Won {
				won <- c[0].Score
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d workers took the lease", len(won))
	}
	at := <-won
	back := store.Command{Kind: store.QueueMove, Queue: store.Due, Member: m, From: at, Score: 2000}
	other := back
	other.Member = leg("none", "")
	c := Apply(t, d, back, back, other)
	if !c[0].Won || c[1].Won || c[2].Won {
		t.Errorf("given back %v, again %v, of another %v", c[0].Won, c[1].Won, c[2].Won)
	}
	wantQueue(t, d, store.Due, "ehr", store.Item{Member: m, Score: 2000})
}

func testGroups(t *testing.T, d store.Driver) {
	a, b, c, other, free := leg("a", "g"), leg("b", "g"), leg("c", "g"), leg("a", "h"), leg("x", "")
	Apply(t, d, add(store.Due, a, 100), add(store.Due, b, 90), add(store.Due, c, 95), add(store.Due, other, 105), add(store.Due, free, 110))
	item := func(m string, at int64) store.Item { return store.Item{Member: m, Score: at} }
	// b and c wait behind a, though their times came earlier.
	wantDue(t, d, 999, item(a, 100), item(other, 105), item(free, 110))
	if s, err := d.QueueStats(Context(t), store.Due, "ehr"); err != nil || s.Len != 5 {
		t.Errorf("stats %+v %v", s, err)
	}
	// A retry of the first keeps the others waiting.
	Apply(t, d, store.Command{Kind: store.QueueMove, Queue: store.Due, Member: a, From: 100, Score: 5000})
	wantDue(t, d, 999, item(other, 105), item(free, 110))
	// One that waits can be dropped.
	Apply(t, d, remove(store.Due, b, 200))
	wantDue(t, d, 999, item(other, 105), item(free, 110))
	Apply(t, d, remove(store.Due, a, 210))
	wantDue(t, d, 999, item(other, 105), item(free, 110), item(c, 210))
	Apply(t, d, remove(store.Due, c, 220), remove(store.Due, other, 220), remove(store.Due, free, 220))
	wantQueue(t, d, store.Due, "ehr")
	// The group is forgotten, and begins again.
	Apply(t, d, add(store.Due, c, 300))
	wantDue(t, d, 999, item(c, 300))
}

func testGroupsResent(t *testing.T, d store.Driver) {
	a, b := leg("a", "g"), leg("b", "g")
	item := func(m string, at int64) store.Item { return store.Item{Member: m, Score: at} }
	both := []store.Command{add(store.Due, a, 100), add(store.Due, b, 100)}
	// add tells whose turn it is, as often as it is sent, until that is another's.
	adds := func(turn bool) {
		t.Helper()
		if c := Apply(t, d, both...); c[0].Won != turn || c[1].Won {
			t.Errorf("the oldest's turn: %v, the next one's: %v", c[0].Won, c[1].Won)
		}
	}
	adds(true)
	adds(true)
	wantDue(t, d, 999, item(a, 100))
	Apply(t, d, store.Command{Kind: store.QueueMove, Queue: store.Due, Member: a, From: 100, Score: 700})
	adds(false)
	wantDue(t, d, 999, item(a, 700))
	Apply(t, d, remove(store.Due, a, 800))
	Apply(t, d, store.Command{Kind: store.QueueMove, Queue: store.Due, Member: b, From: 800, Score: 950})
	// A removal sent again leaves the lease of the next alone.
	Apply(t, d, remove(store.Due, a, 800))
	wantDue(t, d, 999, item(b, 950))
	wantQueue(t, d, store.Due, "ehr", item(b, 950))
}

func testScan(t *testing.T, d store.Driver) {
	var cmds []store.Command
	want := make(map[store.Ref]bool)
	for i := range 150 {
		k, a := fmt.Sprintf("k%03d", i), 1+i%3
		want[store.Ref{K: k, A: a}] = true
		cmds = append(cmds,
			store.Command{Kind: store.SetOnce, Key: store.ClaimKey(k, a), Value: []byte("c")},
			store.Command{Kind: store.SetOnce, Key: store.OutcomeKey(k, a), Value: []byte("o")},
			store.Command{Kind: store.SetOnce, Key: store.TokenKey("s", k), Value: []byte("t")})
	}
	Apply(t, d, cmds...)
	got := make(map[store.Ref]bool)
	for cursor := ""; ; {
		refs, next, err := d.ScanClaims(Context(t), cursor, 20)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range refs {
			got[r] = true
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(got) != len(want) {
		t.Errorf("found %d claims, want %d", len(got), len(want))
	}
	for r := range want {
		if !got[r] {
			t.Errorf("%v was not found", r)
		}
	}
}
