//go:build linux && (amd64 || arm64)

package proxy

import (
	"syscall"
	"unsafe"
)

// peek runs with the connection's descriptor: it is open and quiet if there is
// nothing to read yet. As it never waits, the scheduler is not told of it (see
// package socket), and nobody asks who the other end is.
func (c *upConn) peek(fd uintptr) bool {
	_, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&c.peekByte)), uintptr(len(c.peekByte)),
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	c.peekStale = err != syscall.EAGAIN && err != syscall.EINTR
	return true
}
