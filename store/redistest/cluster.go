package redistest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slots is how many a Cluster has.
const slots = 16384

// Cluster is a Redis Cluster.
type Cluster struct {
	Masters  []*Server // as they were at the start
	Replicas []*Server // of the master of the same place; none: there are none
}

// StartCluster starts n masters that share the slots evenly, waits until each
// of them says that all is well, and stops them at the test's end.
func StartCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	return StartClusterOf(t, make([]Options, n)...)
}

// StartClusterOf is StartCluster with a master for each of some options.
func StartClusterOf(t testing.TB, options ...Options) *Cluster {
	t.Helper()
	c, n := &Cluster{}, len(options)
	for i, o := range options {
		o.Cluster = true
		s := Start(t, o)
		c.Masters = append(c.Masters, s)
		c.must(t, s, "CLUSTER", "ADDSLOTSRANGE", slots*i/n, slots*(i+1)/n-1)
		c.must(t, s, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	for _, s := range c.Masters[1:] {
		c.must(t, c.Masters[0], "CLUSTER", "MEET", "127.0.0.1", s.port)
	}
	for _, s := range c.Masters {
		until(t, "the Cluster to be complete", func() bool {
			info, err := s.Do("CLUSTER", "INFO")
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(n))
		})
	}
	return c
}

func (c *Cluster) must(t testing.TB, s *Server, args ...any) string {
	t.Helper()
	reply, err := s.Do(args...)
	if err != nil {
		t.Fatalf("redistest: %v: %v", args[:2], err)
	}
	return reply
}

// StartReplicatedCluster is StartCluster with a replica for each master, which
// takes over when that is away for two seconds or so.
func StartReplicatedCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	c := StartCluster(t, n)
	for _, master := range c.Masters {
		s := Start(t, Options{Cluster: true})
		c.Replicas = append(c.Replicas, s)
		c.must(t, s, "CLUSTER", "MEET", "127.0.0.1", master.port)
		id := c.must(t, master, "CLUSTER", "MYID")
		until(t, "the replica to know its master", func() bool {
			_, err := s.Do("CLUSTER", "REPLICATE", id)
			return err == nil
		})
		s.InStep(t)
	}
	for _, s := range c.all() {
		until(t, "all to know the replicas", func() bool {
			nodes, err := s.Do("CLUSTER", "NODES")
			return err == nil && strings.Count(nodes, "slave") == n && strings.Count(nodes, "connected") == 2*n
		})
	}
	return c
}

// Join adds a master without slots.
func (c *Cluster) Join(t testing.TB) *Server {
	t.Helper()
	s := Start(t, Options{Cluster: true})
	c.must(t, s, "CLUSTER", "MEET", "127.0.0.1", c.Masters[0].port)
	c.Masters = append(c.Masters, s)
	for _, s := range c.all() {
		until(t, "all to know who joined", func() bool {
			info, err := s.Do("CLUSTER", "INFO")
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(len(c.all())))
		})
	}
	return s
}

func (c *Cluster) all() []*Server { return append(append([]*Server(nil), c.Masters...), c.Replicas...) }

// Addrs gives the masters' addresses.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, s := range c.Masters {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

// Slot gives the slot of a key, as the servers count it.
func (c *Cluster) Slot(t testing.TB, key string) int {
	t.Helper()
	slot, err := strconv.Atoi(c.must(t, c.Masters[0], "CLUSTER", "KEYSLOT", key))
	if err != nil {
		t.Fatalf("redistest: slot: %v", err)
	}
	return slot
}

// Owner gives the master that holds a slot, by its own word.
func (c *Cluster) Owner(t testing.TB, slot int) *Server {
	t.Helper()
	for _, s := range c.Masters {
		id := c.must(t, s, "CLUSTER", "MYID")
		for _, line := range strings.Split(c.must(t, s, "CLUSTER", "NODES"), "\n") {
			if strings.HasPrefix(line, id) && holds(strings.Fields(line), slot) {
				return s
			}
		}
	}
	t.Fatalf("redistest: nobody holds slot %d", slot)
	return nil
}

// holds looks for a slot in the ranges of a line of CLUSTER NODES.
func holds(fields []string, slot int) bool {
	if len(fields) < 8 {
		return false
	}
	for _, f := range fields[8:] {
		from, to, ok := strings.Cut(f, "-")
		if !ok {
			to = from
		}
		a, errA := strconv.Atoi(from)
		b, errB := strconv.Atoi(to)
		if errA == nil && errB == nil && a <= slot && slot <= b {
			return true
		}
	}
	return false
}

// Migrate moves a slot with its keys to another master, the way redis-cli
// does it while clients go on: a key at a time.
func (c *Cluster) Migrate(t testing.TB, slot int, to *Server) {
	t.Helper()
	from := c.Owner(t, slot)
	if from == to {
		return
	}
	// A slot goes to whoever claims it under the higher epoch. While the nodes
	// do not know each other's yet, an old claim on its way could win.
	c.agreed(t)
	fromID, toID := c.must(t, from, "CLUSTER", "MYID"), c.must(t, to, "CLUSTER", "MYID")
	c.must(t, to, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
	c.must(t, from, "CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
	for {
		keys, err := from.client.ClusterGetKeysInSlot(t.Context(), slot, 10).Result()
		if err != nil {
			t.Fatalf("redistest: keys of slot: %v", err)
		}
		if len(keys) == 0 {
			break
		}
		args := []any{"MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS"}
		for _, k := range keys {
			args = append(args, k)
		}
		c.must(t, from, args...)
	}
	c.must(t, to, "CLUSTER", "SETSLOT", slot, "NODE", toID)
	for _, s := range c.Masters {
		c.must(t, s, "CLUSTER", "SETSLOT", slot, "NODE", toID)
	}
}

// agreed waits until all nodes see the same epochs and slots.
func (c *Cluster) agreed(t testing.TB) {
	t.Helper()
	until(t, "the nodes to agree", func() bool {
		first := ""
		for _, s := range c.Masters {
			nodes, err := s.Do("CLUSTER", "NODES")
			if err != nil {
				return false
			}
			if view := viewOf(nodes); first == "" {
				first = view
			} else if view != first {
				return false
			}
		}
		return true
	})
}

// viewOf gives id, epoch and slots of each master in CLUSTER NODES.
func viewOf(nodes string) string {
	var all []string
	for line := range strings.Lines(nodes) {
		if f := strings.Fields(line); len(f) >= 8 && strings.Contains(f[2], "master") {
			all = append(all, f[0]+" "+f[6]+" "+strings.Join(f[8:], " "))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// until waits for what servers settle among themselves.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(readyWithin)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("redistest: not within %v: %s", readyWithin, what)
		case <-tick.C:
		}
	}
}

// Sentinels watch a master and one replica.
type Sentinels struct {
	Addrs           []string // of the Sentinels
	Master, Replica *Server
}

// MasterName is what the Sentinels call their master.
const MasterName = "clinic"

// StartSentinels starts a master, a replica that has caught up, and three
// Sentinels that agree on them; they end with the test. A master that is away
// for downAfter is failed over.
func StartSentinels(t testing.TB, downAfter time.Duration, o Options) *Sentinels {
	t.Helper()
	s := &Sentinels{Master: Start(t, o), Replica: Start(t, o)}
	s.Replica.ReplicaOf(t, s.Master)
	s.Replica.InStep(t)
	for range 3 {
		sentinel := startSentinel(t, s.Master, downAfter)
		s.Addrs = append(s.Addrs, sentinel.Addr)
		defer until(t, "the Sentinels to know each other", func() bool {
			info, err := sentinel.Do("INFO", "sentinel")
			return err == nil && strings.Contains(info, "status=ok") && strings.Contains(info, "slaves=1,sentinels=3")
		})
	}
	return s
}

func startSentinel(t testing.TB, master *Server, downAfter time.Duration) *Server {
	t.Helper()
	lines := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d 2\nsentinel down-after-milliseconds %[1]s %[3]d\nsentinel failover-timeout %[1]s 3000\n",
		MasterName, master.port, downAfter.Milliseconds())
	s, err := launch(Options{}, lines)
	if err != nil {
		t.Fatalf("redistest: sentinel: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}
