package audit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/storetest"
)

// old is when the entries of these tests begin; now is when they are archived.
var (
	old = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	now = time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC)
)

// ledger is a store with chains that a test writes, archives and damages.
type ledger struct {
	t     *testing.T
	d     store.Driver
	dir   string // of segments
	file  string // of checkpoints
	heads map[string]Head
	batch int // entries in one batch; 0: each in its own, so that each can be trimmed
}

func newLedger(t *testing.T, d store.Driver) *ledger {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "archive"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &ledger{t: t, d: d, dir: filepath.Join(dir, "archive"), file: CheckpointFile(dir), heads: map[string]Head{}}
}

func (l *ledger) apply(cmds ...store.Command) {
	l.t.Helper()
	for i := range cmds {
		if err := do(l.t.Context(), l.d, &cmds[i]); err != nil {
			l.t.Fatal(err)
		}
	}
}

// write appends an entry for each time to a chain, made if need be.
func (l *ledger) write(chain string, times ...time.Time) {
	entries := make([]Entry, len(times))
	for i, at := range times {
		entries[i] = Entry{Time: at, Kind: KindDecision, Request: "rq"}
	}
	l.append(chain, entries...)
}

func (l *ledger) append(chain string, entries ...Entry) {
	l.t.Helper()
	h, ok := l.heads[chain]
	if !ok {
		h = Head{Chain: chain, Hash: First(chain)}
		l.apply(store.Command{Kind: store.QueueAdd, Queue: store.ChainList, Member: chain, Score: int64(len(l.heads) + 1)})
	}
	s := NewSealing(testSealer{}, chain)
	b := store.Batch{Chain: chain, Prev: h.Hash}
	for i := range entries {
		if n := len(b.Records); n > 0 && n >= l.batch {
			l.store(&b)
			b = store.Batch{Chain: chain, Prev: h.Hash}
		}
		e := entries[i]
		e.Took = Micros(h.Seq + 1) // so that no two are equal
		h.Seq++
		sealed := s.Seal(nil, &e)
		h.Hash = Next(h.Hash, h.Seq, sealed)
		b.Records = append(b.Records, store.LogRecord{Seq: h.Seq, Entry: sealed, Hash: h.Hash})
	}
	l.store(&b)
	l.heads[chain] = h
}

func (l *ledger) store(b *store.Batch) {
	l.t.Helper()
	if err := l.d.Write(l.t.Context(), b); err != nil {
		l.t.Fatal(err)
	}
}

// days gives n times, a day apart.
func days(from time.Time, n int) []time.Time {
	times := make([]time.Time, n)
	for i := range times {
		times[i] = from.AddDate(0, 0, i)
	}
	return times
}

func (l *ledger) live(chain string) {
	l.apply(store.Command{Kind: store.Set, Key: store.AliveKey(chain), Value: []byte("x")})
}

// sign puts a checkpoint of a chain's head into the store and the file.
func (l *ledger) sign(chain string) {
	l.t.Helper()
	c := sign(l.heads[chain])
	l.apply(store.Command{Kind: store.Set, Key: store.CheckpointKey(chain), Value: c.Text()})
	text, err := os.ReadFile(l.file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(l.file, append(append(text, c.Text()...), '\n'), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// options are those of a run whose cuts are appended to the chain "node-self".
func (l *ledger) options() ArchiveOptions {
	return ArchiveOptions{
		Driver: l.d, Sealer: testSealer{}, Signer: testSigner, File: l.file, Dir: l.dir, Window: 90 * 24 * time.Hour,
		Clock: func() time.Time { return now }, Entries: 10, Who: "local:1000", Lock: time.Minute,
		Append: func(_ context.Context, e *Entry, registers []store.Command) error {
			l.append("node-self", *e)
			l.apply(registers...)
			return nil
		},
	}
}

// archive runs Archive and returns what it yielded.
func (l *ledger) archive(o ArchiveOptions) []Archived {
	l.t.Helper()
	var all []Archived
	if err := Archive(l.t.Context(), o, func(a Archived) error { all = append(all, a); return nil }); err != nil {
		l.t.Fatal(err)
	}
	return all
}

func (l *ledger) verify(archive ...string) Report {
	l.t.Helper()
	r, err := (&Reader{Source: FromStore(l.d), Sealer: testSealer{}, Key: testSigner.Public(), File: l.file}).Verify(l.t.Context(), archive...)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// whole asks that nothing is found, with the archive and without it.
func (l *ledger) whole() {
	l.t.Helper()
	for _, dirs := range [][]string{nil, {l.dir}} {
		if r := l.verify(dirs...); !r.OK() {
			l.t.Errorf("with the archive %v: %+v", dirs, r.Findings)
		}
	}
}

// hot returns the sequence numbers that the store holds of a chain.
func (l *ledger) hot(chain string) []uint64 {
	l.t.Helper()
	records, err := l.d.LogRange(l.t.Context(), chain, 0, 1000)
	if err != nil {
		l.t.Fatal(err)
	}
	var seqs []uint64
	for _, r := range records {
		seqs = append(seqs, r.Seq)
	}
	return seqs
}

func (l *ledger) files() []string {
	l.t.Helper()
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func numbers(from, to uint64) []uint64 {
	var all []uint64
	for ; from <= to; from++ {
		all = append(all, from)
	}
	return all
}

// stores runs a test on each kind of store.
func stores(t *testing.T, test func(t *testing.T, d store.Driver)) {
	t.Run("file", func(t *testing.T) { test(t, storetest.Open(t)) })
	t.Run("redis", func(t *testing.T) { test(t, openRedis(t)) })
}

func TestArchive(t *testing.T) {
	stores(t, func(t *testing.T, d store.Driver) {
		l := newLedger(t, d)
		// A live chain of which 25 days are older than the window, a dead one
		// that is all old, and one that is all young.
		l.write("node-live", days(old.AddDate(0, 2, 8), 30)...)
		l.live("node-live")
		l.write("node-dead", days(old, 12)...)
		l.write("node-young", now.Add(-time.Hour))
		for _, c := range []string{"node-live", "node-dead", "node-young"} {
			l.sign(c)
		}
		l.whole()
		var got []string
		for _, a := range l.archive(l.options()) {
			if a.Problem != "" {
				t.Errorf("%+v", a)
			}
			got = append(got, a.Chain+" "+a.File)
		}
		want := []string{
			"node-live node-live_0000000001-0000000010.seg", "node-live node-live_0000000011-0000000020.seg", "node-live node-live_0000000021-0000000025.seg",
			"node-dead node-dead_0000000001-0000000010.seg", "node-dead node-dead_0000000011-0000000012.seg", "node-dead ",
		}
		if !slices.Equal(got, want) {
			t.Errorf("archived\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if hot := l.hot("node-live"); !slices.Equal(hot, numbers(26, 30)) {
			t.Errorf("of the live chain the store holds %v", hot)
		}
		if hot := l.hot("node-dead"); hot != nil {
			t.Errorf("of the dead chain the store holds %v", hot)
		}
		chains, err := FromStore(d).Chains(t.Context())
		if err != nil || slices.Contains(chains, "node-dead") {
			t.Errorf("%v: %v are listed", err, chains)
		}
		l.whole()
		if again := l.archive(l.options()); len(again) != 0 {
			t.Errorf("a second run did %+v", again)
		}
		// The chain grows, and its old part is all archived.
		l.write("node-live", days(now, 3)...)
		l.whole()
		r := l.verify()
		for _, c := range r.Chains {
			want := map[string]uint64{"node-live": 25, "node-dead": 12}[c.Chain]
			if c.Archived != want {
				t.Errorf("chain %s is archived up to %d, want %d", c.Chain, c.Archived, want)
			}
		}
		r = l.verify(l.dir)
		if r.Entries() != 33+12+1+5 {
			t.Errorf("%d entries were read", r.Entries())
		}
		for _, c := range r.Chains {
			if c.Archived != 0 {
				t.Errorf("chain %s: %d entries are not read", c.Chain, c.Archived)
			}
		}
	})
}

// TestArchiveOfBatches archives what was written many entries at a time. On Redis
// those of one batch are trimmed together: some that are archived stay beside
// younger ones, and are neither archived again nor called a fault.
func TestArchiveOfBatches(t *testing.T) {
	stores(t, func(t *testing.T, d store.Driver) {
		l := newLedger(t, d)
		l.batch = 12
		l.write("node-live", days(old.AddDate(0, 2, 8), 30)...)
		l.live("node-live")
		l.sign("node-live")
		l.archive(l.options())
		hot := l.hot("node-live")
		if len(hot) > 5+11 || !slices.Equal(hot[len(hot)-5:], numbers(26, 30)) {
			t.Errorf("the store holds %v", hot)
		}
		l.whole()
		if again := l.archive(l.options()); len(again) != 0 {
			t.Errorf("a second run did %+v", again)
		}
		l.write("node-live", days(now, 3)...)
		l.whole()
		if r := l.verify(l.dir); r.Entries() != 33+3 { // and one for each segment
			t.Errorf("%d entries were read", r.Entries())
		}
	})
}

// TestArchiveKilled ends runs at every step of an archiving in turn. The next
// run goes on, and nothing is lost, trimmed too early or archived twice.
func TestArchiveKilled(t *testing.T) {
	stores(t, func(t *testing.T, d store.Driver) {
		steps := 0
		for kill := 1; ; kill++ {
			l := newLedger(t, storetest.Open(t))
			if kill == 1 {
				l.d = d // one of them on the store that is given
			}
			l.write("node-live", days(old, 25)...)
			l.live("node-live")
			l.write("node-dead", days(old, 12)...)
			l.sign("node-live")
			l.sign("node-dead")
			o := l.options()
			n, at := 0, ""
			o.step = func(_ context.Context, name string) error {
				if n++; n == kill {
					at = name
					return errCrash
				}
				return nil
			}
			err := Archive(t.Context(), o, func(Archived) error { return nil })
			if err == nil {
				steps = n
				break
			}
			if !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			l.whole()
			for _, a := range l.archive(l.options()) {
				if a.Problem != "" {
					t.Errorf("killed at step %d (%s): %+v", kill, at, a)
				}
			}
			l.whole()
			if hot := l.hot("node-live"); !slices.Equal(hot, []uint64{25}) || l.hot("node-dead") != nil {
				t.Errorf("killed at step %d (%s): %v and %v are left", kill, at, hot, l.hot("node-dead"))
			}
			want := []string{"node-dead_0000000001-0000000010.seg", "node-dead_0000000011-0000000012.seg",
				"node-live_0000000001-0000000010.seg", "node-live_0000000011-0000000020.seg", "node-live_0000000021-0000000024.seg"}
			if got := l.files(); !slices.Equal(got, want) {
				t.Errorf("killed at step %d (%s): the folder holds %v", kill, at, got)
			}
			if t.Failed() {
				return
			}
		}
		if steps < 40 {
			t.Errorf("only %d steps", steps)
		}
	})
}
