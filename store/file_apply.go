package store

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// apply does commands within the transaction.
func (w *fileTx) apply(cmds []Command) {
	for i := range cmds {
		c := &cmds[i]
		c.reset()
		switch {
		case c.placed == placedLost:
		case c.placed == placedOurs:
			w.settlePlaced(c)
		case c.Kind.register():
			w.register(c)
		default:
			w.queue(c)
		}
	}
}

func (w *fileTx) register(c *Command) {
	if c.Kind == Set { // whatever was there
		w.write(c.Key, c.Value, c.TTL)
		return
	}
	prior, _, found := w.read(c.Key)
	switch c.Kind {
	case SetOnce, SetUnless:
		if c.Kind == SetUnless && !found {
			if other, _, there := w.read(c.Unless); there {
				c.Prior = bytes.Clone(other)
				return
			}
		}
		// Our own value is there when this batch was stored and its
		// acknowledgement was lost.
		c.Won = !found || bytes.Equal(prior, c.Value)
		if !c.Won {
			c.Prior = bytes.Clone(prior)
		}
		if !found {
			w.write(c.Key, c.Value, c.TTL)
		}
	case Get:
		c.Found, c.Prior = found, bytes.Clone(prior)
	case Delete:
		c.Found = found
		w.remove(c.Key)
	case Expire:
		if c.Found = found; found {
			w.write(c.Key, prior, c.TTL)
		}
	case Persist:
		if c.Found = found; found {
			w.write(c.Key, prior, 0)
		}
	case Incr:
		w.incr(c)
	}
}

// incr adds to a counter, which keeps the end that it began with.
func (w *fileTx) incr(c *Command) {
	ttl := c.TTL
	if prior, end, found := w.read(c.Key); found {
		n, err := strconv.ParseInt(string(prior), 10, 64)
		if err != nil {
			c.Err = errWrongType
			return
		}
		c.Count = n
		if ttl = 0; end != 0 {
			ttl = time.Duration(int64(end)-w.now) * time.Millisecond
		}
	}
	c.Count += c.Score
	w.write(c.Key, strconv.AppendInt(nil, c.Count, 10), ttl)
}

// settlePlaced gives a body that went ahead the life that was asked for.
func (w *fileTx) settlePlaced(c *Command) {
	value, _, found := w.read(c.Key)
	if !found {
		c.Err = errBodyGone
		return
	}
	w.write(c.Key, value, c.TTL)
}

func (w *fileTx) queue(c *Command) {
	set := setName(c.Queue, c.Member)
	switch {
	case c.Kind == QueueMove:
		at, ok := w.score(set, c.Member)
		if c.Won = ok && at == c.From; c.Won {
			w.put(set, c.Member, c.Score)
		}
		return
	case c.Queue == Due && c.Kind == QueueAdd:
		w.put(setDests, destOf(c.Member), 0)
		if g := groupOf(c.Member); g != "" {
			w.groupAdd(set, "g."+g, c)
			return
		}
	case c.Queue == Due:
		if g := groupOf(c.Member); g != "" {
			w.groupRemove(set, "g."+g, c)
			return
		}
	}
	if c.Kind == QueueRemove {
		w.drop(set, c.Member)
	} else if _, ok := w.score(set, c.Member); !ok {
		w.put(set, c.Member, c.Score)
	}
}

// groupAdd keeps the order in which a group's members reached the store; the
// same as groupAddScript.
func (w *fileTx) groupAdd(due, group string, c *Command) {
	if _, ok := w.score(group, c.Member); !ok {
		stamp := c.Score
		if _, newest, ok := w.last(group); ok {
			stamp = max(stamp, newest+1)
		}
		w.put(group, c.Member, stamp)
	}
	head, _, _ := w.first(group)
	at, there := w.score(due, c.Member)
	switch {
	case head != c.Member && !there:
		w.put(due, c.Member, Waiting)
	case head == c.Member && (!there || at == Waiting):
		w.put(due, c.Member, c.Score)
	}
	at, _ = w.score(due, c.Member)
	c.Won = at == c.Score
}

// groupRemove makes the next of a group due; the same as groupRemoveScript.
func (w *fileTx) groupRemove(due, group string, c *Command) {
	w.drop(due, c.Member)
	w.drop(group, c.Member)
	head, _, ok := w.first(group)
	if !ok {
		return
	}
	if at, there := w.score(due, head); !there || at == Waiting {
		w.put(due, head, c.Score)
	}
}

const (
	setDests  = "dests"
	setChains = "chains"
)

// setName names the sorted set that holds a member of a queue.
func setName(q Queue, member string) string {
	if q == Due {
		return queueName(q, destOf(member))
	}
	return queueName(q, "")
}

func queueName(q Queue, dest string) string {
	switch q {
	case Due:
		return "due." + dest
	case Dead:
		return "dead"
	case Doubt:
		return "doubt"
	}
	return setChains
}

// appendLog appends the batch's records, or finds them there. Where it gives an
// error, nothing was written.
func (w *fileTx) appendLog(b *Batch) error {
	if len(b.Records) == 0 {
		return nil
	}
	first := b.Records[0].Seq
	newest, _ := w.newest(b.Chain)
	if first > 1 {
		before, ok := w.record(b.Chain, first-1)
		if !ok {
			return &GapError{Chain: b.Chain, Want: first - 1, Last: newest.Seq}
		}
		if before.Hash != b.Prev {
			return fork(b.Chain, first)
		}
	}
	if newest.Seq >= first+uint64(len(b.Records)) {
		return fork(b.Chain, first)
	}
	known := 0
	for ; known < len(b.Records) && b.Records[known].Seq <= newest.Seq; known++ {
		r := &b.Records[known]
		// One that is missing was trimmed.
		if there, ok := w.record(b.Chain, r.Seq); ok && there.Hash != r.Hash {
			return fork(b.Chain, r.Seq)
		}
	}
	for i := range b.Records[known:] {
		w.stage.append(b.Chain, &b.Records[known+i])
	}
	return nil
}

func fork(chain string, seq uint64) error {
	return fmt.Errorf("chain %s, record %d: %w", chain, seq, ErrFork)
}
