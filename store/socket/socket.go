// Package socket reads and writes TCP connections without telling the scheduler.
//
// A system call on a socket in non-blocking mode does not wait. Go's net tells the
// scheduler of each nevertheless, as of one that might, and the runtime's monitor
// takes the processor away from those that last longer than some 20 µs: over
// loopback, where the sender's write does half of the receiver's work, and on a
// machine whose cores are shared, that happens thousands of times a second, each
// time with another thread to be woken. A call that the scheduler does not know of
// keeps its processor. The price is that nothing else, nor the collector, gets that
// until the call returns, so only small calls are made this way.
package socket

import "net"

// most is up to what size a read or a write is kept from the scheduler: its copy
// takes some 10 µs.
const most = 64 << 10

// listener gives Direct connections.
type listener struct{ net.Listener }

// Listener returns a listener whose connections are those of l, by Direct.
func Listener(l net.Listener) net.Listener { return listener{l} }

// Accept returns the next connection.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Direct(c), nil
}
