package store

import (
	"hash/fnv"
	"hash/maphash"
	"strconv"
	"strings"
)

// gathered gathers a batch's commands on queues. Additions to, and
// removals from, one queue become one Redis command each, unless the order of
// two commands on one member matters.
type gathered struct {
	merges []merge
	open   []int // the merges that may still grow
	dests  []string
	seed   maphash.Seed
	// seen has a bit for each member of this round, by its hash. A member that
	// seems to come a second time begins a new round of merges, so that all
	// before it is done first.
	seen [seenWords]uint64
}

const seenWords = 128

// merge is one Redis command in the making.
type merge struct {
	key  string
	kind Kind
	cmds []*Command
}

// grouped marks the kinds whose member has a group, which are never merged.
const grouped Kind = 100

func (q *gathered) reset() {
	for i := range q.merges {
		clear(q.merges[i].cmds)
	}
	clear(q.dests)
	q.merges, q.dests, q.open = q.merges[:0], q.dests[:0], q.open[:0]
	clear(q.seen[:])
}

// add takes a command on a queue.
func (q *gathered) add(d *redisDriver, c *Command) {
	kind := c.Kind
	if kind != QueueMove && c.Queue == Due && hasGroup(c.Member) {
		kind += grouped
	}
	h := maphash.String(q.seed, c.Member)
	word, bit := h>>6%seenWords, uint64(1)<<(h&63)
	if q.seen[word]&bit != 0 {
		q.open = q.open[:0]
		clear(q.seen[:])
	}
	q.seen[word] |= bit
	key := d.queueKey(c.Queue, c.Member)
	n := len(q.merges)
	if kind == QueueAdd || kind == QueueRemove {
		for _, i := range q.open {
			if m := &q.merges[i]; m.kind == kind && m.key == key {
				m.cmds = append(m.cmds, c)
				return
			}
		}
		q.open = append(q.open, n)
	}
	if n == cap(q.merges) {
		q.merges = append(q.merges, merge{})
	}
	q.merges = q.merges[:n+1]
	m := &q.merges[n]
	m.key, m.kind, m.cmds = key, kind, append(m.cmds[:0], c)
}

// note remembers that a destination has legs.
func (q *gathered) note(dest string) {
	for _, d := range q.dests {
		if d == dest {
			return
		}
	}
	q.dests = append(q.dests, dest)
}

// flush appends the gathered commands.
func (p *program) flush() {
	q := &p.queues
	if p.open != nil {
		p.openings()
	}
	for i := range q.merges {
		m := &q.merges[i]
		c := m.cmds[0]
		s := sink{to: toMerge, shape: number, merge: i}
		switch m.kind {
		case QueueAdd:
			p.call(3+2*len(m.cmds), "zadd")
			p.key(m.key)
			arg(p, "nx")
			for _, c := range m.cmds {
				p.num(c.Score)
				arg(p, c.Member)
			}
		case QueueRemove:
			p.call(2+len(m.cmds), "zrem")
			p.key(m.key)
			for _, c := range m.cmds {
				arg(p, c.Member)
			}
		case QueueMove:
			p.call(7, "evalsha")
			arg(p, moveScript.Hash())
			arg(p, "1")
			p.key(m.key)
			arg(p, c.Member)
			p.num(c.From)
			p.num(c.Score)
			s = sink{to: toCommand, shape: number, cmd: c}
		case QueueAdd + grouped:
			p.group(groupAddScript.Hash(), m.key, c)
			s = sink{to: toCommand, shape: number, cmd: c}
		case QueueRemove + grouped:
			p.group(groupRemoveScript.Hash(), m.key, c)
		}
		p.sink(s)
		if c.Queue == Due && c.Kind == QueueAdd {
			// All in one merge have the same destination.
			q.note(destOf(c.Member))
		}
	}
	if len(q.dests) > 0 {
		p.call(2+len(q.dests), "sadd")
		p.key(destsKey)
		for _, dest := range q.dests {
			arg(p, dest)
		}
		p.sink(sink{shape: number})
	}
}

// group appends a script on an ordered group.
func (p *program) group(script, due string, c *Command) {
	p.call(7, "evalsha")
	arg(p, script)
	arg(p, "2")
	p.key(due)
	p.length(len("{q.}:g.") + len(strconv.Itoa(p.d.lane(c.Member))) + len(destOf(c.Member)) + len(groupTail(c.Member)))
	p.put("{q.")
	p.buf = strconv.AppendInt(p.buf, int64(p.d.lane(c.Member)), 10)
	p.put("}:g.")
	p.put(destOf(c.Member))
	p.put(groupTail(c.Member))
	p.put("\r\n")
	arg(p, c.Member)
	p.num(c.Score)
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
	d.keysMu.RLock()
	key, ok := d.keys[id]
	d.keysMu.RUnlock()
	if ok {
		return key
	}
	key = chainsKey
	tag := "{q." + strconv.Itoa(lane) + "}:"
	switch q {
	case Due:
		key = tag + "due." + dest
	case Dead:
		key = tag + "dead"
	case Doubt:
		key = tag + "doubt"
	}
	d.keysMu.Lock()
	d.keys[laneKey{lane, q, strings.Clone(dest)}] = key
	d.keysMu.Unlock()
	return key
}
