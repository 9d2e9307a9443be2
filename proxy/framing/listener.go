package framing

import (
	"errors"
	"net"
	"sync"
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

// Listener hands out connections as Conns.
//
// A connection that waits for its next request holds what its server holds for
// it: buffers, and a stack as deep as a request's handler has ever been. Where
// most connections wait most of the time, that is nearly all of a server's
// memory. So one that rests after a request is taken from the server: its Read
// says io.EOF, and the Close that follows leaves it with the Listener. When its
// next request arrives, Accept hands it out again. A new one is handed out with
// its first byte.
//
// Its methods are safe for concurrent use.
type Listener struct {
	net.Listener
	times Times

	conns chan net.Conn // for Accept
	fault chan error    // of the listener below; at most one
	done  chan struct{} // closed by Close

	begin  sync.Once // the goroutine that accepts
	group  sync.WaitGroup
	mu     sync.Mutex
	closed bool
	parked map[*Conn]struct{}
}

// NewListener returns a Listener over l, which it owns from then on.
func NewListener(l net.Listener, times Times) *Listener {
	return &Listener{Listener: l, times: times, conns: make(chan net.Conn), fault: make(chan error, 1),
		done: make(chan struct{}), parked: map[*Conn]struct{}{}}
}

// Accept waits for a new connection, or for one that rested and has a request.
func (l *Listener) Accept() (net.Conn, error) {
	l.begin.Do(func() { l.start(l.accept) })
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.fault:
		return nil, err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// start runs f in a goroutine that Close waits for, unless Close was called.
func (l *Listener) start(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.group.Go(f)
	return true
}

// The waits after a connection could not be accepted for want of something
// that others may give back.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept takes new connections until the listener below is closed.
func (l *Listener) accept() {
	pause := firstPause
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			pause = firstPause
			l.take(&Conn{Conn: c, from: l, origin: Origin(c.RemoteAddr())})
			continue
		case !passing(err):
			l.fault <- err
			return
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, lastPause)
		case <-l.done:
			return
		}
	}
}

// take takes in a new connection.
func (l *Listener) take(c *Conn) {
	if c.canRest() && l.park(c, l.times.Read) {
		return
	}
	select {
	case l.conns <- c:
	case <-l.done:
		_ = c.Conn.Close()
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

// Close closes the listener below and every connection that rests. Those that
// are with the server stay open, and rest no more.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return net.ErrClosed
	}
	l.closed = true
	close(l.done)
	for c := range l.parked {
		// Wakes the goroutine that waits for it, which closes it: for TLS that
		// is a message to the other end. Where it fails, it is closed already.
		_ = c.SetReadDeadline(time.Unix(1, 0))
	}
	l.mu.Unlock()
	err := l.Listener.Close()
	l.group.Wait()
	return err
}

// Resting returns how many connections rest.
func (l *Listener) Resting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.parked)
}

// park takes over a connection between two requests, for so long at most;
// false: it does not.
func (l *Listener) park(c *Conn, most time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if err := c.lieDown(time.Now().Add(most)); err != nil {
		return false
	}
	l.parked[c] = struct{}{}
	l.group.Go(func() { l.await(c) })
	return true
}

// await waits for the next request of a connection that rests.
func (l *Listener) await(c *Conn) {
	stirred := c.sleep()
	l.mu.Lock()
	delete(l.parked, c)
	l.mu.Unlock()
	if stirred {
		select {
		case l.conns <- c:
			return
		case <-l.done:
		}
	}
	_ = c.Conn.Close()
}
