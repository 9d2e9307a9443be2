package framing

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Times bound the waits of a connection. All are positive.
type Times struct {
	Read  time.Duration // for a whole request, and for the first byte of a connection each
	Idle  time.Duration // between two requests
	Write time.Duration // for one Write; it may be shorter by a sixth
	// Rest is how long nothing may come between two requests until the server
	// is told that the connection has ended, and the Listener waits for the
	// next one by itself; it takes up to twice as long.
	Rest time.Duration
}

// Listener hands connections to a server, each in a goroutine of its own.
//
// A connection that waits for its next request holds what its server holds for
// it: buffers, and a stack as deep as a request's handler has ever been. Where
// most connections wait most of the time, that is nearly all of a server's
// memory. So one that rests after a request is taken from the server: its Next
// says io.EOF, and when the server returns the Listener waits for what comes,
// in a goroutine that has done nothing else. Then it hands the connection out
// again. A new one is handed out with its first byte.
//
// Its methods are safe for concurrent use.
type Listener struct {
	below net.Listener
	times Times

	closed  atomic.Bool
	done    chan struct{} // closed by Close
	empty   chan struct{} // closed when, after that, no connection is left
	resting atomic.Int64

	mu   sync.Mutex
	open map[*Conn]struct{} // nil: closed, and there are none
}

// NewListener returns a Listener over l, which it owns from then on.
func NewListener(l net.Listener, times Times) *Listener {
	return &Listener{below: l, times: times, done: make(chan struct{}), empty: make(chan struct{}), open: map[*Conn]struct{}{}}
}

// Addr returns the address of the listener below.
func (l *Listener) Addr() net.Addr { return l.below.Addr() }

// The waits after a connection could not be accepted for want of something
// that others may give back.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// Serve accepts connections until Close, and calls serve for each one that has a
// request; when it returns, the connection rests or is closed. The error is one
// of the listener below.
func (l *Listener) Serve(serve func(*Conn)) error {
	pause := firstPause
	for {
		c, err := l.below.Accept()
		switch {
		case err == nil:
			pause = firstPause
			l.take(&Conn{conn: c, from: l, origin: OriginOf(c.RemoteAddr())}, serve)
			continue
		case l.closed.Load():
			return nil
		case !passing(err):
			return err
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, lastPause)
		case <-l.done:
			return nil
		}
	}
}

// take takes in a new connection.
func (l *Listener) take(c *Conn, serve func(*Conn)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed.Load() {
		_ = c.conn.Close()
		return
	}
	l.open[c] = struct{}{}
	go l.attend(c, l.times.Read, serve)
}

// attend waits for a request of a connection, for so long at most, and has it
// served.
func (l *Listener) attend(c *Conn, most time.Duration, serve func(*Conn)) {
	if c.canRest() {
		l.resting.Add(1)
		stirred := c.rest(most)
		l.resting.Add(-1)
		if !stirred {
			l.drop(c)
			return
		}
	}
	serve(c)
	if !c.resting {
		l.drop(c)
		return
	}
	c.release()
	// This goroutine's stack is as deep as serve has been.
	go l.attend(c, l.times.Idle, serve)
}

// drop ends a connection.
func (l *Listener) drop(c *Conn) {
	c.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	l.ended()
}

// ended says it when the last connection is gone. The lock is held.
func (l *Listener) ended() {
	if l.closed.Load() && len(l.open) == 0 && l.open != nil {
		l.open = nil
		close(l.empty)
	}
}

// passing reports whether it is worth while to accept again: the connection
// was given up by its other end, or this machine is short of something.
func passing(err error) bool {
	for _, known := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// Close closes the listener below, and has every connection end that rests or
// waits for its next request. Those with a request end when their server
// returns.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed.Swap(true) {
		l.mu.Unlock()
		return net.ErrClosed
	}
	close(l.done)
	for c := range l.open {
		if c.waits.Load() {
			// Wakes its goroutine, which closes it: for TLS that is a message
			// to the other end. Where it fails, it is closed already.
			_ = c.conn.SetReadDeadline(time.Unix(1, 0))
		}
	}
	l.ended()
	l.mu.Unlock()
	return l.below.Close()
}

// Drain waits, after Close, until every connection has ended.
func (l *Listener) Drain(ctx context.Context) error {
	select {
	case <-l.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Resting returns how many connections rest.
func (l *Listener) Resting() int { return int(l.resting.Load()) }
