package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// onBoth runs a test on an empty store of each kind.
func onBoth(t *testing.T, test func(t *testing.T, d store.Driver)) {
	t.Run("file", func(t *testing.T) { test(t, storetest.Open(t)) })
	t.Run("redis", func(t *testing.T) {
		s := redistest.Start(t, redistest.Options{})
		test(t, openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}}))
	})
}

func set(key, value string) store.Command {
	return store.Command{Kind: store.SetOnce, Key: key, Value: []byte(value)}
}

func TestOpenClaims(t *testing.T) {
	onBoth(t, func(t *testing.T, d store.Driver) {
		doubt := func(m string, at int64) store.Command {
			return store.Command{Kind: store.QueueAdd, Queue: store.Doubt, Member: m, Score: at}
		}
		storetest.Apply(t, d,
			set(store.ClaimKey("flight", 1), "c"), doubt("flight|1", 10),
			set(store.ClaimKey("unknown", 2), "c"), set(store.UnknownKey("unknown", 2), "why"), doubt("unknown|2", 20),
			set(store.ClaimKey("over", 1), "c"), set(store.OutcomeKey("over", 1), "o"), doubt("over|1", 30),
			doubt("ended|1", 40), doubt("malformed", 50))
		var open []store.OpenClaim
		for cursor := ""; ; {
			page, next, err := store.OpenClaims(storetest.Context(t), d, cursor, 2)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, page...)
			if cursor = next; cursor == "" {
				break
			}
		}
		if len(open) != 2 || open[0].K != "flight" || open[0].Since != 10 || open[0].Unknown != nil ||
			open[1].K != "unknown" || open[1].A != 2 || string(open[1].Unknown) != "why" {
			t.Errorf("open: %+v", open)
		}
		// What the registers do not bear out is gone from the queue.
		if s, err := d.QueueStats(storetest.Context(t), store.Doubt, ""); err != nil || s.Len != 2 {
			t.Errorf("%+v %v", s, err)
		}
	})
}

func TestAliveChains(t *testing.T) {
	onBoth(t, func(t *testing.T, d store.Driver) {
		c := startCommitter(t, d, store.CommitterOptions{Chain: "node-a"})
		storetest.Eventually(t, "lease", c.LeaseFresh)
		alive, err := store.AliveChains(storetest.Context(t), d, []string{"node-a", "node-b"})
		if err != nil || !alive["node-a"] || alive["node-b"] {
			t.Errorf("%v %v", alive, err)
		}
	})
}

// TestRebuild loses all queues, and finds them as they were but for what was
// never in a register.
func TestRebuild(t *testing.T) {
	onBoth(t, func(t *testing.T, d store.Driver) {
		leg := func(k string, n int, group string) store.Member {
			return store.Member{Dest: "ehr", K: k, A: 1, N: n, Group: group}
		}
		storetest.Apply(t, d,
			set(store.ClaimKey("open", 1), "open"),
			set(store.ClaimKey("damaged", 1), "damaged"),
			set(store.ClaimKey("none", 1), "none"), set(store.OutcomeKey("none", 1), "cancelled"))
		legs := map[string][]store.Leg{}
		for i := range 5 {
			k := fmt.Sprint("sale", i)
			// The later the claim, the earlier it was released.
			legs[k] = []store.Leg{
				{Member: leg(k, 1, ""), Due: 100 + int64(i)},
				{Member: leg(k, 2, "g"), Due: 200 - int64(i)},
				{Member: leg(k, 3, ""), Due: 300},
				{Member: leg(k, 4, ""), Due: 400}}
			storetest.Apply(t, d,
				set(store.ClaimKey(k, 1), k), set(store.OutcomeKey(k, 1), "released"),
				set(store.DeliveryKey(k, 1, 3), "delivered"),
				store.Command{Kind: store.QueueAdd, Queue: store.Dead, Member: leg(k, 4, "").String(), Score: 500},
				store.Command{Kind: store.QueueAdd, Queue: store.Doubt, Member: store.DoubtMember(k, 1), Score: 1})
		}
		// One is leased, and must stay so.
		storetest.Apply(t, d, store.Command{Kind: store.QueueAdd, Queue: store.Due, Member: leg("sale0", 1, "").String(), Score: 9000})
		index := func(c *store.Claim) (store.Index, error) {
			if string(c.Value) == "damaged" {
				return store.Index{}, errors.New("cannot be opened")
			}
			return store.Index{Since: 7, Legs: legs[c.K]}, nil
		}
		for range 2 {
			got, err := store.Rebuild(storetest.Context(t), d, index)
			if want := (store.Rebuilt{Claims: 8, Open: 1, Due: 10, Unreadable: 1}); err != nil || got != want {
				t.Fatalf("%+v, %v", got, err)
			}
			items, err := d.DueBefore(storetest.Context(t), "ehr", 9999, 100)
			if err != nil {
				t.Fatal(err)
			}
			var due []string
			for _, it := range items {
				due = append(due, fmt.Sprint(it.Member, " ", it.Score))
			}
			want := "ehr|sale1|1|1 101,ehr|sale2|1|1 102,ehr|sale3|1|1 103,ehr|sale4|1|1 104,ehr|sale4|1|2@g 196,ehr|sale0|1|1 9000"
			if strings.Join(due, ",") != want {
				t.Errorf("due %v", due)
			}
			open, _, err := store.OpenClaims(storetest.Context(t), d, "", 10)
			if err != nil || len(open) != 1 || open[0].K != "open" || open[0].Since != 7 {
				t.Errorf("open %+v %v", open, err)
			}
		}
		// The group goes in the order of release.
		var order []string
		for range 5 {
			items, err := d.DueBefore(storetest.Context(t), "ehr", 9999, 100)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(items, func(it store.Item) bool { return strings.HasSuffix(it.Member, "@g") })
			order = append(order, items[i].Member)
			storetest.Apply(t, d, store.Command{Kind: store.QueueRemove, Queue: store.Due, Member: items[i].Member, Score: 600})
		}
		if strings.Join(order, ",") != "ehr|sale4|1|2@g,ehr|sale3|1|2@g,ehr|sale2|1|2@g,ehr|sale1|1|2@g,ehr|sale0|1|2@g" {
			t.Errorf("order %v", order)
		}
	})
}

func TestMembers(t *testing.T) {
	for _, m := range []store.Member{
		{Dest: "ehr", K: "kk", A: 1, N: 0},
		{Dest: "a|b@c.example", K: "kk", A: 12, N: 34, Group: "gg"},
	} {
		if got, err := store.ParseMember(m.String()); err != nil || got != m {
			t.Errorf("%v: %+v %v", m, got, err)
		}
	}
	for _, s := range []string{"", "ehr", "ehr|k|1", "ehr|k|x|1", "ehr|k|1|x", "|k|1|1", "ehr||1|1", "ehr|k|0|1", "ehr|k|1|-1", "ehr|k|1|1@"} {
		if m, err := store.ParseMember(s); err == nil {
			t.Errorf("%q was read as %+v", s, m)
		}
	}
	for _, s := range []string{"", "k", "k|0", "k|x", "|1"} {
		if r, err := store.ParseDoubt(s); err == nil {
			t.Errorf("%q was read as %+v", s, r)
		}
	}
}

// FuzzParseMember checks that what is read is written the same again.
func FuzzParseMember(f *testing.F) {
	f.Add("ehr|kk|1|2@g")
	f.Add("a|b@c|kk|1|2")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := store.ParseMember(s)
		if err != nil {
			return
		}
		if again, err := store.ParseMember(m.String()); err != nil || again != m {
			t.Errorf("%q: %+v, then %+v, %v", s, m, again, err)
		}
	})
}
