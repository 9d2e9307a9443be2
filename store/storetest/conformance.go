package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/store"
)

// Conformance checks that a driver holds to the contract of store.Driver. open
// gives a driver on an empty store, and closes it at the test's end.
func Conformance(t *testing.T, open func(t *testing.T) store.Driver) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, d store.Driver)
	}{
		{"check", testCheck},
		{"registers are written once", testSetOnce},
		{"registers are written unless another is there", testSetUnless},
		{"set, get, delete", testSetGet},
		{"registers end", testExpiry},
		{"command of another type fails alone", testRefused},
		{"log", testLog},
		{"log resent", testLogResent},
		{"log gap and fork", testLogGap},
		{"log trim", testLogTrim},
		{"log remove", testLogRemove},
		{"queue", testQueue},
		{"queue pages", testQueuePages},
		{"lease is taken once", testLease},
		{"groups", testGroups},
		{"groups resent", testGroupsResent},
		{"claims are found", testScan},
		{"batch resent", testBatchResent},
		{"counters", testCounter},
		{"keys are found", testScanKeys},
		{"scrub", testScrub},
		{"concurrent use", testConcurrent},
		{"closed", testClosed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// patience bounds every wait for what must happen; a busy machine may need much
// of it.
const patience = 4 * time.Minute

// Context gives a context that ends with the test, or after minutes.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// Apply does commands and fails the test if they are not acknowledged.
func Apply(t testing.TB, d store.Driver, cmds ...store.Command) []store.Command {
	t.Helper()
	if err := d.Apply(Context(t), cmds); err != nil {
		t.Fatalf("apply: %v", err)
	}
	return cmds
}

func testCheck(t *testing.T, d store.Driver) {
	s, err := d.Check(Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Kind == "" || s.Mode == "" || s.Version == "" || s.Nodes < 1 {
		t.Errorf("status %+v lacks something", s)
	}
}

func testSetOnce(t *testing.T, d store.Driver) {
	key := store.ClaimKey("kk", 1)
	c := Apply(t, d,
		store.Command{Kind: store.SetOnce, Key: key, Value: []byte("first")},
		store.Command{Kind: store.SetOnce, Key: key, Value: []byte("second")},
		store.Command{Kind: store.Get, Key: key})
	if !c[0].Won || c[0].Prior != nil {
		t.Errorf("first: %+v", c[0])
	}
	if c[1].Won || string(c[1].Prior) != "first" {
		t.Errorf("second: won %v, prior %q", c[1].Won, c[1].Prior)
	}
	if !c[2].Found || string(c[2].Prior) != "first" {
		t.Errorf("get: %+v", c[2])
	}
	again := Apply(t, d, store.Command{Kind: store.SetOnce, Key: key, Value: []byte("first")})
	if !again[0].Won {
		t.Error("the same value again has not won")
	}
	empty := Apply(t, d,
		store.Command{Kind: store.SetOnce, Key: "m:empty"},
		store.Command{Kind: store.SetOnce, Key: "m:empty", Value: []byte("x")},
		store.Command{Kind: store.Get, Key: "m:empty"})
	if !empty[0].Won || empty[1].Won || !empty[2].Found || len(empty[2].Prior) != 0 {
		t.Errorf("empty value: %+v", empty)
	}
}

func testSetUnless(t *testing.T, d store.Driver) {
	outcome, unknown := store.OutcomeKey("kk", 1), store.UnknownKey("kk", 1)
	void := store.Command{Kind: store.SetUnless, Key: outcome, Unless: unknown, Value: []byte("void")}
	if c := Apply(t, d, void, void, store.Command{Kind: store.Get, Key: outcome}); !c[0].Won || !c[1].Won || string(c[2].Prior) != "void" {
		t.Errorf("with nothing in the way: %+v", c)
	}
	other := void
	other.Value = []byte("other")
	if c := Apply(t, d, other); c[0].Won || string(c[0].Prior) != "void" {
		t.Errorf("over another: %+v", c[0])
	}
	barred := store.Command{Kind: store.SetUnless, Key: store.OutcomeKey("kk", 2), Unless: store.UnknownKey("kk", 2), Value: []byte("void"), TTL: time.Hour}
	c := Apply(t, d, store.Command{Kind: store.SetOnce, Key: barred.Unless, Value: []byte("doubt")}, barred, store.Command{Kind: store.Get, Key: barred.Key},
		store.Command{Kind: store.Delete, Key: barred.Unless}, barred, store.Command{Kind: store.Get, Key: barred.Key})
	if c[1].Won || string(c[1].Prior) != "doubt" || c[2].Found {
		t.Errorf("barred: %+v", c[:3])
	}
	if !c[4].Won || !c[5].Found {
		t.Errorf("no longer barred: %+v", c[4:])
	}
	if c := Apply(t, d, store.Command{Kind: store.Expire, Key: barred.Key, TTL: time.Hour}); !c[0].Found {
		t.Errorf("a life was asked for: %+v", c)
	}
}

func testSetGet(t *testing.T, d store.Driver) {
	binary := []byte("\x00\r\n$5\xff")
	c := Apply(t, d,
		store.Command{Kind: store.Get, Key: "m:a"},
		store.Command{Kind: store.Delete, Key: "m:a"},
		store.Command{Kind: store.Expire, Key: "m:a", TTL: time.Hour},
		store.Command{Kind: store.Persist, Key: "m:a"},
		store.Command{Kind: store.Set, Key: "m:a", Value: []byte("1")},
		store.Command{Kind: store.Set, Key: "m:a", Value: binary},
		store.Command{Kind: store.Get, Key: "m:a"},
		store.Command{Kind: store.Expire, Key: "m:a", TTL: time.Hour},
		store.Command{Kind: store.Persist, Key: "m:a"},
		store.Command{Kind: store.Delete, Key: "m:a"},
		store.Command{Kind: store.Get, Key: "m:a"})
	for i, want := range []bool{false, false, false, false, false, false, true, true, true, true, false} {
		if c[i].Found != want {
			t.Errorf("command %d: found %v", i, c[i].Found)
		}
	}
	if string(c[6].Prior) != string(binary) {
		t.Errorf("got %q", c[6].Prior)
	}
}

func testExpiry(t *testing.T, d store.Driver) {
	const short, long = 30 * time.Millisecond, time.Hour
	Apply(t, d,
		store.Command{Kind: store.Set, Key: "m:set", Value: []byte("v"), TTL: short},
		store.Command{Kind: store.SetOnce, Key: "m:once", Value: []byte("v"), TTL: short},
		store.Command{Kind: store.Set, Key: "m:expire", Value: []byte("v")},
		store.Command{Kind: store.Expire, Key: "m:expire", TTL: short},
		store.Command{Kind: store.Set, Key: "m:longer", Value: []byte("v"), TTL: short},
		store.Command{Kind: store.Expire, Key: "m:longer", TTL: long},
		store.Command{Kind: store.Set, Key: "m:persist", Value: []byte("v"), TTL: short},
		store.Command{Kind: store.Persist, Key: "m:persist"},
		store.Command{Kind: store.Set, Key: "m:reset", Value: []byte("v"), TTL: short},
		store.Command{Kind: store.Set, Key: "m:reset", Value: []byte("w")})
	for _, key := range []string{"m:set", "m:once", "m:expire"} {
		Eventually(t, key+" ends", func() bool {
			return !Apply(t, d, store.Command{Kind: store.Get, Key: key})[0].Found
		})
	}
	for _, key := range []string{"m:longer", "m:persist", "m:reset"} {
		if !Apply(t, d, store.Command{Kind: store.Get, Key: key})[0].Found {
			t.Errorf("%s has ended", key)
		}
	}
	if !Apply(t, d, store.Command{Kind: store.SetOnce, Key: "m:once", Value: []byte("w")})[0].Won {
		t.Error("a register that ended cannot be won again")
	}
}

// Eventually waits for a condition that some other process or goroutine
// brings about.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx := Context(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

func testRefused(t *testing.T, d store.Driver) {
	// A register under the name of a queue: in Redis it holds another type.
	Apply(t, d, store.Command{Kind: store.Set, Key: "{q.0}:dead", Value: []byte("x")})
	member := store.Member{Dest: "ehr", K: "kk", A: 1, N: 1}.String()
	err := d.Apply(Context(t), []store.Command{
		{Kind: store.QueueAdd, Queue: store.Dead, Member: member, Score: 1},
		{Kind: store.Set, Key: "m:beside", Value: []byte("x")}})
	if err != nil {
		t.Fatalf("one refused command fails all: %v", err)
	}
	if !Apply(t, d, store.Command{Kind: store.Get, Key: "m:beside"})[0].Found {
		t.Error("the command beside it was not done")
	}
}

// Records makes a stretch of a chain whose entries begin with a text.
func Records(chain, text string, prev [32]byte, first uint64, n int) []store.LogRecord {
	if first == 1 {
		prev = store.ChainStart(chain)
	}
	recs := make([]store.LogRecord, n)
	for i := range recs {
		seq := first + uint64(i)
		entry := fmt.Appendf(nil, "%s %d", text, seq)
		prev = store.ChainHash(prev, seq, entry)
		recs[i] = store.LogRecord{Seq: seq, Entry: entry, Hash: prev}
	}
	return recs
}

// batchOf makes a batch that appends records after prev.
func batchOf(chain string, prev [32]byte, recs []store.LogRecord) *store.Batch {
	if recs[0].Seq == 1 {
		prev = store.ChainStart(chain)
	}
	return &store.Batch{Chain: chain, Prev: prev, Records: recs}
}

func write(t *testing.T, d store.Driver, b *store.Batch) {
	t.Helper()
	if err := d.Write(Context(t), b); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// wantLog checks that a chain holds just these records.
func wantLog(t *testing.T, d store.Driver, chain string, want []store.LogRecord) {
	t.Helper()
	got, err := d.LogRange(Context(t), chain, 0, len(want)+10)
	if err != nil {
		t.Fatal(err)
	}
	same := func(a, b store.LogRecord) bool {
		return a.Seq == b.Seq && string(a.Entry) == string(b.Entry) && a.Hash == b.Hash
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("log of %s: got %d records, want %d, or others", chain, len(got), len(want))
	}
}

func testLog(t *testing.T, d store.Driver) {
	ctx := Context(t)
	recs := Records("node-a", "entry", [32]byte{}, 1, 25)
	write(t, d, batchOf("node-a", [32]byte{}, recs[:1]))
	write(t, d, batchOf("node-a", recs[0].Hash, recs[1:20]))
	write(t, d, batchOf("node-a", recs[19].Hash, recs[20:]))
	wantLog(t, d, "node-a", recs)
	for _, c := range []struct {
		from      uint64
		max       int
		first, to uint64
	}{{1, 5, 1, 5}, {6, 5, 6, 10}, {24, 10, 24, 25}, {0, 1, 1, 1}} {
		got, err := d.LogRange(ctx, "node-a", c.from, c.max)
		if err != nil || len(got) == 0 || got[0].Seq != c.first || got[len(got)-1].Seq != c.to {
			t.Errorf("range from %d max %d: %d records, %v", c.from, c.max, len(got), err)
		}
	}
	if got, err := d.LogRange(ctx, "node-a", 26, 10); len(got) != 0 || err != nil {
		t.Errorf("range after the end: %v %v", got, err)
	}
	if r, ok, err := d.LogLast(ctx, "node-a"); !ok || err != nil || r.Seq != 25 || r.Hash != recs[24].Hash {
		t.Errorf("last: %v %v %v", r.Seq, ok, err)
	}
	if _, ok, err := d.LogLast(ctx, "node-none"); ok || err != nil {
		t.Errorf("last of no chain: %v %v", ok, err)
	}
	Apply(t, d,
		store.Command{Kind: store.QueueAdd, Queue: store.ChainList, Member: "node-b", Score: 2000},
		store.Command{Kind: store.QueueAdd, Queue: store.ChainList, Member: "node-a", Score: 1000})
	chains, err := d.Chains(ctx)
	if err != nil || len(chains) != 2 || chains[0].ID != "node-a" || chains[1].ID != "node-b" || chains[0].Start.UnixMilli() != 1000 {
		t.Errorf("chains: %v %v", chains, err)
	}
}

func testLogResent(t *testing.T, d store.Driver) {
	recs := Records("node-a", "entry", [32]byte{}, 1, 9)
	for _, b := range []*store.Batch{
		batchOf("node-a", [32]byte{}, recs[:4]), batchOf("node-a", [32]byte{}, recs[:4]),
		batchOf("node-a", recs[3].Hash, recs[4:6]),
		batchOf("node-a", recs[3].Hash, recs[4:9]), // the first two are there
		batchOf("node-a", recs[3].Hash, recs[4:9]),
	} {
		write(t, d, b)
	}
	wantLog(t, d, "node-a", recs)
}

func testLogGap(t *testing.T, d store.Driver) {
	ctx := Context(t)
	recs := Records("node-a", "entry", [32]byte{}, 1, 9)
	other := Records("node-a", "other", [32]byte{}, 1, 9)
	var gap *store.GapError
	if err := d.Write(ctx, batchOf("node-a", recs[2].Hash, recs[3:5])); !errors.As(err, &gap) || gap.Last != 0 || gap.Want != 3 {
		t.Errorf("no chain at all: %v", err)
	}
	write(t, d, batchOf("node-a", [32]byte{}, recs[:4]))
	for _, c := range []struct {
		name string
		b    *store.Batch
		gap  bool
	}{
		{"a predecessor is missing", batchOf("node-a", recs[4].Hash, recs[5:7]), true},
		{"another first record", batchOf("node-a", [32]byte{}, other[:4]), false},
		{"another record, and more", batchOf("node-a", [32]byte{}, other[:7]), false},
		{"another predecessor", batchOf("node-a", other[3].Hash, other[4:6]), false},
		{"another in the middle", batchOf("node-a", recs[1].Hash, append(slices.Clone(recs[2:3]), Records("node-a", "x", recs[2].Hash, 4, 2)...)), false},
		{"behind the newest", batchOf("node-a", recs[0].Hash, recs[1:2]), false},
	} {
		err := d.Write(ctx, c.b)
		if c.gap && (!errors.As(err, &gap) || gap.Last != 4) || !c.gap && !errors.Is(err, store.ErrFork) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if t.Failed() {
		return
	}
	wantLog(t, d, "node-a", recs[:4])
	write(t, d, batchOf("node-a", recs[3].Hash, recs[4:]))
	wantLog(t, d, "node-a", recs)
}

func testLogTrim(t *testing.T, d store.Driver) {
	ctx := Context(t)
	recs := Records("node-a", "entry", [32]byte{}, 1, 2510)
	write(t, d, batchOf("node-a", [32]byte{}, recs[:2500]))
	// Those of one batch may stay together.
	const slack = 127
	begins := func(first, end int) int {
		t.Helper()
		got, err := d.LogRange(ctx, "node-a", 0, 1)
		if err != nil || len(got) != 1 || int(got[0].Seq) > first+1 || int(got[0].Seq) < first+1-slack {
			t.Fatalf("the log begins with %v (%v), want %d", got, err, first+1)
		}
		wantLog(t, d, "node-a", recs[got[0].Seq-1:end])
		return int(got[0].Seq) - 1
	}
	newest := 0
	for _, c := range []struct {
		before uint64
		first  int
	}{{1, 0}, {2301, 2300}, {9999, 2499}} {
		if err := d.LogTrim(ctx, "node-a", c.before); err != nil {
			t.Fatal(err)
		}
		newest = begins(c.first, 2500)
	}
	write(t, d, batchOf("node-a", recs[2499].Hash, recs[2500:2505]))
	write(t, d, batchOf("node-a", recs[2504].Hash, recs[2505:]))
	wantLog(t, d, "node-a", recs[newest:])
	if err := d.LogTrim(ctx, "node-a", 2506); err != nil {
		t.Fatal(err)
	}
	wantLog(t, d, "node-a", recs[2505:])
	if err := d.LogTrim(ctx, "node-none", 5); err != nil {
		t.Errorf("trim of no chain: %v", err)
	}
}

func testLogRemove(t *testing.T, d store.Driver) {
	ctx := Context(t)
	recs := Records("node-a", "entry", [32]byte{}, 1, 5)
	other := Records("node-b", "entry", [32]byte{}, 1, 2)
	write(t, d, batchOf("node-a", [32]byte{}, recs[:4]))
	write(t, d, batchOf("node-b", [32]byte{}, other))
	var gap *store.GapError
	if err := d.LogRemove(ctx, "node-a", 3); !errors.As(err, &gap) || gap.Last != 4 {
		t.Errorf("remove up to an older record: %v", err)
	}
	wantLog(t, d, "node-a", recs[:4])
	for range 2 { // it is safe to send again
		if err := d.LogRemove(ctx, "node-a", 4); err != nil {
			t.Fatal(err)
		}
	}
	wantLog(t, d, "node-a", nil)
	wantLog(t, d, "node-b", other)
	// Whoever wrote it after all is told that it is gone.
	if err := d.Write(ctx, batchOf("node-a", recs[3].Hash, recs[4:])); !errors.As(err, &gap) {
		t.Errorf("append to what was removed: %v", err)
	}
}

func testBatchResent(t *testing.T, d store.Driver) {
	recs := Records("node-a", "entry", [32]byte{}, 1, 2)
	b := batchOf("node-a", [32]byte{}, recs)
	member := store.Member{Dest: "ehr", K: "kk", A: 1, N: 1}.String()
	b.Groups = [][]store.Command{
		{{Kind: store.SetOnce, Key: store.ClaimKey("kk", 1), Value: []byte("mine")}},
		{{Kind: store.QueueAdd, Queue: store.Due, Member: member, Score: 5},
			{Kind: store.QueueAdd, Queue: store.Doubt, Member: store.DoubtMember("kk", 1), Score: 5},
			{Kind: store.QueueRemove, Queue: store.Doubt, Member: store.DoubtMember("kk", 1)}},
	}
	for range 3 {
		write(t, d, b)
		if !b.Groups[0][0].Won {
			t.Error("a claim sent again was lost")
		}
	}
	wantLog(t, d, "node-a", recs)
	wantQueue(t, d, store.Due, "ehr", store.Item{Member: member, Score: 5})
	wantQueue(t, d, store.Doubt, "")
}

func testConcurrent(t *testing.T, d store.Driver) {
	var wg sync.WaitGroup
	wins := make(chan int, 100)
	for i := range 8 {
		wg.Go(func() {
			chain := fmt.Sprintf("node-%d", i)
			recs := Records(chain, "entry", [32]byte{}, 1, 20)
			for j := range recs {
				b := batchOf(chain, [32]byte{}, recs[j:j+1])
				if j > 0 {
					b.Prev = recs[j-1].Hash
				}
				b.Groups = [][]store.Command{{{Kind: store.SetOnce, Key: store.ClaimKey(fmt.Sprint("k", j), 1), Value: []byte(chain)}}}
				if err := d.Write(Context(t), b); err != nil {
					t.Error(err)
				}
				if b.Groups[0][0].Won {
					wins <- j
				}
			}
		})
	}
	wg.Wait()
	close(wins)
	won := make(map[int]int)
	for j := range wins {
		won[j]++
	}
	for j := range 20 {
		if won[j] != 1 {
			t.Errorf("claim %d was won %d times", j, won[j])
		}
	}
}

func testClosed(t *testing.T, d store.Driver) {
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := Context(t)
	if err := d.Write(ctx, batchOf("a", [32]byte{}, Records("a", "x", [32]byte{}, 1, 1))); !errors.Is(err, store.ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if err := d.Apply(ctx, []store.Command{{Kind: store.Get, Key: "m:a"}}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("apply: %v", err)
	}
	if _, err := d.LogRange(ctx, "a", 1, 1); !errors.Is(err, store.ErrClosed) {
		t.Errorf("range: %v", err)
	}
	if err := d.Close(); err != nil && !strings.Contains(err.Error(), "closed") {
		t.Errorf("close again: %v", err)
	}
}
