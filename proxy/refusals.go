package proxy

import (
	"net/netip"
	"sync"
	"time"

	"chaperone/audit"
	"chaperone/rules/reason"
	"chaperone/store"
)

// refusals keeps what is refused before it is known who asks from filling the
// log: one entry a second for each origin and code.
type refusals struct {
	mu   sync.Mutex
	last map[refusalKey]*refusalCount
}

type refusalKey struct {
	origin netip.Addr
	code   reason.Code
}

type refusalCount struct {
	at      time.Time
	repeats int // not recorded since
}

// maxRefusals bounds the origins that are remembered.
const maxRefusals = 4096

// take reports whether a refusal is to be recorded now, and how many of its
// kind were not since the last one.
func (r *refusals) take(origin netip.Addr, code reason.Code, now time.Time) (repeats int, record bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := refusalKey{origin, code}
	c, ok := r.last[k]
	if ok && now.Sub(c.at) < time.Second && !now.Before(c.at) {
		c.repeats++
		return 0, false
	}
	if !ok {
		if len(r.last) >= maxRefusals {
			for old, c := range r.last {
				if now.Sub(c.at) >= time.Second {
					delete(r.last, old)
				}
			}
			if len(r.last) >= maxRefusals {
				return 0, false
			}
		}
		c = &refusalCount{}
		r.last[k] = c
	}
	repeats, c.repeats, c.at = c.repeats, 0, now
	return repeats, true
}

// recordRefusal puts a refusal on record. Nothing was forwarded, so a store
// that does not take it changes nothing for the caller; it is kept on local
// disk then.
func (x *exchange) recordRefusal(e *reason.Error, status int) {
	entry := x.newEntry(audit.KindRefusal, audit.ResultRefused, e.Code)
	entry.Rule, entry.Pattern, entry.Status = audit.Name(e.Rule), audit.Name(e.Pattern), status
	if x.caller == noCaller || e.Code == reason.StoreUnavailable {
		repeats, record := x.s.refusals.take(x.origin, e.Code, x.s.clock())
		if !record {
			return
		}
		entry.Repeats = repeats
	}
	if err := x.s.recordLater(entry); err != nil {
		x.s.logger.Warn("a refusal is not on record", "request", x.id, "code", string(e.Code), "error", err)
	}
}

// unitOf makes a unit of an entry, sealed for the chain that is being written.
func (s *Server) unitOf(e *audit.Entry) *store.Unit {
	return &store.Unit{Entries: [][]byte{s.sealing().Seal(nil, e)}}
}

// recordEntry stores an entry and waits for the store to acknowledge it.
func (s *Server) recordEntry(e *audit.Entry) error {
	return s.committer.Commit(s.work, s.unitOf(e))
}

// recordLater stores an entry, or keeps it on local disk until the store is
// back.
func (s *Server) recordLater(e *audit.Entry) error {
	return s.committer.CommitLater(s.unitOf(e))
}
