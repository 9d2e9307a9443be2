package proxy

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"

	"chaperone/store/socket"
)

// upConn is a connection to a destination that knows whether any byte of the
// current request was written, and whether its other end has closed it.
type upConn struct {
	net.Conn // what is written to: raw, or TLS over it
	raw      *countingConn
	answers  int       // calls that it has carried
	idle     time.Time // since then, if it has
	ending   bool      // it is not to be used again
	deadline time.Time // the one that is set; zero: none

	peekConn  syscall.RawConn
	look      func(fd uintptr) bool // peek
	peekByte  [1]byte
	peekStale bool
}

// countingConn counts the bytes that the kernel took.
type countingConn struct {
	net.Conn
	written int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written += int64(n)
	return n, err
}

// dial connects, TLS included, within the dial timeout or t if that is
// shorter.
func dial(addr string, t time.Duration, secure *tls.Config) (net.Conn, error) {
	if t <= 0 || t > dialTimeout {
		t = dialTimeout
	}
	deadline := time.Now().Add(t)
	tcp, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &upConn{raw: &countingConn{Conn: socket.Direct(tcp)}}
	if sc, ok := tcp.(syscall.Conn); ok {
		if c.peekConn, err = sc.SyscallConn(); err != nil {
			_ = tcp.Close()
			return nil, err
		}
		c.look = c.peek
	}
	c.Conn = c.raw
	if secure == nil {
		return c, nil
	}
	over := tls.Client(c.raw, secure)
	if err = over.SetDeadline(deadline); err == nil {
		err = over.Handshake()
	}
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	c.Conn = over
	return c, nil
}

// until bounds a call that begins now. Setting a deadline costs as much as a
// small system call, so that of an earlier call stays where it is at most a
// sixteenth of this call's time too early.
func (c *upConn) until(deadline, now time.Time) error {
	if early := deadline.Sub(c.deadline); early >= 0 && early <= deadline.Sub(now)/16 {
		return nil
	}
	c.deadline = deadline
	return c.SetDeadline(deadline)
}

// send writes the message and the tail.
func (c *upConn) send(message, tail []byte) error {
	if _, err := c.Write(message); err != nil {
		return err
	}
	if len(tail) == 0 {
		return nil
	}
	_, err := c.Write(tail)
	return err
}

// stale reports whether the other end has closed a pooled connection, or sent
// something that nobody asked for. It looks without waiting and takes nothing.
func (c *upConn) stale(now time.Time) bool {
	if c.peekConn == nil {
		return false
	}
	// A deadline that is over would end the look as well.
	if !c.deadline.IsZero() && !now.Before(c.deadline) {
		if err := c.raw.SetDeadline(time.Time{}); err != nil {
			return true
		}
		c.deadline = time.Time{}
	}
	c.peekStale = true
	if err := c.peekConn.Read(c.look); err != nil {
		return true
	}
	return c.peekStale
}
