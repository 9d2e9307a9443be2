package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func tailed(t *testing.T, m *memory, n int) []string {
	t.Helper()
	var got []string
	err := Tail(t.Context(), m, testSealer{}, TailOptions{Last: n}, func(l Line) error {
		got = append(got, lineName(l))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func lineName(l Line) string {
	s := fmt.Sprintf("%s%d", l.Chain, l.Seq)
	if l.Fault != "" {
		return s + " " + string(l.Fault)
	}
	return s
}

func TestTailLast(t *testing.T) {
	m := newMemory()
	if got := tailed(t, m, 5); got != nil {
		t.Errorf("an empty log gives %v", got)
	}
	// Entries of a chain are a microsecond apart, so the chains interleave.
	m.chain("a", 5)
	m.chain("b", 3)
	m.chains = append(m.chains, "empty")
	for n, want := range map[int][]string{
		0:  nil,
		1:  {"a5"},
		3:  {"b3", "a4", "a5"},
		99: {"a1", "b1", "a2", "b2", "a3", "b3", "a4", "a5"},
	} {
		if d := cmp.Diff(want, tailed(t, m, n)); d != "" {
			t.Errorf("last %d (-want +got):\n%s", n, d)
		}
	}
}

func TestTailOfALongLog(t *testing.T) {
	m := newMemory()
	m.chain("a", 2*tailBatch+10)
	got := tailed(t, m, tailBatch+7)
	if len(got) != tailBatch+7 || got[0] != fmt.Sprintf("a%d", tailBatch+4) || got[len(got)-1] != fmt.Sprintf("a%d", 2*tailBatch+10) {
		t.Errorf("%d lines, from %s to %s", len(got), got[0], got[len(got)-1])
	}
}

func TestTailShowsFaults(t *testing.T) {
	m := newMemory()
	m.chain("a", 3)
	m.records["a"][1].Entry[0] ^= 1
	m.records["a"][2].Entry = testSealer{}.Seal(nil, []byte("{}"), associatedData)
	if d := cmp.Diff([]string{"a1", "a2 unreadable", "a3 malformed"}, tailed(t, m, 9)); d != "" {
		t.Error(d)
	}
}

func TestTailFollow(t *testing.T) {
	m := newMemory()
	m.chain("a", 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- Tail(ctx, m, testSealer{}, TailOptions{Last: 2, Follow: true, Poll: time.Millisecond}, func(l Line) error {
			lines <- lineName(l)
			return nil
		})
	}()
	want := func(names ...string) {
		t.Helper()
		for _, name := range names {
			select {
			case got := <-lines:
				if got != name {
					t.Fatalf("got %s, want %s", got, name)
				}
			case err := <-done:
				t.Fatalf("ended: %v", err)
			case <-time.After(time.Minute):
				t.Fatalf("%s does not come", name)
			}
		}
	}
	want("a2", "a3")
	m.chain("a", 2)
	want("a4", "a5")
	m.chain("b", 2) // a new process
	want("b1", "b2")
	m.chain("a", 1)
	want("a6")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the end of a follow: %v", err)
	}
}

func TestTailEndsWithErrors(t *testing.T) {
	m := newMemory()
	m.chain("a", 3)
	stop := errors.New("enough")
	n := 0
	err := Tail(t.Context(), m, testSealer{}, TailOptions{Last: 3}, func(Line) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%v after %d lines", err, n)
	}
	m.err = errors.New("store away")
	err = Tail(t.Context(), m, testSealer{}, TailOptions{Follow: true}, func(Line) error { return nil })
	if !errors.Is(err, m.err) {
		t.Errorf("got %v", err)
	}
}

func TestTailKeepsAChainsOrderWhenTheClockJumps(t *testing.T) {
	m := newMemory()
	m.chain("a", 2)
	s := NewSealing(testSealer{}, "a")
	e := Entry{Time: instant(0).Add(-time.Hour), Kind: KindStop}
	sealed := s.Seal(nil, &e)
	m.records["a"] = append(m.records["a"], Record{Seq: 3, Entry: sealed, Hash: Next(m.records["a"][1].Hash, 3, sealed)})
	if got := tailed(t, m, 3); !slices.Equal(got, []string{"a1", "a2", "a3"}) {
		t.Errorf("got %v", got)
	}
}
