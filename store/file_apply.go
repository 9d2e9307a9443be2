package store

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// apply does commands within the transaction.
func (w *fileTx) apply(cmds []Command) error {
	for i := range cmds {
		c := &cmds[i]
		c.reset()
		var err error
		switch {
		case c.placed == placedLost:
		case c.placed == placedOurs:
			err = w.settlePlaced(c)
		case c.Kind.register():
			err = w.register(c)
		default:
			err = w.queue(c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *fileTx) register(c *Command) error {
	prior, _ := w.read(c.Key)
	found := prior != nil
	switch c.Kind {
	case SetOnce, SetUnless:
		if c.Kind == SetUnless && !found {
			if other, _ := w.read(c.Unless); other != nil {
				c.Prior = bytes.Clone(other)
				return nil
			}
		}
		// Our own value is there when this batch was stored and its
		// acknowledgement was lost.
		c.Won = !found || bytes.Equal(prior, c.Value)
		if !c.Won {
			c.Prior = bytes.Clone(prior)
		}
		if !found {
			return w.write(c.Key, c.Value, c.TTL)
		}
	case Get:
		c.Found, c.Prior = found, bytes.Clone(prior)
	case Set:
		return w.write(c.Key, c.Value, c.TTL)
	case Delete:
		c.Found = found
		return w.remove(c.Key)
	case Expire:
		if c.Found = found; found {
			return w.write(c.Key, prior, c.TTL)
		}
	case Persist:
		if c.Found = found; found {
			return w.write(c.Key, prior, 0)
		}
	case Incr:
		return w.incr(c)
	}
	return nil
}

// incr adds to a counter, which keeps the end that it began with.
func (w *fileTx) incr(c *Command) error {
	prior, end := w.read(c.Key)
	ttl := c.TTL
	if prior != nil {
		n, err := strconv.ParseInt(string(prior), 10, 64)
		if err != nil {
			c.Err = errWrongType
			return nil
		}
		c.Count = n
		if ttl = 0; end != 0 {
			ttl = time.Duration(int64(end)-w.now) * time.Millisecond
		}
	}
	c.Count += c.Score
	return w.write(c.Key, strconv.AppendInt(nil, c.Count, 10), ttl)
}

// settlePlaced gives a body that went ahead the life that was asked for.
func (w *fileTx) settlePlaced(c *Command) error {
	value, _ := w.read(c.Key)
	if value == nil {
		c.Err = errBodyGone
		return nil
	}
	return w.write(c.Key, value, c.TTL)
}

func (w *fileTx) queue(c *Command) error {
	set := setName(c.Queue, c.Member)
	switch {
	case c.Kind == QueueMove:
		at, ok := w.score(set, c.Member)
		if c.Won = ok && at == c.From; c.Won {
			return w.put(set, c.Member, c.Score)
		}
		return nil
	case c.Queue == Due && c.Kind == QueueAdd:
		if err := w.put(setDests, destOf(c.Member), 0); err != nil {
			return err
		}
		if g := groupOf(c.Member); g != "" {
			return w.groupAdd(set, "g."+g, c)
		}
	case c.Queue == Due:
		if g := groupOf(c.Member); g != "" {
			return w.groupRemove(set, "g."+g, c)
		}
	}
	if c.Kind == QueueRemove {
		return w.drop(set, c.Member)
	}
	if _, ok := w.score(set, c.Member); ok {
		return nil
	}
	return w.put(set, c.Member, c.Score)
}

// groupAdd keeps the order in which a group's members reached the store; the
// same as groupAddScript.
func (w *fileTx) groupAdd(due, group string, c *Command) error {
	if _, ok := w.score(group, c.Member); !ok {
		stamp := c.Score
		if _, newest, ok := w.last(group); ok {
			stamp = max(stamp, newest+1)
		}
		if err := w.put(group, c.Member, stamp); err != nil {
			return err
		}
	}
	head, _, _ := w.first(group)
	at, there := w.score(due, c.Member)
	switch {
	case head != c.Member && !there:
		return w.put(due, c.Member, Waiting)
	case head == c.Member && (!there || at == Waiting):
		return w.put(due, c.Member, c.Score)
	}
	return nil
}

// groupRemove makes the next of a group due; the same as groupRemoveScript.
func (w *fileTx) groupRemove(due, group string, c *Command) error {
	if err := w.drop(due, c.Member); err != nil {
		return err
	}
	if err := w.drop(group, c.Member); err != nil {
		return err
	}
	head, _, ok := w.first(group)
	if !ok {
		return nil
	}
	if at, there := w.score(due, head); !there || at == Waiting {
		return w.put(due, head, c.Score)
	}
	return nil
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

// appendLog appends the batch's records, or finds them there.
func (w *fileTx) appendLog(b *Batch) error {
	if len(b.Records) == 0 {
		return nil
	}
	log, err := w.log.CreateBucketIfNotExists([]byte(b.Chain))
	if err != nil {
		return err
	}
	first := b.Records[0].Seq
	newest, _, _ := lastRecord(log)
	if first > 1 {
		before, ok := readRecord(log, first-1)
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
	for i := range b.Records {
		r := &b.Records[i]
		if there, ok := readRecord(log, r.Seq); ok {
			if there.Hash != r.Hash {
				return fork(b.Chain, r.Seq)
			}
			continue
		}
		if err := putRecord(log, r); err != nil {
			return err
		}
	}
	return nil
}

func fork(chain string, seq uint64) error {
	return fmt.Errorf("chain %s, record %d: %w", chain, seq, ErrFork)
}
