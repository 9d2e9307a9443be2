package store

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unsafe"
)

// A layer holds what was written since something was last put into the bbolt
// file: it is on disk as well, as frames of the file ahead (file_ahead.go).
// What a layer says of a key or a member hides what is below it. It is not
// safe for concurrent use.
type layer struct {
	generation uint64 // of the frames
	regs       map[string]held
	logs       map[string][]rawRecord // by chain, in order, without gaps
	sets       map[string]*memSet
	size       int  // bytes of the frames
	frozen     bool // nothing is written to it any more
}

func newLayer(generation uint64) *layer {
	return &layer{generation: generation, regs: map[string]held{}, logs: map[string][]rawRecord{}, sets: map[string]*memSet{}}
}

// held is what the file holds of a register: when it ends (Unix ms, 8 bytes
// big-endian; 0: never), then its value. nil: it was removed.
type held []byte

func (r held) end() uint64   { return binary.BigEndian.Uint64(r) }
func (r held) value() []byte { return r[8:] }

// ended tells whether a register was removed, or its time is over.
func (r held) ended(now int64) bool {
	return r == nil || r.end() != 0 && int64(r.end()) <= now
}

// rawRecord is a record as the file holds it: its hash, then its entry.
type rawRecord struct {
	seq uint64
	raw []byte
}

// record finds a record of a chain.
func (l *layer) record(chain string, seq uint64) (rawRecord, bool) {
	log := l.logs[chain]
	if len(log) == 0 || seq < log[0].seq || seq > log[len(log)-1].seq {
		return rawRecord{}, false
	}
	return log[seq-log[0].seq], true
}

// from gives the records of a chain from a number on.
func (l *layer) from(chain string, seq uint64) []rawRecord {
	log := l.logs[chain]
	if len(log) == 0 || seq <= log[0].seq {
		return log
	}
	return log[min(seq-log[0].seq, uint64(len(log))):]
}

// memSet is what a layer says of a sorted set.
type memSet struct {
	members map[string]change
	order   []Item // those that are there
	delta   int64  // how many more there are than below
}

// change is what a layer says of a member.
type change struct {
	score int64
	there bool
	below bool // it is there in what is below the layer
}

func compareItems(a, b Item) int {
	return cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(a.Member, b.Member))
}

// set takes a change.
func (s *memSet) set(member string, c change) {
	old, known := s.members[member]
	if known {
		s.delta -= old.delta()
		if old.there {
			if i, ok := slices.BinarySearchFunc(s.order, Item{member, old.score}, compareItems); ok {
				s.order = slices.Delete(s.order, i, i+1)
			}
		}
	}
	s.members[member] = c
	s.delta += c.delta()
	if c.there {
		it := Item{member, c.score}
		if n := len(s.order); n == 0 || compareItems(s.order[n-1], it) < 0 {
			s.order = append(s.order, it)
		} else {
			i, _ := slices.BinarySearchFunc(s.order, it, compareItems)
			s.order = slices.Insert(s.order, i, it)
		}
	}
}

func (c change) delta() int64 {
	switch {
	case c.there && !c.below:
		return 1
	case !c.there && c.below:
		return -1
	}
	return 0
}

// forget drops what need not be said: a member that came and went.
func (s *memSet) forget(member string) { delete(s.members, member) }

// after gives the members from (score, member) on; an empty member includes
// all of that score.
func (s *memSet) after(score int64, member string) []Item {
	i, found := slices.BinarySearchFunc(s.order, Item{member, score}, compareItems)
	if found && member != "" {
		i++
	}
	return s.order[i:]
}

func (l *layer) set(name string) *memSet {
	s := l.sets[name]
	if s == nil {
		s = &memSet{members: map[string]change{}}
		l.sets[name] = s
	}
	return s
}

// take takes what a batch has written, now that it is on disk.
func (l *layer) take(s *stage) {
	for key, r := range s.regs {
		l.regs[key] = r
	}
	for chain, log := range s.logs {
		l.logs[chain] = append(l.logs[chain], log...)
	}
	for name, changes := range s.sets {
		into := l.set(name)
		for member, c := range changes.members {
			into.set(member, c)
			if !c.there && !c.below {
				into.forget(member)
			}
		}
		if len(into.members) == 0 {
			delete(l.sets, name)
		}
	}
	l.size += len(s.out)
}

// stage is the topmost layer while a batch is done: what it writes, and the
// frame that says so on disk. Keys and values are in the frame's memory, which
// is not used again, so that the layer below can keep them.
type stage struct {
	layer
	out []byte
}

// begin readies the stage for a batch of about a size.
func (s *stage) begin(size int) {
	if s.regs == nil {
		s.layer = *newLayer(0)
	}
	clear(s.regs)
	clear(s.logs)
	clear(s.sets)
	s.out = make([]byte, frameAhead, frameAhead+size)
}

// empty tells whether nothing was written.
func (s *stage) empty() bool { return len(s.out) == frameAhead }

// The sorts of a frame's parts.
const (
	partRegister = 'r' // key, register
	partGone     = 'x' // key
	partRecord   = 'l' // chain, number, hash and entry
	partPut      = 's' // set, member, score
	partDrop     = 'd' // set, member
)

// text appends a text, and gives it as it is in the frame.
func (s *stage) text(t string) string {
	s.out = binary.AppendUvarint(s.out, uint64(len(t)))
	at := len(s.out)
	s.out = append(s.out, t...)
	if len(t) == 0 {
		return ""
	}
	// What is behind len is never written twice: should out grow into other
	// memory, this one stays as it is.
	return unsafe.String(&s.out[at], len(t))
}

// join appends two texts as one, and gives it as it is in the frame.
func (s *stage) join(a, b []byte) []byte {
	s.out = binary.AppendUvarint(s.out, uint64(len(a)+len(b)))
	at := len(s.out)
	s.out = append(append(s.out, a...), b...)
	return s.out[at:len(s.out):len(s.out)]
}

func (s *stage) write(key string, value []byte, end uint64) {
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], end)
	s.out = append(s.out, partRegister)
	key = s.text(key)
	s.regs[key] = s.join(head[:], value)
}

func (s *stage) remove(key string) {
	s.out = append(s.out, partGone)
	s.regs[s.text(key)] = nil
}

func (s *stage) append(chain string, r *LogRecord) {
	s.out = append(s.out, partRecord)
	chain = s.text(chain)
	s.out = binary.AppendUvarint(s.out, r.Seq)
	raw := s.join(r.Hash[:], r.Entry)
	s.logs[chain] = append(s.logs[chain], rawRecord{r.Seq, raw})
}

func (s *stage) change(set, member string, c change) {
	if c.there {
		s.out = append(s.out, partPut)
	} else {
		s.out = append(s.out, partDrop)
	}
	set, member = s.text(set), s.text(member)
	if c.there {
		s.out = binary.AppendUvarint(s.out, uint64(c.score))
	}
	s.set(set).set(member, c)
}
