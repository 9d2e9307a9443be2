package store

import (
	"context"
	"errors"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

// carrier takes programs to Redis: a wire to one server, or go-redis's
// pipeline, which knows the way in a Cluster and has several connections.
type carrier interface {
	// exchange sends the program's commands in order, and hands each reply to
	// the program. An error says that not all replies came. It may be called
	// by several goroutines.
	exchange(ctx context.Context, p *program) error
	// close ends the connections; what is under way fails.
	close() error
}

// pipeline carries programs by a client of go-redis.
type pipeline struct{ client redis.UniversalClient }

func (l pipeline) close() error { return l.client.Close() }

func (l pipeline) exchange(ctx context.Context, p *program) error {
	if p.replicated {
		ctx = context.WithValue(ctx, replicated{}, true)
	}
	cmds := p.commands(ctx)
	pipe := l.client.Pipeline()
	if err := pipe.BatchProcess(ctx, cmds...); err != nil {
		return err
	}
	// Each command holds its own error; the one of Exec is the first of them.
	_, _ = pipe.Exec(ctx)
	for i, c := range cmds {
		p.take(i, replyOf(c))
	}
	return nil
}

// commands makes go-redis's commands of a program. Arguments are pointers to
// strings in the program's memory: go-redis writes those without an allocation
// for each.
func (p *program) commands(ctx context.Context) []redis.Cmder {
	cmds := make([]redis.Cmder, len(p.sinks))
	at, cuts := 0, p.cuts
	count := func() int {
		at++ // its sort
		n := 0
		for ; p.buf[at] != '\r'; at++ {
			n = 10*n + int(p.buf[at]-'0')
		}
		at += 2
		return n
	}
	for i := range cmds {
		n := count()
		texts, args := make([]string, n), make([]any, n)
		for j := range n {
			size := count()
			var b []byte
			if len(cuts) > 0 && cuts[0].at == at {
				b, cuts = cuts[0].text, cuts[1:]
			} else {
				b = p.buf[at : at+size]
				at += size
			}
			at += 2
			texts[j] = unsafe.String(unsafe.SliceData(b), len(b))
			args[j] = &texts[j]
		}
		switch p.sinks[i].shape {
		case text:
			cmds[i] = redis.NewStringCmd(ctx, args...)
		case number:
			cmds[i] = redis.NewIntCmd(ctx, args...)
		case list:
			cmds[i] = redis.NewSliceCmd(ctx, args...)
		}
	}
	return cmds
}

// replyOf gives what was replied to one of go-redis's commands.
func replyOf(c redis.Cmder) reply {
	if err := c.Err(); err != nil {
		if errors.Is(err, redis.Nil) {
			return reply{none: true}
		}
		return reply{err: err}
	}
	switch c := c.(type) {
	case *redis.IntCmd:
		return reply{n: c.Val()}
	case *redis.StringCmd:
		text, _ := c.Bytes() // its error was looked at
		return reply{text: text}
	case *redis.SliceCmd:
		r := reply{}
		for _, v := range c.Val() {
			switch v := v.(type) {
			case int64:
				r.list = append(r.list, reply{n: v})
			case string:
				r.list = append(r.list, reply{text: []byte(v)})
			default:
				r.list = append(r.list, reply{none: v == nil})
			}
		}
		return r
	}
	return reply{err: errReply}
}
