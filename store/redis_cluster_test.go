package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// TestClusterReplicatedMigration moves slots under load while each write waits
// for a replica: what is redirected waits where it was redirected to.
func TestClusterReplicatedMigration(t *testing.T) {
	c := redistest.StartReplicatedCluster(t, 3)
	d := openRedis(t, store.RedisOptions{Addresses: c.Addrs(), Cluster: true, Replicated: true})
	status, err := d.Check(storetest.Context(t))
	if err != nil || status.Nodes != 3 || status.Replicas != 1 {
		t.Fatalf("%+v %v", status, err)
	}
	l := startLoad(t, startCommitter(t, d, store.CommitterOptions{}))
	l.more(t, 100)
	for round := range 3 {
		moveOn(t, c, "{node-a}:log", "{q.0}:doubt", store.ClaimKey(fmt.Sprint("k", round), 1))
		l.more(t, 20)
	}
	l.check(t, d)
}

// TestClusterGrows moves the log to a node that has just joined: the first of
// its slots.
func TestClusterGrows(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	d := openRedis(t, store.RedisOptions{Addresses: c.Addrs(), Cluster: true})
	l := startLoad(t, startCommitter(t, d, store.CommitterOptions{}))
	l.more(t, 100)
	fourth := c.Join(t)
	c.Migrate(t, c.Slot(t, "{node-a}:log"), fourth)
	l.more(t, 100)
	storetest.Eventually(t, "the fourth is noticed", func() bool { return l.c.Stats().Resent > 0 })
	l.more(t, 10)
	if stats := l.c.Stats(); stats.Failovers != 0 || stats.Restarts != 0 {
		t.Errorf("a node that joins is taken for a failover: %+v", stats)
	}
	l.check(t, d)
}

// TestClusterFailoverLoses kills a master whose replica has not got the last
// hundreds of writes: once the one that holds the log, once another, where no
// gap shows. All comes back.
func TestClusterFailoverLoses(t *testing.T) {
	for name, key := range map[string]string{"the log": "{node-a}:log", "registers alone": ""} {
		t.Run(name, func(t *testing.T) {
			c := redistest.StartReplicatedCluster(t, 3)
			o := hasty(store.RedisOptions{Addresses: c.Addrs(), Cluster: true})
			l := startLoad(t, startCommitter(t, openRedis(t, o), store.CommitterOptions{Deadline: 400 * time.Millisecond}))
			l.more(t, 100)
			log := c.Owner(t, c.Slot(t, "{node-a}:log"))
			for i, s := range c.Masters {
				if (s == log) != (key != "") {
					continue
				}
				behind(t, s, c.Replicas[i])
				l.more(t, 300)
				s.Kill()
				c.Replicas[i].Resume(t)
				break
			}
			away(t, l)
			l.more(t, 100)
			stats := l.c.Stats()
			if stats.Failovers == 0 || stats.Resent < 300 || stats.Restarts != 0 || (stats.Restored > 0) != (key != "") {
				t.Errorf("%+v", stats)
			}
			l.check(t, openRedis(t, patient(o)))
		})
	}
}

// TestClusterReplicated has one shard's replica hear nothing: what is written
// there is not acknowledged, and what is written elsewhere is.
func TestClusterReplicated(t *testing.T) {
	c := redistest.StartReplicatedCluster(t, 3)
	d := openRedis(t, store.RedisOptions{Addresses: c.Addrs(), Cluster: true, Replicated: true, ReplicaTimeout: 50 * time.Millisecond})
	deaf := c.Owner(t, c.Slot(t, "m:0"))
	for i, s := range c.Masters {
		if s == deaf {
			c.Replicas[i].Pause(t)
			defer c.Replicas[i].Resume(t)
		}
	}
	refused, taken := 0, 0
	for i := range 30 {
		key := fmt.Sprint("m:", i)
		there := c.Owner(t, c.Slot(t, key)) == deaf
		if !there {
			// A busy machine's replica may need longer than it is given here.
			storetest.Eventually(t, "the replica of "+key, func() bool {
				return d.Apply(storetest.Context(t), []store.Command{set(key, "x")}) == nil
			})
			taken++
			continue
		}
		if err := d.Apply(storetest.Context(t), []store.Command{set(key, "x")}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s, whose replica is deaf: %v", key, err)
		}
		refused++
	}
	// Both at once are not acknowledged either.
	var both []store.Command
	for i := range 30 {
		both = append(both, set(fmt.Sprint("m:", i), "y"))
	}
	if err := d.Apply(storetest.Context(t), both); !errors.Is(err, store.ErrUnavailable) || refused == 0 || taken == 0 {
		t.Errorf("%d refused, %d taken, all together: %v", refused, taken, err)
	}
}
