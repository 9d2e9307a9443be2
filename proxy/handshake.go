package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"chaperone/proxy/admin"
	"chaperone/proxy/framing"
)

// secured speaks TLS on what a listener accepts, and tells of handshakes that
// fail: a till whose certificate has expired gets no answer that could say why.
type secured struct {
	net.Listener
	config *tls.Config
	s      *Server
}

// Accept returns a connection whose handshake comes with its first Read.
func (l *secured) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &securedConn{Conn: tls.Server(c, l.config), s: l.s}, nil
}

// securedConn is used by one reader at a time.
type securedConn struct {
	*tls.Conn
	s    *Server
	done bool
}

// Read does the handshake first, within the deadline that is set.
func (c *securedConn) Read(p []byte) (int, error) {
	if !c.done {
		c.done = true
		if err := c.Handshake(); err != nil {
			c.s.handshakeFailed(c.RemoteAddr(), err)
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

// handshakeFailed counts a handshake, and logs it at most once a second: anyone
// can make them fail.
func (s *Server) handshakeFailed(from net.Addr, err error) {
	why := handshakeFault(err)
	s.metrics.HandshakeFailed(why)
	now := s.clock().Unix()
	if last := s.handshakeSaid.Load(); last == now || !s.handshakeSaid.CompareAndSwap(last, now) {
		return
	}
	s.logger.Warn("a TLS handshake failed", "origin", framing.OriginOf(from), "why", why.String())
}

// handshakeFault says in a word of ours why a handshake failed.
func handshakeFault(err error) admin.Handshake {
	var untrusted *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	var op *net.OpError
	switch {
	case timedOut(err):
		return admin.HandshakeTimeout
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return admin.HandshakeExpired
	case errors.As(err, &untrusted):
		return admin.HandshakeUntrusted
	case errors.As(err, &op) && op.Op == "remote error":
		return admin.HandshakeRefused
	case strings.Contains(err.Error(), "client didn't provide a certificate"):
		return admin.HandshakeNoCertificate
	}
	return admin.HandshakeBroken
}
