package keys

import (
	"context"
	"time"
)

// Status says how the keyring is kept, for metrics and readiness. The keys
// themselves are in memory and go on working whatever it says.
type Status struct {
	Kind      string // local, vault or ephemeral
	Reachable bool   // the last look at where the keyset is kept went well
	Sealed    bool   // Vault answered that it is sealed
	// LastError is one word of what went wrong last, empty while all is well:
	// unreachable, sealed, denied, missing, conflict, malformed or refused.
	LastError    string
	CheckedAt    time.Time // of the last look; zero for what is never looked at
	RefreshedAt  time.Time // of the last look that went well; zero as above
	TokenExpires time.Time // of the Vault token; zero where it does not expire
	Revision     uint64    // of the keyset in use; zero once the ring is closed
	// CertificateExpires is when the certificate ends that Vault showed at the
	// last TLS handshake; zero where there was none.
	CertificateExpires time.Time
}

// Status returns what is known now; it waits for nothing, so ctx only carries
// values.
func (r *Ring) Status(_ context.Context) Status {
	var s Status
	r.backend.status(&s)
	if m := r.live.Load(); m != nil {
		s.Revision = m.doc.Revision
	}
	return s
}
