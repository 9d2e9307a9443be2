package store

import (
	"context"
	"hash/fnv"
	"strconv"
	"sync"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

// pipe builds one pipeline. Its arguments are pointers to strings that lie in
// arenas of its own or in the caller's memory, because go-redis writes those
// without an allocation for each.
type pipe struct {
	ctx   context.Context
	cmds  []redis.Cmder
	sinks []sink // of cmds, one each
	ints  reused[redis.IntCmd]
	texts reused[redis.StringCmd]
	args  []any
	text  []string
	bytes []byte

	merges []merge
	merged map[string]int // queue key → its newest in merges
}

// reused keeps command objects of go-redis for the next batch: one batch has
// thousands of them.
type reused[T any] struct {
	all  []*T
	used int
}

func (r *reused[T]) next() *T {
	if r.used == len(r.all) {
		r.all = append(r.all, new(T))
	}
	r.used++
	return r.all[r.used-1]
}

// free forgets what the commands hold.
func (r *reused[T]) free() {
	var none T
	for _, c := range r.all[:r.used] {
		*c = none
	}
	r.used = 0
}

// int appends a command whose reply is a number.
func (p *pipe) int(s sink, args ...any) {
	p.intOf(s, p.list(args...))
}

// intOf is int for arguments that stay where they are.
func (p *pipe) intOf(s sink, args []any) {
	c := p.ints.next()
	*c = *redis.NewIntCmd(p.ctx, args...)
	p.add(c, s)
}

// bulk appends a command whose reply is a text, or none.
func (p *pipe) bulk(s sink, args ...any) {
	c := p.texts.next()
	*c = *redis.NewStringCmd(p.ctx, p.list(args...)...)
	p.add(c, s)
}

// sink is where the reply to one Redis command goes.
type sink struct {
	cmd   *Command   // nil: a log record, or a merged command
	group []*Command // of a merged command: those in it
}

// merge gathers what a batch adds to, or takes out of, one queue.
type merge struct {
	key  string
	kind Kind
	cmds []*Command
}

var pipes = sync.Pool{New: func() any { return &pipe{merged: make(map[string]int)} }}

func newPipe(ctx context.Context) *pipe {
	p := pipes.Get().(*pipe)
	p.ctx = ctx
	return p
}

// free gives the pipe back. Nothing may refer to its commands any more.
func (p *pipe) free() {
	clear(p.cmds)
	clear(p.sinks)
	p.ints.free()
	p.texts.free()
	clear(p.args)
	clear(p.text)
	clear(p.merges)
	clear(p.merged)
	p.ctx = nil
	p.cmds, p.sinks, p.args, p.text, p.merges = p.cmds[:0], p.sinks[:0], p.args[:0], p.text[:0], p.merges[:0]
	// Arguments were copied to the socket; none points into bytes any more.
	p.bytes = p.bytes[:0]
	pipes.Put(p)
}

// raw makes an argument of bytes that stay unchanged until the reply. A
// pointer into text stays valid when text grows: it then keeps the old array.
func (p *pipe) raw(b []byte) any {
	p.text = append(p.text, unsafe.String(unsafe.SliceData(b), len(b)))
	return &p.text[len(p.text)-1]
}

func (p *pipe) num(v int64) any {
	start := len(p.bytes)
	p.bytes = strconv.AppendInt(p.bytes, v, 10)
	return p.raw(p.bytes[start:])
}

// id makes a stream's id of a sequence number.
func (p *pipe) id(seq uint64) any {
	start := len(p.bytes)
	p.bytes = append(strconv.AppendUint(p.bytes, seq, 10), "-0"...)
	return p.raw(p.bytes[start:])
}

// list stores arguments in the arena.
func (p *pipe) list(args ...any) []any {
	start := len(p.args)
	p.args = append(p.args, args...)
	return p.args[start:len(p.args):len(p.args)]
}

func (p *pipe) add(c redis.Cmder, s sink) {
	p.cmds = append(p.cmds, c)
	p.sinks = append(p.sinks, s)
}

// record appends one log record. Only the first of a chain may make the
// stream: where it is missing later, the store has lost it.
func (p *pipe) record(key *string, r *LogRecord) {
	if r.Seq == 1 {
		p.bulk(sink{}, "xadd", key, p.id(r.Seq), "e", p.raw(r.Entry), "h", p.raw(r.Hash[:]))
		return
	}
	p.bulk(sink{}, "xadd", key, "nomkstream", p.id(r.Seq), "e", p.raw(r.Entry), "h", p.raw(r.Hash[:]))
}

// register appends a command on a register.
func (p *pipe) register(c *Command) {
	key, s := &c.Key, sink{cmd: c}
	ms := c.TTL.Milliseconds()
	switch {
	case c.placed == placedLost:
	case c.placed == placedOurs && ms > 0, c.Kind == Expire:
		p.int(s, "pexpire", key, p.num(ms))
	case c.placed == placedOurs, c.Kind == Persist:
		// EXISTS tells whether the key is there; PERSIST alone would not.
		p.int(sink{}, "persist", key)
		p.int(s, "exists", key)
	case c.Kind == SetUnless:
		p.bulk(s, "evalsha", unlessScript.Hash(), "2", key, &c.Unless, p.raw(c.Value), p.num(ms))
	case c.Kind == SetOnce && ms > 0:
		p.bulk(s, "set", key, p.raw(c.Value), "nx", "get", "px", p.num(ms))
	case c.Kind == SetOnce:
		p.bulk(s, "set", key, p.raw(c.Value), "nx", "get")
	case c.Kind == Set && ms > 0:
		p.bulk(s, "set", key, p.raw(c.Value), "px", p.num(ms))
	case c.Kind == Set:
		p.bulk(s, "set", key, p.raw(c.Value))
	case c.Kind == Get:
		p.bulk(s, "get", key)
	case c.Kind == Delete:
		p.int(s, "del", key)
	case c.Kind == Incr:
		p.int(s, "incrby", key, p.num(c.Score))
		if ms > 0 {
			p.int(sink{}, "pexpire", key, p.num(ms), "nx")
		}
	}
}

// queue takes a command on a queue. Additions to, and removals from, one
// queue become one Redis command each, as long as their order on that queue
// does not matter.
func (p *pipe) queue(d *redisDriver, c *Command) {
	key := d.queueKey(c.Queue, c.Member)
	if c.Kind != QueueMove && (c.Queue != Due || !hasGroup(c.Member)) {
		if i, ok := p.merged[key]; ok && p.merges[i].kind == c.Kind {
			p.merges[i].cmds = append(p.merges[i].cmds, c)
			return
		}
	}
	p.merged[key] = len(p.merges)
	kind := c.Kind
	if kind != QueueMove && c.Queue == Due && hasGroup(c.Member) {
		kind += grouped
	}
	p.merges = append(p.merges, merge{key: key, kind: kind, cmds: []*Command{c}})
}

// grouped marks the kinds whose member has a group, which are never merged.
const grouped Kind = 100

// flushQueues appends the gathered queue commands.
func (p *pipe) flushQueues(d *redisDriver) {
	var dests map[string]bool
	for i := range p.merges {
		m := &p.merges[i]
		c, key := m.cmds[0], &m.key
		switch m.kind {
		case QueueAdd, QueueRemove:
			start := len(p.args)
			if m.kind == QueueAdd {
				p.args = append(p.args, "zadd", key, "nx")
			} else {
				p.args = append(p.args, "zrem", key)
			}
			for _, c := range m.cmds {
				if m.kind == QueueAdd {
					p.args = append(p.args, p.num(c.Score))
				}
				p.args = append(p.args, &c.Member)
			}
			p.intOf(sink{group: m.cmds}, p.args[start:len(p.args):len(p.args)])
		case QueueMove:
			p.int(sink{cmd: c}, "evalsha", moveScript.Hash(), "1", key,
				&c.Member, p.num(c.From), p.num(c.Score))
		case QueueAdd + grouped, QueueRemove + grouped:
			script := groupAddScript
			if m.kind == QueueRemove+grouped {
				script = groupRemoveScript
			}
			group := d.groupKey(c.Member)
			p.int(sink{group: m.cmds}, "evalsha", script.Hash(), "2", key, &group,
				&c.Member, p.num(c.Score))
		}
		if c.Queue == Due && c.Kind == QueueAdd {
			if dests == nil {
				dests = make(map[string]bool)
			}
			for _, c := range m.cmds {
				dests[destOf(c.Member)] = true
			}
		}
	}
	if len(dests) > 0 {
		args := p.list("sadd", destsKey)
		for dest := range dests {
			args = append(args, dest)
		}
		p.intOf(sink{}, args)
	}
}

// lane gives the lane of a member: that of its group, if it has one.
func (d *redisDriver) lane(member string) int {
	if d.lanes == 1 {
		return 0
	}
	if g := groupOf(member); g != "" {
		member = g
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(member)) // never fails
	return int(h.Sum32() % uint32(d.lanes))
}

type laneKey struct {
	lane  int
	queue Queue
	dest  string
}

const (
	chainsKey = "chains"
	destsKey  = "dests"
)

// queueKey names the sorted set that holds a member.
func (d *redisDriver) queueKey(q Queue, member string) string {
	dest := ""
	if q == Due {
		dest = destOf(member)
	}
	return d.laneQueue(d.lane(member), q, dest)
}

// laneQueue names the sorted set of a queue in a lane.
func (d *redisDriver) laneQueue(lane int, q Queue, dest string) string {
	id := laneKey{lane, q, dest}
	if v, ok := d.keys.Load(id); ok {
		return v.(string)
	}
	key := chainsKey
	tag := "{q." + strconv.Itoa(lane) + "}:"
	switch q {
	case Due:
		key = tag + "due." + dest
	case Dead:
		key = tag + "dead"
	case Doubt:
		key = tag + "doubt"
	}
	d.keys.Store(id, key)
	return key
}

func (d *redisDriver) groupKey(member string) string {
	return "{q." + strconv.Itoa(d.lane(member)) + "}:g." + groupOf(member)
}
