package store

import (
	"encoding/binary"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// fileTx is what a batch or a read sees of the file: the bbolt file with the
// layers that are not in it yet. What a batch writes goes to its stage, the
// topmost layer.
type fileTx struct {
	base   *basis
	layers []*layer // newest first
	stage  *stage   // nil: only reads
	now    int64    // Unix ms
}

// stored gives what there is of a register, borrowed; nil if there is nothing.
func (w *fileTx) stored(key string) held {
	for _, l := range w.layers {
		if r, ok := l.regs[key]; ok {
			return r
		}
	}
	return w.base.register(key)
}

// read gives a register's value, borrowed from the transaction, and when it
// ends; ok is false if it is not there or has ended.
func (w *fileTx) read(key string) (value []byte, end uint64, ok bool) {
	r := w.stored(key)
	if r.ended(w.now) {
		return nil, 0, false
	}
	return r.value(), r.end(), true
}

// write puts a register.
func (w *fileTx) write(key string, value []byte, ttl time.Duration) {
	var end uint64
	if ttl > 0 {
		end = uint64(w.now + ttl.Milliseconds())
	}
	w.stage.write(key, value, end)
}

func (w *fileTx) remove(key string) {
	if w.stored(key) != nil {
		w.stage.remove(key)
	}
}

// change gives what is known of a member, as the stage would put it.
func (w *fileTx) change(name, member string) change {
	for _, l := range w.layers {
		s := l.sets[name]
		if s == nil {
			continue
		}
		if c, ok := s.members[member]; ok {
			if l.frozen {
				c.below = c.there
			}
			return c
		}
	}
	score, ok := w.base.score(name, member)
	return change{score: score, there: ok, below: ok}
}

// score gives a member's score.
func (w *fileTx) score(name, member string) (int64, bool) {
	c := w.change(name, member)
	return c.score, c.there
}

// put adds a member, or changes its score.
func (w *fileTx) put(name, member string, score int64) {
	c := w.change(name, member)
	if c.there && c.score == score {
		return
	}
	c.score, c.there = score, true
	w.stage.change(name, member, c)
}

// drop removes a member, if it is there.
func (w *fileTx) drop(name, member string) {
	if c := w.change(name, member); c.there {
		c.there = false
		w.stage.change(name, member, c)
	}
}

// size gives how many members there are.
func (w *fileTx) size(name string) int64 {
	n := w.base.size(name)
	for _, l := range w.layers {
		if s := l.sets[name]; s != nil {
			n += s.delta
		}
	}
	return n
}

// hides tells whether one of the newest layers speaks of a member.
func (w *fileTx) hides(layers int, name, member string) bool {
	for _, l := range w.layers[:layers] {
		if s := l.sets[name]; s != nil {
			if _, ok := s.members[member]; ok {
				return true
			}
		}
	}
	return false
}

// list gives at most max members in order of score and then of their bytes,
// from the first after (score, member) on; an empty member includes all of
// that score.
func (w *fileTx) list(name string, score int64, member string, max int) []Item {
	items := w.base.list(name, score, member, max, func(m string) bool { return w.hides(len(w.layers), name, m) })
	sorted := true
	for i, l := range w.layers {
		s := l.sets[name]
		if s == nil {
			continue
		}
		n := 0
		for _, it := range s.after(score, member) {
			if n == max {
				break
			}
			if !w.hides(i, name, it.Member) {
				items = append(items, it)
				n++
				sorted = false
			}
		}
	}
	if !sorted {
		slices.SortFunc(items, compareItems)
	}
	return items[:min(max, len(items))]
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
	best, found := w.base.last(name, func(m string) bool { return w.hides(len(w.layers), name, m) })
	for i, l := range w.layers {
		s := l.sets[name]
		if s == nil {
			continue
		}
		for _, it := range slices.Backward(s.order) {
			if w.hides(i, name, it.Member) {
				continue
			}
			if !found || compareItems(best, it) < 0 {
				best, found = it, true
			}
			break
		}
	}
	return best.Member, best.Score, found
}

// record gives a record of a chain, borrowed.
func (w *fileTx) record(chain string, seq uint64) (LogRecord, bool) {
	for _, l := range w.layers {
		if r, ok := l.record(chain, seq); ok {
			return r.record(), true
		}
	}
	return w.base.record(chain, seq)
}

// newest gives the newest record of a chain, borrowed.
func (w *fileTx) newest(chain string) (LogRecord, bool) {
	for _, l := range w.layers {
		if log := l.logs[chain]; len(log) > 0 {
			return log[len(log)-1].record(), true
		}
	}
	return w.base.newest(chain)
}

// records gives at most max records of a chain from a number on, borrowed.
func (w *fileTx) records(chain string, from uint64, max int) []LogRecord {
	recs := w.base.records(chain, from, max)
	for _, l := range slices.Backward(w.layers) {
		for _, r := range l.from(chain, from) {
			if len(recs) == max {
				return recs
			}
			if len(recs) == 0 || r.seq > recs[len(recs)-1].Seq {
				recs = append(recs, r.record())
			}
		}
	}
	return recs
}

func (r rawRecord) record() LogRecord {
	rec := LogRecord{Seq: r.seq}
	rec.Entry = r.raw[copy(rec.Hash[:], r.raw):]
	return rec
}

// basis is a transaction on the bbolt file.
type basis struct{ meta, reg, ends, log, sets *bolt.Bucket }

func newBasis(tx *bolt.Tx) *basis {
	return &basis{meta: tx.Bucket(bucketMeta), reg: tx.Bucket(bucketReg), ends: tx.Bucket(bucketEnds), log: tx.Bucket(bucketLog), sets: tx.Bucket(bucketSets)}
}

// register gives what the file holds of a register, borrowed; nil if nothing.
func (b *basis) register(key string) held {
	v := b.reg.Get([]byte(key))
	if len(v) < 8 {
		return nil
	}
	return v
}

// write puts a register, and its end into the index of ends.
func (b *basis) write(key []byte, r held) error {
	if err := b.unindex(key); err != nil {
		return err
	}
	if end := r.end(); end != 0 {
		if err := b.ends.Put(endKey(end, key), nil); err != nil {
			return err
		}
	}
	return b.reg.Put(key, r)
}

// unindex forgets when a register, which may have ended, was to end.
func (b *basis) unindex(key []byte) error {
	v := b.reg.Get(key)
	if len(v) < 8 {
		return nil
	}
	if end := held(v).end(); end != 0 {
		return b.ends.Delete(endKey(end, key))
	}
	return nil
}

func (b *basis) remove(key []byte) error {
	if err := b.unindex(key); err != nil {
		return err
	}
	return b.reg.Delete(key)
}

func endKey(end uint64, key []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(key)), end), key...)
}

// sweep removes at most max registers that have ended. more says that others
// have, too.
func (b *basis) sweep(now int64, max int) (more bool, err error) {
	var gone [][]byte
	c := b.ends.Cursor()
	for k, _ := c.First(); k != nil && int64(binary.BigEndian.Uint64(k)) <= now; k, _ = c.Next() {
		if len(gone) == max {
			more = true
			break
		}
		gone = append(gone, slices.Clone(k))
	}
	for _, k := range gone {
		if err := b.ends.Delete(k); err != nil {
			return false, err
		}
		if err := b.reg.Delete(k[8:]); err != nil {
			return false, err
		}
	}
	return more, nil
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func toRecord(k, v []byte) (LogRecord, bool) {
	if len(k) != 8 || len(v) < 32 {
		return LogRecord{}, false
	}
	return rawRecord{binary.BigEndian.Uint64(k), v}.record(), true
}

func (b *basis) record(chain string, seq uint64) (LogRecord, bool) {
	log := b.log.Bucket([]byte(chain))
	if log == nil {
		return LogRecord{}, false
	}
	k := seqKey(seq)
	return toRecord(k, log.Get(k))
}

func (b *basis) newest(chain string) (LogRecord, bool) {
	log := b.log.Bucket([]byte(chain))
	if log == nil {
		return LogRecord{}, false
	}
	return toRecord(log.Cursor().Last())
}

func (b *basis) records(chain string, from uint64, max int) (recs []LogRecord) {
	log := b.log.Bucket([]byte(chain))
	if log == nil {
		return nil
	}
	c := log.Cursor()
	for k, v := c.Seek(seqKey(from)); k != nil && len(recs) < max; k, v = c.Next() {
		if r, ok := toRecord(k, v); ok {
			recs = append(recs, r)
		}
	}
	return recs
}
