package store

import (
	"crypto/tls"
	"sync/atomic"
	"time"
)

// shownCertificate is when the certificate ends that a server showed at the last
// TLS handshake. Safe for concurrent use.
type shownCertificate struct{ at atomic.Int64 } // Unix time; 0: none was shown

// watch returns a copy of a client's configuration that notes what servers
// show, after all checks; nil for nil.
func (c *shownCertificate) watch(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	config = config.Clone()
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) > 0 {
			c.at.Store(state.PeerCertificates[0].NotAfter.Unix())
		}
		return nil
	}
	return config
}

// expires returns the zero time where none was shown.
func (c *shownCertificate) expires() time.Time {
	if at := c.at.Load(); at != 0 {
		return time.Unix(at, 0)
	}
	return time.Time{}
}
