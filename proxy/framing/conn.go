package framing

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a connection on which requests arrive. Next gives the head of the next
// one, TakeBody or ReadBody its body; both wait no longer than the Listener's
// Times allow. One goroutine may use it.
type Conn struct {
	conn   net.Conn
	from   *Listener
	origin netip.Addr

	in       *intake // nil: nothing has come since the last request
	body     bodyState
	left     int64 // bytes of the body, or of the chunk
	requests uint64
	fault    error // what was wrong with what came; there is no more

	// Setting a deadline costs as much as a small system call, so it is done
	// where one is missing or has come, not for every request.
	set   deadline
	heard bool      // something came since the tick was set
	whole time.Time // when the request that is arriving must be there; zero: not said yet
	out   time.Time // the deadline of writes that is set; zero: none

	waits   atomic.Bool // it is between two requests, or before the first
	resting bool        // Next has said that it is over, and it is not
	waker   syscall.RawConn
	peek    [1]byte
	alive   bool
}

// Origin returns the address of the other end; the zero Addr where that is none
// of IP.
func (c *Conn) Origin() netip.Addr { return c.origin }

// LocalAddr returns the address at which the connection arrived.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// OriginOf returns the address in a, an IPv4 one as such; the zero Addr where it
// is none of IP.
func OriginOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// deadline is what is set for reads.
type deadline uint8

const (
	none deadline = iota
	tick          // to see whether anything comes between two requests
	last          // Conn.whole
)

// Next waits for the head of the next request. All of the request before must
// have been taken; what was borrowed of it ends.
//
// io.EOF says that there is none: the connection is to be closed, which may
// leave it with the Listener until something comes. Any other error is of a
// request that has begun: ErrMalformed, ErrTooLong, io.ErrUnexpectedEOF, one of
// the connection's, or a timeout.
func (c *Conn) Next() (*Head, error) {
	if c.fault != nil {
		return nil, c.fault
	}
	if !c.Taken() || c.in != nil && c.in.head.Last() {
		return nil, io.EOF
	}
	if c.in == nil {
		c.in, _ = intakes.Get().(*intake)
	}
	in := c.in
	in.next()
	if in.w == 0 {
		if err := c.await(); err != nil {
			return nil, err
		}
	}
	for {
		whole, ok := in.head.read(in.buf[:in.w])
		switch {
		case !ok:
			return nil, c.fail(ErrMalformed)
		case whole && in.head.at <= MaxHead:
			in.r, in.body = in.head.at, in.head.at
			if err := c.beginBody(); err != nil {
				return nil, err
			}
			return &in.head, nil
		case whole || in.w >= MaxHead:
			return nil, c.fail(ErrTooLong)
		}
		if err := c.fill(); err != nil {
			return nil, c.fail(amidst(err))
		}
	}
}

// await waits for the first bytes of a request. However that fails, nothing of
// one has come.
func (c *Conn) await() error {
	c.waits.Store(true)
	defer c.waits.Store(false)
	if c.fill() != nil {
		return io.EOF
	}
	return nil
}

// fail ends what is read of the connection.
func (c *Conn) fail(err error) error {
	c.fault = err
	return err
}

// fill reads more into the buffer, of which some must be free.
func (c *Conn) fill() error {
	n, err := c.read(c.in.buf[c.in.w:])
	c.in.w += n
	return err
}

// read reads from the connection; an error says that nothing was read.
func (c *Conn) read(p []byte) (int, error) {
	for {
		if err := c.bound(); err != nil {
			return 0, err
		}
		n, err := c.conn.Read(p)
		if n > 0 {
			c.heard = true
			return n, nil
		}
		if err == nil {
			err = io.ErrNoProgress
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if err := c.late(err); err != nil {
			return 0, err
		}
	}
}

// idle reports whether the connection is between two requests, and not before
// its first.
func (c *Conn) idle() bool { return c.requests > 0 && c.waits.Load() }

// bound sees to it that the next read does not wait without end.
func (c *Conn) bound() error {
	if err := c.setDeadline(); err != nil {
		return err
	}
	if c.waits.Load() && c.from.closed.Load() {
		// Close may have ended this wait before its deadline was set.
		return net.ErrClosed
	}
	return nil
}

// setDeadline sets the deadline of reads where there is none that will do.
func (c *Conn) setDeadline() error {
	if c.idle() {
		if c.set == tick {
			return nil
		}
		return c.tick(time.Now())
	}
	if c.whole.IsZero() {
		c.whole = time.Now().Add(c.from.times.Read)
	}
	if c.set != none {
		return nil
	}
	c.set = last
	return c.conn.SetReadDeadline(c.whole)
}

func (c *Conn) tick(now time.Time) error {
	c.set, c.heard = tick, false
	wait := c.from.times.Rest
	if !c.canRest() {
		wait = c.from.times.Idle
	}
	return c.conn.SetReadDeadline(now.Add(wait))
}

// late follows a read whose deadline has come. It returns what the read is to
// say, or nil to read on.
func (c *Conn) late(err error) error {
	now := time.Now()
	switch {
	case c.idle() && c.heard:
		return c.tick(now)
	case c.idle():
		c.resting = c.canRest()
		return io.EOF
	case !now.Before(c.whole):
		return err
	}
	c.set = last
	return c.conn.SetReadDeadline(c.whole)
}

// canRest reports whether the Listener can wait for what comes next.
func (c *Conn) canRest() bool {
	if c.waker == nil {
		c.waker = wakerOf(c.conn)
	}
	return c.waker != nil
}

// rest waits until something arrives, for so long at most, and reports whether
// that is more than the end of the connection.
func (c *Conn) rest(most time.Duration) bool {
	c.set, c.alive, c.resting = none, false, false
	c.waits.Store(true)
	defer c.waits.Store(false)
	if c.conn.SetReadDeadline(time.Now().Add(most)) != nil || c.from.closed.Load() {
		return false
	}
	return c.waker.Read(c.stirred) == nil && c.alive
}

// Write writes to the connection. p is not kept.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.boundWrite(time.Now()); err != nil {
		return 0, err
	}
	return c.conn.Write(p)
}

// Send is Write of the whole of p for somebody who has looked at the clock a
// moment ago.
func (c *Conn) Send(p []byte, now time.Time) error {
	if err := c.boundWrite(now); err != nil {
		return err
	}
	_, err := c.conn.Write(p)
	return err
}

// boundWrite sees to it that the next write does not wait without end.
func (c *Conn) boundWrite(now time.Time) error {
	end := now.Add(c.from.times.Write)
	if end.Sub(c.out) <= c.from.times.Write/6 {
		return nil
	}
	c.out = end
	return c.conn.SetWriteDeadline(end)
}

// The bounds of a close that waits for the other end.
const (
	lingerTime  = time.Second
	lingerBytes = 16 << 20
)

// close closes the connection.
//
// Where a request is refused before all of it was read, the other end is still
// sending; closing at once would reset the connection, and the refusal would
// be lost on its way (RFC 9112, 9.6). Then close takes what comes for a
// moment, and throws it away.
func (c *Conn) close() {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok && (c.fault != nil || c.comes()) {
		if half.CloseWrite() == nil && c.conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, c.conn, lingerBytes)
		}
	}
	c.release()
	_ = c.conn.Close()
}

// comes reports whether more of a request that has begun is to come.
func (c *Conn) comes() bool {
	if c.body == bodyLength {
		return c.in == nil || c.left > int64(c.in.w-c.in.r)
	}
	return c.body != bodyDone
}
