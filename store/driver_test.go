package store_test

import (
	"path/filepath"
	"testing"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

func TestFileConformance(t *testing.T) {
	storetest.Conformance(t, func(t *testing.T) store.Driver { return storetest.Open(t) })
}

func TestFileConformanceSynced(t *testing.T) {
	storetest.Conformance(t, func(t *testing.T) store.Driver { return openFile(t, filepath.Join(t.TempDir(), "s.db")) })
}

func openFile(t *testing.T, path string) store.Driver {
	t.Helper()
	d, err := store.OpenFile(path, store.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // a test may have closed it
	return d
}

func TestRedisConformance(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	storetest.Conformance(t, func(t *testing.T) store.Driver {
		if _, err := s.Do("FLUSHALL"); err != nil {
			t.Fatal(err)
		}
		return openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}})
	})
}

func openRedis(t *testing.T, o store.RedisOptions) store.Driver {
	t.Helper()
	d, err := store.OpenRedis(storetest.Context(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // a test may have closed it
	return d
}
