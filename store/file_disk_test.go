//go:build linux

package store_test

import (
	"bytes"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chaperone/store"
	"chaperone/store/storetest"
)

// limitFiles lets no file of this process grow beyond a size, which is how a
// full disk looks to it, until the function it returns is called.
func limitFiles(t *testing.T, size uint64) (lift func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	lift = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(lift)
	return lift
}

// TestFileDiskFull fills the disk under the embedded store: nothing is
// acknowledged that is not there, and all goes on when there is room again.
func TestFileDiskFull(t *testing.T) { synctest.Test(t, testFileDiskFull) }

func testFileDiskFull(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	d := openFile(t, path)
	c := startCommitter(t, d, store.CommitterOptions{Deadline: 200 * time.Millisecond, Journal: filepath.Join(dir, "journal")})
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	// Far above what the test binary itself writes meanwhile.
	lift := limitFiles(t, 4<<20)
	large := func(i int) *store.Unit {
		u := unit(i)
		u.Commands[0].Value = append(bytes.Repeat([]byte("x"), 100<<10), u.Commands[0].Value...)
		return u
	}
	acked := make(map[uint64]bool)
	var full error
	for i := 0; full == nil; i++ {
		u := large(i)
		if full = c.Commit(storetest.Context(t), u); full == nil {
			acked[u.Seq] = true
		}
	}
	if !errors.Is(full, store.ErrUnavailable) {
		t.Errorf("full: %v", full)
	}
	// The journal has room for what must not be lost.
	later := unit(5000)
	if err := c.CommitLater(later); err != nil || later.Stored {
		t.Errorf("later: stored %v, %v", later.Stored, err)
	}
	lift()
	storetest.Eventually(t, "healthy", c.Healthy)
	storetest.Eventually(t, "an empty journal", func() bool { return c.Stats().JournalUnits == 0 })
	closeCommitter(t, c)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openFile(t, path)
	entries := verify(t, d, "node-a")
	for seq := range acked {
		if seq > uint64(len(entries)) {
			t.Errorf("record %d was acknowledged, and is gone", seq)
		}
	}
	if entries[len(entries)-1] != "entry 5000" {
		t.Errorf("the newest is %q", entries[len(entries)-1])
	}
}

// TestFileDamaged opens what is no store.
func TestFileDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("not a store "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.OpenFile(path, store.FileOptions{}); err == nil || errors.Is(err, store.ErrLocked) {
		t.Errorf("opened: %v", err)
	}
	if _, err := store.OpenFile(filepath.Join(path, "none", "s.db"), store.FileOptions{}); err == nil {
		t.Error("opened below a file")
	}
}
