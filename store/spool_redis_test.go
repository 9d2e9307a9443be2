package store_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// TestSpoolRedis kills Redis and brings it back, hangs it and lets it go on,
// while many commit. Each key is won once, and each entry is in the chain once.
func TestSpoolRedis(t *testing.T) {
	r := redistest.Start(t, redistest.Options{Fsync: "always"})
	for name, outage := range map[string]struct{ begin, end func() }{
		"killed": {r.Kill, func() { r.Restart(t) }},
		"hung":   {func() { r.Pause(t) }, func() { r.Resume(t) }},
		"full":   {func() { r.ConfigSet(t, "maxmemory", "1") }, func() { r.ConfigSet(t, "maxmemory", "0") }},
	} {
		t.Run(name, func(t *testing.T) {
			o := hasty(store.RedisOptions{Addresses: []string{r.Addr}})
			d := openRedis(t, o)
			chain := "node-" + name
			c := startCommitter(t, d, store.CommitterOptions{Chain: chain, Deadline: 300 * time.Millisecond,
				Journal: filepath.Join(t.TempDir(), "journal"), SpoolLimit: 64 << 20})
			storetest.Eventually(t, "the lease", c.LeaseFresh)
			s := &spoolers{t: t, c: c, name: name, taken: make(map[string]bool), won: make(map[string]int)}
			s.open(12)
			s.more(200)
			outage.begin()
			storetest.Eventually(t, "the outage", c.Spooling)
			s.more(400)
			outage.end()
			s.more(200)
			s.close()
			storetest.Eventually(t, "the end of the drain", drained(c))
			s.check(verify(t, openRedis(t, patient(o)), chain))
			if c.Stats().TooLate != 0 || c.Stats().Restarts != 0 {
				t.Errorf("%+v", c.Stats())
			}
			t.Logf("%d units, %d on local disk first", len(s.taken), c.Stats().Spooled)
		})
	}
}

// spoolers commit until they are told to stop, each key twice.
type spoolers struct {
	t    *testing.T
	c    *store.Committer
	name string
	wg   sync.WaitGroup

	mu    sync.Mutex
	next  int
	over  bool
	taken map[string]bool // entries
	won   map[string]int  // by key
}

func (s *spoolers) open(n int) {
	for range n {
		s.wg.Go(func() {
			for s.one() {
			}
		})
	}
}

// one commits the next unit, unless it is over.
func (s *spoolers) one() bool {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return false
	}
	s.next++
	n := s.next
	s.mu.Unlock()
	key := store.ClaimKey(fmt.Sprint(s.name, n/2), 1)
	entry := fmt.Sprintf("entry %d", n)
	u := &store.Unit{Spool: true, Entries: [][]byte{[]byte(entry)}, Commands: []store.Command{set(key, entry)}}
	if err := s.c.Commit(storetest.Context(s.t), u); err != nil {
		s.t.Errorf("unit %d: %v", n, err)
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[entry] = true
	if u.Commands[0].Won {
		s.won[key]++
	}
	return true
}

// more waits for some more units.
func (s *spoolers) more(n int) {
	s.t.Helper()
	done := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.taken)
	}
	from := done()
	storetest.Eventually(s.t, fmt.Sprintf("%d more units", n), func() bool { return done() >= from+n })
}

func (s *spoolers) close() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.wg.Wait()
}

// check compares what was taken with a chain.
func (s *spoolers) check(chain []string) {
	s.t.Helper()
	left := make(map[string]bool, len(s.taken))
	for e := range s.taken {
		left[e] = true
	}
	for _, e := range chain {
		if !left[e] {
			s.t.Errorf("%q is stored twice, or was not taken", e)
		}
		delete(left, e)
	}
	if len(left) > 0 {
		s.t.Errorf("%d of %d entries are not stored", len(left), len(s.taken))
	}
	for key, n := range s.won {
		if n != 1 {
			s.t.Errorf("%s was won %d times", key, n)
		}
	}
	if len(s.won) != s.next/2+1 {
		s.t.Errorf("%d keys were won, of %d", len(s.won), s.next/2+1)
	}
}
