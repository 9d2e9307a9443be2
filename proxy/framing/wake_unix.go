//go:build unix

package framing

import (
	"net"
	"syscall"
)

// wakerOf returns what to wait on for bytes of a connection, of which TLS may
// make something; nil: there is nothing.
func wakerOf(c net.Conn) syscall.RawConn {
	if over, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = over.NetConn()
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// stirred runs with the connection's descriptor, and reports whether there is
// anything to read; alive, whether that are bytes. It takes nothing.
func (c *Conn) stirred(fd uintptr) bool {
	for {
		n, _, err := syscall.Recvfrom(int(fd), c.peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		}
		c.alive = err == nil && n > 0
		return true
	}
}
