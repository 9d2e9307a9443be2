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

// TestTrimBesideWriter trims the log from another process while it is written
// to: the writer finds another length than it expected, and settles.
func TestTrimBesideWriter(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) store.RedisOptions{
		"standalone": func(t *testing.T) store.RedisOptions {
			return store.RedisOptions{Addresses: []string{redistest.Start(t, redistest.Options{}).Addr}}
		},
		"Cluster": func(t *testing.T) store.RedisOptions {
			return store.RedisOptions{Addresses: redistest.StartCluster(t, 3).Addrs(), Cluster: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := start(t)
			d, archiver := openRedis(t, o), openRedis(t, o)
			c := startCommitter(t, d, store.CommitterOptions{})
			l := startLoad(t, c)
			for range 10 {
				l.more(t, 30)
				head, _ := c.Head()
				if err := archiver.LogTrim(storetest.Context(t), "node-a", head-5); err != nil {
					t.Fatal(err)
				}
				// Up to the very newest, and beyond what there is.
				if err := archiver.LogTrim(storetest.Context(t), "node-a", head+1000); err != nil {
					t.Fatal(err)
				}
			}
			l.more(t, 30)
			l.stop()
			l.wg.Wait()
			closeCommitter(t, c)
			head, hash := c.Head()
			if s := c.Stats(); s.Restarts != 0 || s.Restored != 0 || s.Resent != 0 || c.Chain() != "node-a" {
				t.Errorf("%+v", s)
			}
			recs, err := d.LogRange(storetest.Context(t), "node-a", 1, 1<<20)
			if err != nil || len(recs) == 0 {
				t.Fatalf("%d records, %v", len(recs), err)
			}
			for i, r := range recs[1:] {
				if r.Seq != recs[i].Seq+1 || r.Hash != store.ChainHash(recs[i].Hash, r.Seq, r.Entry) {
					t.Fatalf("record %d does not follow %d", r.Seq, recs[i].Seq)
				}
			}
			if last := recs[len(recs)-1]; last.Seq != head || last.Hash != hash {
				t.Errorf("the log ends at %d, the head is %d", last.Seq, head)
			}
		})
	}
}

// TestTrimThenFailover restores the end of a log whose beginning was archived
// and trimmed.
func TestTrimThenFailover(t *testing.T) {
	// A server that waits for a busy disk writes late, and would lose what was
	// trimmed as well.
	s := redistest.Start(t, redistest.Options{Fsync: "always"})
	d := openRedis(t, hasty(store.RedisOptions{Addresses: []string{s.Addr}}))
	// No commit gives up before the server is back: one that did might be stored
	// nonetheless, and those after it would have other numbers.
	c := startCommitter(t, d, store.CommitterOptions{Deadline: time.Minute})
	ctx := storetest.Context(t)
	for i := range 20 {
		if err := c.Commit(ctx, unit(i)); err != nil {
			t.Fatal(err)
		}
		if i == 9 {
			if err := d.LogTrim(ctx, "node-a", 8); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Kill()
	s.Cut(t, 1500)
	s.Restart(t)
	if err := c.Commit(ctx, unit(20)); err != nil {
		t.Fatal(err)
	}
	recs, err := d.LogRange(ctx, "node-a", 1, 100)
	if err != nil || len(recs) != 14 || recs[0].Seq != 8 || recs[13].Seq != 21 {
		t.Errorf("%d records, %v", len(recs), err)
	}
	if stats := c.Stats(); stats.Restored == 0 || stats.Restarts != 0 {
		t.Errorf("%+v", stats)
	}
}

// TestHoleInBatch has a record refused and the next one taken, as happens where
// memory runs out and is freed in between. The batch comes again as it was.
func TestHoleInBatch(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}})
	recs := storetest.Records("node-a", "r", store.ChainStart("node-a"), 1, 6)
	ctx := storetest.Context(t)
	if err := d.Write(ctx, &store.Batch{Chain: "node-a", Prev: store.ChainStart("node-a"), Records: recs[:2]}); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{2, 4} {
		if _, err := s.Do("XADD", "{node-a}:log", fmt.Sprint(i+1, "-0"), "e", string(recs[i].Entry), "h", string(recs[i].Hash[:])); err != nil {
			t.Fatal(err)
		}
	}
	b := &store.Batch{Chain: "node-a", Prev: recs[1].Hash, Records: recs[2:]}
	if err := d.Write(ctx, b); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("a batch with a hole: %v", err)
	}
	if err := d.Write(ctx, b); err != nil {
		t.Fatal(err)
	}
	if n := len(verify(t, d, "node-a")); n != 6 {
		t.Errorf("%d records", n)
	}
}
