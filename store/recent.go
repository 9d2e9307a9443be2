package store

import (
	"encoding/binary"
	"time"
)

// recent keeps what a store acknowledged lately, for stores that may lose some
// of it: a row of chunks, oldest first, into which log records and commands
// are copied, and which are used again. It grows with what is written, up to a
// limit, and is given back when it is old. It is for one goroutine.
//
// A frame in a chunk:
//
//	length of the rest  4 bytes, big-endian
//	sort                'r' a log record, 'g' one unit's commands
//	time                varint: milliseconds since base, when it was acknowledged
//	record              chain's number, sequence number, predecessor's hash, hash, entry
//	commands            their number, then each
//
// Numbers are varints, texts have their length before them.
type recent struct {
	limit int
	chunk int // size of a chunk, unless a frame needs more
	base  time.Time

	chunks []recentChunk
	spare  []byte // a chunk to use again
	size   int    // bytes of all chunks
	chain  uint64 // the number of the chain being written
}

type recentChunk struct {
	buf    []byte
	newest time.Duration // since base: of its newest frame
}

const (
	recentSize     = 256 << 10
	defaultRecent  = 64 << 20
	recentWindow   = 60 * time.Second
	recentRecord   = 'r'
	recentCommands = 'g'
	// recentHead bounds what a frame holds beside texts: its head, and the
	// numbers of a record.
	recentHead = 4 + 1 + 10 + 10 + 10 + 32 + 32 + 5
	// recentCommand bounds what a command holds beside texts.
	recentCommand = 1 + 1 + 4*5 + 2*10
)

func newRecent(limit int) *recent {
	return &recent{limit: limit, chunk: min(recentSize, max(limit/16, 1)), base: time.Now()}
}

// room gives the chunk that takes n bytes more, and nil where the limit leaves
// none.
func (r *recent) room(n int, now time.Duration) *recentChunk {
	if k := len(r.chunks); k > 0 {
		if c := &r.chunks[k-1]; cap(c.buf)-len(c.buf) >= n {
			c.newest = now
			return c
		}
	}
	size := max(n, r.chunk)
	if size > r.limit {
		return nil
	}
	for len(r.chunks) > 0 && r.size+size > r.limit {
		r.drop()
	}
	buf := r.spare
	if r.spare = nil; cap(buf) < size {
		buf = make([]byte, 0, size)
	}
	r.size += cap(buf)
	r.chunks = append(r.chunks, recentChunk{buf: buf, newest: now})
	return &r.chunks[len(r.chunks)-1]
}

// drop forgets the oldest chunk.
func (r *recent) drop() {
	buf := r.chunks[0].buf
	r.size -= cap(buf)
	if cap(buf) == r.chunk {
		r.spare = buf[:0]
	}
	n := copy(r.chunks, r.chunks[1:])
	r.chunks[n] = recentChunk{}
	r.chunks = r.chunks[:n]
}

// expire forgets what was acknowledged before a time, and gives memory back
// once nothing is left.
func (r *recent) expire(before time.Time) {
	at := before.Sub(r.base)
	for len(r.chunks) > 0 && r.chunks[0].newest < at {
		r.drop()
	}
	if len(r.chunks) == 0 {
		r.spare, r.chunks = nil, nil
	}
}

// nextChain says that the records that follow are of another chain.
func (r *recent) nextChain() { r.chain++ }

// begin writes a frame's head, and end its length.
func (r *recent) begin(c *recentChunk, sort byte, now time.Duration) (start int) {
	start = len(c.buf)
	c.buf = append(c.buf, 0, 0, 0, 0, sort)
	c.buf = binary.AppendUvarint(c.buf, uint64(now.Milliseconds()))
	return start
}

func (c *recentChunk) end(start int) {
	binary.BigEndian.PutUint32(c.buf[start:], uint32(len(c.buf)-start-4))
}

// addRecord keeps a record that was acknowledged.
func (r *recent) addRecord(prev *[32]byte, rec *LogRecord, at time.Time) {
	now := at.Sub(r.base)
	c := r.room(recentHead+len(rec.Entry), now)
	if c == nil {
		return
	}
	start := r.begin(c, recentRecord, now)
	c.buf = binary.AppendUvarint(c.buf, r.chain)
	c.buf = binary.AppendUvarint(c.buf, rec.Seq)
	c.buf = append(c.buf, prev[:]...)
	c.buf = append(c.buf, rec.Hash[:]...)
	c.buf = appendText(c.buf, rec.Entry)
	c.end(start)
}

// addCommands keeps those of a unit's commands that are to be sent again when
// the store has lost them.
func (r *recent) addCommands(cmds []Command, at time.Time) {
	n, size := 0, recentHead
	for i := range cmds {
		if c := &cmds[i]; c.repeats() {
			n++
			size += recentCommand + len(c.Key) + len(c.Unless) + len(c.Member) + len(c.Value)
		}
	}
	if n == 0 {
		return
	}
	now := at.Sub(r.base)
	c := r.room(size, now)
	if c == nil {
		return
	}
	start := r.begin(c, recentCommands, now)
	c.buf = binary.AppendUvarint(c.buf, uint64(n))
	for i := range cmds {
		cmd := &cmds[i]
		if !cmd.repeats() {
			continue
		}
		c.buf = append(c.buf, byte(cmd.Kind), byte(cmd.Queue))
		c.buf = appendText(c.buf, cmd.Key)
		c.buf = appendText(c.buf, cmd.Unless)
		c.buf = appendText(c.buf, cmd.Member)
		c.buf = appendText(c.buf, cmd.Value)
		c.buf = binary.AppendUvarint(c.buf, uint64(cmd.TTL.Milliseconds()))
		c.buf = binary.AppendUvarint(c.buf, uint64(cmd.Score))
	}
	c.end(start)
}

// repeats tells whether an acknowledged command is to be done again when the
// store has lost it. A register that was somebody else's is his to bring back;
// a count would count twice; a lease in a queue runs out either way.
func (c *Command) repeats() bool {
	switch c.Kind {
	case SetOnce, SetUnless:
		return c.Won && c.Err == nil
	case Set, Delete, Expire, Persist, QueueAdd, QueueRemove:
		return c.Err == nil
	}
	return false
}

// recentFrame is a frame that was read. Its texts point into the chunk.
type recentFrame struct {
	sort byte
	at   time.Duration // since base
	rest unitReader
}

// frames gives all frames, oldest first, until yield returns false.
func (r *recent) frames(yield func(recentFrame) bool) {
	for i := range r.chunks {
		rest := r.chunks[i].buf
		for len(rest) > 0 {
			n := 4 + int(binary.BigEndian.Uint32(rest))
			f := recentFrame{sort: rest[4], rest: unitReader{rest: rest[5:n]}}
			f.at = time.Duration(f.rest.number()) * time.Millisecond
			if !yield(f) {
				return
			}
			rest = rest[n:]
		}
	}
}

// view reads a text without copying it.
func (r *unitReader) view() []byte {
	n := r.count()
	t := r.rest[:n:n]
	r.rest = r.rest[n:]
	return t
}

// records gives the records of the chain being written from number from to
// number to, and the hash before the first; nil where any of them is missing.
// They point into the chunks.
func (r *recent) records(from, to uint64) (recs []LogRecord, prev [32]byte) {
	for f := range r.frames {
		if f.sort != recentRecord || f.rest.number() != r.chain {
			continue
		}
		seq := f.rest.number()
		if seq != from+uint64(len(recs)) || seq > to {
			continue
		}
		rec := LogRecord{Seq: seq}
		if seq == from {
			copy(prev[:], f.rest.rest)
		}
		copy(rec.Hash[:], f.rest.rest[32:])
		f.rest.rest = f.rest.rest[64:]
		rec.Entry = f.rest.view()
		recs = append(recs, rec)
	}
	if len(recs) == 0 || recs[len(recs)-1].Seq != to {
		return nil, prev
	}
	return recs, prev
}

// units gives the commands of one unit after another, in the order in which
// they were acknowledged, as they are to be sent at a time: with the life that
// is left to them, and a Set only where nothing of ours followed on the
// register. Values point into the chunks.
func (r *recent) units(now time.Time) func(yield func([]Command) bool) {
	newest := make(map[string]int)
	n := 0
	for f := range r.frames {
		for c := range f.commands {
			if c.Kind == Set || c.Kind == Delete {
				newest[c.Key] = n
			}
			n++
		}
	}
	return func(yield func([]Command) bool) {
		n := -1
		for f := range r.frames {
			var cmds []Command
			age := (now.Sub(r.base) - f.at).Truncate(time.Millisecond)
			for c := range f.commands {
				n++
				if c.Kind == Set && newest[c.Key] != n {
					continue
				}
				if c.aged(age) {
					cmds = append(cmds, c)
				}
			}
			if len(cmds) > 0 && !yield(cmds) {
				return
			}
		}
	}
}

// commands gives the commands of a frame.
func (f recentFrame) commands(yield func(Command) bool) {
	if f.sort != recentCommands {
		return
	}
	rest := f.rest
	for range rest.count() {
		c := Command{Kind: Kind(rest.byte()), Queue: Queue(rest.byte())}
		c.Key, c.Unless, c.Member, c.Value = string(rest.view()), string(rest.view()), string(rest.view()), rest.view()
		c.TTL = time.Duration(rest.number()) * time.Millisecond
		c.Score = int64(rest.number())
		if !yield(c) {
			return
		}
	}
}

// aged shortens the life that a command gives by the time since it was given,
// and tells whether any is left. A register that should have ended ends.
func (c *Command) aged(age time.Duration) bool {
	if c.TTL == 0 {
		return true
	}
	if c.TTL -= age; c.TTL > 0 {
		return true
	}
	if c.Kind == Expire {
		c.Kind, c.TTL = Delete, 0
		return true
	}
	return false
}
