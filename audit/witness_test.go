package audit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// observer is a Witness whose entries go into a chain of a ledger in memory.
func observer(m *memory, own string) (*Witness, *[]Entry, *bytes.Buffer) {
	log := new(bytes.Buffer)
	recorded := new([]Entry)
	w := NewWitness(WitnessOptions{
		Own: func() string { return own }, Source: m, Key: testSigner.Public(), Clock: func() time.Time { return instant(0) },
		Append: func(_ context.Context, e *Entry) error {
			*recorded = append(*recorded, *e)
			m.append(own, *e)
			return nil
		},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	return w, recorded, log
}

func TestWitness(t *testing.T) {
	m := newMemory()
	m.chain("a", 4)
	m.chain("own", 1)
	m.chain("unsigned", 2)
	point := func(chain string) {
		c := sign(m.head(chain))
		m.checkpoints[chain] = c.Text()
	}
	point("a")
	point("own")
	w, recorded, log := observer(m, "own")
	look := func(want ...Stretch) {
		t.Helper()
		*recorded = nil
		if err := w.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []Stretch
		for _, e := range *recorded {
			if e.Kind != KindWitness {
				t.Errorf("recorded %v", e.Kind)
			}
			got = append(got, e.Chains...)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
	four := m.head("a")
	look(Stretch{Chain: "a", To: 4, Hash: Digest(four.Hash)})
	look() // nothing moved
	m.chain("a", 2)
	m.chain("b", 1)
	point("a")
	point("b")
	look(Stretch{Chain: "a", To: 6, Hash: Digest(m.head("a").Hash)}, Stretch{Chain: "b", To: 1, Hash: Digest(m.head("b").Hash)})
	if log.Len() > 0 {
		t.Errorf("logged %s", log)
	}

	older := sign(four)
	m.checkpoints["a"] = older.Text()
	m.checkpoints["b"] = []byte("{}")
	look()
	if got := log.String(); strings.Count(got, "level=ERROR") != 2 || !strings.Contains(got, "older than before") || !strings.Contains(got, "not signed") {
		t.Errorf("logged %s", got)
	}
	// What could not be stored is recorded at the next look.
	m.chain("c", 1)
	point("c")
	keep := w.o.Append
	w.o.Append = func(context.Context, *Entry) error { return errors.New("store away") }
	if err := w.look(t.Context()); err == nil {
		t.Error("an entry that was not stored went unnoticed")
	}
	w.o.Append = keep
	look(Stretch{Chain: "c", To: 1, Hash: Digest(m.head("c").Hash)})
}

// TestWitnessRuns waits for the first look of a Witness that runs.
func TestWitnessRuns(t *testing.T) {
	m := newMemory()
	m.chain("a", 1)
	c := sign(m.head("a"))
	m.checkpoints["a"] = c.Text()
	w, _, _ := observer(m, "own")
	w.o.Every = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	looked := make(chan struct{}, 1)
	w.o.Append = func(context.Context, *Entry) error { looked <- struct{}{}; return nil }
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	select {
	case <-looked:
	case <-time.After(time.Minute):
		t.Error("no look")
	}
	cancel()
	<-done
}

// TestVerifyByWitness removes what only other chains know of: every checkpoint
// of the chain is gone with its end.
func TestVerifyByWitness(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(m *memory)
		want []Finding
	}{
		{"nothing", func(*memory) {}, nil},
		{"the tail", func(m *memory) { m.records["a"] = m.records["a"][:3] }, []Finding{{Kind: Truncated, Chain: "a", Seq: 4, To: 6}}},
		{"all entries", func(m *memory) { m.records["a"] = nil }, []Finding{{Kind: Truncated, Chain: "a", Seq: 1, To: 6}}},
		{"the chain", func(m *memory) {
			m.chains = slices.DeleteFunc(m.chains, func(c string) bool { return c == "a" })
		}, []Finding{{Kind: Missing, Chain: "a", Seq: 1, To: 6}}},
		{"an entry, the others moved up and made to fit", func(m *memory) {
			rs := slices.Delete(m.records["a"], 2, 3)
			for i := range rs {
				rs[i].Seq = uint64(i + 1)
			}
			m.records["a"] = rs
			m.rehash("a", 0)
			m.append("a", Entry{Kind: KindOutcome})
		}, []Finding{{Kind: Fork, Chain: "a", Seq: 1, To: 6}}},
		{"the signed entry edited", func(m *memory) { m.records["a"][5].Entry[0] ^= 1 }, []Finding{{Kind: Edited, Chain: "a", Seq: 6}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory()
			m.chain("a", 6)
			point := sign(m.head("a"))
			m.checkpoints["a"] = point.Text()
			w, _, _ := observer(m, "z")
			if err := w.look(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.chain("a", 2)
			delete(m.checkpoints, "a")
			c.do(m)
			for range 2 {
				r := mustVerify(t, m, verifyOptions(""))
				if d := cmp.Diff(c.want, r.Findings, cmpopts.IgnoreFields(Finding{}, "Note"), cmpopts.EquateEmpty()); d != "" {
					t.Errorf("-want +got:\n%s", d)
				}
				if r.OK() != (c.want == nil) {
					t.Errorf("OK %v", r.OK())
				}
				// Again, with the witness in a chain that comes before it in order.
				m.append("0", Entry{Kind: KindWitness, Chains: []Stretch{{Chain: "a", To: 6, Hash: Digest(point.Hash)}}})
				m.chains = slices.DeleteFunc(m.chains, func(c string) bool { return c == "z" })
			}
		})
	}
}

func TestCheckpointerAnnounces(t *testing.T) {
	m := newMemory()
	m.chain("a", 3)
	c, file := checkpointer(t, m)
	var log bytes.Buffer
	c.o.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	now := time.Now()
	for _, after := range []time.Duration{0, 30 * time.Second, 61 * time.Second, 62 * time.Second} {
		if err := c.step(t.Context(), now.Add(after), false); err != nil {
			t.Fatal(err)
		}
		m.chain("a", 1)
	}
	if got := strings.Count(log.String(), "checkpoint of the log"); got != 1 {
		t.Errorf("%d announcements in a minute: %s", got, log.String())
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	c.Run(over) // who never ran says nothing at the end
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	points := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := points[len(points)-1]; len(lines) != 2 || !strings.Contains(lines[1], `"checkpoint":`+last) {
		t.Errorf("at its end it says\n%s\nand not %s", log.String(), last)
	}
}
