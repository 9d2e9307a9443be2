//go:build unix && !(linux && (amd64 || arm64))

package proxy

import "syscall"

// peek runs with the connection's descriptor: it is open and quiet if there is
// nothing to read yet.
func (c *upConn) peek(fd uintptr) bool {
	_, _, err := syscall.Recvfrom(int(fd), c.peekByte[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.peekStale = err != syscall.EAGAIN && err != syscall.EINTR
	return true
}
