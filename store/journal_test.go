package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T, path string, limit int64) (*journal, []*Unit) {
	t.Helper()
	j, left, err := openJournal(path, limit, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.close() }) // a test may have closed it
	return j, left
}

// sample is a unit with one of everything.
func sample(i int) *Unit {
	return &Unit{
		Chain:   "node-a",
		Entries: [][]byte{fmt.Appendf(nil, "entry %d", i), {}},
		Commands: []Command{
			{Kind: SetOnce, Key: OutcomeKey("kk", i+1), Value: []byte("\x00\xff"), TTL: time.Hour},
			{Kind: QueueMove, Queue: Dead, Member: "ehr|kk|1|2", From: 5, Score: Waiting},
		},
	}
}

// same compares what units are to do.
func same(a, b *Unit) bool {
	return a.Chain == b.Chain && reflect.DeepEqual(a.Commands, b.Commands) &&
		string(bytes.Join(a.Entries, []byte{0})) == string(bytes.Join(b.Entries, []byte{0}))
}

func mustAppend(t *testing.T, j *journal, u *Unit) uint64 {
	t.Helper()
	id, err := j.append(u)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, left := open(t, path, 1<<20)
	if len(left) != 0 {
		t.Fatal("a new journal holds units")
	}
	var ids []uint64
	for i := range 5 {
		ids = append(ids, mustAppend(t, j, sample(i)))
	}
	j.forget(ids[1])
	j.forget(ids[3])
	j.forget(ids[3])
	if _, _, err := openJournal(path, 1<<20, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.append(sample(9)); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	j, left = open(t, path, 1<<20)
	if len(left) != 3 {
		t.Fatalf("%d units are left", len(left))
	}
	for n, i := range []int{0, 2, 4} {
		if want := sample(i); !same(left[n], want) {
			t.Errorf("unit %d: %+v", i, left[n])
		}
		j.forget(left[n].state.entry)
	}
	if units, size := j.stats(); units != 0 || size != 0 {
		t.Errorf("%d units in %d bytes are left of none", units, size)
	}
	if fi, err := os.Stat(path); err != nil || fi.Size() != 0 || fi.Mode().Perm() != 0o600 {
		t.Errorf("file: %v %v", fi, err)
	}
}

func TestJournalTorn(t *testing.T) {
	whole := appendFrame(nil, frameUnit, 1, encodeUnit(sample(0)))
	next := appendFrame(nil, frameUnit, 2, encodeUnit(sample(1)))
	flipped := bytes.Clone(next)
	flipped[20] ^= 1
	for name, rest := range map[string][]byte{
		"cut in the head":   next[:5],
		"cut in the unit":   next[:len(next)-1],
		"a flipped bit":     flipped,
		"zeroes":            make([]byte, 100),
		"an absurd length":  {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 'u', 0, 0, 0, 0, 0, 0, 0, 1},
		"of no known sort":  appendFrame(nil, 'x', 2, nil),
		"a malformed unit":  appendFrame(nil, frameUnit, 2, []byte{0x80}),
		"a damaged command": appendFrame(nil, frameUnit, 2, []byte{0, 0, 1, 99, 0, 0, 0, 0, 0, 0, 0}),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "journal")
			if err := os.WriteFile(path, append(bytes.Clone(whole), rest...), 0o600); err != nil {
				t.Fatal(err)
			}
			j, left := open(t, path, 1<<20)
			if len(left) != 1 || !same(left[0], sample(0)) {
				t.Errorf("left %d units", len(left))
			}
			aside, err := filepath.Glob(path + ".damaged-*")
			if err != nil || len(aside) != 1 {
				t.Fatalf("put aside: %v %v", aside, err)
			}
			if got, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(got, rest) {
				t.Errorf("put aside %d bytes of %d, %v", len(got), len(rest), err)
			}
			// What follows is not lost behind the damage.
			mustAppend(t, j, sample(2))
			if err := j.close(); err != nil {
				t.Fatal(err)
			}
			if _, left = open(t, path, 1<<20); len(left) != 2 || !same(left[1], sample(2)) {
				t.Errorf("left %d units after the next one", len(left))
			}
		})
	}
}

// badDisk fails on command.
type badDisk struct {
	journalFile
	mu               sync.Mutex
	write, sync, cut error
	short            bool
}

func (b *badDisk) WriteAt(p []byte, at int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.write != nil {
		n := 0
		if b.short {
			n, _ = b.journalFile.WriteAt(p[:len(p)/2], at)
		}
		return n, b.write
	}
	return b.journalFile.WriteAt(p, at)
}

func (b *badDisk) Sync() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sync != nil {
		return b.sync
	}
	return b.journalFile.Sync()
}

func (b *badDisk) Truncate(size int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cut != nil {
		return b.cut
	}
	return b.journalFile.Truncate(size)
}

func TestJournalDiskErrors(t *testing.T) {
	full := errors.New("no space left on device")
	for name, bad := range map[string]*badDisk{
		"write":                       {write: full},
		"half a write":                {write: io.ErrShortWrite, short: true},
		"fsync":                       {sync: full},
		"fsync, and it cannot be cut": {sync: full, cut: full},
		"half, and it cannot be cut":  {write: full, short: true, cut: full},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			j, _ := open(t, path, 1<<20)
			mustAppend(t, j, sample(0))
			bad.journalFile = j.f
			j.f = bad
			if _, err := j.append(sample(1)); err == nil {
				t.Fatal("a unit that is not on disk was acknowledged")
			}
			// The disk works again.
			bad.mu.Lock()
			bad.write, bad.sync, bad.cut = nil, nil, nil
			bad.mu.Unlock()
			mustAppend(t, j, sample(2))
			if units, _ := j.stats(); units != 2 {
				t.Errorf("%d units", units)
			}
			if err := j.close(); err != nil {
				t.Fatal(err)
			}
			_, left := open(t, path, 1<<20)
			if len(left) != 2 || !same(left[0], sample(0)) || !same(left[1], sample(2)) {
				t.Errorf("%d units are left", len(left))
			}
		})
	}
}

func TestJournalLimit(t *testing.T) {
	j, _ := open(t, filepath.Join(t.TempDir(), "journal"), 300)
	var ids []uint64
	for i := 0; ; i++ {
		id, err := j.append(sample(i))
		if errors.Is(err, ErrJournalFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if _, size := j.stats(); size > 300 || len(ids) == 0 {
		t.Errorf("%d units in %d bytes", len(ids), size)
	}
	for _, id := range ids {
		j.forget(id)
	}
	mustAppend(t, j, sample(0))
}

func TestJournalConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _ := open(t, path, 1<<20)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			id, err := j.append(sample(i))
			if err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				j.forget(id)
			}
		})
	}
	wg.Wait()
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if _, left := open(t, path, 1<<20); len(left) != 10 {
		t.Errorf("%d units are left", len(left))
	}
}

// FuzzReadJournal checks that no file makes the reader fail, and that what it
// reads is read again from what it writes.
func FuzzReadJournal(f *testing.F) {
	data := appendFrame(nil, frameUnit, 1, encodeUnit(sample(0)))
	f.Add(data)
	f.Add(appendFrame(bytes.Clone(data), frameForget, 1, nil))
	f.Add(append(bytes.Clone(data), data[:9]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, n := readJournal(data)
		if n > len(data) {
			t.Fatalf("read %d bytes of %d", n, len(data))
		}
		for _, e := range entries {
			u, err := decodeUnit(encodeUnit(e.unit))
			if err != nil || !same(u, e.unit) {
				t.Fatalf("not the same again: %v", err)
			}
		}
	})
}

// FuzzDecodeUnit does the same where no checksum stands before the decoder.
func FuzzDecodeUnit(f *testing.F) {
	f.Add(encodeUnit(sample(0)))
	f.Add(encodeUnit(&Unit{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := decodeUnit(data)
		if err != nil {
			return
		}
		again, err := decodeUnit(encodeUnit(u))
		if err != nil || !same(u, again) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}
