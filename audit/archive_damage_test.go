package audit

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chaperone/store"
	"chaperone/store/storetest"
)

// archived is a log of which a part is in segments: "node-live" of 30 entries,
// 24 of them in three segments, and "node-dead" of 12, in two.
func archived(t *testing.T) *ledger {
	t.Helper()
	l := newLedger(t, storetest.Open(t))
	l.write("node-live", days(old, 25)...)
	l.live("node-live")
	l.write("node-dead", days(old, 12)...)
	l.sign("node-live")
	l.sign("node-dead")
	for _, a := range l.archive(l.options()) {
		if a.Problem != "" {
			t.Fatalf("%+v", a)
		}
	}
	l.write("node-live", days(now, 5)...)
	l.sign("node-live")
	l.sign("node-self")
	l.whole()
	return l
}

func (l *ledger) edit(name string, do func([]byte) []byte) {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, do(b), 0o600)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

const (
	seg1 = "node-live_0000000001-0000000010.seg"
	seg2 = "node-live_0000000011-0000000020.seg"
	seg3 = "node-live_0000000021-0000000024.seg"
)

func (l *ledger) try(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *ledger) at(name string) string { return filepath.Join(l.dir, name) }

func TestVerifyFindsDamageInTheArchive(t *testing.T) {
	live := func(kind FindingKind, seq, to uint64) Finding {
		return Finding{Kind: kind, Chain: "node-live", Seq: seq, To: to}
	}
	for _, c := range []struct {
		name string
		do   func(l *ledger)
		want []Finding
		cold []Finding // without the archive
	}{
		{"a segment removed", func(l *ledger) { l.try(os.Remove(l.at(seg2))) }, []Finding{live(SegmentMissing, 11, 20)}, nil},
		{"the last segment removed", func(l *ledger) { l.try(os.Remove(l.at(seg3))) }, []Finding{live(SegmentMissing, 21, 24)}, nil},
		{"the first segment removed", func(l *ledger) { l.try(os.Remove(l.at(seg1))) }, []Finding{live(SegmentMissing, 1, 10)}, nil},
		{"all segments of a chain that is gone removed", func(l *ledger) {
			l.try(os.Remove(l.at("node-dead_0000000001-0000000010.seg")))
			l.try(os.Remove(l.at("node-dead_0000000011-0000000012.seg")))
		}, []Finding{{Kind: SegmentMissing, Chain: "node-dead", Seq: 1, To: 12}}, nil},
		{"two segments swapped", func(l *ledger) {
			l.try(os.Rename(l.at(seg1), l.at("x")))
			l.try(os.Rename(l.at(seg2), l.at(seg1)))
			l.try(os.Rename(l.at("x"), l.at(seg2)))
		}, []Finding{live(SegmentMisnamed, 1, 10), live(SegmentMisnamed, 11, 20)}, nil},
		{"a segment put over another", func(l *ledger) {
			b, err := os.ReadFile(l.at(seg1))
			l.try(err)
			l.try(os.WriteFile(l.at(seg2), b, 0o600))
		}, []Finding{live(SegmentMisnamed, 1, 10), live(SegmentOverlap, 1, 10), live(SegmentMissing, 11, 20)}, nil},
		{"a segment cut off", func(l *ledger) {
			l.edit(seg2, func(b []byte) []byte { return b[:len(b)-100] })
		}, []Finding{live(SegmentDamaged, 11, 20)}, nil},
		{"a segment cut off in its head", func(l *ledger) {
			l.edit(seg2, func(b []byte) []byte { return b[:500] })
		}, []Finding{{Kind: SegmentForged}, live(SegmentMissing, 11, 20)}, nil},
		{"a segment of which something follows", func(l *ledger) {
			l.edit(seg2, func(b []byte) []byte { return append(b, b[len(b)-100:]...) })
		}, []Finding{live(SegmentDamaged, 11, 20)}, nil},
		{"a forged segment: signed by another", func(l *ledger) {
			l.forge(seg2, NewSigner(func(dst []byte, _ string, _ ...[]byte) []byte { return append(dst, make([]byte, 32)...) }))
		}, []Finding{{Kind: SegmentForged}, live(SegmentMissing, 11, 20)}, nil},
		{"a segment signed by us, of another history", func(l *ledger) { l.forge(seg2, testSigner) },
			[]Finding{live(Fork, 21, 24)}, nil},

		{"entries removed from the store that no cut covers", func(l *ledger) {
			l.try(l.d.LogTrim(l.t.Context(), "node-live", 28))
		}, []Finding{live(Removed, 25, 27)}, []Finding{live(Removed, 25, 27)}},
		{"the end of the store's part removed", func(l *ledger) {
			l.try(l.d.LogRemove(l.t.Context(), "node-live", 30))
		}, []Finding{live(Truncated, 25, 30)}, []Finding{live(Truncated, 25, 30)}},
		{"the register of the cut removed", func(l *ledger) {
			l.apply(store.Command{Kind: store.Delete, Key: store.CutKey("node-live")})
		}, nil, nil}, // the entry of the cut says the same
		{"the register of the cut of a chain that is gone removed", func(l *ledger) {
			l.apply(store.Command{Kind: store.Delete, Key: store.CutKey("node-dead")})
		}, nil, nil},
		{"an older cut put in its place, and its segments removed", func(l *ledger) {
			l.apply(store.Command{Kind: store.Delete, Key: store.CutKey("node-live")})
			l.try(os.Remove(l.at(seg3)))
		}, []Finding{live(SegmentMissing, 21, 24)}, nil},
		{"a cut that is none", func(l *ledger) {
			l.apply(store.Command{Kind: store.Set, Key: store.CutKey("node-live"), Value: []byte("{}")})
		}, []Finding{live(CutForged, 0, 0)}, []Finding{live(CutForged, 0, 0)}},
		{"a cut that another has signed, further than the archive", func(l *ledger) {
			c := Cut{Chain: "node-live", From: 21, To: 27, Time: now}
			c.Sign(NewSigner(func(dst []byte, _ string, _ ...[]byte) []byte { return append(dst, make([]byte, 32)...) }))
			l.apply(store.Command{Kind: store.Set, Key: store.CutKey("node-live"), Value: c.Text()})
			l.try(l.d.LogTrim(l.t.Context(), "node-live", 28))
		}, []Finding{live(CutForged, 0, 0), live(Removed, 25, 27)}, []Finding{live(CutForged, 0, 0), live(Removed, 25, 27)}},
		{"the cut of another chain", func(l *ledger) {
			c, err := FromStore(l.d).Cut(l.t.Context(), "node-dead")
			l.try(err)
			l.apply(store.Command{Kind: store.Set, Key: store.CutKey("node-live"), Value: c})
		}, []Finding{live(CutForged, 0, 0)}, []Finding{live(CutForged, 0, 0)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := archived(t)
			c.do(l)
			check := func(want []Finding, dirs ...string) {
				t.Helper()
				r := l.verify(dirs...)
				if d := cmp.Diff(want, r.Findings, cmpopts.IgnoreFields(Finding{}, "Note"), cmpopts.EquateEmpty()); d != "" {
					t.Errorf("with the archive %v (-want +got):\n%s\n%+v", dirs, d, r.Findings)
				}
				if r.OK() != (len(want) == 0) {
					t.Errorf("OK %v", r.OK())
				}
			}
			check(c.want, l.dir)
			check(c.cold)
		})
	}
}

// forge writes a segment anew, with an entry of its own making in it.
func (l *ledger) forge(name string, s Signer) {
	l.t.Helper()
	f, err := openSegment(l.at(name), testSigner.Public())
	l.try(err)
	w, err := newSegmentWriter(l.at(name)+".new", f.Chain, f.Before)
	l.try(err)
	hash := f.Before
	for seq := f.From; seq <= f.To; seq++ {
		e := Entry{Time: old, Kind: KindOutcome, Took: Micros(seq)}
		sealed := NewSealing(testSealer{}, f.Chain).Seal(nil, &e)
		hash = Next(hash, seq, sealed)
		l.try(w.add(&Record{Seq: seq, Entry: sealed, Hash: hash}))
	}
	l.try(w.finish(s))
	l.try(os.Rename(l.at(name)+".new", l.at(name)))
}

// TestArchiveAnyByte flips bytes of every segment, of the registers and of the
// records that are left, and asks that each is found. A flip in the padding of
// a head, too: a head is taken as it is written, and not otherwise.
func TestArchiveAnyByte(t *testing.T) {
	l := archived(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	found := func(what string, at int, dirs ...string) {
		t.Helper()
		if report := l.verify(dirs...); report.OK() {
			t.Errorf("%s: a flip of byte %d is not found", what, at)
		}
	}
	for _, name := range l.files() {
		b, err := os.ReadFile(l.at(name))
		l.try(err)
		for range 60 {
			i := r.IntN(len(b))
			flip := byte(1 + r.IntN(255))
			b[i] ^= flip
			l.try(os.WriteFile(l.at(name), b, 0o600))
			found(name, i, l.dir)
			b[i] ^= flip
		}
		l.try(os.WriteFile(l.at(name), b, 0o600))
	}
	for _, key := range []string{store.CutKey("node-live"), store.CheckpointKey("node-live")} {
		get := store.Command{Kind: store.Get, Key: key}
		l.try(do(t.Context(), l.d, &get))
		for i := range get.Prior {
			b := slices.Clone(get.Prior)
			b[i] ^= byte(1 + r.IntN(255))
			l.apply(store.Command{Kind: store.Set, Key: key, Value: b})
			found(key, i)
		}
		l.apply(store.Command{Kind: store.Set, Key: key, Value: get.Prior})
	}
	l.whole()
}

// TestArchiveLeavesEvidence archives logs of which a part does not fit: that
// stays where it is.
func TestArchiveLeavesEvidence(t *testing.T) {
	for _, c := range []struct {
		name    string
		do      func(l *ledger)
		want    string // of the problem
		through uint64 // up to where it is archived
	}{
		{"an entry that does not fit", func(l *ledger) {
			l.write("node-a", days(old, 14)...)
			h := l.heads["node-a"]
			h.Hash[0] ^= 1
			l.heads["node-a"] = h
			l.forgeHash("node-a")
		}, "entry 15 does not fit to the chain, or is missing", 14},
		{"an entry that is not what was signed", func(l *ledger) {
			l.write("node-a", days(old, 14)...)
			c := sign(Head{Chain: "node-a", Seq: 7, Hash: Hash{1}})
			l.apply(store.Command{Kind: store.Set, Key: store.CheckpointKey("node-a"), Value: c.Text()})
		}, "entry 7 is not what was signed", 6},
		{"an end that is missing", func(l *ledger) {
			l.write("node-a", days(old, 14)...)
			c := sign(Head{Chain: "node-a", Seq: 20, Hash: Hash{1}})
			l.apply(store.Command{Kind: store.Set, Key: store.CheckpointKey("node-a"), Value: c.Text()})
		}, "its end, up to entry 20, is missing", 14},
		{"entries that do not open", func(l *ledger) {
			l.writeSealed("node-a", 14)
		}, "entries 1 to 10 do not say how old they are", 0},
		{"a cut that is forged", func(l *ledger) {
			l.write("node-a", days(old, 14)...)
			l.apply(store.Command{Kind: store.Set, Key: store.CutKey("node-a"), Value: []byte("{}")})
		}, "not signed by this keyring", 0},
		{"a segment of the same entries that is damaged", func(l *ledger) {
			l.write("node-a", days(old, 14)...)
			o := l.options()
			o.step = func(_ context.Context, name string) error {
				if name == "cut" {
					return errCrash
				}
				return nil
			}
			_ = Archive(l.t.Context(), o, func(Archived) error { return nil })
			l.edit("node-a_0000000001-0000000010.seg", func(b []byte) []byte { b[len(b)-9] ^= 1; return b })
		}, "node-a_0000000001-0000000010.seg is damaged, nothing was trimmed", 0},
		{"a segment that begins elsewhere", func(l *ledger) {
			l.write("node-a", days(old, 14)...)
			w, err := newSegmentWriter(l.at("x"), "node-a", Hash{})
			l.try(err)
			l.try(w.add(&Record{Seq: 5, Entry: []byte("x")}))
			l.try(w.finish(testSigner))
			l.try(os.Rename(l.at("x"), l.at(w.segment.Name())))
		}, "node-a_0000000005-0000000005.seg holds entries 5 to 5 already", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t, storetest.Open(t))
			c.do(l)
			before := len(l.hot("node-a"))
			var through uint64
			problem := ""
			for _, a := range l.archive(l.options()) {
				through = max(through, a.To)
				problem += a.Problem
				if a.Gone {
					t.Error("the chain was removed")
				}
			}
			if !strings.Contains(problem, c.want) || through != c.through {
				t.Errorf("archived up to %d, want %d; problem %q, want %q", through, c.through, problem, c.want)
			}
			if left := len(l.hot("node-a")); left != before-int(c.through) && left != 1 {
				t.Errorf("%d of %d entries are left in the store", left, before)
			}
		})
	}
}

// forgeHash appends an entry whose hash is chained to a hash that never was.
func (l *ledger) forgeHash(chain string) {
	l.t.Helper()
	last, _, err := l.d.LogLast(l.t.Context(), chain)
	l.try(err)
	e := Entry{Time: old, Kind: KindOutcome}
	sealed := NewSealing(testSealer{}, chain).Seal(nil, &e)
	b := store.Batch{Chain: chain, Prev: last.Hash, Records: []store.LogRecord{{Seq: last.Seq + 1, Entry: sealed, Hash: Hash{9}}}}
	l.try(l.d.Write(l.t.Context(), &b))
}

// writeSealed appends entries that another keyring has sealed.
func (l *ledger) writeSealed(chain string, n int) {
	l.t.Helper()
	l.apply(store.Command{Kind: store.QueueAdd, Queue: store.ChainList, Member: chain, Score: 1})
	b := store.Batch{Chain: chain, Prev: First(chain)}
	hash := First(chain)
	for i := range n {
		sealed := []byte{byte(i), 'x'}
		hash = Next(hash, uint64(i+1), sealed)
		b.Records = append(b.Records, store.LogRecord{Seq: uint64(i + 1), Entry: sealed, Hash: hash})
	}
	l.try(l.d.Write(l.t.Context(), &b))
}

// TestArchiveWindow puts the ends of the window between entries, and entries of
// the past and of the future where a clock was set wrong.
func TestArchiveWindow(t *testing.T) {
	edge := now.Add(-90 * 24 * time.Hour)
	for _, c := range []struct {
		name  string
		times []time.Time
		alive bool
		want  []uint64 // left
	}{
		{"just at the window", []time.Time{edge.Add(-1), edge, edge.Add(1)}, false, []uint64{2, 3}},
		{"a clock set back", []time.Time{old, now, old, now}, false, []uint64{2, 3, 4}},
		{"a clock set forward", []time.Time{old, now.AddDate(9, 0, 0), old, now}, false, []uint64{4}},
		{"only the future", []time.Time{now.AddDate(9, 0, 0)}, false, []uint64{1}},
		{"the future at the end", []time.Time{old, now.AddDate(9, 0, 0)}, false, []uint64{2}},
		{"one old entry of one who lives", []time.Time{old}, true, []uint64{1}},
		{"one old entry of one who is dead", []time.Time{old}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t, storetest.Open(t))
			l.write("node-a", c.times...)
			if c.alive {
				l.live("node-a")
			}
			l.archive(l.options())
			if hot := l.hot("node-a"); !slices.Equal(hot, c.want) {
				t.Errorf("left are %v, want %v", hot, c.want)
			}
			l.whole()
		})
	}
	l := newLedger(t, storetest.Open(t))
	o := l.options()
	o.Window = MinArchiveAge - 1
	if err := Archive(t.Context(), o, nil); err != ErrWindow {
		t.Errorf("a window that is too short: %v", err)
	}
}
