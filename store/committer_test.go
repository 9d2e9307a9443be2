package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chaperone/store"
	"chaperone/store/storetest"
)

// startCommitter starts a committer that the test's end closes.
func startCommitter(t testing.TB, d store.Driver, o store.CommitterOptions) *store.Committer {
	t.Helper()
	if o.Chain == "" {
		o.Chain = "node-a"
	}
	if o.Deadline == 0 {
		o.Deadline = time.Minute // where the test is of something else
	}
	c, err := store.NewCommitter(storetest.Context(t), d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeCommitter(t, c) })
	return c
}

func closeCommitter(t testing.TB, c *store.Committer) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// contextEnded gives a context that is over.
func contextEnded() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx, cancel
}

// unit is a request: an entry, and a claim by who it is.
func unit(i int) *store.Unit {
	return &store.Unit{
		Entries: [][]byte{fmt.Appendf(nil, "entry %d", i)},
		Commands: []store.Command{
			{Kind: store.SetOnce, Key: store.ClaimKey(fmt.Sprint("k", i), 1), Value: fmt.Appendf(nil, "claim %d", i)},
			{Kind: store.QueueAdd, Queue: store.Doubt, Member: store.DoubtMember(fmt.Sprint("k", i), 1), Score: 1},
		},
	}
}

func isSet(t *testing.T, d store.Driver, key string) bool {
	t.Helper()
	return storetest.Apply(t, d, store.Command{Kind: store.Get, Key: key})[0].Found
}

// verify reads a chain, checks its hashes and gives its entries.
func verify(t *testing.T, d store.Driver, chain string) []string {
	t.Helper()
	var entries []string
	hash, next := store.ChainStart(chain), uint64(1)
	for {
		recs, err := d.LogRange(storetest.Context(t), chain, next, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if r.Seq != next {
				t.Fatalf("chain %s: record %d where %d should be", chain, r.Seq, next)
			}
			hash = store.ChainHash(hash, r.Seq, r.Entry)
			if r.Hash != hash {
				t.Fatalf("chain %s: record %d has another hash", chain, r.Seq)
			}
			entries = append(entries, string(r.Entry))
			next++
		}
		if len(recs) < 100 {
			return entries
		}
	}
}

func TestCommit(t *testing.T) {
	d := storetest.Open(t)
	c := startCommitter(t, d, store.CommitterOptions{})
	ctx := storetest.Context(t)
	u := unit(1)
	if err := c.Commit(ctx, u); err != nil {
		t.Fatal(err)
	}
	if !u.Commands[0].Won || u.Seq != 1 {
		t.Errorf("won %v, seq %d", u.Commands[0].Won, u.Seq)
	}
	// The same claim by another.
	loser := unit(1)
	loser.Commands[0].Value = []byte("another")
	if err := c.Commit(ctx, loser); err != nil {
		t.Fatal(err)
	}
	if loser.Commands[0].Won || string(loser.Commands[0].Prior) != "claim 1" || loser.Seq != 2 {
		t.Errorf("loser: %+v, seq %d", loser.Commands[0], loser.Seq)
	}
	// A unit is used again.
	u.Entries = append(u.Entries, []byte("more"))
	u.Commands = u.Commands[:0]
	if err := c.Commit(ctx, u); err != nil || u.Seq != 3 {
		t.Errorf("again: seq %d, %v", u.Seq, err)
	}
	if err := c.Commit(ctx, &store.Unit{}); err != nil {
		t.Errorf("empty unit: %v", err)
	}
	if got := verify(t, d, "node-a"); len(got) != 4 {
		t.Errorf("log %q", got)
	}
	last, _, err := d.LogLast(ctx, "node-a")
	if seq, hash := c.Head(); err != nil || seq != 4 || hash != last.Hash {
		t.Errorf("head %d, %v", seq, err)
	}
	chains, err := d.Chains(ctx)
	if err != nil || len(chains) != 1 || chains[0].ID != "node-a" {
		t.Errorf("chains %v %v", chains, err)
	}
}

func TestCommitRefusesMalformed(t *testing.T) {
	d := storetest.Open(t)
	c := startCommitter(t, d, store.CommitterOptions{})
	for name, cmd := range map[string]store.Command{
		"no kind":              {Key: "m:a"},
		"no key":               {Kind: store.Get},
		"no member":            {Kind: store.QueueAdd, Queue: store.Dead},
		"no queue":             {Kind: store.QueueAdd, Member: "k|1"},
		"no life":              {Kind: store.Expire, Key: "m:a"},
		"life of microseconds": {Kind: store.Set, Key: "m:a", TTL: time.Microsecond},
		"negative score":       {Kind: store.QueueAdd, Queue: store.Dead, Member: "k|1", Score: -1},
		"not a leg":            {Kind: store.QueueAdd, Queue: store.Due, Member: "k|1"},
	} {
		u := unit(1)
		u.Commands = append(u.Commands, cmd)
		if err := c.Commit(storetest.Context(t), u); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := verify(t, d, "node-a"); len(got) != 0 {
		t.Errorf("log %q", got)
	}
}

func TestCommitMany(t *testing.T) {
	d := storetest.Open(t)
	c := startCommitter(t, d, store.CommitterOptions{})
	const workers, each = 32, 40
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				u := unit(w*each + i)
				if err := c.Commit(storetest.Context(t), u); err != nil {
					t.Error(err)
				} else if !u.Commands[0].Won {
					t.Error("claim not won")
				}
			}
		})
	}
	wg.Wait()
	if got := verify(t, d, "node-a"); len(got) != workers*each {
		t.Errorf("log has %d entries", len(got))
	}
	s := c.Stats()
	if s.Units != workers*each || s.Entries != s.Units || s.Batches >= s.Units {
		t.Errorf("no batches were gathered: %+v", s)
	}
}

// TestCommitFaults lets each step fail in each way: whatever the fault, what
// is acknowledged is there once, and the chain is whole.
func TestCommitFaults(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.Failed, storetest.Persisted, storetest.Partly} {
		for at := range 4 {
			t.Run(fmt.Sprintf("%v at step %d", fault, at), func(t *testing.T) {
				d := storetest.Open(t)
				f := storetest.NewFaults(d)
				script := make([]storetest.Fault, at, at+2)
				f.Script(append(script, fault, fault)...)
				c := startCommitter(t, f, store.CommitterOptions{Deadline: time.Minute})
				for i := range 4 {
					u := unit(i)
					if err := c.Commit(storetest.Context(t), u); err != nil {
						t.Fatal(err)
					}
					if !u.Commands[0].Won || u.Seq != uint64(i)+1 {
						t.Errorf("unit %d: won %v, seq %d", i, u.Commands[0].Won, u.Seq)
					}
				}
				if got := verify(t, d, "node-a"); strings.Join(got, ",") != "entry 0,entry 1,entry 2,entry 3" {
					t.Errorf("log %q", got)
				}
				if c.Stats().Resends != 2 {
					t.Errorf("%d resends", c.Stats().Resends)
				}
			})
		}
	}
}

// TestCommitRandomFaults does the same under load, from a seed.
func TestCommitRandomFaults(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 1))
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	f.Decide(func(int, [][]store.Command) storetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		return []storetest.Fault{storetest.None, storetest.Failed, storetest.Persisted, storetest.Partly}[rnd.IntN(4)]
	})
	c := startCommitter(t, f, store.CommitterOptions{Deadline: time.Minute, Journal: filepath.Join(t.TempDir(), "journal")})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 10 {
				u := unit(w*10 + i)
				var err error
				if i%2 == 0 {
					err = c.Commit(storetest.Context(t), u)
				} else {
					err = c.CommitLater(u)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	f.Decide(nil)
	closeCommitter(t, c)
	seen := make(map[string]int)
	for _, e := range verify(t, d, "node-a") {
		seen[e]++
	}
	for i := range 80 {
		if n := seen[fmt.Sprintf("entry %d", i)]; n != 1 {
			t.Errorf("entry %d is there %d times", i, n)
		}
		if !isSet(t, d, store.ClaimKey(fmt.Sprint("k", i), 1)) {
			t.Errorf("claim %d is not there", i)
		}
	}
}

func TestCommitDeadline(t *testing.T) { synctest.Test(t, testCommitDeadline) }

func testCommitDeadline(t *testing.T) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	c := startCommitter(t, f, store.CommitterOptions{Deadline: 50 * time.Millisecond, AliveEvery: time.Hour})
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	f.Script(storetest.Hang)
	hung := make(chan error, 1)
	steps := f.Steps()
	go func() { hung <- c.Commit(context.Background(), unit(1)) }()
	storetest.Eventually(t, "the batch", func() bool { return f.Steps() > steps })
	// This one waits behind it, and is never sent.
	err := c.Commit(storetest.Context(t), unit(2))
	if !errors.Is(err, store.ErrUnavailable) || store.MayPersist(err) {
		t.Errorf("queued: %v", err)
	}
	if err := <-hung; !errors.Is(err, store.ErrUnavailable) || !store.MayPersist(err) {
		t.Errorf("in flight: %v", err)
	}
	storetest.Eventually(t, "unhealthy", func() bool { return !c.Healthy() })
	if err := c.Commit(storetest.Context(t), unit(3)); !errors.Is(err, store.ErrUnavailable) || store.MayPersist(err) {
		t.Errorf("while away: %v", err)
	}
	f.Release()
	storetest.Eventually(t, "healthy", c.Healthy)
	if err := c.Commit(storetest.Context(t), unit(4)); err != nil {
		t.Errorf("when back: %v", err)
	}
	// The batch in flight was sent again as it was; what never left is not there.
	if got := verify(t, d, "node-a"); strings.Join(got, ",") != "entry 1,entry 4" {
		t.Errorf("log %q", got)
	}
}

func TestCommitContext(t *testing.T) { synctest.Test(t, testCommitContext) }

func testCommitContext(t *testing.T) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	c := startCommitter(t, f, store.CommitterOptions{Deadline: time.Minute, AliveEvery: time.Hour})
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	f.Script(storetest.Hang)
	steps := f.Steps()
	ctx, cancel := context.WithCancel(context.Background())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- c.Commit(ctx, unit(1)) }()
	storetest.Eventually(t, "the batch", func() bool { return f.Steps() > steps })
	go func() { second <- c.Commit(ctx, unit(2)) }()
	storetest.Eventually(t, "the queue", func() bool { return c.Stats().Pending == 1 })
	cancel()
	if err := <-first; !store.MayPersist(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("in flight: %v", err)
	}
	if err := <-second; !errors.Is(err, store.ErrUnavailable) || store.MayPersist(err) {
		t.Errorf("queued: %v", err)
	}
	f.Release()
}

func TestCommitLargeBody(t *testing.T) { synctest.Test(t, testCommitLargeBody) }

func testCommitLargeBody(t *testing.T) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	c := startCommitter(t, f, store.CommitterOptions{Deadline: time.Minute, AliveEvery: time.Hour})
	ctx := storetest.Context(t)
	body := bytes.Repeat([]byte("x"), 100<<10)
	key := store.RequestBodyKey("k1", 1, 2, "request")
	large := func(i int) *store.Unit {
		u := unit(i)
		u.Commands = append(u.Commands, store.Command{Kind: store.SetOnce, Key: key, Value: body})
		return u
	}
	seen := make(chan int, 100)
	f.Decide(func(_ int, groups [][]store.Command) storetest.Fault {
		for _, g := range groups {
			for i := range g {
				if g[i].Key == key {
					seen <- len(groups)
				}
			}
		}
		return storetest.None
	})
	u := large(1)
	if err := c.Commit(ctx, u); err != nil || !u.Commands[2].Won {
		t.Fatalf("won %v, %v", u.Commands[2].Won, err)
	}
	if len(seen) != 2 {
		t.Errorf("the body was in %d steps, not ahead and then settled", len(seen))
	}
	got := storetest.Apply(t, d, store.Command{Kind: store.Get, Key: key})[0]
	if !bytes.Equal(got.Prior, body) {
		t.Errorf("body of %d bytes", len(got.Prior))
	}
	other := large(2)
	other.Commands[2].Value = append([]byte("y"), body...)
	if err := c.Commit(ctx, other); err != nil || other.Commands[2].Won || !bytes.Equal(other.Commands[2].Prior, body) {
		t.Errorf("another body: won %v, %v", other.Commands[2].Won, err)
	}
	// Where the body cannot go ahead nothing of the unit was sent.
	f.Decide(nil)
	f.Script(storetest.Failed)
	if err := c.Commit(ctx, large(3)); !errors.Is(err, store.ErrUnavailable) || store.MayPersist(err) {
		t.Errorf("body failed: %v", err)
	}
	if got := verify(t, d, "node-a"); len(got) != 2 {
		t.Errorf("log %q", got)
	}
}

func TestLease(t *testing.T) { synctest.Test(t, testLease) }

func testLease(t *testing.T) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	f.Down(true)
	c := startCommitter(t, f, store.CommitterOptions{AliveEvery: 10 * time.Millisecond, AliveFor: time.Hour})
	if c.LeaseFresh() {
		t.Error("a lease that nobody acknowledged is fresh")
	}
	f.Down(false)
	storetest.Eventually(t, "lease", c.LeaseFresh)
	if err := c.Commit(storetest.Context(t), unit(1)); err != nil {
		t.Fatal(err)
	}
	head, hash := c.Head()
	storetest.Eventually(t, "a renewal with the new head", func() bool {
		seq, h, err := store.ParseAlive(storetest.Apply(t, d, store.Command{Kind: store.Get, Key: store.AliveKey("node-a")})[0].Prior)
		return err == nil && seq == head && h == hash
	})
	closeCommitter(t, c)
	if isSet(t, d, store.AliveKey("node-a")) {
		t.Error("the lease outlives its process's end")
	}
	if err := c.Commit(storetest.Context(t), unit(2)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("commit after close: %v", err)
	}
	if _, _, err := store.ParseAlive([]byte("short")); err == nil {
		t.Error("malformed lease was read")
	}
}

func TestRestartOfChain(t *testing.T) {
	for _, again := range []bool{true, false} {
		t.Run(fmt.Sprintf("restart %v", again), func(t *testing.T) {
			d := storetest.Open(t)
			o := store.CommitterOptions{Journal: filepath.Join(t.TempDir(), "journal")}
			if again {
				o.Restart = func(broken string, head uint64, cause error) (string, [][]byte) {
					return "node-b", [][]byte{fmt.Appendf(nil, "after %s %d", broken, head)}
				}
				o.Rechain = func(e []byte, from, to string) []byte { return fmt.Appendf(nil, "%s (%s to %s)", e, from, to) }
			}
			c := startCommitter(t, d, o)
			ctx := storetest.Context(t)
			if err := c.Commit(ctx, unit(1)); err != nil {
				t.Fatal(err)
			}
			// Somebody else writes to our chain.
			_, hash := c.Head()
			rec := storetest.Records("node-a", "foreign", hash, 2, 1)
			if err := d.Write(ctx, &store.Batch{Chain: "node-a", Prev: hash, Records: rec}); err != nil {
				t.Fatal(err)
			}
			u := unit(2)
			u.Chain = "node-a"
			err := c.Commit(ctx, u)
			if !again {
				if !errors.Is(err, store.ErrChainBroken) || !errors.Is(err, store.ErrFork) || c.Healthy() {
					t.Errorf("without a restart: %v", err)
				}
				if err := c.Commit(ctx, unit(3)); !errors.Is(err, store.ErrChainBroken) {
					t.Errorf("after that: %v", err)
				}
				later := unit(4)
				if err := c.CommitLater(later); err != nil || later.Stored {
					t.Errorf("later: stored %v, %v", later.Stored, err)
				}
				return
			}
			if err != nil || c.Chain() != "node-b" {
				t.Fatalf("in the new chain: %v", err)
			}
			if got := verify(t, d, "node-b"); strings.Join(got, ",") != "after node-a 1,entry 2 (node-a to node-b)" {
				t.Errorf("log %q", got)
			}
			if c.Stats().Restarts != 1 || u.Seq != 2 {
				t.Errorf("%+v, seq %d", c.Stats(), u.Seq)
			}
		})
	}
}
