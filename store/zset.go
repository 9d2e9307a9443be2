package store

import (
	"bytes"
	"encoding/binary"
)

// Sorted sets in the bucket "sets", by flat keys (8 bytes of score or count
// are big-endian):
//
//	name 0 'm' member          → score
//	name 0 's' score member    → nothing
//	name 0 'n'                 → how many members
//
// No name holds a zero byte: names are made of destinations, letters and dots.

func setKey(name string, sort byte, tail ...[]byte) []byte {
	k := make([]byte, 0, len(name)+64)
	k = append(append(k, name...), 0, sort)
	for _, t := range tail {
		k = append(k, t...)
	}
	return k
}

func scoreBytes(score int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(score)) }

// score gives a member's score.
func (w *fileTx) score(name, member string) (int64, bool) {
	v := w.sets.Get(setKey(name, 'm', []byte(member)))
	if len(v) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(v)), true
}

// put adds a member, or changes its score.
func (w *fileTx) put(name, member string, score int64) error {
	m := []byte(member)
	old, ok := w.score(name, member)
	switch {
	case ok && old == score:
		return nil
	case ok:
		if err := w.sets.Delete(setKey(name, 's', scoreBytes(old), m)); err != nil {
			return err
		}
	default:
		if err := w.count(name, 1); err != nil {
			return err
		}
	}
	if err := w.sets.Put(setKey(name, 's', scoreBytes(score), m), nil); err != nil {
		return err
	}
	return w.sets.Put(setKey(name, 'm', m), scoreBytes(score))
}

// drop removes a member, if it is there.
func (w *fileTx) drop(name, member string) error {
	m := []byte(member)
	old, ok := w.score(name, member)
	if !ok {
		return nil
	}
	if err := w.sets.Delete(setKey(name, 's', scoreBytes(old), m)); err != nil {
		return err
	}
	if err := w.sets.Delete(setKey(name, 'm', m)); err != nil {
		return err
	}
	return w.count(name, -1)
}

// size gives how many members there are.
func (w *fileTx) size(name string) int64 {
	v := w.sets.Get(setKey(name, 'n'))
	if len(v) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(v))
}

func (w *fileTx) count(name string, by int64) error {
	n := w.size(name) + by
	if n <= 0 {
		return w.sets.Delete(setKey(name, 'n'))
	}
	return w.sets.Put(setKey(name, 'n'), scoreBytes(n))
}

// first gives the member with the lowest score.
func (w *fileTx) first(name string) (string, int64, bool) {
	items := w.list(name, 0, "", 1)
	if len(items) == 0 {
		return "", 0, false
	}
	return items[0].Member, items[0].Score, true
}

// last gives the member with the highest score.
func (w *fileTx) last(name string) (string, int64, bool) {
	prefix := setKey(name, 's')
	after := setKey(name, 's'+1)
	c := w.sets.Cursor()
	k, _ := c.Seek(after)
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if !bytes.HasPrefix(k, prefix) || len(k) < len(prefix)+8 {
		return "", 0, false
	}
	it := setItem(k[len(prefix):])
	return it.Member, it.Score, true
}

// list gives at most max members in order of score and then of their bytes,
// from the first after (score, member) on; an empty member includes all of
// that score.
func (w *fileTx) list(name string, score int64, member string, max int) []Item {
	prefix := setKey(name, 's')
	from := setKey(name, 's', scoreBytes(score), []byte(member))
	var items []Item
	c := w.sets.Cursor()
	for k, _ := c.Seek(from); bytes.HasPrefix(k, prefix) && len(items) < max; k, _ = c.Next() {
		if member != "" && bytes.Equal(k, from) {
			continue
		}
		if len(k) >= len(prefix)+8 {
			items = append(items, setItem(k[len(prefix):]))
		}
	}
	return items
}

func setItem(tail []byte) Item {
	return Item{Score: int64(binary.BigEndian.Uint64(tail)), Member: string(tail[8:])}
}
