package store_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// TestDriversAgree does the same random batches on the embedded store and on
// Redis, beside the log and on each way of batches, some of them twice as after
// a lost reply, and compares every result and what is left.
func TestDriversAgree(t *testing.T) {
	s := redistest.Start(t, redistest.Options{Fsync: "no"})
	ways := carriers(s)
	ways["beside"] = func(t *testing.T) store.Driver { return openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}}) }
	for name, open := range ways {
		t.Run(name, func(t *testing.T) {
			for round := range 20 {
				seed := uint64(time.Now().UnixNano())
				if _, err := s.Do("FLUSHALL"); err != nil {
					t.Fatal(err)
				}
				agree(t, openAhead(t), open(t), seed)
				if t.Failed() {
					t.Fatalf("round %d, seed %d", round, seed)
				}
			}
		})
	}
}

func agree(t *testing.T, file, redis store.Driver, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	for step := range 60 {
		cmds := make([]store.Command, 1+rnd.IntN(6))
		for i := range cmds {
			cmds[i] = randomCommand(rnd)
		}
		for range 1 + rnd.IntN(2) {
			a, b := storetest.Apply(t, file, slices.Clone(cmds)...), storetest.Apply(t, redis, slices.Clone(cmds)...)
			for i := range cmds {
				if a[i].Won != b[i].Won || a[i].Found != b[i].Found || !bytes.Equal(a[i].Prior, b[i].Prior) || a[i].Err != b[i].Err {
					t.Errorf("step %d, command %d of %s:\nfile  %+v\nredis %+v", step, i, show(cmds), a[i], b[i])
				}
			}
			if x, y := state(t, file), state(t, redis); !slices.Equal(x, y) {
				t.Errorf("step %d, after %s:\nfile  %q\nredis %q", step, show(cmds), x, y)
			}
			if t.Failed() {
				return
			}
		}
	}
}

// show prints what commands do.
func show(cmds []store.Command) string {
	var b bytes.Buffer
	for _, c := range cmds {
		fmt.Fprintf(&b, "{kind %d queue %d %s%s %q from %d to %d} ", c.Kind, c.Queue, c.Key, c.Member, c.Value, c.From, c.Score)
	}
	return b.String()
}

// randomCommand draws from few names and times, so that commands meet.
func randomCommand(rnd *rand.Rand) store.Command {
	c := store.Command{Kind: store.SetOnce + store.Kind(rnd.IntN(int(store.QueueMove)))}
	score := func() int64 {
		if rnd.IntN(8) == 0 {
			return store.Waiting
		}
		return int64(1 + rnd.IntN(3))
	}
	switch {
	case c.Kind >= store.QueueAdd:
		c.Queue = store.Due + store.Queue(rnd.IntN(3))
		c.Member = store.Member{Dest: "ehr", K: string(rune('a' + rnd.IntN(4))), A: 1, N: 1, Group: []string{"", "g", "h"}[rnd.IntN(3)]}.String()
		c.Score, c.From = score(), score()
	default:
		c.Key = "m:" + string(rune('a'+rnd.IntN(3)))
		c.Value = []byte{byte('0' + rnd.IntN(3))}
		if c.Kind == store.Expire || rnd.IntN(3) == 0 {
			c.TTL = time.Hour
		}
	}
	return c
}

// state reads all queues.
func state(t *testing.T, d store.Driver) []string {
	t.Helper()
	var all []string
	for _, q := range []store.Queue{store.Due, store.Dead, store.Doubt} {
		items, _, err := d.QueueList(storetest.Context(t), q, "ehr", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		stats, err := d.QueueStats(storetest.Context(t), q, "ehr")
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(items, func(a, b store.Item) int {
			return cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(a.Member, b.Member))
		})
		all = append(all, fmt.Sprint(q, stats.Len, stats.Oldest, items))
	}
	return all
}
