package store

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// lookAtCertificates is how often a server is asked for its certificate that
// has shown none meanwhile: connections last for months, certificates for weeks,
// and Redis takes another one while it runs. Who shows none for forgetServer is
// none of ours any more.
const (
	lookAtCertificates = time.Minute
	forgetServer       = time.Hour
)

// shownCertificates is when the certificates end that servers have shown: at
// their last TLS handshake each, also at one that failed for it. Safe for
// concurrent use.
type shownCertificates struct {
	dialer tls.Dialer
	limit  time.Duration // of a dial, with its handshake

	mu sync.Mutex
	by map[string]shownCertificate // address
}

type shownCertificate struct {
	ends, seen time.Time
}

// newShown makes a dialer that notes what servers show.
func newShown(config *tls.Config, limit time.Duration) *shownCertificates {
	// As go-redis's own.
	netDialer := &net.Dialer{Timeout: limit, KeepAlive: 5 * time.Minute}
	return &shownCertificates{dialer: tls.Dialer{NetDialer: netDialer, Config: config}, limit: limit, by: make(map[string]shownCertificate)}
}

// dial connects to a server, and notes its certificate.
func (c *shownCertificates) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	conn, err := c.dialer.DialContext(ctx, network, addr)
	var untrusted *tls.CertificateVerificationError
	switch {
	case err == nil:
		if shown := conn.(*tls.Conn).ConnectionState().PeerCertificates; len(shown) > 0 {
			c.note(addr, shown[0].NotAfter)
		}
	case errors.As(err, &untrusted) && len(untrusted.UnverifiedCertificates) > 0:
		c.note(addr, untrusted.UnverifiedCertificates[0].NotAfter)
	}
	return conn, err
}

func (c *shownCertificates) note(addr string, ends time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by[addr] = shownCertificate{ends, time.Now()}
}

// watch asks every so often those that have shown none meanwhile, until ctx
// ends.
func (c *shownCertificates) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, addr := range c.stale(every / 2) {
			if conn, err := c.dial(ctx, "tcp", addr); err == nil {
				_ = conn.Close() // it has shown what was asked for
			}
		}
	}
}

// stale lists those whose certificate was not seen for a while.
func (c *shownCertificates) stale(age time.Duration) (addrs []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for addr, shown := range c.by {
		switch past := time.Since(shown.seen); {
		case past >= forgetServer:
			delete(c.by, addr)
		case past >= age:
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// expires tells when the first of them ends; the zero time where none was shown.
func (c *shownCertificates) expires() (first time.Time) {
	if c == nil {
		return first
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, shown := range c.by {
		if first.IsZero() || shown.ends.Before(first) {
			first = shown.ends
		}
	}
	return first
}
