package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/redis/go-redis/v9"
)

// readAll reads replies until the end, or something else that ends them.
func readAll(src io.Reader) (all []string, err error) {
	in := replies{src: src}
	for {
		r, err := in.next()
		if err != nil {
			return all, err
		}
		all = append(all, show(r))
	}
}

// show prints a reply.
func show(r reply) string {
	switch {
	case r.err != nil:
		return "error " + r.err.Error()
	case r.none:
		return "none"
	case r.list != nil:
		var of []string
		for _, e := range r.list {
			of = append(of, show(e))
		}
		return "[" + strings.Join(of, ", ") + "]"
	case r.text != nil:
		return fmt.Sprintf("%q", r.text)
	}
	return fmt.Sprint(r.n)
}

func TestReplies(t *testing.T) {
	long := strings.Repeat("x", 3*replyFirst)
	for name, c := range map[string]struct {
		in   string
		want []string
		err  error
	}{
		"each sort":         {":1\r\n:-5\r\n+OK\r\n$-1\r\n$0\r\n\r\n$3\r\na\r\n\r\n-ERR no\r\n", []string{"1", "-5", `"OK"`, "none", `""`, `"a\r\n"`, "error ERR no"}, io.EOF},
		"lists":             {"*3\r\n:1\r\n$1\r\na\r\n*1\r\n:2\r\n*0\r\n*-1\r\n:9\r\n", []string{`[1, "a", [2]]`, "[]", "none", "9"}, io.EOF},
		"long":              {"$49152\r\n" + long + "\r\n:1\r\n", []string{fmt.Sprintf("%q", long), "1"}, io.EOF},
		"largest number":    {":9223372036854775807\r\n", []string{"9223372036854775807"}, io.EOF},
		"number too large":  {":9223372036854775808\r\n", nil, errReply},
		"no number":         {":\r\n", nil, errReply},
		"number with a dot": {":1.5\r\n", nil, errReply},
		"no return":         {":1\n", nil, errReply},
		"empty line":        {"\r\n", nil, errReply},
		"unknown sort":      {"?1\r\n", nil, errReply},
		"negative length":   {"$-2\r\n", nil, errReply},
		"length too large":  {"$536870913\r\n", nil, errReply},
		"text goes on":      {"$1\r\nabc\r\n", nil, errReply},
		"cut in a text":     {":1\r\n$5\r\nab", []string{"1"}, io.EOF},
		"cut in a line":     {":1", nil, io.EOF},
		"list without end":  {strings.Repeat("*1\r\n", 9), nil, errReply},
		"line without end":  {"+" + strings.Repeat("x", 2*lineMost), nil, errReply},
	} {
		t.Run(name, func(t *testing.T) {
			for how, src := range map[string]io.Reader{
				"whole": strings.NewReader(c.in), "in bytes": iotest.OneByteReader(strings.NewReader(c.in)),
			} {
				got, err := readAll(src)
				if !reflect.DeepEqual(got, c.want) || !errors.Is(err, c.err) {
					t.Errorf("%s: %.200q, %v", how, got, err)
				}
			}
		})
	}
}

// FuzzReplies reads what no server would send: the same however it is cut, and
// without taking more memory than came.
func FuzzReplies(f *testing.F) {
	f.Add([]byte(":1\r\n+OK\r\n$-1\r\n$3\r\nabc\r\n-ERR no\r\n*2\r\n:1\r\n$1\r\na\r\n"))
	f.Add([]byte("*2000000000\r\n"))
	f.Add([]byte("$500000000\r\nabc"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := replies{src: bytes.NewReader(data)}
		for {
			if _, err := in.next(); err != nil {
				break
			}
		}
		if len(in.buf) > max(2*len(data), replyFirst) {
			t.Errorf("%d bytes of memory for %d", len(in.buf), len(data))
		}
		whole, err := readAll(bytes.NewReader(data))
		cut, errCut := readAll(iotest.OneByteReader(bytes.NewReader(data)))
		if !reflect.DeepEqual(whole, cut) || err.Error() != errCut.Error() {
			t.Errorf("%q, %v\nin bytes %q, %v", whole, err, cut, errCut)
		}
	})
}

// everything is a batch with each kind of command.
func everything() *Batch {
	long := bytes.Repeat([]byte("photo\r\n"), cutSize)
	b := &Batch{Chain: "node-a", Records: []LogRecord{
		{Seq: 1, Entry: []byte("first")}, {Seq: 2, Entry: long}, {Seq: 3, Entry: []byte{}},
	}}
	leg := Member{Dest: "ehr", K: "kk", A: 1, N: 2}
	ordered := Member{Dest: "ehr", K: "kk", A: 1, N: 3, Group: "gg"}
	b.Groups = [][]Command{{
		{Kind: SetOnce, Key: "a", Value: []byte("1")},
		{Kind: SetOnce, Key: "b", Value: long, TTL: 5e6},
		{Kind: Set, Key: "c", Value: []byte("$3\r\n")},
		{Kind: Set, Key: "d", TTL: 5e6},
		{Kind: SetUnless, Key: "e", Unless: "f", Value: long},
		{Kind: Get, Key: "a"}, {Kind: Delete, Key: "a"}, {Kind: Persist, Key: "a"},
		{Kind: Expire, Key: "a", TTL: 5e6}, {Kind: Incr, Key: "n", Score: 3, TTL: 5e6},
	}, {
		{Kind: QueueAdd, Queue: Due, Member: leg.String(), Score: 7},
		{Kind: QueueMove, Queue: Due, Member: leg.String(), From: 7, Score: 8},
		{Kind: QueueRemove, Queue: Due, Member: leg.String()},
		{Kind: QueueAdd, Queue: Due, Member: ordered.String(), Score: 7},
		{Kind: QueueRemove, Queue: Due, Member: ordered.String()},
		{Kind: QueueAdd, Queue: Doubt, Member: "a|1"}, {Kind: QueueAdd, Queue: Doubt, Member: "b|1"},
		{Kind: QueueRemove, Queue: Doubt, Member: "c|1"},
	}}
	return b
}

// build makes the program of a batch.
func build(d *redisDriver, b *Batch) *program {
	p := newProgram(d)
	p.batch(b)
	return p
}

// TestProgramsAreRESP reads a program as go-redis is given it, and writes that
// again: it is the same, with the long values in their places.
func TestProgramsAreRESP(t *testing.T) {
	d := &redisDriver{lanes: 16, keys: make(map[laneKey]string)}
	p := build(d, everything())
	defer p.free()
	var want, got bytes.Buffer
	at := 0
	for _, c := range p.cuts {
		want.Write(p.buf[at:c.at])
		want.Write(c.text)
		at = c.at
	}
	want.Write(p.buf[at:])
	cmds := p.commands(t.Context())
	for _, c := range cmds {
		fmt.Fprintf(&got, "*%d\r\n", len(c.Args()))
		for _, a := range c.Args() {
			fmt.Fprintf(&got, "$%d\r\n%s\r\n", len(*a.(*string)), *a.(*string))
		}
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) || len(cmds) != len(p.sinks) {
		t.Errorf("%d commands of %d bytes, want %d of %d", len(cmds), got.Len(), len(p.sinks), want.Len())
	}
	if len(p.cuts) != 3 {
		t.Errorf("%d values travel uncopied", len(p.cuts))
	}
	in := replies{src: bytes.NewReader(want.Bytes())}
	for range cmds {
		if r, err := in.next(); err != nil || len(r.list) == 0 {
			t.Fatalf("not RESP: %v", err)
		}
	}
}

// TestQueuesMerge counts the commands that a batch of queue commands takes.
func TestQueuesMerge(t *testing.T) {
	add := func(k string) Command { return Command{Kind: QueueAdd, Queue: Doubt, Member: k, Score: 1} }
	remove := func(k string) Command { return Command{Kind: QueueRemove, Queue: Doubt, Member: k} }
	for name, c := range map[string]struct {
		cmds []Command
		want string
	}{
		"of others in between": {[]Command{add("a"), remove("b"), add("c"), remove("d")}, "zadd a c, zrem b d"},
		"order of one matters": {[]Command{add("a"), add("b"), remove("a"), add("c")}, "zadd a b, zrem a, zadd c"},
		"back again":           {[]Command{remove("a"), add("a"), add("b")}, "zrem a, zadd a b"},
		"a lease in between": {[]Command{add("a"), {Kind: QueueMove, Queue: Doubt, Member: "a", From: 1, Score: 2}, remove("a")},
			"zadd a, evalsha a, zrem a"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &redisDriver{lanes: 1, keys: make(map[laneKey]string)}
			p := build(d, &Batch{Groups: [][]Command{c.cmds}})
			defer p.free()
			var all []string
			for i, cmd := range p.commands(t.Context()) {
				line := cmd.Name()
				for _, c := range p.queues.merges[i].cmds {
					line += " " + c.Member
				}
				all = append(all, line)
			}
			if got := strings.Join(all, ", "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestProgramsDoNotAllocate makes the program of a batch and takes its replies,
// all of it in memory that was used before.
func TestProgramsDoNotAllocate(t *testing.T) {
	d := &redisDriver{lanes: 1, keys: make(map[laneKey]string)}
	b := everything()
	said := bytes.NewReader(nil)
	in := &replies{src: said}
	var answers bytes.Buffer
	p := build(d, b)
	for _, s := range p.sinks {
		if s.shape == number {
			answers.WriteString(":1\r\n")
		} else {
			answers.WriteString("$-1\r\n")
		}
	}
	p.free()
	if n := testing.AllocsPerRun(100, func() {
		p := build(d, b)
		defer p.free()
		said.Reset(answers.Bytes())
		for i := range p.sinks {
			r, err := in.next()
			if err != nil {
				t.Fatal(err)
			}
			p.take(i, r)
		}
	}); n > 1 && !raceEnabled { // the log's name
		t.Errorf("%v allocations", n)
	}
}

func TestRefusalIsGoRedis(t *testing.T) {
	if err := away(refusal("READONLY You can't write")); !redis.HasErrorPrefix(errors.Unwrap(err), "READONLY") {
		t.Error("not recognized")
	}
}
