package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// CertificateState is when the certificates of a listener end.
type CertificateState struct {
	Listener string // requests or admin
	Expires  time.Time
	ClientCA time.Time // the first of the authorities of callers; zero: none are asked for
}

// ShownState is when the certificate ends that a destination showed last.
type ShownState struct {
	Destination string // one that the plan does not know is left out
	Expires     time.Time
}

var (
	descCertificate      = desc("certificate_expiry_timestamp_seconds", "When the certificate of a listener ends; absent where it speaks no TLS.", "listener")
	descClientCA         = desc("client_ca_expiry_timestamp_seconds", "When the first of the authorities ends that vouch for callers' certificates; absent where none are asked for.", "listener")
	descShown            = desc("destination_certificate_expiry_timestamp_seconds", "When the certificate ends that a destination showed at its last TLS handshake, good or not; absent until there was one.", "destination")
	descVaultCertificate = desc("vault_certificate_expiry_timestamp_seconds", "When the certificate ends that Vault showed at the last TLS handshake; absent where it is spoken to without TLS.")
	descStoreCertificate = desc("store_certificate_expiry_timestamp_seconds", "When the first of the certificates ends that the servers of the store, Sentinels among them, have shown at their last TLS handshakes; absent where they are spoken to without TLS.")
)

// certificateDescs are all of them.
var certificateDescs = []*prometheus.Desc{descCertificate, descClientCA, descShown, descVaultCertificate, descStoreCertificate}

// collectCertificates sends when certificates end.
func (s *State) collectCertificates(gauge func(*prometheus.Desc, float64, ...string), destinations map[string]bool) {
	ends := func(d *prometheus.Desc, at time.Time, labels ...string) {
		if !at.IsZero() {
			gauge(d, float64(at.Unix()), labels...)
		}
	}
	for _, c := range s.Certificates {
		ends(descCertificate, c.Expires, c.Listener)
		ends(descClientCA, c.ClientCA, c.Listener)
	}
	for _, c := range s.Shown {
		if destinations[c.Destination] {
			ends(descShown, c.Expires, c.Destination)
		}
	}
	ends(descVaultCertificate, s.VaultCertificate)
	ends(descStoreCertificate, s.StoreCertificate)
}

// Handshake is why a TLS handshake with a caller failed.
type Handshake uint8

// The reasons.
const (
	HandshakeNoCertificate Handshake = iota // the caller showed none, and one is asked for
	HandshakeExpired                        // that of the caller is over, or not valid yet
	HandshakeUntrusted                      // nobody trusted vouches for that of the caller
	HandshakeRefused                        // the caller refused what it was shown
	HandshakeTimeout                        // it did not end in time
	HandshakeBroken                         // the caller went away, or spoke no TLS
)

var handshakes = []string{"no_certificate", "expired", "untrusted", "refused_by_caller", "timeout", "broken"}

// String returns the value of the metric's label.
func (h Handshake) String() string { return handshakes[min(int(h), len(handshakes)-1)] }

// registerCertificates registers what is counted of certificates.
func (m *Metrics) registerCertificates() {
	m.handshakes = m.counter("tls_handshake_failures_total", "TLS handshakes of the request listener that failed, by reason.", "reason")
	for _, why := range handshakes {
		m.handshakes.of(why)
	}
	m.certificateReads = m.counter("certificate_reloads_total", "Certificates of a listener that were read again since their files had changed, by what came of it: taken, or failed.", "listener", "result")
	m.certificateStale = m.gauge("certificate_stale", "Whether the files of a listener's certificates have changed and could not be taken: the ones before are in use.", "listener")
	for _, listener := range []string{"requests", "admin"} {
		m.certificateReads.of(listener, "taken")
		m.certificateReads.of(listener, "failed")
		m.certificateStale.WithLabelValues(listener)
	}
}

// HandshakeFailed counts a TLS handshake of the request listener.
func (m *Metrics) HandshakeFailed(why Handshake) {
	m.handshakes.of(why.String()).inc()
}

// CertificateRead counts certificates of a listener, requests or admin, that
// were read again.
func (m *Metrics) CertificateRead(listener string, taken bool) {
	result := "taken"
	if !taken {
		result = "failed"
	}
	m.certificateReads.of(listener, result).inc()
	m.certificateStale.WithLabelValues(listener).Set(truth(!taken))
}
