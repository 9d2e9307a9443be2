package framing

import (
	"net"
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

// CloseWrite ends the sending side, where the connection can.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
