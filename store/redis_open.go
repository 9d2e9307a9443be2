package store

import (
	"hash/maphash"
	"strconv"
	"strings"
	"time"
)

// Nearly every claim has its outcome within a moment. In the sorted set of
// Doubt, where it would be looked for, it was for nothing then, and its addition
// and removal cost Redis a quarter of the sale. So the writer of a chain puts new
// members into a list of the chain's, with one command for all of a batch. A
// removal of one that is in a list alone is no command at all, and those that
// stay for openFor get into the sorted set. So does at once, with the register,
// what turns out to be unknown or pending.
//
//	{chain}:open.0|1   score ‖ ' ' ‖ member ‖ '\n' of each, one after the other
//
// The two take turns: a list is deleted as soon as what is left of it is in the
// sorted set, and the next members go into it. At any time a claim without an
// outcome is in the sorted set or in a list of its chain. Who reads the queue
// takes what is in the lists of chains that have died (redis_taken.go).

// openFor is how long, twice over at most, a member is in a list alone while its
// chain is written.
const openFor = 500 * time.Millisecond

// openKey names a list of a chain.
func openKey(chain string, i int) string {
	return "{" + chain + "}:open." + string(rune('0'+i))
}

// openLists is what the driver knows of the lists of a chain that it writes. It
// belongs to whoever writes the chain. A write may fail and come again, maybe
// with other commands: what is changed here stays, and is sent until it is
// acknowledged.
type openLists struct {
	seed  maphash.Seed
	after time.Duration // openFor
	at    int           // the list that is added to
	lists [2]openList
	// moving are on their way into the sorted set.
	moving []Command
	// off says that Redis has refused a list: there are none any more.
	off bool
}

// openList is one of the lists.
type openList struct {
	key  string
	text []byte // what it holds
	sent int    // how much of that is acknowledged
	// wipe says that it may hold older things, which go before what is added.
	wipe  bool
	since time.Time // of the first addition; valid while there is text
	// held are the members that are in no sorted set, by their hash.
	held map[uint64]span
}

// span is where a member is in a list's text.
type span struct {
	from, size int
	score      int64
}

func newOpenLists(chain string, after time.Duration) *openLists {
	o := &openLists{seed: maphash.MakeSeed(), after: after}
	for i := range o.lists {
		o.lists[i] = openList{key: openKey(chain, i), held: make(map[uint64]span)}
	}
	return o
}

// find gives the list that holds a member; nil: none does.
func (o *openLists) find(hash uint64, member string) *openList {
	for i := range o.lists {
		l := &o.lists[i]
		if s, ok := l.held[hash]; ok && string(l.text[s.from:s.from+s.size]) == member {
			return l
		}
	}
	return nil
}

// takes tells whether a command on Doubt is done with the lists.
func (o *openLists) takes(c *Command, now time.Time) bool {
	switch c.Kind {
	case QueueAdd:
		return o.add(c, now)
	case QueueRemove:
		return o.remove(c.Member)
	}
	return false
}

// add puts a member into a list, unless it is in one. It reports false if the
// member has to go into the sorted set.
func (o *openLists) add(c *Command, now time.Time) bool {
	if o.off || strings.IndexByte(c.Member, '\n') >= 0 {
		return false
	}
	hash := maphash.String(o.seed, c.Member)
	if o.find(hash, c.Member) != nil {
		return true
	}
	l := &o.lists[o.at]
	if _, taken := l.held[hash]; taken {
		return false
	}
	if len(l.text) == 0 {
		l.since = now
	}
	l.text = append(strconv.AppendInt(l.text, c.Score, 10), ' ')
	l.held[hash] = span{len(l.text), len(c.Member), c.Score}
	l.text = append(append(l.text, c.Member...), '\n')
	return true
}

// remove takes a member out, whose text stays in the list. It reports false if
// none holds it.
func (o *openLists) remove(member string) bool {
	hash := maphash.String(o.seed, member)
	l := o.find(hash, member)
	if l == nil {
		return false
	}
	delete(l.held, hash)
	return true
}

// register looks at a register that is written: somebody will look for a claim
// that is unknown or pending. It gives what has to go into the sorted set for
// that, or nil.
func (o *openLists) register(key string) *Command {
	i := strings.LastIndexByte(key, '}') + len("}:")
	if i >= len(key) || key[i] != 'u' && key[i] != 'p' {
		return nil
	}
	ref, _, ok := RefOf(key)
	if !ok {
		return nil
	}
	member := DoubtMember(ref.K, ref.A)
	hash := maphash.String(o.seed, member)
	l := o.find(hash, member)
	if l == nil {
		return nil
	}
	o.moves(member, l.held[hash].score)
	delete(l.held, hash)
	return &o.moving[len(o.moving)-1]
}

// moves sends a member into the sorted set.
func (o *openLists) moves(member string, score int64) {
	o.moving = append(o.moving, Command{Kind: QueueAdd, Queue: Doubt, Member: member, Score: score})
}

// turn sees to what has been in a list for long enough.
func (o *openLists) turn(now time.Time) {
	l, other := &o.lists[o.at], &o.lists[1-o.at]
	if o.off {
		o.move(l)
		o.move(other)
		return
	}
	// A batch that comes again finds its members where it has put them.
	if len(l.text) == 0 || now.Sub(l.since) < o.after || len(o.moving) > 0 || l.unsent() || other.unsent() {
		return
	}
	o.move(other)
	if len(o.moving) > 0 {
		return // they are in the sorted set before their list goes
	}
	other.forget()
	if len(l.held) == 0 {
		l.forget()
	}
	o.at = 1 - o.at
}

// move has what is left in a list go into the sorted set.
func (o *openLists) move(l *openList) {
	for _, s := range l.held {
		o.moves(string(l.text[s.from:s.from+s.size]), s.score)
	}
	clear(l.held)
}

// unsent tells whether something of a list is not known to be stored.
func (l *openList) unsent() bool { return l.wipe || l.sent < len(l.text) }

// forget empties a list.
func (l *openList) forget() {
	l.wipe = l.wipe || len(l.text) > 0
	l.text, l.sent = l.text[:0], 0
}

// acknowledged takes note that all that was sent is stored.
func (o *openLists) acknowledged() {
	clear(o.moving)
	o.moving = o.moving[:0]
	for i := range o.lists {
		l := &o.lists[i]
		l.sent, l.wipe = len(l.text), false
	}
}

// openings appends what the lists have to say.
func (p *program) openings() {
	if p.open.off {
		return // what is there may be somebody else's
	}
	for i := range p.open.lists {
		l := &p.open.lists[i]
		if l.wipe {
			p.call(2, "del")
			p.key(l.key)
			p.sink(sink{to: toOpen, shape: number})
		}
		if l.sent < len(l.text) {
			p.call(3, "append")
			p.key(l.key)
			arg(p, l.text[l.sent:])
			p.sink(sink{to: toOpen, shape: number})
		}
	}
}

// openOf gives the lists of the chain that a batch writes; nil where there are
// none. A chain has them once it is known to be among the chains, so that who
// looks for lists finds them.
func (d *redisDriver) openOf(b *Batch) *openLists {
	if b.Chain == "" {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open[b.Chain]
}

// listed takes note of a batch that has put its chain among the chains.
func (d *redisDriver) listed(b *Batch) {
	if b.Chain == "" || len(b.Groups) == 0 {
		return
	}
	for i := range b.Groups[0] {
		c := &b.Groups[0][i]
		if c.Kind == QueueAdd && c.Queue == ChainList && c.Member == b.Chain && c.Err == nil {
			d.mu.Lock()
			if d.open[b.Chain] == nil {
				d.open[b.Chain] = newOpenLists(b.Chain, d.openFor)
			}
			d.mu.Unlock()
		}
	}
}
