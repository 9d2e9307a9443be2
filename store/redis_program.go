package store

import (
	"hash/maphash"
	"strconv"
	"sync"
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
	toMerge                      // the commands of a merge
	toLog                        // a log record
	toLength                     // of the log
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
	p.d = nil
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
	for _, group := range b.Groups {
		for i := range group {
			c := &group[i]
			c.reset()
			if c.Kind.register() {
				p.register(c)
			} else {
				p.queues.add(p.d, c)
			}
		}
	}
	p.flush()
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
	headOnceTTL = "*7\r\n$3\r\nset\r\n"
	headSet     = "*3\r\n$3\r\nset\r\n"
	headSetTTL  = "*5\r\n$3\r\nset\r\n"
	headExpire  = "*3\r\n$7\r\npexpire\r\n"

	argOnce = "$2\r\nnx\r\n$3\r\nget\r\n"
	argTTL  = "$2\r\npx\r\n"
)

func (p *program) put(s string) { p.buf = append(p.buf, s...) }

// register appends a command on a register.
func (p *program) register(c *Command) {
	ms := c.TTL.Milliseconds()
	s := sink{to: toCommand, cmd: c}
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

// set appends a SET.
func (p *program) set(c *Command, ms int64) {
	switch {
	case c.Kind == SetOnce && ms > 0:
		p.put(headOnceTTL)
	case c.Kind == SetOnce:
		p.put(headOnce)
	case ms > 0:
		p.put(headSetTTL)
	default:
		p.put(headSet)
	}
	p.key(c.Key)
	arg(p, c.Value)
	if c.Kind == SetOnce {
		p.put(argOnce)
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
