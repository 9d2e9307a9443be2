package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/store/redistest"
)

const openChain = "node-open"

// openBed is a driver that writes a chain, and one of another process.
type openBed struct {
	*testing.T
	server *redistest.Server
	d      *redisDriver
	peer   Driver
	seq    uint64
	hash   [32]byte
}

// newOpenBed starts a chain whose lists are left after a time.
func newOpenBed(t *testing.T, after time.Duration) *openBed {
	b := &openBed{T: t, server: redistest.Start(t, redistest.Options{}), hash: ChainStart(openChain)}
	b.d, b.peer = b.open(), b.open()
	b.d.openFor = after
	b.write(Command{Kind: Set, Key: AliveKey(openChain), Value: []byte("1")}, Command{Kind: QueueAdd, Queue: ChainList, Member: openChain, Score: 1})
	return b
}

func (b *openBed) open() *redisDriver {
	b.Helper()
	d, err := OpenRedis(b.Context(), RedisOptions{Addresses: []string{b.server.Addr}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := d.Close(); err != nil {
			b.Error(err)
		}
	})
	return d.(*redisDriver)
}

// batch makes the chain's next batch.
func (b *openBed) batch(cmds ...Command) *Batch {
	rec := LogRecord{Seq: b.seq + 1, Entry: []byte("e")}
	rec.Hash = ChainHash(b.hash, rec.Seq, rec.Entry)
	return &Batch{Chain: openChain, Prev: b.hash, Records: []LogRecord{rec}, Groups: [][]Command{cmds}}
}

// wrote says that a batch of batch was acknowledged.
func (b *openBed) wrote(batch *Batch) { b.seq, b.hash = batch.Records[0].Seq, batch.Records[0].Hash }

func (b *openBed) write(cmds ...Command) {
	b.Helper()
	batch := b.batch(cmds...)
	if err := b.d.Write(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	b.wrote(batch)
}

func (b *openBed) do(args ...any) string {
	b.Helper()
	got, err := b.server.Do(args...)
	if err != nil {
		b.Fatal(err)
	}
	return got
}

// die has the chain's process dead, as far as others can see.
func (b *openBed) die() { b.do("DEL", AliveKey(openChain)) }

// listed is what a peer reads.
func (b *openBed) listed() (members []string) {
	b.Helper()
	items, next, err := b.peer.QueueList(b.Context(), Doubt, "", "", 1000)
	if err != nil || next != "" {
		b.Fatalf("list: %v, next %q", err, next)
	}
	for _, it := range items {
		members = append(members, fmt.Sprint(it.Member, " at ", it.Score))
	}
	slices.Sort(members)
	return members
}

func (b *openBed) wantListed(want ...string) {
	b.Helper()
	if got := b.listed(); !slices.Equal(got, want) {
		b.Errorf("a peer reads %q, want %q", got, want)
	}
}

// sorted is what is in the sorted set.
func (b *openBed) sorted() []string {
	b.Helper()
	return strings.Fields(b.do("EVAL", `return table.concat(redis.call('ZRANGE', '{q.0}:doubt', 0, -1), ' ')`, 0))
}

// lists is what the chain's lists hold.
func (b *openBed) lists() (members []string) {
	b.Helper()
	for i := range 2 {
		text := b.do("EVAL", `return redis.call('GET', KEYS[1]) or ''`, 1, openKey(openChain, i))
		for _, it := range openItems([]byte(text)) {
			members = append(members, it.Member)
		}
	}
	return members
}

// now is a time at which nobody takes a claim for old.
func now() int64 { return time.Now().Add(time.Hour).UnixMilli() }

func opens(k string, at int64) Command {
	return Command{Kind: QueueAdd, Queue: Doubt, Member: DoubtMember(k, 1), Score: at}
}

func closes(k string) Command {
	return Command{Kind: QueueRemove, Queue: Doubt, Member: DoubtMember(k, 1)}
}

// TestOpenLists follows claims from the lists to where they are looked for.
func TestOpenLists(t *testing.T) {
	at := now()
	one := fmt.Sprint("a|1 at ", at)
	for name, c := range map[string]struct {
		after time.Duration
		run   func(b *openBed)
	}{
		"over in a moment": {time.Hour, func(b *openBed) {
			b.write(opens("a", at))
			b.write(closes("a"))
			if s := b.do("INFO", "commandstats"); strings.Contains(s, "cmdstat_zrem") || strings.Count(b.do("TYPE", "{q.0}:doubt"), "none") != 1 {
				b.Error("the sorted set was written")
			}
			b.write(opens("b", at), Command{Kind: Set, Key: "m:x", Value: []byte("x")}, closes("b"))
			if held := len(b.d.open[openChain].lists[0].held); held != 0 {
				b.Errorf("%d members are held", held)
			}
		}},
		"its process dies": {time.Hour, func(b *openBed) {
			b.write(opens("a", at))
			b.wantListed()
			b.die()
			b.wantListed(one)
			if n := b.do("EXISTS", openKey(openChain, 0)); n != "0" {
				b.Error("the list is still there")
			}
			b.wantListed(one)
		}},
		"its process wakes up": {time.Hour, func(b *openBed) {
			b.write(opens("a", at))
			b.die()
			b.wantListed(one)
			b.write(opens("b", at))
			b.wantListed(one, fmt.Sprint("b|1 at ", at))
		}},
		"its process writes while a peer takes": {time.Hour, func(b *openBed) {
			b.write(opens("a", at), opens("b", at))
			if n := b.do("EVAL", takenScript.text, 1, openKey(openChain, 0), fmt.Sprint(at, " a|1\n")); n != "0" {
				b.Error("a list was deleted that holds more than was taken")
			}
			b.die()
			b.wantListed(one, fmt.Sprint("b|1 at ", at))
		}},
		"its process ends as it should": {time.Hour, func(b *openBed) {
			b.write(opens("a", at))
			b.die()
			if err := b.d.LogRemove(b.Context(), openChain, b.seq); err != nil {
				b.Error(err)
			}
			if got := b.sorted(); !slices.Equal(got, []string{"a|1"}) {
				b.Errorf("in the sorted set: %q", got)
			}
		}},
		"nothing is written after it": {time.Hour, func(b *openBed) {
			b.write(opens("a", 5))
			b.wantListed("a|1 at 5")
			if n := b.do("EXISTS", openKey(openChain, 0)); n != "1" {
				b.Error("the list of a chain that lives is gone")
			}
		}},
		"it stays": {0, func(b *openBed) {
			b.write(opens("a", at))
			b.write(opens("b", at)) // b goes into the other list
			b.write(opens("c", at)) // a moves
			if got := b.sorted(); !slices.Equal(got, []string{"a|1"}) {
				b.Errorf("in the sorted set: %q", got)
			}
			b.write(opens("d", at)) // a's list is used again
			if got := b.lists(); slices.Contains(got, "a|1") || !slices.Contains(got, "b|1") {
				b.Errorf("in the lists: %q", got)
			}
			b.write(closes("a"), closes("b"), closes("c"), closes("d"))
			b.write()
			b.write()
			if got := append(b.sorted(), b.lists()...); len(got) != 0 {
				b.Errorf("left: %q", got)
			}
		}},
		"its batch comes again": {0, func(b *openBed) {
			line := b.d.line
			b.d.line = deaf{line}
			batch := b.batch(opens("a", at))
			for range 3 {
				if err := b.d.Write(b.Context(), batch); !errors.Is(err, ErrUnavailable) {
					b.Errorf("written: %v", err)
				}
			}
			b.d.line = line
			if err := b.d.Write(b.Context(), batch); err != nil {
				b.Error(err)
			}
			b.wrote(batch)
			if got := b.sorted(); len(got) != 0 || !slices.Contains(b.lists(), "a|1") {
				b.Errorf("in the sorted set: %q, in the lists: %q", got, b.lists())
			}
		}},
		"it is unknown": {time.Hour, func(b *openBed) {
			b.write(opens("a", at), opens("b", at))
			b.write(Command{Kind: SetOnce, Key: UnknownKey("a", 1), Value: []byte("u")})
			b.wantListed(one)
			b.write(closes("a"))
			b.wantListed()
		}},
		"it is pending": {time.Hour, func(b *openBed) {
			b.write(opens("a", at))
			b.write(Command{Kind: SetOnce, Key: PendingKey("a", 1), Value: []byte("p")})
			b.wantListed(one)
		}},
		"the version before has added it": {time.Hour, func(b *openBed) {
			b.do("ZADD", "{q.0}:doubt", at, "a|1")
			b.wantListed(one)
			b.write(closes("a"))
			b.wantListed()
		}},
		"somebody beside adds it": {time.Hour, func(b *openBed) {
			if err := applyAll(b.Context(), b.d, []Command{opens("a", at)}); err != nil {
				b.Error(err)
			}
			b.wantListed(one)
		}},
		"a list is something else": {time.Hour, func(b *openBed) {
			b.do("LPUSH", openKey(openChain, 0), "x")
			batch := b.batch(opens("a", at))
			if err := b.d.Write(b.Context(), batch); !errors.Is(err, ErrUnavailable) {
				b.Errorf("written: %v", err)
			}
			if err := b.d.Write(b.Context(), batch); err != nil {
				b.Error(err)
			}
			b.wrote(batch)
			b.write(opens("b", at), closes("a"))
			b.do("DEL", openKey(openChain, 0))
			b.wantListed(fmt.Sprint("b|1 at ", at))
		}},
		"a list is damaged": {time.Hour, func(b *openBed) {
			b.write(opens("a", at))
			b.do("APPEND", openKey(openChain, 0), "x y\n-3 c|1\n7 \n8 b|1\n9 cut|")
			b.die()
			b.wantListed(one, "b|1 at 8")
		}},
	} {
		t.Run(name, func(t *testing.T) { c.run(newOpenBed(t, c.after)) })
	}
}

// deaf is a carrier that does what it is told, and says that it failed.
type deaf struct{ carrier }

func (l deaf) exchange(ctx context.Context, p *program) error {
	return errors.Join(l.carrier.exchange(ctx, p), errBroken)
}

// broken is a carrier that fails now and then, before or after its program was
// done.
type broken struct{ carrier }

var errBroken = errors.New("broken")

func (l broken) exchange(ctx context.Context, p *program) error {
	how := rand.IntN(6)
	if how == 0 {
		return errBroken
	}
	err := l.carrier.exchange(ctx, p)
	if how == 1 && err == nil {
		return errBroken
	}
	return err
}

// TestOpenClaimsAreAlwaysIndexed has claims come and go on a connection that
// breaks, and their batches come again: one that was acknowledged and has not
// ended is in the sorted set, or in a list.
func TestOpenClaimsAreAlwaysIndexed(t *testing.T) {
	b := newOpenBed(t, 0)
	b.d.line = broken{b.d.line}
	at := now()
	open := map[string]bool{}
	known := func() []string { return slices.Sorted(maps.Keys(open)) }
	for i := range 300 {
		b.d.open[openChain].after = []time.Duration{0, time.Millisecond, time.Hour}[rand.IntN(3)]
		var cmds []Command
		next := maps.Clone(open)
		for j := range rand.IntN(4) {
			k := fmt.Sprintf("k%d.%d", i, j)
			cmds = append(cmds, opens(k, at))
			next[k] = true
		}
		for _, k := range known() {
			switch rand.IntN(5) {
			case 0:
				cmds = append(cmds, closes(k))
				delete(next, k)
			case 1:
				cmds = append(cmds, Command{Kind: SetOnce, Key: UnknownKey(k, 1), Value: []byte("u")})
			}
		}
		batch := b.batch(cmds...)
		for b.d.Write(t.Context(), batch) != nil {
		}
		b.wrote(batch)
		open = next
		found := append(b.sorted(), b.lists()...)
		for _, k := range known() {
			if !slices.Contains(found, DoubtMember(k, 1)) {
				t.Fatalf("batch %d: the open claim %s is nowhere", i, k)
			}
		}
	}
	b.die()
	if got := b.listed(); len(got) < len(open) {
		t.Errorf("a peer finds %d claims of %d that are open", len(got), len(open))
	}
}

// leaving is a carrier behind which a register ends before its second program.
type leaving struct {
	carrier
	b    *openBed
	sent *int
}

func (l leaving) exchange(ctx context.Context, p *program) error {
	if *l.sent++; *l.sent == 2 {
		l.b.do("DEL", "m:k")
	}
	return l.carrier.exchange(ctx, p)
}

// TestOnceInTheWay has a register in the way of another's.
func TestOnceInTheWay(t *testing.T) {
	b := newOpenBed(t, time.Hour)
	write := func(value string) Command {
		t.Helper()
		c := []Command{{Kind: SetOnce, Key: "m:k", Value: []byte(value)}}
		if err := b.d.Write(t.Context(), &Batch{Groups: [][]Command{c}}); err != nil {
			t.Fatal(err)
		}
		return c[0]
	}
	if c := write("first"); !c.Won || c.Prior != nil {
		t.Errorf("free: %+v", c)
	}
	if c := write("first"); !c.Won || c.Prior != nil {
		t.Errorf("its own: %+v", c)
	}
	if c := write("second"); c.Won || string(c.Prior) != "first" {
		t.Errorf("another's: %+v", c)
	}
	line, sent := b.d.line, 0
	b.d.line = leaving{line, b, &sent}
	c := []Command{{Kind: SetOnce, Key: "m:k", Value: []byte("third")}}
	if err := b.d.Write(t.Context(), &Batch{Groups: [][]Command{c}}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("another's, which ends: %v", err)
	}
	b.d.line = line
	if c := write("third"); !c.Won {
		t.Errorf("free again: %+v", c)
	}
	b.do("SET", "m:k", "")
	if c := write("fourth"); c.Won || c.Prior == nil {
		t.Errorf("behind nothing at all: %+v", c)
	}
}
