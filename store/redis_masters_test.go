package store_test

import (
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// TestLosesSome tells changes of the masters that may lose something from those
// that do not.
func TestLosesSome(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		want          bool
	}{
		"nothing":                                 {"a/1", "a/1", false},
		"a restart":                               {"a/1", "b/2", true},
		"a restart that kept the replication id":  {"a/1", "b/1", true},
		"its replica took over":                   {"a/1", "b/2/1", true},
		"its first replica came":                  {"a/1", "a/2", false},
		"a promoted one lost all its replicas":    {"a/1/9", "a/2", false},
		"it was another's replica meanwhile":      {"a/1", "a/3/2", true},
		"it was that once more":                   {"a/3/2", "a/5/4", true},
		"another joined":                          {"a/1 b/2", "a/1 b/2 c/3", false},
		"a promoted one joined":                   {"a/1 b/2", "a/1 b/2 c/3/4", false},
		"one joined, and one has a first replica": {"a/1 b/2", "a/9 b/2 c/3", false},
		"one is gone":                             {"a/1 b/2", "a/1", true},
		"one was replaced":                        {"a/1 b/2", "a/1 c/3/2", true},
		"all were":                                {"a/1 b/2", "c/3 d/4", true},
		"a run id that begins like another":       {"a/1", "ab/2", true},
	} {
		if got := store.LosesSome(c.before, c.after); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestWhatCountsAsAFailover changes a real server in ways that lose nothing,
// which do not count, and in ways after which it may have lost something, which
// do. After each, what was written goes on, and nothing is missing.
func TestWhatCountsAsAFailover(t *testing.T) {
	do := func(t *testing.T, s *redistest.Server, args ...any) {
		t.Helper()
		if _, err := s.Do(args...); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		change func(t *testing.T, s *redistest.Server, l *load)
		counts bool
		resent bool // what was written lately
	}{
		"every connection is cut": {func(t *testing.T, s *redistest.Server, l *load) {
			do(t, s, "CLIENT", "KILL", "SKIPME", "no", "TYPE", "normal")
		}, false, false},
		"it stands still for a while": {func(t *testing.T, s *redistest.Server, l *load) {
			s.Pause(t)
			away(t, l)
			s.Resume(t)
		}, false, false},
		"its first replica comes": {func(t *testing.T, s *redistest.Server, l *load) { firstReplica(t, s) }, false, true},
		"and goes, with what was kept for it": {func(t *testing.T, s *redistest.Server, l *load) {
			do(t, s, "CONFIG", "SET", "repl-backlog-ttl", "1")
			replica := firstReplica(t, s)
			before := replicationID(t, s)
			replica.ReplicaOf(t, nil)
			storetest.Eventually(t, "the master drops what it kept for replicas", func() bool { return replicationID(t, s) != before })
		}, false, true},
		"it is stopped and started": {func(t *testing.T, s *redistest.Server, l *load) { s.Restart(t) }, true, true},
		"it is killed and started": {func(t *testing.T, s *redistest.Server, l *load) {
			s.Kill()
			s.Restart(t)
		}, true, true},
		"it was another's replica": {func(t *testing.T, s *redistest.Server, l *load) {
			other := redistest.Start(t, redistest.Options{})
			s.ReplicaOf(t, other)
			s.InStep(t)
			s.ReplicaOf(t, nil)
		}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, redistest.Options{})
			o := hasty(store.RedisOptions{Addresses: []string{s.Addr}})
			c := startCommitter(t, openRedis(t, o), store.CommitterOptions{Deadline: 400 * time.Millisecond})
			l := startLoad(t, c)
			l.more(t, 50)
			d := openRedis(t, patient(o))
			before, err := d.Generation(storetest.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			test.change(t, s, l)
			var after string
			storetest.Eventually(t, "a master", func() bool {
				var err error
				after, err = d.Generation(storetest.Context(t))
				return err == nil
			})
			if (after != before) != test.resent {
				t.Errorf("the generation was %q, and is %q", before, after)
			}
			storetest.Eventually(t, "the change is noticed", func() bool { return !test.resent || c.Stats().Resent > 0 })
			l.more(t, 50)
			if stats := c.Stats(); (stats.Failovers > 0) != test.counts || (stats.Resent > 0) != test.resent || stats.Restarts != 0 {
				t.Errorf("%+v", stats)
			}
			l.check(t, d)
		})
	}
}

// replicationID gives what a server calls the data that it holds.
func replicationID(t *testing.T, s *redistest.Server) string {
	t.Helper()
	info, err := s.Client().InfoMap(storetest.Context(t), "replication").Result()
	if err != nil {
		t.Fatal(err)
	}
	return info["Replication"]["master_replid"]
}

// firstReplica gives a master a replica that is in step with it.
func firstReplica(t *testing.T, s *redistest.Server) *redistest.Server {
	t.Helper()
	replica := redistest.Start(t, redistest.Options{})
	replica.ReplicaOf(t, s)
	replica.InStep(t)
	return replica
}
