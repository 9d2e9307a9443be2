package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

func TestFileConformance(t *testing.T) {
	storetest.Conformance(t, func(t *testing.T) store.Driver { return storetest.Open(t) })
}

func TestFileConformanceAhead(t *testing.T) { storetest.Conformance(t, openAhead) }

func TestFileConformanceSynced(t *testing.T) {
	storetest.Conformance(t, func(t *testing.T) store.Driver { return openFile(t, filepath.Join(t.TempDir(), "s.db")) })
}

func TestMemoryConformance(t *testing.T) {
	storetest.Conformance(t, func(t *testing.T) store.Driver {
		d, err := store.OpenMemory()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() }) // a test may have closed it
		return d
	})
}

// TestMemoryIsNobodyElses opens two stores in memory: neither sees the other.
func TestMemoryIsNobodyElses(t *testing.T) {
	open := func() store.Driver {
		d, err := store.OpenMemory()
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
	first, second := open(), open()
	storetest.Apply(t, first, store.Command{Kind: store.Set, Key: "m:here", Value: []byte("x")})
	if got := storetest.Apply(t, second, store.Command{Kind: store.Get, Key: "m:here"}); got[0].Found {
		t.Error("the second store has what the first was given")
	}
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

// TestCarriersConform has all commands go with the batches, on each way that
// those may take.
func TestCarriersConform(t *testing.T) {
	s := redistest.Start(t, redistest.Options{Fsync: "no"})
	for name, open := range carriers(s) {
		t.Run(name, func(t *testing.T) {
			storetest.Conformance(t, func(t *testing.T) store.Driver {
				if _, err := s.Do("FLUSHALL"); err != nil {
					t.Fatal(err)
				}
				return open(t)
			})
		})
	}
}

// carriers opens a server in each way in which batches are carried.
func carriers(s *redistest.Server) map[string]func(t *testing.T) store.Driver {
	return map[string]func(t *testing.T) store.Driver{
		"wire": func(t *testing.T) store.Driver {
			return byWrite{openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}})}
		},
		"pipeline": func(t *testing.T) store.Driver {
			d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}})
			if err := store.OverPipeline(d); err != nil {
				t.Fatal(err)
			}
			return byWrite{d}
		},
	}
}

// byWrite is a driver whose commands all travel with the batches.
type byWrite struct{ store.Driver }

func (d byWrite) Apply(ctx context.Context, cmds []store.Command) error {
	return d.Write(ctx, &store.Batch{Groups: [][]store.Command{cmds}})
}

// patient gives the options under which a store is read that another driver had
// little time for.
func patient(o store.RedisOptions) store.RedisOptions {
	o.Timeout, o.DialTimeout = time.Minute, time.Minute
	return o
}

func openRedis(t *testing.T, o store.RedisOptions) store.Driver {
	t.Helper()
	var d store.Driver
	var err error
	// Where a test gives it little time, a busy machine's server may need more.
	storetest.Eventually(t, "Redis is open", func() bool {
		d, err = store.OpenRedis(storetest.Context(t), o)
		return o.Timeout == 0 || !errors.Is(err, store.ErrUnavailable)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // a test may have closed it
	return d
}
