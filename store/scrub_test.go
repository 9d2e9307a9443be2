package store_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// holds tells whether any file under a folder, or a file, has a text in it.
func holds(t *testing.T, root string, text []byte) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		found = found || bytes.Contains(b, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// secrets writes registers of random content, of several sizes, and gives a
// piece of each that no other content holds.
func secrets(t *testing.T, d store.Driver) (keys []string, marks [][]byte) {
	t.Helper()
	for i, size := range []int{64, 200, 900, 3000, 9000, 40000} {
		for j := range 6 {
			value := make([]byte, size)
			_, _ = rand.Read(value) // never fails
			key := store.VaultedKey("default", fmt.Sprintf("k%d.%d", i, j))
			storetest.Apply(t, d, store.Command{Kind: store.Set, Key: key, Value: value})
			keys, marks = append(keys, key), append(marks, value[size/2:size/2+24])
		}
	}
	return keys, marks
}

func TestScrubLeavesNothingInTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	d, err := store.OpenFile(path, store.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	storetest.Apply(t, d, store.Command{Kind: store.Set, Key: "m:stays", Value: []byte("what stays in the file")})
	keys, marks := secrets(t, d)
	for _, m := range marks {
		if !holds(t, dir, m) {
			t.Fatal("a value is not in a file: the test looks for the wrong thing")
		}
	}
	for _, k := range keys {
		storetest.Apply(t, d, store.Command{Kind: store.Delete, Key: k})
	}
	left := 0
	for _, m := range marks {
		if holds(t, dir, m) {
			left++
		}
	}
	if left == 0 {
		t.Fatal("a deletion alone leaves nothing: the test proves nothing")
	}
	// Readers and writers go on meanwhile.
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for j := range 50 {
				key := fmt.Sprintf("m:busy.%d.%d", i, j)
				storetest.Apply(t, d, store.Command{Kind: store.Set, Key: key, Value: []byte("busy")}, store.Command{Kind: store.Get, Key: key})
				if !storetest.Apply(t, d, store.Command{Kind: store.Get, Key: key})[0].Found {
					t.Errorf("%s is gone", key)
				}
			}
		})
	}
	s, err := d.Scrub(storetest.Context(t))
	group.Wait()
	if err != nil || s.Pages == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, m := range marks {
		if holds(t, dir, m) {
			t.Error("a file still holds what was deleted")
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := store.OpenFile(path, store.FileOptions{})
	if err != nil {
		t.Fatalf("the file does not open after a scrub: %v", err)
	}
	defer again.Close()
	if got := storetest.Apply(t, again, store.Command{Kind: store.Get, Key: "m:stays"})[0]; string(got.Prior) != "what stays in the file" {
		t.Error("a register was lost")
	}
}

func TestScrubLeavesNothingInRedis(t *testing.T) {
	// The snapshot of the start holds the values, as one of an hour ago would.
	s := redistest.Start(t, redistest.Options{Fsync: "always"})
	d, err := store.OpenRedis(storetest.Context(t), store.RedisOptions{Addresses: []string{s.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	keys, marks := secrets(t, d)
	if _, err := s.Do("SAVE"); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		storetest.Apply(t, d, store.Command{Kind: store.Delete, Key: k})
	}
	for _, m := range marks {
		if !holds(t, s.Dir, m) {
			t.Fatal("a deletion alone leaves nothing: the test proves nothing")
		}
	}
	got, err := d.Scrub(storetest.Context(t))
	if err != nil || got.Nodes != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, m := range marks {
		if holds(t, s.Dir, m) {
			t.Error("the files of Redis still hold what was deleted")
		}
	}
}
