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
	// Slack is how much too early a deadline may be in force, so that one that
	// is renewed with each request need not be set each time.
	Slack time.Duration
}

// Accept waits for the next connection.
func (l Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c, slack: l.Slack}, nil
}

// Conn is a connection whose Read hands on only what the Scanner let pass, and
// returns ErrMalformed from there on.
type Conn struct {
	net.Conn
	scan   Scanner
	failed bool
	amid   atomic.Bool // a request has begun and not ended, or is malformed

	slack       time.Duration
	read, write deadline
}

// deadline is one that was asked for, and the one that is set. It is set when
// there is something to wait for: of a request that came in one piece, none is.
type deadline struct{ wanted, set time.Time }

// due tells whether the wanted deadline is to be set.
func (d *deadline) due(slack time.Duration) bool {
	if d.wanted.IsZero() || d.set.IsZero() {
		return !d.wanted.Equal(d.set)
	}
	early := d.wanted.Sub(d.set)
	return early < 0 || early > slack
}

// SetReadDeadline sets the deadline of the reads that begin from now on, and
// of none that is under way. It is for whoever reads.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.read.wanted = t
	return nil
}

// SetWriteDeadline is SetReadDeadline for whoever writes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.wanted = t
	return nil
}

// SetDeadline sets both.
func (c *Conn) SetDeadline(t time.Time) error {
	c.read.wanted, c.write.wanted = t, t
	return nil
}

// Write writes to the connection. One goroutine may write at a time.
func (c *Conn) Write(p []byte) (int, error) {
	if d := &c.write; d.due(c.slack) {
		if err := c.Conn.SetWriteDeadline(d.wanted); err != nil {
			return 0, err
		}
		d.set = d.wanted
	}
	return c.Conn.Write(p)
}

// Read reads from the connection. One goroutine may read at a time.
func (c *Conn) Read(p []byte) (int, error) {
	if c.failed {
		return 0, ErrMalformed
	}
	if d := &c.read; d.due(c.slack) {
		if err := c.Conn.SetReadDeadline(d.wanted); err != nil {
			return 0, err
		}
		d.set = d.wanted
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
		if half.CloseWrite() == nil && c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}
