package store

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// beginBytes bounds a batch that is begun: what a connection's buffers take at
// once when nothing is in them.
const beginBytes = 48 << 10

// early is the batch that a driver has begun. There is one at most.
type early struct {
	d          *redisDriver
	wire       *wire
	conn       net.Conn
	generation string
	b          *Batch
	p          *program
	err        error
	received   bool

	mu      sync.Mutex
	waits   bool      // await does
	since   time.Time // it was sent
	hurried bool      // await has to end
}

var past = time.Unix(1, 0)

// begin is that of beginner. Only a wire that has its connection takes part.
func (d *redisDriver) begin(ctx context.Context, b *Batch) begun {
	d.mu.Lock()
	w, ok := d.line.(*wire)
	ok = ok && !d.closed && ctx.Err() == nil && !d.o.Replicated && d.generation == b.Generation
	d.mu.Unlock()
	if !ok {
		return nil
	}
	conn := w.take()
	if conn == nil {
		return nil
	}
	p := newProgram(d)
	p.batch(b)
	if len(p.sinks) == 0 || len(p.cuts) > 0 || len(p.buf) > beginBytes {
		p.free()
		w.mu.Unlock()
		return nil
	}
	e := &d.early
	e.d, e.wire, e.conn, e.generation, e.b, e.p, e.err, e.received = d, w, conn, b.Generation, b, p, nil, false
	at := time.Now()
	e.err = conn.SetDeadline(w.before(ctx, at)) // before hurry may set another
	e.mu.Lock()
	e.waits, e.since, e.hurried = true, at, false
	e.mu.Unlock()
	if e.err == nil {
		e.err = ctx.Err() // who ended it a moment ago found nothing to hurry
	}
	if e.err == nil {
		_, e.err = conn.Write(p.buf)
	}
	return e
}

// take gives the wire's connection, and holds the wire, or gives nil if it has
// none, or somebody else holds it.
func (w *wire) take() net.Conn {
	if !w.mu.TryLock() {
		return nil
	}
	w.state.Lock()
	conn := w.conn
	if w.closed {
		conn = nil
	}
	w.state.Unlock()
	if conn == nil {
		w.mu.Unlock()
	}
	return conn
}

// hurry is that of beginner.
func (d *redisDriver) hurry(before time.Time) {
	e := &d.early
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waits && e.since.Before(before) {
		e.hurried = true
		_ = e.conn.SetReadDeadline(past) // where that fails, so does the read
	}
}

// await is that of begun.
func (e *early) await() bool {
	if e.err == nil {
		e.err = e.wire.in.fill()
	}
	e.mu.Lock()
	e.waits = false
	hurried := e.hurried
	e.mu.Unlock()
	if hurried {
		if errors.Is(e.err, os.ErrDeadlineExceeded) {
			e.err = nil
		}
		return false
	}
	if e.err == nil {
		e.err = e.wire.receive(e.p, false)
		e.received = true
	}
	p := e.p
	if e.err != nil || p.noLog != nil || p.failed != nil || len(p.lost) > 0 || (len(e.b.Records) > 0 && !e.d.follows(e.b, &p.result)) {
		return false
	}
	e.d.acknowledged(e.b, p)
	e.free()
	e.wire.mu.Unlock()
	return true
}

// free lets go of the program, and of what else was the batch's alone.
func (e *early) free() {
	e.p.free()
	e.p, e.b, e.conn = nil, nil, nil
}

// finish is that of begun.
func (e *early) finish(ctx context.Context) error {
	d, w, b, p := e.d, e.wire, e.b, e.p
	if e.err == nil && !e.received {
		// It may have been handed over because ctx has ended.
		if e.err = ctx.Err(); e.err == nil {
			e.err = e.conn.SetReadDeadline(w.before(ctx, time.Now()))
		}
		if e.err == nil {
			e.err = w.receive(p, false)
		}
	}
	if e.err != nil {
		w.drop()
	}
	w.mu.Unlock() // there may be more to say on it
	err := d.conclude(ctx, w, b, p, e.err)
	e.free()
	return d.written(b, w, e.generation, d.scripted(ctx, w, b, err))
}
