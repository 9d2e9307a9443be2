package proxy

import (
	"fmt"
	"net"
	"time"

	"chaperone/proxy/framing"
	"chaperone/store/socket"
)

// The bounds of a connection.
const (
	idleTimeout  = 2 * time.Minute
	writeTimeout = 30 * time.Second
	// A caller that sends a request in a tenth of a second keeps what its
	// connection holds; the others wait with next to nothing.
	restAfter = 100 * time.Millisecond
)

// listen opens the listener.
func (s *Server) listen() error {
	l, err := net.Listen("tcp", s.o.Listen)
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	if !s.o.Plan.HasCallers && !loopback(l.Addr()) {
		_ = l.Close()
		return fmt.Errorf("proxy: %s can be reached from outside, and the policy knows no callers", l.Addr())
	}
	l = socket.Listener(l)
	s.hosts = newHosts(l.Addr(), s.o.Listen, s.o.Hosts)
	if s.o.TLS != nil {
		l = &secured{Listener: l, config: s.o.TLS.TLS(), s: s}
	}
	s.front = framing.NewListener(l, framing.Times{Read: s.limits.ReadTimeout, Idle: idleTimeout, Write: writeTimeout, Rest: restAfter})
	return nil
}
