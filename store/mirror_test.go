package store

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// tell has a mirror learn commands that were acknowledged.
func tell(m *mirror, now time.Time, cmds ...Command) { m.learn([][]Command{cmds}, now) }

func knows(m *mirror, key string, now time.Time) string {
	value, found := m.get(key, now)
	if !found {
		return ""
	}
	return string(value)
}

func TestMirror(t *testing.T) {
	claim, outcome := ClaimKey("k", 1), OutcomeKey("k", 1)
	won := func(c Command) Command {
		c.Won = true
		return c
	}
	for name, c := range map[string]struct {
		told  []Command
		later time.Duration
		want  map[string]string
	}{
		"a register that was won": {[]Command{won(Command{Kind: SetOnce, Key: claim, Value: []byte("ours")})}, 0, map[string]string{claim: "ours", outcome: ""}},
		"one that was lost":       {[]Command{{Kind: SetOnce, Key: claim, Value: []byte("ours"), Prior: []byte("theirs")}}, 0, map[string]string{claim: "theirs"}},
		"written over": {[]Command{won(Command{Kind: SetOnce, Key: claim, Value: []byte("ours")}), {Kind: Set, Key: claim, Value: []byte("new")}},
			0, map[string]string{claim: "new"}},
		"deleted": {[]Command{won(Command{Kind: SetOnce, Key: claim, Value: []byte("ours")}), {Kind: Delete, Key: claim}}, 0, map[string]string{claim: ""}},
		"its life is over": {[]Command{won(Command{Kind: SetOnce, Key: claim, Value: []byte("ours"), TTL: time.Minute})},
			time.Minute, map[string]string{claim: ""}},
		"its life goes on": {[]Command{won(Command{Kind: SetOnce, Key: claim, Value: []byte("ours"), TTL: time.Minute})},
			time.Minute - time.Millisecond, map[string]string{claim: "ours"}},
		"given a life": {[]Command{won(Command{Kind: SetOnce, Key: claim, Value: []byte("ours")}), {Kind: Expire, Key: claim, TTL: time.Minute}},
			time.Hour, map[string]string{claim: ""}},
		"given its life back": {[]Command{won(Command{Kind: SetOnce, Key: claim, Value: []byte("ours"), TTL: time.Minute}), {Kind: Persist, Key: claim}},
			time.Hour, map[string]string{claim: "ours"}},
		"refused by the store": {[]Command{{Kind: SetOnce, Key: claim, Value: []byte("ours"), Won: true, Err: errKind}}, 0, map[string]string{claim: ""}},
		"of no interest": {[]Command{won(Command{Kind: SetOnce, Key: BodyKey("k", 1, 2), Value: []byte("x")}), won(Command{Kind: SetOnce, Key: TokenKey("s", "h"), Value: []byte("x")}),
			won(Command{Kind: SetOnce, Key: "{r.", Value: []byte("x")}), won(Command{Kind: SetOnce, Key: "{r.k}", Value: []byte("x")})},
			0, map[string]string{BodyKey("k", 1, 2): "", TokenKey("s", "h"): "", "{r.": "", "{r.k}": ""}},
		"too large": {[]Command{won(Command{Kind: SetOnce, Key: claim, Value: make([]byte, 1<<10)})}, 0, map[string]string{claim: ""}},
	} {
		m := newMirror(4<<10, time.Hour)
		tell(m, noon, c.told...)
		for key, want := range c.want {
			if got := knows(m, key, noon.Add(c.later)); got != want {
				t.Errorf("%s: %s is %q, not %q", name, key, got, want)
			}
		}
	}
}

// TestMirrorForgets holds it to its size and age, oldest first.
func TestMirrorForgets(t *testing.T) {
	m := newMirror(4000, time.Hour)
	key := func(i int) string { return ClaimKey(fmt.Sprint("k", i), 1) }
	for i := range 100 {
		tell(m, noon, Command{Kind: SetOnce, Key: key(i), Value: bytes.Repeat([]byte{'x'}, 88), Won: true})
	}
	from := 0
	for from < 100 && knows(m, key(from), noon) == "" {
		from++
	}
	if from < 50 || from > 75 {
		t.Errorf("of 100 registers of 100 bytes, those before %d are forgotten in 4000 bytes", from)
	}
	for i := from; i < 100; i++ {
		if knows(m, key(i), noon) == "" {
			t.Errorf("%d is forgotten, and %d is not", i, from)
		}
	}
	for i := range 4 {
		tell(m, noon.Add(time.Duration(i+1)*20*time.Minute), Command{Kind: SetOnce, Key: key(200 + i), Value: []byte("x"), Won: true})
	}
	if knows(m, key(99), noon) != "" {
		t.Error("what is older than an hour is remembered")
	}
	if knows(m, key(203), noon) == "" {
		t.Error("the newest is forgotten")
	}
}

// TestMirrorAllocates nothing in the steady state.
func TestMirrorAllocatesNothing(t *testing.T) {
	m := newMirror(64<<10, time.Hour)
	var groups [1][]Command
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = ClaimKey(fmt.Sprint("k", i), 1)
	}
	value := make([]byte, 500)
	i := 0
	one := func() {
		groups[0] = append(groups[0][:0], Command{Kind: SetOnce, Key: keys[i%1000], Value: value, Won: true}, Command{Kind: Expire, Key: keys[(i+990)%1000], TTL: time.Hour})
		m.learn(groups[:], noon)
		i++
	}
	for range 5000 {
		one()
	}
	if n := testing.AllocsPerRun(2000, one); n > 0 {
		t.Errorf("%v allocations for a register", n)
	}
}

// TestSpoolDiskFails does not take what is not on disk.
func TestSpoolDiskFails(t *testing.T) {
	c, j := adrift(t)
	bad := &badDisk{journalFile: j.f, write: errKind}
	j.mu.Lock()
	j.f = bad
	j.mu.Unlock()
	u := &Unit{Spool: true, Entries: [][]byte{[]byte("entry")}, Commands: []Command{{Kind: SetOnce, Key: ClaimKey("k", 1), Value: []byte("ours")}}}
	if err := c.Commit(t.Context(), u); err == nil || u.Spooled || MayPersist(err) {
		t.Errorf("spooled %v, %v", u.Spooled, err)
	}
	bad.mu.Lock()
	bad.write = nil
	bad.mu.Unlock()
	again := &Unit{Spool: true, Commands: []Command{{Kind: SetOnce, Key: ClaimKey("k", 1), Value: []byte("another's")}}}
	if err := c.Commit(t.Context(), again); err != nil || !again.Spooled || !again.Commands[0].Won {
		t.Errorf("after that: spooled %v, %+v, %v", again.Spooled, again.Commands[0], err)
	}
	if s := c.Stats(); s.JournalUnits != 1 || s.Pending+len(c.flight) > 2 {
		t.Errorf("%+v", s)
	}
}

// adrift gives a committer whose store is away for good, and its journal.
func adrift(t *testing.T) (*Committer, *journal) {
	t.Helper()
	c, err := NewCommitter(t.Context(), nowhere{}, CommitterOptions{Chain: "node-a", Deadline: 10 * time.Millisecond, Journal: t.TempDir() + "/journal", SpoolLimit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := endedContext()
		defer cancel()
		_ = c.Close(ctx) // what is spooled stays on disk
	})
	deadline := time.Now().Add(2 * time.Minute)
	for !c.Spooling() {
		if time.Now().After(deadline) {
			t.Fatal("the outage is not noticed")
		}
		time.Sleep(time.Millisecond)
	}
	return c, c.journal
}

// nowhere is a store that is never there.
type nowhere struct{ Driver }

func (nowhere) Write(context.Context, *Batch) error    { return &unavailable{} }
func (nowhere) Apply(context.Context, []Command) error { return &unavailable{} }

func endedContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx, cancel
}
