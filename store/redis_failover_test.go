package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// hasty gives options under which a dead server is noticed soon.
func hasty(o store.RedisOptions) store.RedisOptions {
	o.Timeout, o.DialTimeout = 500*time.Millisecond, 500*time.Millisecond
	return o
}

// downAfter is how long a master is silent before the sentinels replace it: not
// so little that a busy machine's master is replaced before its time.
const downAfter = 2 * time.Second

// behind cuts a replica off, which knows nothing of what its master
// acknowledges from now on.
func behind(t *testing.T, master, replica *redistest.Server) {
	t.Helper()
	replica.Pause(t)
	if _, err := master.Do("CLIENT", "KILL", "TYPE", "replica"); err != nil {
		t.Fatal(err)
	}
}

// TestSentinelFailoverLoses has the replica take over that has not got the
// last hundreds of acknowledged writes. The committer brings them back: log,
// registers and queues.
func TestSentinelFailoverLoses(t *testing.T) {
	s := redistest.StartSentinels(t, downAfter, redistest.Options{})
	o := hasty(store.RedisOptions{Addresses: s.Addrs, SentinelMaster: redistest.MasterName})
	d := openRedis(t, o)
	c := startCommitter(t, d, store.CommitterOptions{Deadline: 400 * time.Millisecond})
	l := startLoad(t, c)
	l.more(t, 100)
	behind(t, s.Master, s.Replica)
	l.more(t, 300)
	s.Master.Kill()
	s.Replica.Resume(t)
	away(t, l)
	l.more(t, 100)
	stats := c.Stats()
	if stats.Failovers == 0 || stats.Restored < 300 || stats.Resent < 400 || stats.Restarts != 0 {
		t.Errorf("%+v", stats)
	}
	l.check(t, openRedis(t, patient(o)))
}

// TestSentinelFailoverIdle is the same for a proxy that has nothing to write
// when the master dies.
func TestSentinelFailoverIdle(t *testing.T) {
	s := redistest.StartSentinels(t, downAfter, redistest.Options{})
	o := hasty(store.RedisOptions{Addresses: s.Addrs, SentinelMaster: redistest.MasterName})
	d := openRedis(t, o)
	c := startCommitter(t, d, store.CommitterOptions{AliveEvery: time.Hour, AliveFor: 3 * time.Hour})
	l := startLoad(t, c)
	l.more(t, 100)
	behind(t, s.Master, s.Replica)
	l.more(t, 100)
	l.stop()
	l.wg.Wait()
	s.Master.Kill()
	s.Replica.Resume(t)
	storetest.Eventually(t, "what was lost is back", func() bool { return c.Stats().Restored >= 100 })
	l.check(t, openRedis(t, patient(o)))
}

// TestRestartedServerLoses has a standalone server start again with an older
// copy of its files, as after a loss of power under appendfsync everysec.
func TestRestartedServerLoses(t *testing.T) {
	s := redistest.Start(t, redistest.Options{Fsync: "always"}) // all is in the files, but for what is cut off
	d := openRedis(t, hasty(store.RedisOptions{Addresses: []string{s.Addr}}))
	c := startCommitter(t, d, store.CommitterOptions{})
	ctx := storetest.Context(t)
	for i := range 10 {
		if err := c.Commit(ctx, unit(i)); err != nil {
			t.Fatal(err)
		}
	}
	s.Kill()
	s.Cut(t, 2000)
	s.Restart(t)
	// A repeat finds the claim that was lost, not a free key.
	again := unit(9)
	again.Commands[0].Value = []byte("another")
	if err := c.Commit(ctx, again); err != nil {
		t.Fatal(err)
	}
	if again.Commands[0].Won || string(again.Commands[0].Prior) != "claim 9" {
		t.Errorf("the repeat: %+v", again.Commands[0])
	}
	stats := c.Stats()
	if stats.Failovers != 1 || stats.Restored == 0 || stats.Resent != 10 {
		t.Errorf("%+v", stats)
	}
	if n := len(verify(t, d, "node-a")); n != 11 {
		t.Errorf("%d records", n)
	}
}

// TestFailoverBeyondRecent loses more than what was kept: another chain goes
// on, which says so, and what is left in memory is brought back nonetheless.
func TestFailoverBeyondRecent(t *testing.T) {
	s := redistest.StartSentinels(t, downAfter, redistest.Options{})
	o := hasty(store.RedisOptions{Addresses: s.Addrs, SentinelMaster: redistest.MasterName})
	d := openRedis(t, o)
	var cause error
	c := startCommitter(t, d, store.CommitterOptions{Deadline: 400 * time.Millisecond, RecentBytes: 16 << 10,
		Restart: func(_ string, _ uint64, err error) (string, [][]byte) {
			cause = err
			return "node-b", nil
		}})
	l := startLoad(t, c)
	l.more(t, 100)
	behind(t, s.Master, s.Replica)
	l.more(t, 500)
	s.Master.Kill()
	s.Replica.Resume(t)
	away(t, l)
	l.more(t, 100)
	l.stop()
	l.wg.Wait()
	closeCommitter(t, c)
	var gap *store.GapError
	stats := c.Stats()
	if !errors.As(cause, &gap) || gap.Chain != "node-a" || stats.Restarts != 1 || stats.Resent == 0 || stats.Restored != 0 {
		t.Fatalf("%v, %+v", cause, stats)
	}
	reader := openRedis(t, patient(o))
	lost := 0
	for i := range l.acked {
		if !isSet(t, reader, store.ClaimKey(fmt.Sprint("k", i), 1)) {
			lost++
		}
	}
	// One record, one claim, one unit: what is missing of the chain is missing
	// of the claims, but for those that were sent again.
	missing := int(gap.Want - gap.Last)
	if lost == 0 || lost >= missing {
		t.Errorf("%d claims lost of %d records", lost, missing)
	}
	verify(t, reader, "node-a")
	verify(t, reader, "node-b")
	t.Logf("%d acknowledged, %d records and %d claims lost, %d units sent again", len(l.acked), missing, lost, stats.Resent)
}

// TestReplicated has nothing acknowledged that no replica has.
func TestReplicated(t *testing.T) {
	s := redistest.StartSentinels(t, downAfter, redistest.Options{})
	o := hasty(store.RedisOptions{Addresses: s.Addrs, SentinelMaster: redistest.MasterName, Replicated: true})
	d := openRedis(t, o)
	c := startCommitter(t, d, store.CommitterOptions{Deadline: 400 * time.Millisecond, RecentBytes: -1})
	l := startLoad(t, c)
	l.more(t, 300)
	// The master goes on, and nobody is told that it did.
	behind(t, s.Master, s.Replica)
	away(t, l)
	s.Master.Kill()
	s.Replica.Resume(t)
	// The new master is alone until the old one follows it.
	s.Master.Restart(t)
	l.more(t, 300)
	s.Replica.Kill()
	// The proxy dies as well: nothing is sent again.
	l.stop()
	l.wg.Wait()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	var left store.Driver
	storetest.Eventually(t, "a master", func() bool {
		var err error
		o.Replicated = false
		left, err = store.OpenRedis(storetest.Context(t), patient(o))
		return err == nil
	})
	defer left.Close()
	for i := range l.acked {
		if !isSet(t, left, store.ClaimKey(fmt.Sprint("k", i), 1)) {
			t.Errorf("claim %d was acknowledged, and is gone", i)
		}
	}
	t.Logf("%d acknowledged, %+v", len(l.acked), c.Stats())
}

// TestReplicatedRepeat sends a batch a second time, which writes nothing and
// yet must wait for the replica to have it.
func TestReplicatedRepeat(t *testing.T) {
	master, replica := redistest.Start(t, redistest.Options{}), redistest.Start(t, redistest.Options{})
	replica.ReplicaOf(t, master)
	replica.InStep(t)
	o := store.RedisOptions{Addresses: []string{master.Addr}, Replicated: true, ReplicaTimeout: 50 * time.Millisecond}
	d := openRedis(t, o)
	claim := []store.Command{set("m:a", "x")}
	claim[0].Kind = store.SetOnce
	// A busy machine's replica may need longer than it is given here.
	storetest.Eventually(t, "the replica answers", func() bool { return d.Apply(storetest.Context(t), claim) == nil })
	replica.Pause(t)
	claim[0].Key = "m:b"
	for range 2 {
		if err := d.Apply(storetest.Context(t), claim); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("a replica that hears nothing: %v", err)
		}
	}
	// On a connection of its own, too.
	another := hasty(store.RedisOptions{Addresses: []string{master.Addr}, Replicated: true, ReplicaTimeout: 50 * time.Millisecond})
	if err := openRedis(t, another).Apply(storetest.Context(t), claim); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("a replica that hears nothing: %v", err)
	}
	// A read needs no replica.
	if !isSet(t, d, "m:a") {
		t.Error("a register is gone")
	}
	replica.Resume(t)
	storetest.Eventually(t, "the replica answers", func() bool { return d.Apply(storetest.Context(t), claim) == nil })
	if !claim[0].Won {
		t.Error("a repeat was lost")
	}
	replica.Kill()
	storetest.Eventually(t, "the start is refused", func() bool {
		_, err := store.OpenRedis(storetest.Context(t), o)
		var setup *store.SetupError
		return errors.As(err, &setup) && strings.Contains(err.Error(), "replicas")
	})
}
