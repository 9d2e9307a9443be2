package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

func TestClusterConformance(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	storetest.Conformance(t, func(t *testing.T) store.Driver {
		for _, s := range c.Masters {
			if _, err := s.Do("FLUSHALL"); err != nil {
				t.Fatal(err)
			}
		}
		return openRedis(t, store.RedisOptions{Addresses: c.Addrs()[:1], Cluster: true})
	})
}

// moveOn moves the slots of keys, each from its master to the next.
func moveOn(t *testing.T, c *redistest.Cluster, keys ...string) {
	t.Helper()
	for _, key := range keys {
		slot := c.Slot(t, key)
		at := slices.Index(c.Masters, c.Owner(t, slot))
		if at < 0 {
			t.Fatalf("the owner of slot %d is no master", slot)
		}
		c.Migrate(t, slot, c.Masters[(at+1)%len(c.Masters)])
	}
}

// TestClusterMigration moves the slots of the log, and of registers and
// queues, from node to node under load.
func TestClusterMigration(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	d := openRedis(t, store.RedisOptions{Addresses: c.Addrs(), Cluster: true})
	status, err := d.Check(storetest.Context(t))
	if err != nil || status.Nodes != 3 || status.Mode != "cluster" {
		t.Fatalf("%+v %v", status, err)
	}
	l := startLoad(t, startCommitter(t, d, store.CommitterOptions{}))
	l.more(t, 100)
	for round := range 6 {
		moveOn(t, c, "{node-a}:log", "{q.0}:doubt", "{q.7}:doubt", store.ClaimKey(fmt.Sprint("k", round), 1))
		l.more(t, 20)
	}
	l.check(t, d)
}

// TestClusterNodeDies kills the master that holds the log, and starts it
// again.
func TestClusterNodeDies(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	o := store.RedisOptions{Addresses: c.Addrs(), Cluster: true, Timeout: 500 * time.Millisecond}
	l := startLoad(t, startCommitter(t, openRedis(t, o), store.CommitterOptions{Deadline: 400 * time.Millisecond}))
	l.more(t, 100)
	s := c.Owner(t, c.Slot(t, "{node-a}:log"))
	s.ConfigSet(t, "appendfsync", "always")
	l.more(t, 50)
	s.Kill()
	away(t, l)
	s.Restart(t)
	l.more(t, 100)
	l.check(t, openRedis(t, patient(o)))
}

// TestSentinelFailover kills the master under load. The replica takes over;
// what was acknowledged and had not reached it may be lost, which the
// committer finds by the gap in its chain.
func TestSentinelFailover(t *testing.T) {
	s := redistest.StartSentinels(t, downAfter, redistest.Options{})
	o := hasty(store.RedisOptions{Addresses: s.Addrs, SentinelMaster: redistest.MasterName})
	d := openRedis(t, o)
	status, err := d.Check(storetest.Context(t))
	if err != nil || status.Mode != "sentinel" || status.Replicas != 1 {
		t.Fatalf("%+v %v", status, err)
	}
	restarts := 0
	c := startCommitter(t, d, store.CommitterOptions{Deadline: 400 * time.Millisecond,
		Restart: func(string, uint64, error) (string, [][]byte) {
			restarts++
			return fmt.Sprint("node-", restarts), nil
		}})
	l := startLoad(t, c)
	l.more(t, 100)
	s.Master.Kill()
	away(t, l)
	l.more(t, 100)
	l.stop()
	l.wg.Wait()
	closeCommitter(t, c)
	reader := openRedis(t, patient(o))
	entries := verify(t, reader, "node-a")
	for i := range restarts {
		entries = append(entries, verify(t, reader, fmt.Sprint("node-", i+1))...)
	}
	seen := make(map[string]bool)
	for _, e := range entries {
		seen[e] = true
	}
	lost := 0
	for i := range l.acked {
		if !seen[fmt.Sprint("entry ", i)] {
			lost++
		}
	}
	// A replica that is behind loses what it has not got; then the chain must
	// tell.
	if lost > 0 && restarts == 0 {
		t.Errorf("%d acknowledged units were lost in silence", lost)
	}
	t.Logf("%d acknowledged, %d lost, %d new chains", len(l.acked), lost, restarts)
}
