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
func (b *basis) score(name, member string) (int64, bool) {
	v := b.sets.Get(setKey(name, 'm', []byte(member)))
	if len(v) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(v)), true
}

// put adds a member, or changes its score, and tells by how many there are
// more.
func (b *basis) put(name, member string, score int64) (more int64, err error) {
	m := []byte(member)
	old, ok := b.score(name, member)
	switch {
	case ok && old == score:
		return 0, nil
	case ok:
		if err := b.sets.Delete(setKey(name, 's', scoreBytes(old), m)); err != nil {
			return 0, err
		}
	default:
		more = 1
	}
	if err := b.sets.Put(setKey(name, 's', scoreBytes(score), m), nil); err != nil {
		return 0, err
	}
	return more, b.sets.Put(setKey(name, 'm', m), scoreBytes(score))
}

// drop removes a member, if it is there.
func (b *basis) drop(name, member string) (more int64, err error) {
	m := []byte(member)
	old, ok := b.score(name, member)
	if !ok {
		return 0, nil
	}
	if err := b.sets.Delete(setKey(name, 's', scoreBytes(old), m)); err != nil {
		return 0, err
	}
	return -1, b.sets.Delete(setKey(name, 'm', m))
}

// size gives how many members there are.
func (b *basis) size(name string) int64 {
	v := b.sets.Get(setKey(name, 'n'))
	if len(v) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(v))
}

// count takes note of how many members there are more.
func (b *basis) count(name string, more int64) error {
	if more == 0 {
		return nil
	}
	n := b.size(name) + more
	if n <= 0 {
		return b.sets.Delete(setKey(name, 'n'))
	}
	return b.sets.Put(setKey(name, 'n'), scoreBytes(n))
}

// last gives the member with the highest score, of those that are not hidden.
func (b *basis) last(name string, hidden func(member string) bool) (Item, bool) {
	prefix := setKey(name, 's')
	c := b.sets.Cursor()
	k, _ := c.Seek(setKey(name, 's'+1))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	for ; bytes.HasPrefix(k, prefix) && len(k) >= len(prefix)+8; k, _ = c.Prev() {
		if it := setItem(k[len(prefix):]); !hidden(it.Member) {
			return it, true
		}
	}
	return Item{}, false
}

// list gives at most max members that are not hidden, in order of score and
// then of their bytes, from the first after (score, member) on; an empty member
// includes all of that score.
func (b *basis) list(name string, score int64, member string, max int, hidden func(member string) bool) []Item {
	prefix := setKey(name, 's')
	from := setKey(name, 's', scoreBytes(score), []byte(member))
	var items []Item
	c := b.sets.Cursor()
	for k, _ := c.Seek(from); bytes.HasPrefix(k, prefix) && len(items) < max; k, _ = c.Next() {
		if member != "" && bytes.Equal(k, from) || len(k) < len(prefix)+8 {
			continue
		}
		if it := setItem(k[len(prefix):]); !hidden(it.Member) {
			items = append(items, it)
		}
	}
	return items
}

func setItem(tail []byte) Item {
	return Item{Score: int64(binary.BigEndian.Uint64(tail)), Member: string(tail[8:])}
}
