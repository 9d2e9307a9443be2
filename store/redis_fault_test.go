package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// load commits units from several goroutines until it is stopped, and keeps
// those that were acknowledged.
type load struct {
	c    *store.Committer
	next atomic.Int64
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	acked map[int]uint64 // unit → its sequence number
	maybe map[int]bool   // not acknowledged, but may be stored
}

func startLoad(t *testing.T, c *store.Committer) *load {
	ctx, cancel := context.WithCancel(storetest.Context(t))
	l := &load{c: c, stop: cancel, acked: make(map[int]uint64), maybe: make(map[int]bool)}
	for range 8 {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				i := int(l.next.Add(1))
				u := unit(i)
				err := c.Commit(ctx, u)
				l.mu.Lock()
				switch {
				case err == nil && u.Commands[0].Won:
					l.acked[i] = u.Seq
				case err == nil:
					t.Errorf("claim %d was lost to nobody", i)
				case !errors.Is(err, store.ErrUnavailable):
					t.Errorf("unit %d: %v", i, err)
				case store.MayPersist(err):
					l.maybe[i] = true
				}
				l.mu.Unlock()
				if err != nil {
					pause(ctx)
				}
			}
		})
	}
	return l
}

// pause keeps refused callers from spinning.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Millisecond):
	}
}

func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// more waits until more units have been acknowledged.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	want := l.acknowledged() + n
	storetest.Eventually(t, "acknowledged units", func() bool { return l.acknowledged() >= want })
}

// check ends the load and looks for each acknowledged unit: its register, and
// its entry once, under its number.
func (l *load) check(t *testing.T, d store.Driver) {
	t.Helper()
	l.stop()
	l.wg.Wait()
	closeCommitter(t, l.c)
	seen := make(map[string]uint64)
	for i, e := range verify(t, d, "node-a") {
		if seen[e] != 0 {
			t.Errorf("%s is there twice", e)
		}
		seen[e] = uint64(i) + 1
	}
	for i, seq := range l.acked {
		if seen[fmt.Sprint("entry ", i)] != seq {
			t.Errorf("entry %d was acknowledged as record %d, and is %d", i, seq, seen[fmt.Sprint("entry ", i)])
		}
		if !isSet(t, d, store.ClaimKey(fmt.Sprint("k", i), 1)) {
			t.Errorf("claim %d was acknowledged, and is gone", i)
		}
	}
	for i := range int(l.next.Load()) {
		if _, ok := l.acked[i]; !ok && !l.maybe[i] && seen[fmt.Sprint("entry ", i)] != 0 {
			t.Errorf("entry %d is there, though it was never sent", i)
		}
	}
	t.Logf("%d acknowledged, %d uncertain, %+v", len(l.acked), len(l.maybe), l.c.Stats())
}

// TestRedisFaultsUnderLoad breaks a server in each way while it is written to,
// mends it, and finds all that was acknowledged.
func TestRedisFaultsUnderLoad(t *testing.T) {
	for name, fault := range map[string]func(t *testing.T, s *redistest.Server, l *load){
		"killed": func(t *testing.T, s *redistest.Server, l *load) {
			s.Kill()
			away(t, l)
			s.Restart(t)
		},
		"killed and started at once": func(t *testing.T, s *redistest.Server, _ *load) {
			for range 3 {
				s.Kill()
				s.Restart(t)
			}
		},
		"stopped": func(t *testing.T, s *redistest.Server, _ *load) {
			s.Stop()
			s.Restart(t)
		},
		"paused": func(t *testing.T, s *redistest.Server, l *load) {
			s.Pause(t)
			away(t, l)
			s.Resume(t)
		},
		"connections cut": func(t *testing.T, s *redistest.Server, l *load) {
			for range 5 {
				if _, err := s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
					t.Fatal(err)
				}
				l.more(t, 20)
			}
		},
		"out of memory": func(t *testing.T, s *redistest.Server, l *load) {
			s.ConfigSet(t, "maxmemory", "1")
			away(t, l)
			s.ConfigSet(t, "maxmemory", "0")
		},
		"read-only": func(t *testing.T, s *redistest.Server, l *load) {
			s.ConfigSet(t, "min-replicas-to-write", "1")
			away(t, l)
			s.ConfigSet(t, "min-replicas-to-write", "0")
		},
		"password changed": func(t *testing.T, s *redistest.Server, l *load) {
			s.ConfigSet(t, "requirepass", "another")
			if _, err := s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
				t.Fatal(err)
			}
			away(t, l)
			if err := os.WriteFile(filepath.Join(s.Dir, "password"), []byte("another\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"memory used up": func(t *testing.T, s *redistest.Server, l *load) {
			info, err := s.Client().InfoMap(t.Context(), "memory").Result()
			if err != nil {
				t.Fatal(err)
			}
			used, err := strconv.Atoi(info["Memory"]["used_memory"])
			if err != nil {
				t.Fatal(err)
			}
			s.ConfigSet(t, "maxmemory", strconv.Itoa(used+200<<10))
			away(t, l)
			s.ConfigSet(t, "maxmemory", strconv.Itoa(2*used))
		},
		"slow command": func(t *testing.T, s *redistest.Server, l *load) {
			if _, err := s.Do("DEBUG", "SLEEP", "1"); err != nil {
				t.Fatal(err)
			}
		},
		"writes paused": func(t *testing.T, s *redistest.Server, l *load) {
			if _, err := s.Do("CLIENT", "PAUSE", "700", "WRITE"); err != nil {
				t.Fatal(err)
			}
			away(t, l)
		},
		"AOF rewritten": func(t *testing.T, s *redistest.Server, l *load) {
			for range 3 {
				if _, err := s.Do("BGREWRITEAOF"); err != nil {
					t.Fatal(err)
				}
				storetest.Eventually(t, "the rewrite", func() bool {
					info, err := s.Do("INFO", "persistence")
					return err == nil && strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0")
				})
				l.more(t, 20)
			}
		},
		// It comes back as the master with the data of another, and the same run
		// id.
		"replica for a while": func(t *testing.T, s *redistest.Server, l *load) {
			other := redistest.Start(t, redistest.Options{Password: "first"})
			s.ReplicaOf(t, other)
			s.InStep(t)
			away(t, l)
			s.ReplicaOf(t, nil)
		},
		"scripts flushed": func(t *testing.T, s *redistest.Server, _ *load) {
			if _, err := s.Do("SCRIPT", "FLUSH"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t, redistest.Options{Fsync: "always", Password: "first"})
			password := filepath.Join(s.Dir, "password")
			if err := os.WriteFile(password, []byte("first\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			o := hasty(store.RedisOptions{Addresses: []string{s.Addr}, PasswordFile: password})
			c := startCommitter(t, openRedis(t, o), store.CommitterOptions{Deadline: 300 * time.Millisecond})
			l := startLoad(t, c)
			l.more(t, 100)
			fault(t, s, l)
			l.more(t, 100)
			l.check(t, openRedis(t, patient(o)))
		})
	}
}

// away waits until the committer has found the store away, and until it
// refuses at once.
func away(t *testing.T, l *load) {
	t.Helper()
	storetest.Eventually(t, "the store to be away", func() bool { return !l.c.Healthy() })
}

// TestRedisLoses has the server forget what it had acknowledged: the committer
// finds out with the next batch, whatever was forgotten. What it has kept it
// writes again; otherwise it goes on in another chain, and says so.
func TestRedisLoses(t *testing.T) {
	for name, lose := range map[string][]any{
		"everything":    {"FLUSHALL"},
		"the log":       {"DEL", "{node-a}:log"},
		"the last":      {"EVAL", "redis.call('XDEL', KEYS[1], '10-0') redis.call('XSETID', KEYS[1], '9-0')", "1", "{node-a}:log"},
		"the last five": {"EVAL", "for i = 6, 10 do redis.call('XDEL', KEYS[1], i .. '-0') end redis.call('XSETID', KEYS[1], '5-0')", "1", "{node-a}:log"},
	} {
		for how, recent := range map[string]int{"kept": 0, "not kept": -1} {
			t.Run(name+", "+how, func(t *testing.T) { loses(t, lose, recent) })
		}
	}
}

func loses(t *testing.T, lose []any, recent int) {
	s := redistest.Start(t, redistest.Options{})
	d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}})
	var cause error
	c := startCommitter(t, d, store.CommitterOptions{RecentBytes: recent, Restart: func(_ string, head uint64, err error) (string, [][]byte) {
		cause = err
		return "node-b", [][]byte{fmt.Appendf(nil, "after %d", head)}
	}})
	ctx := storetest.Context(t)
	for i := range 10 {
		if err := c.Commit(ctx, unit(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Do(lose...); err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(ctx, unit(10)); err != nil {
		t.Fatal(err)
	}
	if recent == 0 {
		if cause != nil || c.Stats().Restored == 0 || c.Stats().Resent != 10 || len(verify(t, d, "node-a")) != 11 {
			t.Errorf("cause %v, %+v", cause, c.Stats())
		}
		for i := range 11 {
			if !isSet(t, d, store.ClaimKey(fmt.Sprint("k", i), 1)) {
				t.Errorf("claim %d is gone", i)
			}
		}
		chains, err := d.Chains(ctx)
		if err != nil || len(chains) != 1 || chains[0].ID != "node-a" || !isSet(t, d, store.AliveKey("node-a")) {
			t.Errorf("chains %v %v, or no lease", chains, err)
		}
		return
	}
	var gap *store.GapError
	if !errors.As(cause, &gap) || gap.Want != 10 {
		t.Fatalf("cause %v", cause)
	}
	if got := verify(t, d, "node-b"); strings.Join(got, ",") != "after 10,entry 10" {
		t.Errorf("log %q", got)
	}
	// The broken chain shows its loss, and nothing after it.
	if last, ok, err := d.LogLast(ctx, "node-a"); err != nil || ok && last.Seq != gap.Last {
		t.Errorf("broken chain ends at %d, %v", last.Seq, err)
	}
}

// TestRedisIsRefused opens servers that must not be used, and is told what to
// set.
func TestRedisIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		server  redistest.Options
		set     []any
		option  store.RedisOptions
		setting []string
	}{
		"no AOF":              {server: redistest.Options{NoAOF: true}, setting: []string{"appendonly"}},
		"evicts":              {server: redistest.Options{Policy: "allkeys-lru"}, setting: []string{"maxmemory-policy"}},
		"both":                {server: redistest.Options{Policy: "volatile-ttl", NoAOF: true}, setting: []string{"appendonly", "maxmemory-policy"}},
		"no password":         {server: redistest.Options{Password: "secret"}, setting: []string{"password"}},
		"not in a Cluster":    {option: store.RedisOptions{Cluster: true}, setting: []string{"cluster-enabled"}},
		"part of a Cluster":   {server: redistest.Options{Cluster: true}, setting: []string{"cluster-enabled"}},
		"user may too little": {set: []any{"ACL", "SETUSER", "default", "-info"}, setting: []string{"ACL of the user"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t, c.server)
			if c.set != nil {
				if _, err := s.Do(c.set...); err != nil {
					t.Fatal(err)
				}
			}
			o := c.option
			o.Addresses = []string{s.Addr}
			_, err := store.OpenRedis(storetest.Context(t), o)
			wantSetup(t, err, c.setting...)
			if c.server.NoAOF || c.server.Policy != "" {
				o.AllowUnsafe = true
				openRedis(t, o)
			}
		})
	}
}

// wantSetup looks for the settings that an error complains of.
func wantSetup(t *testing.T, err error, settings ...string) {
	t.Helper()
	var setup *store.SetupError
	if !errors.As(err, &setup) || setup.Hint == "" || setup.Node == "" {
		t.Fatalf("not a setup error: %v", err)
	}
	for _, s := range settings {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q is not in: %v", s, err)
		}
	}
}

func TestRedisPassword(t *testing.T) {
	s := redistest.Start(t, redistest.Options{Password: "right secret"})
	path := filepath.Join(t.TempDir(), "password")
	for content, ok := range map[string]bool{
		"right secret": true, "right secret\n": true, "right secret\r\n": true,
		"wrong secret": false, "right secret\n\n": false,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := store.OpenRedis(storetest.Context(t), store.RedisOptions{Addresses: []string{s.Addr}, PasswordFile: path})
		if ok {
			if err != nil {
				t.Errorf("%q: %v", content, err)
				continue
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		wantSetup(t, err, "password")
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error holds the password: %v", err)
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, path + ".none"} {
		if _, err := store.OpenRedis(storetest.Context(t), store.RedisOptions{Addresses: []string{s.Addr}, PasswordFile: path}); err == nil {
			t.Errorf("%s was taken", path)
		}
	}
}

func TestRedisReplica(t *testing.T) {
	master := redistest.Start(t, redistest.Options{})
	replica := redistest.Start(t, redistest.Options{})
	d := openRedis(t, store.RedisOptions{Addresses: []string{replica.Addr}})
	replica.ReplicaOf(t, master)
	_, err := store.OpenRedis(storetest.Context(t), store.RedisOptions{Addresses: []string{replica.Addr}})
	wantSetup(t, err, "role")
	err = d.Apply(storetest.Context(t), []store.Command{set("m:a", "x")})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("write to a replica: %v", err)
	}
	replica.ReplicaOf(t, nil)
	storetest.Apply(t, d, set("m:a", "x"))
}

func TestRedisAway(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	s.Kill()
	if _, err := store.OpenRedis(storetest.Context(t), store.RedisOptions{Addresses: []string{s.Addr}}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("nobody listens: %v", err)
	}
	for name, o := range map[string]store.RedisOptions{
		"no address":          {},
		"several":             {Addresses: []string{"a:1", "b:1"}},
		"Cluster of Sentinel": {Addresses: []string{"a:1"}, Cluster: true, SentinelMaster: "m"},
	} {
		if _, err := store.OpenRedis(storetest.Context(t), o); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRedisSocket(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	d := openRedis(t, store.RedisOptions{Addresses: []string{"unix:" + s.Socket}})
	status, err := d.Check(storetest.Context(t))
	if err != nil || status.Fsync != "everysec" || status.Mode != "standalone" || status.Replicas != 0 {
		t.Errorf("%+v %v", status, err)
	}
}
