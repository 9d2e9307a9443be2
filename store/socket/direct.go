//go:build linux && !race

package socket

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// Direct returns a connection that reads and writes c, which is not to be used
// any more. One that is not TCP is returned as it is.
//
// It is a net.Conn with the deadlines, errors and other methods of c, but for one
// thing: one goroutine reads at a time, and one writes. Close and deadlines are
// free to all.
func Direct(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	d := &conn{TCPConn: tcp, raw: raw}
	d.in.call, d.out.call = d.in.read, d.out.write
	return d
}

// conn is a TCP connection, and what is under way on it.
type conn struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
}

// transfer is a read or a write.
type transfer struct {
	p    []byte // what is to be filled, or sent
	n    int    // of it, so far
	err  syscall.Errno
	call func(fd uintptr) bool // read or write
}

// read reads once. It reports false if there is nothing to be read yet.
func (t *transfer) read(fd uintptr) bool {
	for {
		n, _, err := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.p))), uintptr(len(t.p)))
		switch err {
		case 0:
			t.n = int(n)
			return true
		case syscall.EAGAIN:
			return false
		case syscall.EINTR:
			continue
		}
		t.err = err
		return true
	}
}

// write writes what is left. It reports false if not all of it was taken yet.
func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.p) {
		left := t.p[t.n:]
		n, _, err := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(left))), uintptr(len(left)))
		switch err {
		case 0:
			t.n += int(n)
		case syscall.EAGAIN:
			return false
		case syscall.EINTR:
		default:
			t.err = err
			return true
		}
	}
	return true
}

// Read is that of net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 || len(p) > most {
		return c.TCPConn.Read(p)
	}
	t := &c.in
	t.p, t.n, t.err = p, 0, 0
	err := c.raw.Read(t.call)
	t.p = nil
	switch {
	case err != nil:
		return 0, err
	case t.err != 0:
		return 0, c.fault("read", t.err)
	case t.n == 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// Write is that of net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if len(p) == 0 || len(p) > most {
		return c.TCPConn.Write(p)
	}
	t := &c.out
	t.p, t.n, t.err = p, 0, 0
	err := c.raw.Write(t.call)
	t.p = nil
	if err == nil && t.err != 0 {
		err = c.fault("write", t.err)
	}
	return t.n, err
}

// fault is the error of a system call as package net gives it.
func (c *conn) fault(op string, err syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}
