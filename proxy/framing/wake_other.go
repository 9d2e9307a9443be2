//go:build !unix

package framing

import (
	"net"
	"syscall"
)

// wakerOf has nothing to wait on here: connections do not rest.
func wakerOf(net.Conn) syscall.RawConn { return nil }

func (c *Conn) stirred(uintptr) bool { return true }
