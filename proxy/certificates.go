package proxy

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"chaperone/proxy/admin"
)

// CertificateFiles are the PEM files of a listener that speaks TLS.
type CertificateFiles struct {
	Cert string // the chain of its own certificate
	Key  string // the private key of that
	// ClientCA holds the authorities of callers' certificates; empty: none is
	// asked for. With it a caller without a valid one does not get as far as a
	// request. It is known by its key all the same.
	ClientCA string
}

// Certificates are those of a listener: its own, and the authorities of its
// callers'. They are read from their files again while it listens, since
// certificates live for weeks and proxies for months. Safe for concurrent use.
type Certificates struct {
	listener string // in metrics and logs
	files    CertificateFiles
	current  atomic.Pointer[loadedCertificates]

	mu   sync.Mutex
	seen [sha256.Size]byte // of the files as they were read last, good or bad
	bad  bool              // they could not be taken then
}

// loadedCertificates is one reading. It is immutable, so that a handshake has
// all of one.
type loadedCertificates struct {
	config  *tls.Config
	expires time.Time // of the own certificate
	print   [sha256.Size]byte
	ca      time.Time // when the first of the authorities ends; zero: there are none
	cas     []*x509.Certificate
}

// LoadCertificates reads the files. listener is its name in metrics and logs:
// requests or admin. The error names the file, and holds nothing of a key.
func LoadCertificates(listener string, files CertificateFiles) (*Certificates, error) {
	c := &Certificates{listener: listener, files: files}
	if _, err := c.reload(nil); err != nil {
		return nil, err
	}
	return c, nil
}

// TLS returns the configuration of the listener. Each handshake takes the
// certificates as they were read last; a connection keeps those that it began
// with. nil where there are none, which is plain HTTP.
func (c *Certificates) TLS() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load().config, nil },
	}
}

// reload reads the files again, and takes what is in them if it differs from
// the last reading and is whole: all or nothing. changed is false where the
// files are as they were, also if they were bad then; the error is said once.
// record, if set, puts on record what is about to be taken: where it fails
// nothing is, and the next reload tries again.
func (c *Certificates) reload(record func(before, next *loadedCertificates) error) (changed bool, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert, key, ca, err := c.read()
	sum := sha256.Sum256(bytes.Join([][]byte{cert, key, ca}, []byte{0}))
	if err == nil && sum == c.seen && c.current.Load() != nil {
		return false, nil
	}
	if err != nil {
		sum = sha256.Sum256([]byte(err.Error()))
		if sum == c.seen {
			return false, nil
		}
	}
	c.bad = true
	if err != nil {
		c.seen = sum
		return true, err
	}
	next, err := readCertificates(cert, key, ca)
	if err == nil && record != nil {
		if err := record(c.current.Load(), next); err != nil {
			return true, err
		}
	}
	c.seen = sum
	if err != nil {
		return true, err
	}
	c.current.Store(next)
	c.bad = false
	return true, nil
}

func (c *Certificates) read() (cert, key, ca []byte, err error) {
	for _, f := range []struct {
		name string
		into *[]byte
	}{{c.files.Cert, &cert}, {c.files.Key, &key}, {c.files.ClientCA, &ca}} {
		if f.name == "" {
			continue
		}
		if *f.into, err = os.ReadFile(f.name); err != nil {
			return nil, nil, nil, err
		}
	}
	if c.files.ClientCA != "" && len(ca) == 0 {
		err = errors.New("the file of the callers' authorities is empty")
	}
	return cert, key, ca, err
}

// readCertificates makes one reading of the texts; ca is empty where no certificate is
// asked for.
func readCertificates(cert, key, ca []byte) (*loadedCertificates, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	next := &loadedCertificates{
		config:  &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
		expires: pair.Leaf.NotAfter, print: sha256.Sum256(pair.Leaf.Raw),
	}
	if len(ca) == 0 {
		return next, nil
	}
	authorities, err := certificatesOf(ca)
	if err != nil {
		return nil, fmt.Errorf("the callers' authorities: %w", err)
	}
	next.cas = authorities
	pool := x509.NewCertPool()
	for _, a := range authorities {
		pool.AddCert(a)
		if next.ca.IsZero() || a.NotAfter.Before(next.ca) {
			next.ca = a.NotAfter
		}
	}
	next.config.ClientCAs, next.config.ClientAuth = pool, tls.RequireAndVerifyClientCert
	return next, nil
}

// certificatesOf reads the certificates of a PEM text, of which there must be
// one at least.
func certificatesOf(text []byte) (all []*x509.Certificate, _ error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("the file holds no PEM certificate")
	}
	return all, nil
}

// badCertificates says on /readyz that certificates could not be taken.
func (s *Server) badCertificates() string {
	for _, c := range []*Certificates{s.o.TLS, s.o.AdminTLS} {
		if c == nil {
			continue
		}
		c.mu.Lock()
		bad := c.bad
		c.mu.Unlock()
		if bad {
			return "the certificates of the listener " + c.listener + " could not be read again; the ones before are in use"
		}
	}
	return ""
}

// certificates tells when those that this process shows, asks for and was shown
// end.
func (s *Server) certificates(st *admin.State) {
	for _, c := range []*Certificates{s.o.TLS, s.o.AdminTLS} {
		if c != nil {
			now := c.current.Load()
			st.Certificates = append(st.Certificates, admin.CertificateState{Listener: c.listener, Expires: now.expires, ClientCA: now.ca})
		}
	}
	for _, u := range s.policy.Load().upstreams {
		if at := u.shown.expires(); !at.IsZero() {
			st.Shown = append(st.Shown, admin.ShownState{Destination: u.dest.Name, Expires: at})
		}
	}
}

// shownCertificate is when the certificate ends that a destination showed last:
// at the handshake of a connection, also of one that failed for it. Safe for
// concurrent use.
type shownCertificate struct{ at atomic.Int64 } // Unix time; 0: none was shown yet

// note is a tls.Config's VerifyConnection, which comes after all other checks.
func (c *shownCertificate) note(state tls.ConnectionState) error {
	if len(state.PeerCertificates) > 0 {
		c.at.Store(state.PeerCertificates[0].NotAfter.Unix())
	}
	return nil
}

// refused notes the certificate for which a connection failed, if it did.
func (c *shownCertificate) refused(err error) {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) && len(untrusted.UnverifiedCertificates) > 0 {
		c.at.Store(untrusted.UnverifiedCertificates[0].NotAfter.Unix())
	}
}

func (c *shownCertificate) expires() time.Time {
	if at := c.at.Load(); at != 0 {
		return time.Unix(at, 0)
	}
	return time.Time{}
}

// shownBefore takes over from the policy before what its destinations showed:
// until their next connection that is what is known.
func (y *policy) shownBefore(old *policy) {
	for _, u := range y.upstreams {
		for _, before := range old.upstreams {
			if before.dest.Name == u.dest.Name && before.dest.URL == u.dest.URL {
				u.shown.at.CompareAndSwap(0, before.shown.at.Load())
			}
		}
	}
}
