package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chaperone/store"
	"chaperone/store/storetest"
)

// spool is unit(i), that may be spooled.
func spool(i int) *store.Unit {
	u := unit(i)
	u.Spool = true
	return u
}

// mustSpool commits a unit that has to go to local disk.
func mustSpool(t *testing.T, c *store.Committer, u *store.Unit) {
	t.Helper()
	if err := c.Commit(storetest.Context(t), u); err != nil || !u.Spooled {
		t.Fatalf("spooled %v, %v", u.Spooled, err)
	}
}

// spooling gives options under which units are spooled soon.
func spooling(t *testing.T) store.CommitterOptions {
	return store.CommitterOptions{
		Deadline: 40 * time.Millisecond, Journal: filepath.Join(t.TempDir(), "journal"), SpoolLimit: 1 << 20,
	}
}

// gone starts a committer whose store is away, and waits until it knows.
func gone(t *testing.T, o store.CommitterOptions) (*storetest.Faults, store.Driver, *store.Committer) {
	t.Helper()
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	c := startCommitter(t, f, o)
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	f.Down(true)
	mustSpool(t, c, spool(0))
	if !c.Spooling() || c.Healthy() || !c.Takes(true) || c.Takes(false) {
		t.Fatalf("state: %+v", c.Stats())
	}
	return f, d, c
}

func drained(c *store.Committer) func() bool {
	return func() bool {
		s := c.Stats()
		return s.Healthy && !s.Draining && s.JournalUnits == 0 && s.JournalBytes == 0
	}
}

// TestSpool takes units while the store is away, in order and with what is
// known here as their results, and stores them when it is back.
func TestSpool(t *testing.T) { synctest.Test(t, testSpool) }

func testSpool(t *testing.T) {
	f, d, c := gone(t, spooling(t))
	ctx := storetest.Context(t)
	u := spool(1)
	u.Commands = append(u.Commands,
		store.Command{Kind: store.Get, Key: store.ClaimKey("k0", 1)},
		store.Command{Kind: store.Get, Key: store.ClaimKey("k9", 1)},
		store.Command{Kind: store.Delete, Key: store.BodyKey("k0", 1, 1)})
	mustSpool(t, c, u)
	if !u.Commands[0].Won || u.At.IsZero() || store.Age(u.At, time.Now()) > time.Minute {
		t.Errorf("claim: %+v, at %v", u.Commands[0], u.At)
	}
	if known, unknown := u.Commands[2], u.Commands[3]; !known.Found || string(known.Prior) != "claim 0" || unknown.Found {
		t.Errorf("reads: %+v, %+v", known, unknown)
	}
	again := spool(1)
	again.Commands[0].Value = []byte("another's")
	mustSpool(t, c, again)
	if again.Commands[0].Won || string(again.Commands[0].Prior) != "claim 1" {
		t.Errorf("a repeat: %+v", again.Commands[0])
	}
	if err := c.Commit(ctx, unit(7)); !errors.Is(err, store.ErrUnavailable) || store.MayPersist(err) {
		t.Errorf("a unit that may not be spooled: %v", err)
	}
	outcome := &store.Unit{Entries: [][]byte{[]byte("outcome 1")}, Commands: []store.Command{
		set(store.OutcomeKey("k1", 1), "released"), {Kind: store.Expire, Key: store.ClaimKey("k1", 1), TTL: time.Hour}}}
	if err := c.CommitLater(outcome); err != nil || outcome.Stored {
		t.Errorf("outcome: stored %v, %v", outcome.Stored, err)
	}
	reads := []store.Command{{Kind: store.Get, Key: store.OutcomeKey("k1", 1)}, {Kind: store.Get, Key: store.ClaimKey("k1", 1)},
		{Kind: store.Get, Key: store.AliveKey("node-a")}, {Kind: store.Get, Key: store.AliveKey("node-b")}}
	local, err := c.Read(ctx, reads)
	if err != nil || !local || string(reads[0].Prior) != "released" || string(reads[1].Prior) != "claim 1" || !reads[2].Found || reads[3].Found {
		t.Errorf("local %v, %v, %+v", local, err, reads)
	}
	if s := c.Stats(); s.Spooled != 3 || s.JournalUnits != 4 || !s.Spooling || s.Draining {
		t.Errorf("%+v", s)
	}

	f.Down(false)
	storetest.Eventually(t, "the end of the drain", drained(c))
	direct := spool(2)
	if err := c.Commit(ctx, direct); err != nil || direct.Spooled || direct.Seq == 0 {
		t.Errorf("direct again: spooled %v, seq %d, %v", direct.Spooled, direct.Seq, err)
	}
	want := "entry 0,entry 1,entry 1,outcome 1,entry 2"
	if got := verify(t, d, "node-a"); strings.Join(got, ",") != want {
		t.Errorf("log %q", got)
	}
	if s := c.Stats(); s.TooLate != 0 {
		t.Errorf("%d registers were too late", s.TooLate)
	}
	local, err = c.Read(ctx, reads[:1])
	if err != nil || local || string(reads[0].Prior) != "released" {
		t.Errorf("from the store: local %v, %v, %+v", local, err, reads[0])
	}
}

// TestSpoolKnowsWhatWasStored asks in an outage for what was stored before it.
func TestSpoolKnowsWhatWasStored(t *testing.T) { synctest.Test(t, testSpoolKnowsWhatWasStored) }

func testSpoolKnowsWhatWasStored(t *testing.T) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	c := startCommitter(t, f, spooling(t))
	ctx := storetest.Context(t)
	storetest.Apply(t, d, set(store.ClaimKey("k3", 1), "a peer's"))
	short := spool(2)
	short.Commands[0].TTL = time.Millisecond
	for _, u := range []*store.Unit{spool(1), short, spool(3)} {
		if err := c.Commit(ctx, u); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Eventually(t, "the end of a life", func() bool { return !isSet(t, d, store.ClaimKey("k2", 1)) })
	f.Down(true)
	for i, want := range map[int]string{1: "claim 1", 2: "", 3: "a peer's", 4: ""} {
		u := spool(i)
		u.Commands[0].Value = []byte("another's")
		mustSpool(t, c, u)
		if won := u.Commands[0].Won; won != (want == "") || string(u.Commands[0].Prior) != want {
			t.Errorf("key %d: won %v, prior %q", i, won, u.Commands[0].Prior)
		}
	}
	f.Down(false)
	storetest.Eventually(t, "the end of the drain", drained(c))
	if s := c.Stats(); s.TooLate != 0 {
		t.Errorf("%d registers were too late", s.TooLate)
	}
}

// TestSpoolInFlight is the batch that was in flight when the store went away:
// its unit is taken on local disk, keeps its place, and is there once, whether
// the store had taken it or not.
func TestSpoolInFlight(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.Failed, storetest.Persisted, storetest.Partly, storetest.Hang} {
		t.Run(fault.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { inFlight(t, fault) }) })
	}
}

func inFlight(t *testing.T, fault storetest.Fault) {
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	o := spooling(t)
	o.AliveEvery = time.Hour
	c := startCommitter(t, f, o)
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	f.Script(fault)
	f.Decide(func(int, [][]store.Command) storetest.Fault { return storetest.Failed })
	first := make(chan error, 1)
	sent, behind := spool(1), spool(2)
	steps := f.Steps()
	go func() { first <- c.Commit(context.Background(), sent) }()
	storetest.Eventually(t, "the batch", func() bool { return f.Steps() > steps })
	mustSpool(t, c, behind)
	if err := <-first; err != nil || !sent.Spooled || !sent.Commands[0].Won {
		t.Errorf("in flight: spooled %v, %+v, %v", sent.Spooled, sent.Commands[0], err)
	}
	repeat := spool(1)
	repeat.Commands[0].Value = []byte("another's")
	mustSpool(t, c, repeat)
	if repeat.Commands[0].Won {
		t.Error("the repeat of a unit in flight won")
	}
	f.Decide(nil)
	f.Release()
	storetest.Eventually(t, "the end of the drain", drained(c))
	if got := verify(t, d, "node-a"); strings.Join(got, ",") != "entry 1,entry 2,entry 1" {
		t.Errorf("log %q", got)
	}
	if s := c.Stats(); s.TooLate != 0 {
		t.Errorf("%d registers were too late", s.TooLate)
	}
}

// TestSpoolFull has no room for new units, but for the outcomes of those that
// have begun.
func TestSpoolFull(t *testing.T) { synctest.Test(t, testSpoolFull) }

func testSpoolFull(t *testing.T) {
	o := spooling(t)
	o.SpoolLimit = 2000
	f, d, c := gone(t, o)
	n := 0
	for ; ; n++ {
		u := spool(n + 1)
		err := c.Commit(storetest.Context(t), u)
		if err == nil {
			continue
		}
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrJournalFull) || store.MayPersist(err) || u.Spooled {
			t.Errorf("full: spooled %v, %v", u.Spooled, err)
		}
		break
	}
	if err := c.CommitLater(unit(1000)); err != nil {
		t.Errorf("an outcome: %v", err)
	}
	storetest.Eventually(t, "nothing to be taken", func() bool { return n > 0 && c.CommitLater(unit(1001)) == nil && !c.Takes(true) })
	if s := c.Stats(); s.JournalLimit != 2000 || s.JournalBytes < 1500 {
		t.Errorf("%+v", s)
	}
	f.Down(false)
	storetest.Eventually(t, "the end of the drain", drained(c))
	if err := c.Commit(storetest.Context(t), spool(2000)); err != nil {
		t.Error(err)
	}
	if isSet(t, d, store.ClaimKey(fmt.Sprint("k", n+1), 1)) {
		t.Error("what was refused is stored")
	}
}

// TestSpoolAcrossRestart ends a process in an outage. The next one knows what
// is on local disk, and stores it first.
func TestSpoolAcrossRestart(t *testing.T) { synctest.Test(t, testSpoolAcrossRestart) }

func testSpoolAcrossRestart(t *testing.T) {
	o := spooling(t)
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	f.Down(true)
	first, err := store.NewCommitter(storetest.Context(t), f, o2(o, "node-a"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		mustSpool(t, first, spool(i))
	}
	lost := spool(1)
	lost.Commands[0].Value = []byte("another's")
	mustSpool(t, first, lost)
	if err := closeAtOnce(first); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("close: %v", err)
	}
	second := startCommitter(t, f, o2(o, "node-b"))
	repeat := spool(1)
	repeat.Commands[0].Value = []byte("a third's")
	mustSpool(t, second, repeat)
	if repeat.Commands[0].Won || string(repeat.Commands[0].Prior) != "claim 1" {
		t.Errorf("a repeat after the restart: %+v", repeat.Commands[0])
	}
	mustSpool(t, second, spool(3))
	f.Down(false)
	storetest.Eventually(t, "the end of the drain", drained(second))
	want := "entry 0,entry 1,entry 2,entry 1,entry 1,entry 3"
	if got := verify(t, d, "node-b"); strings.Join(got, ",") != want {
		t.Errorf("log %q", got)
	}
	if s := second.Stats(); s.TooLate != 0 {
		t.Errorf("%d registers were too late", s.TooLate)
	}
}

func o2(o store.CommitterOptions, chain string) store.CommitterOptions {
	o.Chain = chain
	return o
}

// TestSpoolDoubleClaim lets two processes claim one key, each without the
// other's knowledge: the first that reaches the store stands, and the other is
// told.
func TestSpoolDoubleClaim(t *testing.T) { synctest.Test(t, testSpoolDoubleClaim) }

func testSpoolDoubleClaim(t *testing.T) {
	d := storetest.Open(t)
	var mu sync.Mutex
	var late []string
	o := spooling(t)
	o.Late = func(c *store.Command) *store.Unit {
		mu.Lock()
		defer mu.Unlock()
		late = append(late, fmt.Sprintf("%s: %s after %s", c.Key, c.Value, c.Prior))
		return &store.Unit{Entries: [][]byte{[]byte("alarm")}}
	}
	fa, fb := storetest.NewFaults(d), storetest.NewFaults(d)
	a := startCommitter(t, fa, o2(o, "node-a"))
	o.Journal = filepath.Join(t.TempDir(), "journal")
	b := startCommitter(t, fb, o2(o, "node-b"))
	storetest.Eventually(t, "the leases", func() bool { return a.LeaseFresh() && b.LeaseFresh() })
	fa.Down(true)
	fb.Down(true)
	ours, theirs := spool(1), spool(1)
	theirs.Commands[0].Value = []byte("claim of b")
	mustSpool(t, a, ours)
	mustSpool(t, b, theirs)
	if !ours.Commands[0].Won || !theirs.Commands[0].Won {
		t.Fatal("a claim that nobody here knows of was not won")
	}
	fa.Down(false)
	storetest.Eventually(t, "the drain of a", drained(a))
	fb.Down(false)
	storetest.Eventually(t, "the drain of b", drained(b))
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"{r.k1}:c.1: claim of b after claim 1"}; !slices.Equal(late, want) {
		t.Errorf("late: %q", late)
	}
	if got := verify(t, d, "node-b"); strings.Join(got, ",") != "entry 1,alarm" {
		t.Errorf("log of b %q", got)
	}
	if b.Stats().TooLate != 1 || a.Stats().TooLate != 0 {
		t.Errorf("late: %d and %d", a.Stats().TooLate, b.Stats().TooLate)
	}
	got := storetest.Apply(t, d, store.Command{Kind: store.Get, Key: store.ClaimKey("k1", 1)})[0]
	if string(got.Prior) != "claim 1" {
		t.Errorf("the claim was overwritten: %q", got.Prior)
	}
}

// TestSpoolLargeBody carries a body that cannot go ahead.
func TestSpoolLargeBody(t *testing.T) { synctest.Test(t, testSpoolLargeBody) }

func testSpoolLargeBody(t *testing.T) {
	o := spooling(t)
	f, d, c := gone(t, o)
	body := bytes.Repeat([]byte("x"), 100<<10)
	key := store.RequestBodyKey("k1", 1, 2, "request")
	u := spool(1)
	u.Commands = append(u.Commands, store.Command{Kind: store.SetOnce, Key: key, Value: body})
	mustSpool(t, c, u)
	f.Down(false)
	storetest.Eventually(t, "the end of the drain", drained(c))
	if got := storetest.Apply(t, d, store.Command{Kind: store.Get, Key: key})[0]; !bytes.Equal(got.Prior, body) {
		t.Errorf("body of %d bytes", len(got.Prior))
	}
}

// TestSpoolReuse commits with one unit again and again, as a request does, over
// an outage's beginning and end.
func TestSpoolReuse(t *testing.T) { synctest.Test(t, testSpoolReuse) }

func testSpoolReuse(t *testing.T) {
	f, d, c := gone(t, spooling(t))
	u := new(store.Unit)
	for i := 1; i < 200; i++ {
		from := spool(i)
		u.Spool = true
		u.Entries = append(u.Entries[:0], from.Entries...)
		u.Commands = append(u.Commands[:0], from.Commands...)
		if err := c.Commit(storetest.Context(t), u); err != nil || !u.Commands[0].Won {
			t.Fatalf("unit %d: %v", i, err)
		}
		f.Down(i%40 < 20)
	}
	f.Down(false)
	storetest.Eventually(t, "the end of the drain", drained(c))
	got := verify(t, d, "node-a")
	for i := range 200 {
		if got[i] != fmt.Sprint("entry ", i) {
			t.Fatalf("record %d is %q", i, got[i])
		}
	}
}

// TestSpoolRandomFaults commits under load, with repeats, over outages at
// random: each key is won once, each entry is stored once.
func TestSpoolRandomFaults(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	d := storetest.Open(t)
	f := storetest.NewFaults(d)
	o := spooling(t)
	o.SpoolLimit = 64 << 20
	c := startCommitter(t, f, o)
	const workers, each = 16, 60
	var mu sync.Mutex
	won := make(map[string]int)
	entries := make(map[string]bool) // of units that were taken
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				u := spool((w%(workers/2))*each + i) // each key by two workers
				name := fmt.Sprintf("%s of %d", u.Entries[0], w)
				u.Entries[0] = []byte(name)
				u.Commands[0].Value = fmt.Appendf(u.Commands[0].Value, " of %d", w)
				err := c.Commit(storetest.Context(t), u)
				if err != nil {
					t.Errorf("%v", err)
					continue
				}
				mu.Lock()
				entries[name] = true
				if u.Commands[0].Won {
					won[u.Commands[0].Key]++
				}
				mu.Unlock()
			}
		})
	}
	go func() {
		defer close(done)
		wg.Wait()
	}()
	for over := false; !over; {
		fault := []storetest.Fault{storetest.None, storetest.Failed, storetest.Persisted, storetest.Partly}[rnd.IntN(4)]
		f.Decide(func(int, [][]store.Command) storetest.Fault { return fault })
		select {
		case <-done:
			over = true
		case <-time.After(time.Duration(rnd.IntN(40)) * time.Millisecond):
		}
	}
	f.Decide(nil)
	storetest.Eventually(t, "the end of the drain", drained(c))
	if len(won) != workers/2*each {
		t.Errorf("%d keys were won", len(won))
	}
	for key, n := range won {
		if n != 1 {
			t.Errorf("%s was won %d times", key, n)
		}
	}
	got := verify(t, d, "node-a")
	if len(got) != len(entries) {
		t.Errorf("%d entries are stored, of %d", len(got), len(entries))
	}
	for _, e := range got {
		if !entries[e] {
			t.Errorf("%q is stored, and was not taken, or is there twice", e)
		}
		delete(entries, e)
	}
	s := c.Stats()
	if s.TooLate != 0 {
		t.Errorf("%d registers were too late", s.TooLate)
	}
	t.Logf("%d of %d were spooled", s.Spooled, s.Units)
}
