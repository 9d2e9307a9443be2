package audit

import "net/netip"

// Same is what the entries about one request have in common, as it was written
// in the first of them: whose it is, and about what. The zero Same is ready for
// use, by one goroutine at a time; it belongs to whoever seals the entries of a
// request, and may be used again for those of the next one. Nothing is taken on
// trust: it is written again only where all of it is the same.
type Same struct {
	names *Names // nil: nothing yet

	chain, request, plan, subject, key ID
	caller, route, purpose             Name
	origin                             netip.Addr

	mask  uint32
	n     uint8 // of coded
	used  uint8 // of slots
	slots [3]slot
	coded [maxSame]byte
}

// maxSame bounds what a Same keeps: two ids of ours with the hash of a plan, an
// address and three names of some length.
const maxSame = 168

// same writes what an entry has in common with the one that s was kept of, if
// that is all the same.
func (w *encoder) same(s *Same, e *Entry) bool {
	if s.names == nil || s.names != w.names || s.request != e.Request || s.key != e.Key || s.subject != e.Subject ||
		s.chain != e.Chain || s.plan != e.Plan || s.caller != e.Caller || s.route != e.Route || s.purpose != e.Purpose || s.origin != e.Origin {
		return false
	}
	from := uint32(len(w.b))
	w.b = append(w.b, s.coded[:s.n]...)
	w.mask |= s.mask
	for _, l := range s.slots[:s.used] {
		w.give(l.from+from, l.to+from, l.symbol)
	}
	return true
}

// keep keeps what w has written of an entry since from, with what its mask was
// before.
func (s *Same) keep(w *encoder, e *Entry, from int, before uint32) {
	s.names = nil
	if w.names == nil || w.loose || len(w.b)-from > maxSame {
		return
	}
	s.names = w.names
	s.chain, s.request, s.plan, s.subject, s.key = e.Chain, e.Request, e.Plan, e.Subject, e.Key
	s.caller, s.route, s.purpose, s.origin = e.Caller, e.Route, e.Purpose, e.Origin
	s.mask = w.mask &^ before
	s.n = uint8(copy(s.coded[:], w.b[from:]))
	s.used = uint8(w.used)
	for i := range w.slots[:w.used] {
		l := &w.slots[i]
		s.slots[i] = slot{l.from - uint32(from), l.to - uint32(from), l.symbol}
	}
}
