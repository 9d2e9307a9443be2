package store

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// kept gives what a ring would send again, as text.
func kept(r *recent, now time.Time) (all []string) {
	for cmds := range r.units(now) {
		line := ""
		for _, c := range cmds {
			line += fmt.Sprintf("%d %s%s=%s ttl %v at %d; ", c.Kind, c.Key, c.Member, c.Value, c.TTL, c.Score)
		}
		all = append(all, line)
	}
	return all
}

// TestRecentSendsAgain has what comes back of each kind of command.
func TestRecentSendsAgain(t *testing.T) {
	value := []byte("v")
	for name, c := range map[string]struct {
		units [][]Command
		age   time.Duration
		want  []Command
	}{
		"what won": {units: [][]Command{{{Kind: SetOnce, Key: "k", Value: value, Won: true}}}, want: []Command{{Kind: SetOnce, Key: "k", Value: value}}},
		"what won, unless": {units: [][]Command{{{Kind: SetUnless, Key: "k", Unless: "l", Value: value, Won: true}}},
			want: []Command{{Kind: SetUnless, Key: "k", Unless: "l", Value: value}}},
		"what lost":       {units: [][]Command{{{Kind: SetOnce, Key: "k", Value: value}}}},
		"what was read":   {units: [][]Command{{{Kind: Get, Key: "k"}}}},
		"what counts":     {units: [][]Command{{{Kind: Incr, Key: "k", Score: 1}}}},
		"a lease":         {units: [][]Command{{{Kind: QueueMove, Queue: Due, Member: "m", From: 1, Score: 2}}}},
		"what is refused": {units: [][]Command{{{Kind: Set, Key: "k", Err: errWrongType}}}},
		"the newest of one register": {
			units: [][]Command{{{Kind: Set, Key: "k", Value: []byte("1")}}, {{Kind: Set, Key: "l", Value: value}, {Kind: Set, Key: "k", Value: []byte("2")}}},
			want:  []Command{{Kind: Set, Key: "l", Value: value}, {Kind: Set, Key: "k", Value: []byte("2")}}},
		"what was deleted later": {
			units: [][]Command{{{Kind: Set, Key: "k", Value: value}}, {{Kind: Delete, Key: "k"}}},
			want:  []Command{{Kind: Delete, Key: "k"}}},
		"queues in their order": {
			units: [][]Command{{{Kind: QueueAdd, Queue: Dead, Member: "m", Score: 7}, {Kind: QueueRemove, Queue: Due, Member: "m"}}},
			want:  []Command{{Kind: QueueAdd, Queue: Dead, Member: "m", Score: 7}, {Kind: QueueRemove, Queue: Due, Member: "m"}}},
		"the life that is left": {age: 10 * time.Second,
			units: [][]Command{{{Kind: SetOnce, Key: "k", TTL: time.Minute, Won: true}, {Kind: Expire, Key: "l", TTL: 20 * time.Second}}},
			want:  []Command{{Kind: SetOnce, Key: "k", TTL: 50 * time.Second}, {Kind: Expire, Key: "l", TTL: 10 * time.Second}}},
		"no life is left": {age: 10 * time.Second,
			units: [][]Command{{{Kind: SetOnce, Key: "k", TTL: time.Second, Won: true}, {Kind: Set, Key: "l", TTL: time.Second}, {Kind: Expire, Key: "m", TTL: time.Second}}},
			want:  []Command{{Kind: Delete, Key: "m"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecent(1 << 20)
			at := r.base.Add(time.Hour)
			for _, u := range c.units {
				r.addCommands(u, at)
			}
			var got []Command
			for cmds := range r.units(at.Add(c.age)) {
				got = append(got, cmds...)
			}
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) && len(got)+len(c.want) > 0 {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// addRecords keeps n records of one chain and gives them.
func addRecords(r *recent, n int, at time.Time) []LogRecord {
	prev := ChainStart("c")
	recs := make([]LogRecord, n)
	for i := range recs {
		e := bytes.Repeat([]byte{byte(i)}, 100)
		recs[i] = LogRecord{Seq: uint64(i + 1), Entry: e, Hash: ChainHash(prev, uint64(i+1), e)}
		r.addRecord(&prev, &recs[i], at)
		prev = recs[i].Hash
	}
	return recs
}

func TestRecentRecords(t *testing.T) {
	r := newRecent(1 << 20)
	old := addRecords(r, 5, time.Now())
	r.nextChain()
	recs := addRecords(r, 50, time.Now())
	for _, c := range []struct {
		from, to uint64
		want     []LogRecord
	}{{1, 50, recs}, {50, 50, recs[49:]}, {3, 7, recs[2:7]}, {50, 51, nil}, {51, 50, nil}} {
		got, prev := r.records(c.from, c.to)
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%d to %d: %d records", c.from, c.to, len(got))
		}
		if len(got) > 0 && got[0].Hash != ChainHash(prev, c.from, got[0].Entry) {
			t.Errorf("%d to %d: another predecessor", c.from, c.to)
		}
	}
	if len(old) != 5 {
		t.Fatal("no older chain")
	}
	// What the limit has pushed out is missing at the beginning.
	r = newRecent(8 << 10)
	addRecords(r, 200, time.Now())
	if got, _ := r.records(1, 200); got != nil {
		t.Error("more is kept than the limit allows")
	}
	if got, _ := r.records(190, 200); len(got) != 11 {
		t.Errorf("%d of the last records are kept", len(got))
	}
}

// TestRecentBounds holds the ring to its limit, and to giving back what is
// old.
func TestRecentBounds(t *testing.T) {
	r := newRecent(1 << 20)
	now := r.base
	for i := range 5000 {
		now = now.Add(time.Millisecond)
		r.addCommands([]Command{{Kind: Set, Key: "k", Value: make([]byte, i)}}, now)
		if r.size > r.limit {
			t.Fatalf("%d bytes are held", r.size)
		}
	}
	before := r.size
	r.addCommands([]Command{{Kind: Set, Key: "large", Value: make([]byte, 2<<20)}}, now)
	if r.size != before {
		t.Errorf("a unit beyond the limit left %d bytes of %d", r.size, before)
	}
	r.expire(now.Add(time.Millisecond))
	r.addCommands([]Command{{Kind: Set, Key: "k"}}, now)
	r.expire(now)
	if len(kept(r, now)) != 1 {
		t.Error("what is young was forgotten")
	}
	r.expire(now.Add(time.Millisecond))
	if r.size != 0 || r.spare != nil || r.chunks != nil {
		t.Errorf("%d bytes are held of nothing", r.size)
	}
}

// TestRecentAllocates nothing for a unit once the ring has its size.
func TestRecentAllocates(t *testing.T) {
	r := newRecent(1 << 20)
	now := time.Now()
	u := []Command{{Kind: SetOnce, Key: "{r.k}:c.1", Value: make([]byte, 3000), Won: true}, {Kind: QueueAdd, Queue: Doubt, Member: "k|1", Score: 5}}
	rec := LogRecord{Seq: 1, Entry: make([]byte, 500)}
	add := func() {
		r.addRecord(&rec.Hash, &rec, now)
		r.addCommands(u, now)
	}
	for range 1000 {
		add()
	}
	if n := testing.AllocsPerRun(1000, add); n != 0 {
		t.Errorf("%v allocations for a unit", n)
	}
}

func BenchmarkRecent(b *testing.B) {
	r := newRecent(defaultRecent)
	now := time.Now()
	u := []Command{{Kind: SetOnce, Key: "{r.k}:c.1", Value: make([]byte, 3000), Won: true}, {Kind: QueueAdd, Queue: Doubt, Member: "k|1", Score: 5}}
	rec := LogRecord{Seq: 1, Entry: make([]byte, 500)}
	b.ReportAllocs()
	for b.Loop() {
		r.addRecord(&rec.Hash, &rec, now)
		r.addCommands(u, now)
	}
}
