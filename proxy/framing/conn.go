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

// Conn is a connection whose Read hands on only what the Scanner let pass, and
// returns ErrMalformed from there on. It bounds its waits by the Listener's
// Times; deadlines need not be set. One goroutine may read at a time, and one
// write.
type Conn struct {
	net.Conn
	from   *Listener // nil: no bounds, and it never rests
	origin netip.Addr
	scan   Scanner
	failed bool
	amid   atomic.Bool // a request has begun and not ended, or is malformed

	// Setting a deadline costs as much as a small system call, so it is done
	// where one is missing or has come, not for every request.
	in    deadline
	heard bool      // something came since the tick was set
	whole time.Time // when the request that is arriving must be there; zero: not said yet
	out   time.Time // the deadline of writes that is set; zero: none

	resting atomic.Bool // Read has said that the connection is over, and it is not
	waker   syscall.RawConn
	peek    [1]byte
	alive   bool
}

// Origin returns the address of the other end; the zero Addr where that is none
// of IP.
func (c *Conn) Origin() netip.Addr { return c.origin }

// Origin returns the address in a, an IPv4 one as such; the zero Addr where it
// is none of IP.
func Origin(a net.Addr) netip.Addr {
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

// Read reads from the connection. Between two requests it says io.EOF when
// nothing came for a while; the Close that follows does not close then.
func (c *Conn) Read(p []byte) (int, error) {
	if c.failed {
		return 0, ErrMalformed
	}
	for {
		if err := c.bound(); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(p)
		if n > 0 {
			return c.judge(p[:n], err)
		}
		if c.from == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if err := c.late(err); err != nil {
			return 0, err
		}
	}
}

// judge feeds what was read to the scanner.
func (c *Conn) judge(p []byte, err error) (int, error) {
	n := len(p)
	c.heard = true
	before := c.scan.messages
	good := c.scan.Feed(p)
	c.amid.Store(good != n || !c.scan.between())
	if c.scan.messages != before {
		c.whole = time.Time{}
		if c.in == last {
			c.in = none
		}
	}
	if good == n {
		return n, err
	}
	c.failed = true
	clear(p[good:])
	if good == 0 {
		return 0, ErrMalformed
	}
	return good, nil
}

// idle reports whether the connection is between two requests, and not before
// its first.
func (c *Conn) idle() bool { return c.scan.messages > 0 && c.scan.fresh() }

// bound sees to it that the next read does not wait without end.
func (c *Conn) bound() error {
	switch {
	case c.from == nil:
		return nil
	case c.idle():
		if c.in != tick {
			return c.tick(time.Now())
		}
		return nil
	case c.whole.IsZero():
		c.whole = time.Now().Add(c.from.times.Read)
	}
	if c.in == none {
		c.in = last
		return c.SetReadDeadline(c.whole)
	}
	return nil
}

func (c *Conn) tick(now time.Time) error {
	c.in, c.heard = tick, false
	wait := c.from.times.Rest
	if !c.canRest() {
		wait = c.from.times.Idle
	}
	return c.SetReadDeadline(now.Add(wait))
}

// late follows a read whose deadline has come. It returns what Read is to say,
// or nil to read on.
func (c *Conn) late(err error) error {
	now := time.Now()
	switch {
	case c.idle() && c.heard:
		return c.tick(now)
	case c.idle():
		c.resting.Store(c.canRest())
		return io.EOF
	case !now.Before(c.whole):
		return err
	}
	c.in = last
	return c.SetReadDeadline(c.whole)
}

// canRest reports whether the Listener can wait for what comes next.
func (c *Conn) canRest() bool {
	if c.waker == nil {
		c.waker = wakerOf(c.Conn)
	}
	return c.waker != nil
}

// lieDown gives away what the connection needs for a request, and says until
// when it may rest.
func (c *Conn) lieDown(end time.Time) error {
	c.scan.line = nil
	c.in, c.alive = none, false
	return c.SetReadDeadline(end)
}

// sleep waits until something arrives, and reports whether that is more than
// the end of the connection.
func (c *Conn) sleep() bool { return c.waker.Read(c.stirred) == nil && c.alive }

// Write writes to the connection.
func (c *Conn) Write(p []byte) (int, error) {
	if c.from != nil {
		if c.resting.Load() {
			c.resting.Store(false) // who writes has not left it alone
		}
		end := time.Now().Add(c.from.times.Write)
		if end.Sub(c.out) > c.from.times.Write/6 {
			c.out = end
			if err := c.SetWriteDeadline(end); err != nil {
				return 0, err
			}
		}
	}
	return c.Conn.Write(p)
}

// The bounds of a Close that waits for the other end.
const (
	lingerTime  = time.Second
	lingerBytes = 16 << 20
)

// Close closes the connection, or leaves it with its Listener if it rests.
//
// Where a request is refused before all of it was read, the other end is still
// sending; closing at once would reset the connection, and the refusal would
// be lost on its way (RFC 9112, 9.6). Then Close takes what comes for a
// moment, and throws it away.
func (c *Conn) Close() error {
	if c.resting.Swap(false) && c.from.park(c, c.from.times.Idle) {
		return nil
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.amid.Swap(false) {
		if half.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}
