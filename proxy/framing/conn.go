package framing

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Listener wraps every connection that it accepts in a Conn.
type Listener struct {
	net.Listener
}

// Accept waits for the next connection.
func (l Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c}, nil
}

// Conn is a connection whose Read hands on only what the Scanner let pass, and
// returns ErrMalformed from there on.
type Conn struct {
	net.Conn
	scan   Scanner
	failed bool
	amid   atomic.Bool // a request has begun and not ended, or is malformed
}

// Read reads from the connection. One goroutine may read at a time.
func (c *Conn) Read(p []byte) (int, error) {
	if c.failed {
		return 0, ErrMalformed
	}
	n, err := c.Conn.Read(p)
	if n == 0 {
		return 0, err
	}
	good := c.scan.Feed(p[:n])
	c.amid.Store(good != n || !c.scan.between())
	if good == n {
		return n, err
	}
	c.failed = true
	clear(p[good:n])
	if good == 0 {
		return 0, ErrMalformed
	}
	return good, nil
}

// The bounds of a Close that waits for the other end.
const (
	lingerTime  = time.Second
	lingerBytes = 16 << 20
)

// Close closes the connection. Where a request is refused before all of it
// was read, the other end is still sending; closing at once would reset the
// connection, and the refusal would be lost on its way (RFC 9112, 9.6). Then
// Close takes what comes for a moment, and throws it away.
func (c *Conn) Close() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.amid.Swap(false) {
		if half.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}
