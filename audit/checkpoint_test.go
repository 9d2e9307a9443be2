package audit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCheckpointGolden(t *testing.T) {
	c := Checkpoint{Chain: "node-abcd", Seq: 12, Hash: First("node-abcd"), Time: instant(123456789)}
	c.Sign(testSigner)
	got := append(c.Text(), '\n')
	file := filepath.Join("testdata", "checkpoint.json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got  %swant %s", got, want)
	}
	parsed, err := ParseCheckpoint(bytes.TrimSuffix(want, []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, parsed); d != "" {
		t.Errorf("parsed back (-written +parsed):\n%s", d)
	}
	if err := parsed.Check(testSigner.Public()); err != nil {
		t.Error(err)
	}
}

func TestCheckpointAltered(t *testing.T) {
	for name, alter := range map[string]func(*Checkpoint){
		"chain":     func(c *Checkpoint) { c.Chain = "b" },
		"seq":       func(c *Checkpoint) { c.Seq++ },
		"hash":      func(c *Checkpoint) { c.Hash[0] ^= 1 },
		"time":      func(c *Checkpoint) { c.Time = c.Time.Add(time.Millisecond) },
		"key":       func(c *Checkpoint) { c.Key = "x" },
		"signature": func(c *Checkpoint) { c.Signature[63] ^= 1 },
		"no sig":    func(c *Checkpoint) { c.Signature = nil },
		"a line feed in the chain, so that the next line moves": func(c *Checkpoint) {
			c.Chain = c.Chain + "\n12"
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := sign(Head{Chain: "a", Seq: 12, Hash: First("a")})
			if err := c.Check(testSigner.Public()); err != nil {
				t.Fatal(err)
			}
			alter(&c)
			if err := c.Check(testSigner.Public()); !errors.Is(err, ErrCheckpoint) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	c := sign(Head{Chain: "a", Seq: 12, Hash: First("a")})
	f.Add(c.Text())
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseCheckpoint(text)
		if err == nil && !bytes.Equal(c.Text(), text) {
			t.Errorf("parsed\n%s\nwritten\n%s", text, c.Text())
		}
	})
}

// checkpointer returns one over a memory's chain "a", and its file.
func checkpointer(t *testing.T, m *memory) (*Checkpointer, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "checkpoints.ndjson")
	c, err := NewCheckpointer(CheckpointerOptions{
		Head: func() Head { return m.head("a") }, Signer: testSigner, File: file,
		Register: m.register, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, file
}

func seqs(t *testing.T, file string) []uint64 {
	t.Helper()
	points, bad, err := readCheckpointFile(file)
	if err != nil || len(bad) > 0 {
		t.Fatalf("%v, bad lines %v", err, bad)
	}
	var seqs []uint64
	for _, c := range points {
		if err := c.Check(testSigner.Public()); err != nil {
			t.Error(err)
		}
		seqs = append(seqs, c.Seq)
	}
	return seqs
}

func TestCheckpointerSignsInTime(t *testing.T) {
	m := newMemory()
	c, file := checkpointer(t, m)
	at := time.Now()
	step := func(after time.Duration, want ...uint64) {
		t.Helper()
		at = at.Add(after)
		if err := c.step(t.Context(), at, false); err != nil {
			t.Fatal(err)
		}
		if got := seqs(t, file); !slices.Equal(got, want) {
			t.Fatalf("checkpoints at %v, want %v", got, want)
		}
	}
	step(0)
	m.chain("a", 1)
	step(time.Millisecond, 1) // the first entry at once
	m.chain("a", 10)
	step(time.Millisecond, 1) // too early
	step(time.Second, 1, 11)
	m.chain("a", 999)
	step(time.Millisecond, 1, 11)
	m.chain("a", 1)
	step(time.Millisecond, 1, 11, 1011) // a thousand entries
	step(time.Hour, 1, 11, 1011)        // nothing new
	m.chain("a", 5)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := seqs(t, file); got[len(got)-1] != 1016 {
		t.Errorf("the last checkpoint is at %v", got)
	}
	if got := c.Last(); got.Seq != 1016 || !bytes.Equal(got.Text(), m.checkpoints["a"]) {
		t.Errorf("in the store is %s", m.checkpoints["a"])
	}
	if r := mustVerify(t, m, verifyOptions(file)); !r.OK() || r.Chains[0].Signed != 1016 {
		t.Errorf("%+v", r)
	}
}

func TestCheckpointerRun(t *testing.T) {
	m := newMemory()
	m.chain("a", 3)
	c, file := checkpointer(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	deadline := time.After(time.Minute)
	for c.Last().Seq != 3 {
		select {
		case <-deadline:
			t.Fatal("no checkpoint")
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	<-done
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := seqs(t, file); !slices.Equal(got, []uint64{3}) {
		t.Errorf("checkpoints at %v", got)
	}
}

func TestCheckpointerFollowsANewChain(t *testing.T) {
	m := newMemory()
	m.chain("a", 100)
	m.chain("b", 2)
	c, file := checkpointer(t, m)
	now := time.Now()
	if err := c.step(t.Context(), now, false); err != nil {
		t.Fatal(err)
	}
	c.o.Head = func() Head { return m.head("b") }
	if err := c.step(t.Context(), now, false); err != nil {
		t.Fatal(err)
	}
	if got := seqs(t, file); !slices.Equal(got, []uint64{100, 2}) {
		t.Errorf("checkpoints at %v", got)
	}
}

func TestCheckpointerWhileTheStoreIsAway(t *testing.T) {
	m := newMemory()
	m.chain("a", 3)
	c, file := checkpointer(t, m)
	var log bytes.Buffer
	c.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	away := errors.New("store away")
	c.o.Register = func(context.Context, string, []byte) error { return away }
	now := time.Now()
	for range 3 {
		err := c.step(t.Context(), now, false)
		if !errors.Is(err, away) {
			t.Fatalf("got %v", err)
		}
		c.note(err, now)
	}
	if got := seqs(t, file); !slices.Equal(got, []uint64{3}) {
		t.Errorf("local checkpoints at %v, want them written though the store is away, and once", got)
	}
	c.o.Register = m.register
	c.note(c.step(t.Context(), now, false), now)
	if m.checkpoints["a"] == nil {
		t.Error("not stored when the store was back")
	}
	if got := strings.Count(log.String(), "\n"); got != 2 {
		t.Errorf("%d lines logged, want one when it began and one when it ended:\n%s", got, log.String())
	}
}

func TestCheckpointFileAfterACrash(t *testing.T) {
	m := newMemory()
	m.chain("a", 3)
	c, file := checkpointer(t, m)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A crash in mid-append leaves half a line.
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, text[:40]...), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openCheckpointFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m.chain("a", 1)
	next := sign(m.head("a"))
	if err := f.append(next.Text()); err != nil {
		t.Fatal(err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	if got := seqs(t, file); !slices.Equal(got, []uint64{3, 4}) {
		t.Errorf("checkpoints at %v", got)
	}
}

func TestCheckpointFileStaysSmall(t *testing.T) {
	file := filepath.Join(t.TempDir(), "checkpoints.ndjson")
	f, err := openCheckpointFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f.max = 2000
	for i := range 60 {
		chain := "a"
		if i < 3 {
			chain = "b"
		}
		c := sign(Head{Chain: chain, Seq: uint64(i + 1)})
		if err := f.append(c.Text()); err != nil {
			t.Fatal(err)
		}
		if f.max != 2000 {
			f.max = 2000
		}
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	got := seqs(t, file)
	if len(got) > 12 || got[0] != 3 || got[len(got)-1] != 60 {
		t.Errorf("checkpoints at %v, want few, with the last of both chains", got)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(file + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the new file is left: %v", err)
	}
}

func TestSignerIsTheKeyrings(t *testing.T) {
	if a, b := NewSigner(testMAC).Public(), NewSigner(testMAC).Public(); !a.Equal(b) {
		t.Error("another key for the same keyring")
	}
	if id := KeyID(testSigner.Public()); len(id) != 26 {
		t.Errorf("key id %q", id)
	}
}

// changingWriter goes over to another chain while it is asked.
type changingWriter struct{ asked int }

func (w *changingWriter) Chain() string {
	w.asked++
	if w.asked < 2 {
		return "a"
	}
	return "b"
}
func (w *changingWriter) Head() (uint64, [32]byte) {
	if w.asked < 2 {
		return 7, Hash{'a'}
	}
	return 1, Hash{'b'}
}

func TestHeadOfDoesNotMixChains(t *testing.T) {
	want := Head{Chain: "b", Seq: 1, Hash: Hash{'b'}}
	if got := HeadOf(&changingWriter{}); got != want {
		t.Errorf("got %+v", got)
	}
}

// TestVerifyBesideTheWriter finds nothing in a log that grows and is signed
// while it is read.
func TestVerifyBesideTheWriter(t *testing.T) {
	m := newMemory()
	m.chain("a", 1)
	c, file := checkpointer(t, m)
	c.o.Every, c.o.Entries = time.Millisecond, 1
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m.head("a").Seq < 700 && ctx.Err() == nil {
			m.chain("a", 7)
			if err := c.step(ctx, time.Now(), false); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	}()
	o := verifyOptions(file)
	o.Batch = 3
	for m.head("a").Seq < 700 {
		if r := mustVerify(t, m, o); !r.OK() {
			t.Errorf("%+v", r.Findings)
		}
	}
	cancel()
	<-done
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
