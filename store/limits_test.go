package store_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chaperone/store"
	"chaperone/store/storetest"
)

// TestCommitCrowded fills the queue behind a batch that hangs.
func TestCommitCrowded(t *testing.T) { synctest.Test(t, testCommitCrowded) }

func testCommitCrowded(t *testing.T) {
	f := storetest.NewFaults(storetest.Open(t))
	c := startCommitter(t, f, store.CommitterOptions{Deadline: time.Minute, AliveEvery: time.Hour, MaxPending: 3})
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	f.Script(storetest.Hang)
	steps := f.Steps()
	done := make(chan error, 4)
	commit := func(i int) { done <- c.Commit(context.Background(), unit(i)) }
	go commit(0)
	storetest.Eventually(t, "the batch", func() bool { return f.Steps() > steps })
	for i := range 3 {
		go commit(i + 1)
	}
	storetest.Eventually(t, "the queue", func() bool { return c.Stats().Pending == 3 })
	if err := c.Commit(storetest.Context(t), unit(9)); !errors.Is(err, store.ErrUnavailable) || store.MayPersist(err) {
		t.Errorf("one too many: %v", err)
	}
	f.Release()
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestCommitTooLarge(t *testing.T) {
	d := storetest.Open(t)
	c := startCommitter(t, d, store.CommitterOptions{})
	u := unit(1)
	u.Entries = append(u.Entries, make([]byte, 33<<20))
	if err := c.Commit(storetest.Context(t), u); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("commit: %v", err)
	}
	if err := c.CommitLater(u); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("later: %v", err)
	}
	if got := verify(t, d, "node-a"); len(got) != 0 {
		t.Errorf("log %q", got)
	}
}

// TestBodyRunsOut holds up a unit for so long that its body, which went ahead,
// has ended: it goes again, and the entry is not written twice.
func TestBodyRunsOut(t *testing.T) { synctest.Test(t, testBodyRunsOut) }

func testBodyRunsOut(t *testing.T) {
	var late atomic.Int64
	d, err := store.OpenFile(filepath.Join(t.TempDir(), "s.db"), store.FileOptions{
		NoSync: true, Clock: func() time.Time { return time.Now().Add(time.Duration(late.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // closed by nobody else
	f := storetest.NewFaults(d)
	c := startCommitter(t, f, store.CommitterOptions{Deadline: time.Minute, AliveEvery: time.Hour})
	storetest.Eventually(t, "the lease", c.LeaseFresh)
	body := bytes.Repeat([]byte("x"), 100<<10)
	key := store.RequestBodyKey("k1", 1, 2, "request")
	u := unit(1)
	u.Commands = append(u.Commands, store.Command{Kind: store.SetOnce, Key: key, Value: body})
	steps := f.Steps()
	f.Script(storetest.None, storetest.Hang)
	done := make(chan error, 1)
	go func() { done <- c.Commit(context.Background(), u) }()
	storetest.Eventually(t, "the batch", func() bool { return f.Steps() == steps+2 })
	late.Store(int64(time.Hour))
	f.Release()
	if err := <-done; err != nil || !u.Commands[2].Won || u.Seq != 1 {
		t.Errorf("won %v, seq %d, %v", u.Commands[2].Won, u.Seq, err)
	}
	late.Store(int64(48 * time.Hour))
	if got := storetest.Apply(t, d, store.Command{Kind: store.Get, Key: key})[0]; !bytes.Equal(got.Prior, body) {
		t.Errorf("body of %d bytes", len(got.Prior))
	}
	if got := verify(t, d, "node-a"); strings.Join(got, ",") != "entry 1" {
		t.Errorf("log %q", got)
	}
}

// TestFileSweeps finds ended registers gone from the file, not only unread.
func TestFileSweeps(t *testing.T) {
	var late atomic.Int64
	d, err := store.OpenFile(filepath.Join(t.TempDir(), "s.db"), store.FileOptions{
		NoSync: true, Clock: func() time.Time { return time.Now().Add(time.Duration(late.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // closed by nobody else
	cmd := set("m:a", "x")
	cmd.TTL = time.Minute
	storetest.Apply(t, d, cmd)
	late.Store(int64(time.Hour))
	if isSet(t, d, "m:a") {
		t.Error("it has not ended")
	}
	if err := d.Write(storetest.Context(t), &store.Batch{}); err != nil {
		t.Fatal(err)
	}
	// Were it only unread, it would be back when the clock is.
	late.Store(0)
	storetest.Eventually(t, "its removal", func() bool { return !isSet(t, d, "m:a") })
}
