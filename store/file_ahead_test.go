package store_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"chaperone/store"
	"chaperone/store/storetest"
)

// openAhead gives an embedded store that puts what is ahead into its file every
// few commands, so that what a command finds is in the one, the other or both.
func openAhead(t *testing.T) store.Driver {
	t.Helper()
	d, err := store.OpenFile(filepath.Join(t.TempDir(), "s.db"), store.FileOptions{NoSync: true, AheadBytes: 400})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// image copies the files of a store as a process that dies now leaves them. The
// bbolt file must not be written to meanwhile.
func image(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	for _, tail := range []string{"", ".ahead0", ".ahead1"} {
		b, err := os.ReadFile(path + tail)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+tail, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// writeBatch writes one of many batches, which add, change and remove. The log has one
// record of each.
func writeBatch(t *testing.T, d store.Driver, i int, hash [32]byte) [32]byte {
	t.Helper()
	entry := fmt.Appendf(nil, "entry %d", i)
	next := store.ChainHash(hash, uint64(i), entry)
	member := func(i int) string { return store.Member{Dest: "ehr", K: fmt.Sprint("k", i), A: 1, N: i % 3}.String() }
	cmds := []store.Command{
		{Kind: store.SetOnce, Key: fmt.Sprint("m:", i), Value: fmt.Appendf(nil, "value %d", i)},
		{Kind: store.Set, Key: "m:same", Value: fmt.Appendf(nil, "%d", i)},
		{Kind: store.Delete, Key: fmt.Sprint("m:", i-3)},
		{Kind: store.QueueAdd, Queue: store.Due, Member: member(i), Score: int64(1000 + i)},
		{Kind: store.QueueMove, Queue: store.Due, Member: member(i - 1), From: int64(1000 + i - 1), Score: int64(5000 - i)},
		{Kind: store.QueueRemove, Queue: store.Due, Member: member(i - 4)}}
	if i < 4 {
		cmds = cmds[:4]
	}
	b := &store.Batch{Chain: "node-a", Prev: hash, Records: []store.LogRecord{{Seq: uint64(i), Entry: entry, Hash: next}}, Groups: [][]store.Command{cmds}}
	if err := d.Write(storetest.Context(t), b); err != nil {
		t.Fatal(i, err)
	}
	return next
}

// readAll reads everything that writeBatch writes.
func readAll(t *testing.T, d store.Driver) string {
	t.Helper()
	ctx := storetest.Context(t)
	recs, err := d.LogRange(ctx, "node-a", 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, r := range recs {
		fmt.Fprintf(&b, "%d %s; ", r.Seq, r.Entry)
	}
	keys, _, err := d.ScanKeys(ctx, "m:", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Fprintf(&b, "%s=%s; ", k, storetest.Apply(t, d, store.Command{Kind: store.Get, Key: k})[0].Prior)
	}
	items, _, err := d.QueueList(ctx, store.Due, "ehr", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := d.QueueStats(ctx, store.Due, "ehr")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(&b, items, stats)
	return b.String()
}

// TestFileFoundAgain takes an image of the files after each batch, as a process
// that is killed there leaves them, and finds in it what the one that lives on
// shows. Frames of both generations, of the one before, and those that are in
// the bbolt file already are in some of the images.
func TestFileFoundAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	d, err := store.OpenFile(path, store.FileOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // after its last image
	hash := store.ChainStart("node-a")
	for i := 1; i <= 40; i++ {
		hash = writeBatch(t, d, i, hash)
		died := openFile(t, image(t, path))
		got := readAll(t, died)
		if err := died.Close(); err != nil {
			t.Fatal(err)
		}
		want := got
		if i%7 == 0 { // reading all puts what is ahead into the file
			want = readAll(t, d)
		} else if !bytes.Contains([]byte(got), fmt.Appendf(nil, "%d entry %d; m:", i, i)) {
			t.Errorf("after batch %d: %s", i, got)
		}
		if got != want {
			t.Errorf("after batch %d it would find\n%s\nnot\n%s", i, got, want)
		}
	}
}

// TestFileTornFrame cuts and damages the newest frame, as a machine that loses
// power while it is written may leave it: what was acknowledged before is
// there, and the store goes on.
func TestFileTornFrame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	d := openFile(t, path)
	hash := store.ChainStart("node-a")
	for i := 1; i <= 5; i++ {
		hash = writeBatch(t, d, i, hash)
	}
	before := image(t, path)
	writeBatch(t, d, 6, hash)
	after := image(t, path)
	find := func(path string) (name string, size int) {
		for _, tail := range []string{".ahead0", ".ahead1"} {
			b, err := os.ReadFile(path + tail)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) > size {
				name, size = path+tail, len(b)
			}
		}
		return name, size
	}
	_, whole := find(before)
	name, _ := find(after)
	frames, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := readAll(t, openFile(t, before))
	for what, tear := range map[string]func(b []byte) []byte{
		"only its head":  func(b []byte) []byte { return b[:whole+20] },
		"half of it":     func(b []byte) []byte { return b[:(whole+len(b))/2] },
		"its last byte":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"its length":     func(b []byte) []byte { b[whole] = 0x7f; return b },
		"zeros in place": func(b []byte) []byte { clear(b[whole:]); return b },
	} {
		t.Run(what, func(t *testing.T) {
			torn := image(t, after)
			to := torn + filepath.Ext(name)
			if err := os.WriteFile(to, tear(bytes.Clone(frames)), 0o600); err != nil {
				t.Fatal(err)
			}
			d := openFile(t, torn)
			if got := readAll(t, d); got != want {
				t.Errorf("found\n%s\nnot\n%s", got, want)
			}
			writeBatch(t, d, 6, hash)
		})
	}
}

// TestFileOfAnotherStore puts files ahead beside a store that is not theirs.
func TestFileOfAnotherStore(t *testing.T) {
	path, other := filepath.Join(t.TempDir(), "s.db"), filepath.Join(t.TempDir(), "s.db")
	writeBatch(t, openFile(t, path), 1, store.ChainStart("node-a"))
	old := image(t, path)
	if err := openFile(t, other).Close(); err != nil {
		t.Fatal(err)
	}
	for _, tail := range []string{".ahead0", ".ahead1"} {
		if err := os.Rename(old+tail, other+tail); err != nil {
			t.Fatal(err)
		}
	}
	d := openFile(t, other)
	if _, ok, err := d.LogLast(storetest.Context(t), "node-a"); ok || err != nil {
		t.Error("it took what is another's", err)
	}
}

// TestFileOfBefore opens a file as the version before this one has left it, and
// leaves one that this version can open.
func TestFileOfBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	hash := store.ChainHash(store.ChainStart("node-a"), 1, []byte("an entry"))
	ends := uint64(time.Now().Add(time.Hour).UnixMilli())
	due := store.Member{Dest: "ehr", K: "k", A: 1, N: 1}.String()
	within(t, path, func(tx *bolt.Tx) error {
		for bucket, keys := range map[string]map[string][]byte{
			"meta": {"format": []byte("chaperone store 1")},
			"reg":  {"m:stays": append(number(0), "stays"...), "m:ends": append(number(ends), "ends"...)},
			"ends": {string(number(ends)) + "m:ends": {}},
			"log":  {},
			"sets": {"due.ehr\x00m" + due: number(7), "due.ehr\x00s" + string(number(7)) + due: {}, "due.ehr\x00n": number(1)},
		} {
			b, err := tx.CreateBucket([]byte(bucket))
			if err != nil {
				return err
			}
			for _, k := range slices.Sorted(maps.Keys(keys)) {
				if err := b.Put([]byte(k), keys[k]); err != nil {
					return err
				}
			}
		}
		log, err := tx.Bucket([]byte("log")).CreateBucket([]byte("node-a"))
		if err != nil {
			return err
		}
		return log.Put(number(1), append(hash[:], "an entry"...))
	})
	d := openFile(t, path)
	cmds := storetest.Apply(t, d, store.Command{Kind: store.Get, Key: "m:stays"}, store.Command{Kind: store.Get, Key: "m:ends"},
		store.Command{Kind: store.QueueMove, Queue: store.Due, Member: due, From: 7, Score: 8})
	if string(cmds[0].Prior) != "stays" || string(cmds[1].Prior) != "ends" || !cmds[2].Won {
		t.Errorf("%q %q %v", cmds[0].Prior, cmds[1].Prior, cmds[2].Won)
	}
	writeBatch(t, d, 2, hash)
	if format := formatOf(t, image(t, path)); format != "chaperone store 2" {
		t.Errorf("while it is open, the format is %q: a version that does not know of the files ahead may take it", format)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(path + ".*"); len(left) > 0 || err != nil {
		t.Errorf("beside the file there are %q, %v", left, err)
	}
	if format := formatOf(t, path); format != "chaperone store 1" {
		t.Errorf("once it is closed, the format is %q", format)
	}
}

// within changes or reads a bbolt file.
func within(t *testing.T, path string, do func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(do); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func formatOf(t *testing.T, path string) (format string) {
	t.Helper()
	within(t, path, func(tx *bolt.Tx) error {
		format = string(tx.Bucket([]byte("meta")).Get([]byte("format")))
		return nil
	})
	return format
}

// TestFileReadsMeanwhile reads what was acknowledged while it is on its way
// into the file: each value is there from when it was acknowledged.
func TestFileReadsMeanwhile(t *testing.T) {
	d := openAhead(t)
	var reader sync.WaitGroup
	acked := make(chan int, 1)
	reader.Go(func() {
		for i := range acked {
			readBack(t, d, i)
		}
	})
	hash := store.ChainStart("node-a")
	for i := 1; i <= 400; i++ {
		hash = writeBatch(t, d, i, hash)
		select {
		case acked <- i:
		default: // it reads yet
		}
	}
	close(acked)
	reader.Wait()
}

// readBack reads what writeBatch has written in batch i at the latest.
func readBack(t *testing.T, d store.Driver, i int) {
	cmds := storetest.Apply(t, d, store.Command{Kind: store.Get, Key: fmt.Sprint("m:", i)}, store.Command{Kind: store.Get, Key: "m:same"})
	var same int
	if _, err := fmt.Sscan(string(cmds[1].Prior), &same); err != nil || same < i || !cmds[0].Found && same < i+3 {
		t.Errorf("after %d: %v, %q", i, cmds[0].Found, cmds[1].Prior)
	}
	recs, err := d.LogRange(storetest.Context(t), "node-a", uint64(max(1, i-20)), 500)
	if err != nil || len(recs) == 0 || recs[len(recs)-1].Seq < uint64(i) {
		t.Errorf("after %d: %d records, %v", i, len(recs), err)
	}
	for j := 1; j < len(recs); j++ {
		if recs[j].Seq != recs[j-1].Seq+1 {
			t.Errorf("record %d follows %d", recs[j].Seq, recs[j-1].Seq)
		}
	}
	if stats, err := d.QueueStats(storetest.Context(t), store.Due, "ehr"); i > 4 && stats.Len != 4 || err != nil {
		t.Errorf("after %d: %+v, %v", i, stats, err)
	}
}
