package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/storetest"
)

// TestArchiveBesideTheWriter archives a chain again and again while a committer
// appends to it. The writer notices nothing, and every entry is in one of the
// two places.
func TestArchiveBesideTheWriter(t *testing.T) {
	stores(t, func(t *testing.T, d store.Driver) {
		l := newLedger(t, d)
		chain := "node-busy"
		c, err := store.NewCommitter(t.Context(), d, store.CommitterOptions{Chain: chain, Deadline: time.Minute})
		l.try(err)
		s := NewSealing(testSealer{}, chain)
		ctx, stop := context.WithCancel(t.Context())
		wrote := make(chan int, 1)
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				e := Entry{Time: old.Add(time.Duration(n) * time.Second), Kind: KindDecision, Took: Micros(n + 1)}
				if err := c.Commit(t.Context(), &store.Unit{Entries: [][]byte{s.Seal(nil, &e)}}); err != nil {
					t.Error(err)
					break
				}
			}
			wrote <- n
		}()
		o := l.options()
		o.Entries = 50
		segments := 0
		for deadline := time.Now().Add(time.Minute); segments < 12 && time.Now().Before(deadline); {
			for _, a := range l.archive(o) {
				if a.Problem != "" {
					t.Errorf("%+v", a)
				}
				segments++
			}
		}
		stop()
		n := <-wrote
		l.try(c.Close(t.Context()))
		if stats := c.Stats(); stats.Restarts != 0 || c.Chain() != chain {
			t.Errorf("the writer has begun another chain: %+v", stats)
		}
		if segments < 12 {
			t.Errorf("%d segments in a minute", segments)
		}
		for _, report := range l.verify(l.dir).Chains {
			if report.Chain == chain && report.Entries != uint64(n) {
				t.Errorf("%d entries of %d are read", report.Entries, n)
			}
		}
		l.whole()
	})
}

func TestArchiveOnlyOne(t *testing.T) {
	l := newLedger(t, storetest.Open(t))
	l.write("node-a", days(old, 3)...)
	o := l.options()
	inside := false
	o.step = func(_ context.Context, name string) error {
		if name != "write" {
			return nil
		}
		inside = true
		if err := Archive(t.Context(), l.options(), nil); !errors.Is(err, ErrArchiving) {
			t.Errorf("a second run beside the first: %v", err)
		}
		return nil
	}
	l.archive(o)
	if !inside {
		t.Error("nothing was archived")
	}
	// A run that died is waited for, and not for ever.
	l.apply(store.Command{Kind: store.SetOnce, Key: store.MetaKey("archiving"), Value: []byte("dead"), TTL: 50 * time.Millisecond})
	deadline := time.Now().Add(time.Minute)
	for {
		err := Archive(t.Context(), l.options(), func(Archived) error { return nil })
		if err == nil {
			break
		}
		if !errors.Is(err, ErrArchiving) || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	// Whose lock is lost stops.
	l.write("node-b", days(old, 30)...)
	o = l.options()
	o.Lock = 40 * time.Millisecond
	o.step = func(ctx context.Context, name string) error {
		if name != "rename" {
			return nil
		}
		l.apply(store.Command{Kind: store.Set, Key: store.MetaKey("archiving"), Value: []byte("another"), TTL: time.Minute})
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
			t.Error("nobody noticed that the lock is lost")
		}
		return nil
	}
	if err := Archive(t.Context(), o, func(Archived) error { return nil }); err == nil {
		t.Error("a run went on whose lock was another's")
	}
	if len(l.hot("node-b")) != 30 {
		t.Errorf("left are %v", l.hot("node-b"))
	}
}

// long is a Source of one chain that is larger than a test should store. Its
// records are there before anything is measured.
type long struct {
	chain   string
	records []Record
}

func newLong(n int) *long {
	l := &long{chain: "node-long", records: make([]Record, n)}
	s := NewSealing(testSealer{}, l.chain)
	slab := make([]byte, 0, 400*n)
	hash := First(l.chain)
	for i := range l.records {
		seq := uint64(i + 1)
		e := Entry{Time: old.Add(time.Duration(seq) * time.Second), Kind: KindDecision, Result: ResultForwarded, Request: "rq", Caller: "front-desk",
			Route: "checkout", Plan: "mfrggzdfmztwq2lk", Took: Micros(seq), Legs: []Leg{{Name: "ehr", To: "ehr", State: LegHeld}}}
		from := len(slab)
		slab = s.Seal(slab, &e)
		sealed := slab[from:len(slab):len(slab)]
		hash = Next(hash, seq, sealed)
		l.records[i] = Record{Seq: seq, Entry: sealed, Hash: hash}
	}
	return l
}

func (l *long) Chains(context.Context) ([]string, error)           { return []string{l.chain}, nil }
func (l *long) Last(context.Context, string) (uint64, error)       { return uint64(len(l.records)), nil }
func (l *long) Checkpoint(context.Context, string) ([]byte, error) { return nil, nil }
func (l *long) Cut(context.Context, string) ([]byte, error)        { return nil, nil }
func (l *long) Records(_ context.Context, _ string, from uint64, limit int) ([]Record, error) {
	rest := l.records[min(max(from, 1)-1, uint64(len(l.records))):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

// watched is a Sealer that is looked at as it works.
type watched struct {
	testSealer
	opened *int
	look   *func()
}

func (w watched) Open(dst, sealed, ad []byte) ([]byte, error) {
	if *w.opened++; *w.opened%20_000 == 0 && *w.look != nil {
		(*w.look)()
	}
	return w.testSealer.Open(dst, sealed, ad)
}

// driver is a store.Driver that holds a long chain and nothing else.
type driver struct {
	store.Driver
	*long
	kept map[string][]byte
}

func (d *driver) Chains(context.Context) ([]store.Chain, error) {
	return []store.Chain{{ID: d.chain}}, nil
}
func (d *driver) LogRange(ctx context.Context, chain string, from uint64, limit int) ([]store.LogRecord, error) {
	records, err := d.Records(ctx, chain, max(from, 1), limit)
	out := make([]store.LogRecord, len(records))
	for i, r := range records {
		out[i] = store.LogRecord(r)
	}
	return out, err
}
func (d *driver) LogLast(ctx context.Context, chain string) (store.LogRecord, bool, error) {
	r, err := d.LogRange(ctx, chain, uint64(len(d.records)), 1)
	return r[0], true, err
}
func (d *driver) LogTrim(context.Context, string, uint64) error { return nil }
func (d *driver) Apply(_ context.Context, cmds []store.Command) error {
	for i := range cmds {
		c := &cmds[i]
		switch c.Kind {
		case store.Get:
			c.Prior, c.Found = d.kept[c.Key], d.kept[c.Key] != nil || c.Key == store.AliveKey(d.chain)
		case store.Set, store.SetOnce:
			d.kept[c.Key], c.Won = slices.Clone(c.Value), true
		case store.Expire:
			c.Found = true
		}
	}
	return nil
}

// grown runs something, and returns by how much the memory in use grew at most,
// looked at every now and then.
func grown(look *func(), do func()) uint64 {
	var base, most, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&base)
	*look = func() {
		runtime.GC()
		runtime.ReadMemStats(&now)
		if now.HeapAlloc > most.HeapAlloc {
			most = now
		}
	}
	do()
	*look = nil
	if most.HeapAlloc < base.HeapAlloc {
		return 0
	}
	return most.HeapAlloc - base.HeapAlloc
}

// TestLogMemory archives, verifies and reads a log of 200,000 entries: what that
// takes does not grow with the log.
func TestLogMemory(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("200,000 entries, by one goroutine")
	}
	const entries, bound = 200_000, 48 << 20
	src := newLong(entries)
	dir := t.TempDir()
	var look func()
	sealer := watched{opened: new(int), look: &look}
	d := &driver{long: src, kept: map[string][]byte{}}
	archived := uint64(0)
	check := func(what string, do func()) {
		t.Helper()
		if by := grown(&look, do); by > bound {
			t.Errorf("%s: the memory in use grew by %d MiB", what, by>>20)
		}
	}
	check("archive", func() {
		err := Archive(t.Context(), ArchiveOptions{Driver: d, Sealer: sealer, Signer: testSigner, Dir: dir, Window: MinArchiveAge,
			Clock: func() time.Time { return now }, Entries: 50_000,
			Append: func(_ context.Context, _ *Entry, registers []store.Command) error {
				return d.Apply(t.Context(), registers)
			},
		}, func(a Archived) error { archived = a.To; return nil })
		if err != nil || archived != entries-1 {
			t.Errorf("archived up to %d: %v", archived, err)
		}
	})
	r := &Reader{Source: src, Sealer: sealer, Key: testSigner.Public()}
	check("verify", func() {
		report, err := r.Verify(t.Context(), dir)
		if err != nil || !report.OK() || report.Entries() != entries {
			t.Errorf("%v: %+v", err, report)
		}
	})
	check("export", func() {
		n := 0
		sum, err := r.Export(t.Context(), Query{Route: "checkout"}, []string{dir}, func(*Line) error { n++; return nil })
		if err != nil || n != entries || sum.Entries != entries || sum.Unread != 0 {
			t.Errorf("%d lines, %+v, %v", n, sum, err)
		}
	})
	for _, name := range []string{"node-long_0000000001-0000050000.seg", "node-long_0000150001-0000199999.seg"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 1<<20 {
			t.Errorf("%v: %v", err, info)
		}
	}
}

// BenchmarkArchive is the cost of one entry: read, checked, written, read back.
func BenchmarkArchive(b *testing.B) {
	const entries = 20_000
	src := newLong(entries)
	for b.Loop() {
		d := &driver{long: src, kept: map[string][]byte{}}
		err := Archive(b.Context(), ArchiveOptions{Driver: d, Sealer: testSealer{}, Signer: testSigner, Dir: b.TempDir(), Window: MinArchiveAge,
			Clock: func() time.Time { return now },
			Append: func(_ context.Context, _ *Entry, registers []store.Command) error {
				return d.Apply(b.Context(), registers)
			},
		}, func(Archived) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkVerifyArchive is Verify over segments.
func BenchmarkVerifyArchive(b *testing.B) {
	const entries = 20_000
	dir := b.TempDir()
	src := newLong(entries)
	d := &driver{long: src, kept: map[string][]byte{}}
	err := Archive(b.Context(), ArchiveOptions{Driver: d, Sealer: testSealer{}, Signer: testSigner, Dir: dir, Window: MinArchiveAge,
		Clock: func() time.Time { return now },
		Append: func(_ context.Context, _ *Entry, registers []store.Command) error {
			return d.Apply(b.Context(), registers)
		},
	}, func(Archived) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	r := &Reader{Source: newMemory(), Sealer: testSealer{}, Key: testSigner.Public()}
	for b.Loop() {
		if report, err := r.Verify(b.Context(), dir); err != nil || !report.OK() || report.Entries() != entries-1 {
			b.Fatal(fmt.Errorf("%w: %+v", err, report.Findings))
		}
	}
	b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
