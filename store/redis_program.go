package store

import (
	"hash/maphash"
	"strconv"
	"sync"
	"time"
)

// program is what one batch says to Redis, as it goes over the wire, and where
// the replies go. Values from cutSize on are not copied into it. It is used
// again for another batch.
type program struct {
	d     *redisDriver
	buf   []byte // RESP, but for what is in cuts
	cuts  []cut
	sinks []sink // one for each command, in order

	queues gathered
	// changed are the registers that the batch may write over, as bits by their
	// hash.
	changed [seenWords]uint64
	changes bool       // there are any
	open    *openLists // of the batch's chain; nil: none
	// first and last are the first and the last key that is written.
	first, last string
	// replicated has the carrier wait for a replica.
	replicated bool

	result
}

// cut is a text that belongs at a place of a program's bytes.
type cut struct {
	at   int
	text []byte
}

// cutSize is from where on a text is not copied on its way to the socket.
const cutSize = 16 << 10

// keepSize bounds the memory that is kept for the next batch.
const keepSize = 4 << 20

// shape is what a command replies when all goes well.
type shape uint8

const (
	text shape = iota // or none
	number
	list
)

// sink is where the reply to one Redis command goes.
type sink struct {
	to    destination
	shape shape
	cmd   *Command
	merge int // of toMerge
}

// destination is the kind of a sink.
type destination uint8

const (
	toNobody  destination = iota // but an error counts
	toCommand                    // cmd
	toOnce                       // cmd, which is a SetOnce
	toPrior                      // cmd, which is a SetOnce that was not done
	toMerge                      // the commands of a merge
	toLog                        // a log record
	toLength                     // of the log
	toOpen                       // a list of open claims
	toList                       // result.list
)

var programs = sync.Pool{New: func() any { return &program{queues: gathered{seed: maphash.MakeSeed()}} }}

func newProgram(d *redisDriver) *program {
	p := programs.Get().(*program)
	p.d = d
	return p
}

// free gives the program back. Nothing may refer to it any more.
func (p *program) free() {
	p.d, p.open = nil, nil
	if p.changes {
		clear(p.changed[:])
		p.changes = false
	}
	if cap(p.buf) > keepSize {
		p.buf = nil
	}
	clear(p.cuts)
	clear(p.sinks)
	p.buf, p.cuts, p.sinks = p.buf[:0], p.cuts[:0], p.sinks[:0]
	p.queues.reset()
	p.first, p.last, p.replicated = "", "", false
	p.result.reset()
	programs.Put(p)
}

// batch appends all that a batch does: first the log, then the registers, then
// the queues, so that a cut leaves no index of what is not there.
func (p *program) batch(b *Batch) {
	p.log(b)
	p.change(b)
	now := time.Time{}
	if p.open = p.d.openOf(b); p.open != nil {
		now = time.Now()
		p.open.turn(now)
		for i := range p.open.moving {
			p.queues.add(p.d, &p.open.moving[i])
		}
	}
	for _, group := range b.Groups {
		for i := range group {
			c := &group[i]
			c.reset()
			switch {
			case c.Kind.register():
				p.register(c)
			case p.open == nil || c.Queue != Doubt || !p.open.takes(c, now):
				p.queues.add(p.d, c)
			}
		}
	}
	p.flush()
}

// change takes note of the registers that a batch may write over.
func (p *program) change(b *Batch) {
	for _, group := range b.Groups {
		for i := range group {
			if k := group[i].Kind; k == Set || k == Delete || k == Incr {
				word, bit := p.bit(group[i].Key)
				p.changed[word] |= bit
				p.changes = true
			}
		}
	}
}

func (p *program) bit(key string) (word int, bit uint64) {
	h := maphash.String(p.queues.seed, key)
	return int(h >> 6 % seenWords), 1 << (h & 63)
}

// stays tells whether what is in the way of a register is still there after the
// batch.
func (p *program) stays(key string) bool {
	if !p.changes {
		return true
	}
	word, bit := p.bit(key)
	return p.changed[word]&bit == 0
}

// A command is its head, which says how many arguments follow and holds those
// that never change, then its arguments, and at last its sink.

// arg appends an argument that stays unchanged until the reply.
func arg[T string | []byte](p *program, v T) {
	p.length(len(v))
	if len(v) >= cutSize {
		p.cuts = append(p.cuts, cut{len(p.buf), []byte(v)})
	} else {
		p.buf = append(p.buf, v...)
	}
	p.buf = append(p.buf, '\r', '\n')
}

// key appends the key that a command writes.
func (p *program) key(key string) {
	if p.first == "" {
		p.first = key
	}
	p.last = key
	arg(p, key)
}

func (p *program) length(n int) {
	p.buf = append(p.buf, '$')
	p.buf = strconv.AppendInt(p.buf, int64(n), 10)
	p.buf = append(p.buf, '\r', '\n')
}

func (p *program) num(v int64) {
	var b [20]byte
	t := strconv.AppendInt(b[:0], v, 10)
	p.length(len(t))
	p.buf = append(append(p.buf, t...), '\r', '\n')
}

// id appends a stream's id of a sequence number.
func (p *program) id(seq uint64) {
	var b [24]byte
	t := append(strconv.AppendUint(b[:0], seq, 10), "-0"...)
	p.length(len(t))
	p.buf = append(append(p.buf, t...), '\r', '\n')
}

// call begins a command of n arguments, its name included.
func (p *program) call(n int, name string) {
	p.buf = append(p.buf, '*')
	p.buf = strconv.AppendInt(p.buf, int64(n), 10)
	p.buf = append(p.buf, '\r', '\n')
	arg(p, name)
}

func (p *program) sink(s sink) { p.sinks = append(p.sinks, s) }

// The heads and tails of the commands of which a batch has one for each
// request or more.
const (
	headOnce    = "*5\r\n$3\r\nset\r\n"
	headOnceTTL = "*6\r\n$3\r\nset\r\n"
	headSet     = "\r\n$3\r\nset\r\n"
	headExpire  = "*3\r\n$7\r\npexpire\r\n"

	argOnce    = "$2\r\nnx\r\n"
	argOnceGet = argOnce + "$3\r\nget\r\n"
	argTTL     = "$2\r\npx\r\n"
	// argKeep spares Redis the search for the life of a register that was not
	// there.
	argKeep = "$7\r\nkeepttl\r\n"
)

func (p *program) put(s string) { p.buf = append(p.buf, s...) }

// register appends a command on a register.
func (p *program) register(c *Command) {
	ms := c.TTL.Milliseconds()
	s := sink{to: toCommand, cmd: c}
	if p.open != nil && c.Kind.once() {
		if add := p.open.register(c.Key); add != nil {
			p.queues.add(p.d, add)
		}
	}
	switch {
	case c.placed == placedLost:
		return
	case c.placed == placedOurs && ms > 0, c.Kind == Expire:
		p.put(headExpire)
		p.key(c.Key)
		p.num(ms)
		s.shape = number
	case c.placed == placedOurs, c.Kind == Persist:
		// EXISTS tells whether the key is there; PERSIST alone would not.
		p.call(2, "persist")
		p.key(c.Key)
		p.sink(sink{shape: number})
		p.call(2, "exists")
		arg(p, c.Key)
		s.shape = number
	case c.Kind == SetUnless:
		p.call(7, "evalsha")
		arg(p, unlessScript.Hash())
		arg(p, "2")
		p.key(c.Key)
		arg(p, c.Unless)
		arg(p, c.Value)
		p.num(ms)
	case c.Kind == SetOnce && p.stays(c.Key):
		p.once(c, ms)
		s.to = toOnce
	case c.Kind == SetOnce || c.Kind == Set:
		p.set(c, ms)
	case c.Kind == Get:
		p.call(2, "get")
		arg(p, c.Key)
	case c.Kind == Delete:
		p.call(2, "del")
		p.key(c.Key)
		s.shape = number
	case c.Kind == Incr:
		p.call(3, "incrby")
		p.key(c.Key)
		p.num(c.Score)
		s.shape = number
		if ms > 0 {
			p.sink(s)
			p.call(4, "pexpire")
			p.key(c.Key)
			p.num(ms)
			arg(p, "nx")
			s = sink{shape: number}
		}
	}
	p.sink(s)
}

// once appends a SetOnce whose reply tells whether it was done, and no more: that
// spares Redis a search, where another question is needed only if it was not.
func (p *program) once(c *Command, ms int64) {
	if ms > 0 {
		p.put(headOnceTTL)
	} else {
		p.put(headOnce)
	}
	p.key(c.Key)
	arg(p, c.Value)
	p.put(argOnce)
	if ms > 0 {
		p.put(argTTL)
		p.num(ms)
	} else {
		p.put(argKeep)
	}
}

// set appends a SET whose reply is what was there before.
func (p *program) set(c *Command, ms int64) {
	n := 3
	if c.Kind == SetOnce {
		n += 2
	}
	if ms > 0 {
		n += 2
	}
	p.buf = append(p.buf, '*', '0'+byte(n))
	p.put(headSet)
	p.key(c.Key)
	arg(p, c.Value)
	if c.Kind == SetOnce {
		p.put(argOnceGet)
	}
	if ms > 0 {
		p.put(argTTL)
		p.num(ms)
	}
}

// script appends a call of a script that replies with a list, by its hash or,
// where the server does not know that, by its text.
func (p *program) script(s *script, known bool, key string, args []string) {
	name, body := "evalsha", s.Hash()
	if !known {
		name, body = "eval", s.text
	}
	p.call(4+len(args), name)
	arg(p, body)
	arg(p, "1")
	arg(p, key)
	for _, a := range args {
		arg(p, a)
	}
	p.sink(sink{to: toList, shape: list})
}
