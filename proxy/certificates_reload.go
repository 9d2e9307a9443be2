package proxy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"chaperone/audit"
)

// Reading is what came of reading a listener's certificates again.
type Reading struct {
	Listener string
	Err      error // they could not be taken: the ones before stay
}

// ReloadCertificates reads the certificates of the listeners again, where their
// files have changed, and returns what came of each that had. What is taken, and
// who asked for it, is on record before it is shown to anybody: in the store, or
// while that is away on local disk. Those that cannot be taken leave the ones
// before; the metrics, /readyz and the log say so until others are taken. by
// says who asked, in the words of the log.
func (s *Server) ReloadCertificates(by string) (all []Reading) {
	for _, c := range []*Certificates{s.o.TLS, s.o.AdminTLS} {
		if c == nil {
			continue
		}
		unrecorded := false
		changed, err := c.reload(func(before, next *loadedCertificates) error {
			err := s.recordCertificates(c.listener, by, before, next)
			unrecorded = err != nil
			return err
		})
		if !changed {
			continue
		}
		all = append(all, Reading{c.listener, err})
		s.metrics.CertificateRead(c.listener, err == nil)
		if err == nil {
			s.logger.Info("the certificates of a listener were read again", "listener", c.listener, "by", by, "expires", c.current.Load().expires)
			continue
		}
		s.logger.Error("the certificates of a listener were not taken; the ones before stay", "listener", c.listener, "by", by, "cause", err)
		if !unrecorded {
			s.recordBadCertificates(c.listener, by, err)
		}
	}
	return all
}

// recordCertificates puts on record which certificates come into use. An entry
// holds their fingerprints and when they end: nothing of a key.
func (s *Server) recordCertificates(listener, by string, before, next *loadedCertificates) error {
	e := s.certificateEntry(by, audit.ResultOK)
	e.Target = audit.Name("certificate of listener " + listener + ", sha256 " + certPrint(next.print))
	e.Why = audit.Name(endsAt(next.expires) + inPlaceOf(next.print, before.print))
	entries := []audit.Entry{e}
	if print, was := printOf(next), printOf(before); print != was {
		e.Target = audit.Name("authorities of callers of listener " + listener + ": none")
		e.Why = audit.Name("in place of sha256 " + certPrint(was))
		if n := len(next.cas); n > 0 {
			e.Target = audit.Name(fmt.Sprintf("authorities of callers of listener %s, sha256 %s", listener, certPrint(print)))
			e.Why = audit.Name(fmt.Sprintf("%d of them, the first %s%s", n, endsAt(next.ca), inPlaceOf(print, was)))
		}
		entries = append(entries, e)
	}
	for i := range entries {
		if err := s.recordLater(&entries[i]); err != nil {
			return fmt.Errorf("the change cannot be put on record: %w", err)
		}
	}
	return nil
}

// recordBadCertificates puts on record that certificates were not taken.
func (s *Server) recordBadCertificates(listener, by string, cause error) {
	e := s.certificateEntry(by, audit.ResultFailed)
	why := cause.Error()
	e.Target, e.Why = audit.Name("certificates of listener "+listener), audit.Name(why[:min(len(why), maxWhy)])
	if err := s.recordLater(&e); err != nil {
		s.logger.Warn("certificates that were not taken are not on record", "error", err)
	}
}

func (s *Server) certificateEntry(by string, result audit.Result) audit.Entry {
	return audit.Entry{Time: s.clock(), Kind: audit.KindAdmin, Action: audit.ActionCertificateReload, Caller: audit.Name(by),
		Plan: audit.ID(s.policy.Load().plan.Hash), Result: result}
}

func endsAt(at time.Time) string { return "ends " + at.UTC().Format(time.RFC3339) }

func inPlaceOf(now, before [sha256.Size]byte) string {
	switch before {
	case now:
		return ", the same as before"
	case [sha256.Size]byte{}:
		return ", where there were none"
	}
	return ", in place of sha256 " + certPrint(before)
}

// printOf is the fingerprint of the callers' authorities: of one that of its
// certificate, of several that of all, the one behind the other; zero: there are
// none. Their order in the file does not matter.
func printOf(l *loadedCertificates) [sha256.Size]byte {
	if len(l.cas) == 0 {
		return [sha256.Size]byte{}
	}
	raw := make([][]byte, len(l.cas))
	for i, c := range l.cas {
		raw[i] = c.Raw
	}
	slices.SortFunc(raw, bytes.Compare)
	return sha256.Sum256(bytes.Join(raw, nil))
}

// certPrint writes a SHA-256 as `openssl x509 -fingerprint -sha256` does. The
// colons also keep its digits from being taken for a card number's.
func certPrint(sum [sha256.Size]byte) string {
	text := fmt.Sprintf("% X", sum[:])
	return string(bytes.ReplaceAll([]byte(text), []byte(" "), []byte(":")))
}
