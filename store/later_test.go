package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chaperone/store"
	"chaperone/store/storetest"
)

func TestCommitLaterWhileUp(t *testing.T) { synctest.Test(t, testCommitLaterWhileUp) }

func testCommitLaterWhileUp(t *testing.T) {
	d := storetest.Open(t)
	c := startCommitter(t, d, store.CommitterOptions{Journal: filepath.Join(t.TempDir(), "journal")})
	u := unit(1)
	if err := c.CommitLater(u); err != nil || !u.Stored || !u.Commands[0].Won || u.Seq != 1 {
		t.Errorf("stored %v, won %v, seq %d, %v", u.Stored, u.Commands[0].Won, u.Seq, err)
	}
	if s := c.Stats(); s.JournalUnits != 0 || s.JournalBytes != 0 {
		t.Errorf("journal: %+v", s)
	}
}

// TestCommitLaterInOrder keeps units on disk while the store is away, and
// finds them stored in order when it is back, before anything newer.
func TestCommitLaterInOrder(t *testing.T) { synctest.Test(t, testCommitLaterInOrder) }

func testCommitLaterInOrder(t *testing.T) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	c := startCommitter(t, f, store.CommitterOptions{
		Deadline: 40 * time.Millisecond, Journal: filepath.Join(t.TempDir(), "journal"),
	})
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	f.Down(true)
	for i := range 5 {
		u := unit(i)
		if err := c.CommitLater(u); err != nil || u.Stored {
			t.Fatalf("unit %d: stored %v, %v", i, u.Stored, err)
		}
	}
	if s := c.Stats(); s.JournalUnits != 5 || s.JournalBytes == 0 || s.Healthy {
		t.Errorf("while away: %+v", s)
	}
	f.Down(false)
	storetest.Eventually(t, "healthy", c.Healthy)
	if err := c.Commit(storetest.Context(t), unit(5)); err != nil {
		t.Fatal(err)
	}
	if got := verify(t, d, "node-a"); strings.Join(got, ",") != "entry 0,entry 1,entry 2,entry 3,entry 4,entry 5" {
		t.Errorf("log %q", got)
	}
	storetest.Eventually(t, "an empty journal", func() bool { s := c.Stats(); return s.JournalUnits == 0 && s.JournalBytes == 0 })
}

// TestCommitLaterAcrossRestart ends a process with units on disk. The next one
// stores them first, in its own chain, resealed for it.
func TestCommitLaterAcrossRestart(t *testing.T) { synctest.Test(t, testCommitLaterAcrossRestart) }

func testCommitLaterAcrossRestart(t *testing.T) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	o := store.CommitterOptions{
		Chain: "node-a", Deadline: 40 * time.Millisecond, Journal: filepath.Join(t.TempDir(), "journal"),
		Rechain: func(e []byte, from, to string) []byte { return fmt.Appendf(nil, "%s (%s to %s)", e, from, to) },
	}
	f.Down(true)
	first, err := store.NewCommitter(storetest.Context(t), f, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		u := unit(i)
		u.Chain = "node-a"
		if err := first.CommitLater(u); err != nil || u.Stored {
			t.Fatal(err)
		}
	}
	// Somebody else uses this journal.
	if _, err := store.NewCommitter(storetest.Context(t), f, o); !errors.Is(err, store.ErrLocked) {
		t.Errorf("journal of two: %v", err)
	}
	// The end comes without a chance to store anything. That is not closeable
	// in good order.
	if err := closeAtOnce(first); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("close: %v", err)
	}
	f.Down(false)
	o.Chain = "node-b"
	second := startCommitter(t, f, o)
	if err := second.Commit(storetest.Context(t), unit(7)); err != nil {
		t.Fatal(err)
	}
	want := "entry 0 (node-a to node-b),entry 1 (node-a to node-b),entry 2 (node-a to node-b),entry 7"
	if got := verify(t, d, "node-b"); strings.Join(got, ",") != want {
		t.Errorf("log %q", got)
	}
	for i := range 3 {
		if !isSet(t, d, store.ClaimKey(fmt.Sprint("k", i), 1)) {
			t.Errorf("claim %d is not there", i)
		}
	}
}

func closeAtOnce(c *store.Committer) error {
	ctx, cancel := contextEnded()
	defer cancel()
	return c.Close(ctx)
}

// TestCommitLaterInFlight is the unit that was stored, but whose
// acknowledgement came after it went to the journal.
func TestCommitLaterInFlight(t *testing.T) { synctest.Test(t, testCommitLaterInFlight) }

func testCommitLaterInFlight(t *testing.T) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	c := startCommitter(t, f, store.CommitterOptions{
		Deadline: 40 * time.Millisecond, AliveEvery: time.Hour, Journal: filepath.Join(t.TempDir(), "journal"),
	})
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	f.Script(storetest.Persisted)
	f.Decide(func(int, [][]store.Command) storetest.Fault { return storetest.Failed })
	u := unit(1)
	if err := c.CommitLater(u); err != nil || u.Stored {
		t.Fatalf("stored %v, %v", u.Stored, err)
	}
	f.Decide(nil)
	storetest.Eventually(t, "an empty journal", func() bool { return c.Stats().JournalUnits == 0 })
	if got := verify(t, d, "node-a"); strings.Join(got, ",") != "entry 1" {
		t.Errorf("log %q", got)
	}
}

// TestCommitLaterTooLate keeps an outcome on disk, while somebody else decides
// the sale: the first one written stands, and the loss is counted.
func TestCommitLaterTooLate(t *testing.T) { synctest.Test(t, testCommitLaterTooLate) }

func testCommitLaterTooLate(t *testing.T) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	c := startCommitter(t, f, store.CommitterOptions{Deadline: 20 * time.Millisecond, Journal: filepath.Join(t.TempDir(), "journal")})
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	f.Down(true)
	if err := c.CommitLater(&store.Unit{Commands: []store.Command{set(store.OutcomeKey("k", 1), "ours")}}); err != nil {
		t.Fatal(err)
	}
	storetest.Apply(t, d, set(store.OutcomeKey("k", 1), "an operator's"))
	f.Down(false)
	storetest.Eventually(t, "an empty journal", func() bool { return c.Stats().JournalUnits == 0 })
	if got := storetest.Apply(t, d, store.Command{Kind: store.Get, Key: store.OutcomeKey("k", 1)})[0]; string(got.Prior) != "an operator's" {
		t.Errorf("outcome %q", got.Prior)
	}
	if n := c.Stats().TooLate; n != 1 {
		t.Errorf("%d were too late", n)
	}
}

func TestCommitLaterWithoutJournal(t *testing.T) { synctest.Test(t, testCommitLaterWithoutJournal) }

func testCommitLaterWithoutJournal(t *testing.T) {
	f := storetest.NewFaults(storetest.Open(t))
	f.Down(true)
	c, err := store.NewCommitter(storetest.Context(t), f, store.CommitterOptions{Chain: "a", Deadline: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CommitLater(unit(1)); !errors.Is(err, store.ErrUnavailable) || !store.MayPersist(err) {
		t.Errorf("no journal: %v", err)
	}
	if err := closeAtOnce(c); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("close: %v", err)
	}
	if err := c.CommitLater(unit(2)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestCommitLaterJournalFull(t *testing.T) { synctest.Test(t, testCommitLaterJournalFull) }

func testCommitLaterJournalFull(t *testing.T) {
	f := storetest.NewFaults(storetest.Open(t))
	c := startCommitter(t, f, store.CommitterOptions{
		Deadline: 20 * time.Millisecond, Journal: filepath.Join(t.TempDir(), "journal"), JournalLimit: 200,
	})
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	f.Down(true)
	full := 0
	for i := range 10 {
		if err := c.CommitLater(unit(i)); err != nil {
			if !errors.Is(err, store.ErrJournalFull) || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("unit %d: %v", i, err)
			}
			full++
		}
	}
	if full == 0 || full == 10 {
		t.Errorf("%d of 10 found the journal full", full)
	}
	f.Down(false)
	storetest.Eventually(t, "an empty journal", func() bool { return c.Stats().JournalUnits == 0 })
}

func TestJournalCannotBeMade(t *testing.T) {
	d := storetest.Open(t)
	path := filepath.Join(t.TempDir(), "none", "journal")
	if _, err := store.NewCommitter(storetest.Context(t), d, store.CommitterOptions{Chain: "a", Journal: path}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := store.NewCommitter(storetest.Context(t), d, store.CommitterOptions{}); err == nil {
		t.Error("a committer without a chain was made")
	}
}

// TestCloseUnderOutage ends a committer while calls of CommitLater wait for a
// store that does not answer: each finds its unit on disk.
func TestCloseUnderOutage(t *testing.T) { synctest.Test(t, testCloseUnderOutage) }

func testCloseUnderOutage(t *testing.T) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	journal := filepath.Join(t.TempDir(), "journal")
	c, err := store.NewCommitter(storetest.Context(t), f, store.CommitterOptions{Chain: "node-a", Deadline: time.Minute, Journal: journal, AliveEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	f.Decide(func(int, [][]store.Command) storetest.Fault { return storetest.Failed })
	var wg sync.WaitGroup
	keep := func(i int) {
		u := unit(i)
		if err := c.CommitLater(u); err != nil || u.Stored {
			t.Errorf("stored %v, %v", u.Stored, err)
		}
	}
	wg.Go(func() { keep(0) })
	storetest.Eventually(t, "a batch in flight", func() bool { return c.Stats().InFlight > 0 })
	for i := range 9 {
		wg.Go(func() { keep(1 + i) })
	}
	storetest.Eventually(t, "the others to wait", func() bool { return c.Stats().Pending == 9 })
	if err := closeAtOnce(c); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("close: %v", err)
	}
	wg.Wait()
	f.Decide(nil)
	closeCommitter(t, startCommitter(t, f, store.CommitterOptions{Chain: "node-b", Journal: journal}))
	if got := verify(t, d, "node-b"); len(got) != 10 {
		t.Errorf("log %q", got)
	}
}

// TestLeaseTerm is what a process sees that was away for longer than its lease
// is good for, and takes it again: what it claimed before is not its own any
// more.
func TestLeaseTerm(t *testing.T) { synctest.Test(t, testLeaseTerm) }

func testLeaseTerm(t *testing.T) {
	f := storetest.NewFaults(storetest.Open(t))
	c := startCommitter(t, f, store.CommitterOptions{AliveEvery: 10 * time.Millisecond, AliveFor: 400 * time.Millisecond})
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	if term := c.LeaseTerm(); term != 0 {
		t.Fatalf("the first term is %d", term)
	}
	f.Down(true)
	storetest.Eventually(t, "a lost lease", func() bool { return c.LeaseAge() > 400*time.Millisecond })
	if term := c.LeaseTerm(); term != 0 {
		t.Errorf("the term is %d before the lease is taken again", term)
	}
	f.Down(false)
	storetest.Eventually(t, "a lease that was taken again", func() bool { return c.LeaseTerm() > 0 })
}
