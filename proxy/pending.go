package proxy

import (
	"strings"
	"time"

	"chaperone/audit"
	"chaperone/rules/reason"
	"chaperone/store"
)

// A primary may leave a sale open: 3-D Secure, a capture that comes later. The
// sale is then pending until a request that follows it decides, or an operator,
// and for as long it is in nobody's doubt, whether or not its process lives.

// pending is the content of a pending register: what the primary said, and
// until when (Unix milliseconds) that is no doubt. Its Result is
// ResultPending.
type pending struct {
	Until int64
	outcome
}

const pendingVersion = 1

func (p *pending) append(dst []byte) []byte {
	dst = append(dst, pendingVersion)
	dst = appendNumber(dst, uint64(p.Until))
	return p.outcome.append(dst)
}

// parse reads what append wrote. The slices borrow from b.
func (p *pending) parse(b []byte) error {
	d := decoder{b: b}
	d.version(pendingVersion)
	p.Until = int64(d.number())
	if d.bad {
		return errRegister
	}
	return p.outcome.parse(d.b)
}

// over reports whether the time is over in which a later call was to decide.
func (p *pending) over(now time.Time) bool { return now.UnixMilli() >= p.Until }

// openPending opens and parses a pending register. It is nil where there is
// none, or where it belongs to a claim that never was.
func (s *Server) openPending(sealed []byte, ref store.Ref, c *claim) (*pending, error) {
	if sealed == nil {
		return nil, nil
	}
	plain, err := s.ring.Open(nil, sealed, []byte(store.PendingKey(ref.K, ref.A)))
	if err != nil {
		return nil, errStranger
	}
	p := new(pending)
	if err = p.parse(plain); err != nil {
		return nil, err
	}
	if p.Owner != c.Request {
		return nil, nil
	}
	return p, nil
}

// settlePending answers a request whose sale the primary leaves open, and puts
// that on record. The legs stay held.
func (x *exchange) settlePending(status int, fault reason.Code) {
	x.writeAnswer(status, fault)
	legs := x.legsHeader(audit.ResultPending)
	x.stamp(audit.ResultPending, status, legs)
	r := &x.p.plan.Routes[x.route]
	now := x.s.clock()
	p := pending{Until: now.Add(r.Legs[r.Primary].Pending.Within).UnixMilli(),
		outcome: outcome{Owner: x.owner(), By: byPrimary, At: now.UnixMilli(), Result: audit.ResultPending, Upstream: status}}
	if x.hasKey {
		p.Answer = x.keepAnswer(status, legs, fault)
	}
	unit := x.unit
	resetUnit(unit)
	x.arena = x.arena[:0]
	name := store.PendingKey(x.key, x.attempt)
	x.scratch = p.append(x.scratch[:0])
	// Not once: a sale that was pending for too long and is sent again may be
	// pending again.
	unit.Commands = append(unit.Commands, store.Command{Kind: store.Set, Key: name, Value: x.seal(x.scratch, name)})
	x.scratch = rinse(x.scratch)
	entry := x.newEntry(audit.KindOutcome, audit.ResultPending, fault)
	x.addAnswer(unit, entry)
	entry.Status, entry.Upstream = status, status
	x.addLegs(entry)
	unit.Entries = append(unit.Entries, x.sealEntry(entry))
	x.p.metrics.Outcome(x.route, audit.ResultPending)
	x.commitFinal()
}

// decidedAnswer is what a repeat is given of a sale that was pending: the first
// answer, as far as whoever decided has left none, with the legs as they stand.
func decidedAnswer(o *outcome, p *pending) *storedAnswer {
	if o.Answer != nil || p == nil || p.Answer == nil {
		return o.Answer
	}
	a := *p.Answer
	switch o.Result {
	case audit.ResultReleased:
		a.Legs = strings.ReplaceAll(a.Legs, "="+audit.LegHeld.String(), "="+audit.LegQueued.String())
	case audit.ResultCancelled, audit.ResultVoid:
		a.Legs = strings.ReplaceAll(a.Legs, "="+audit.LegHeld.String(), "="+audit.LegDropped.String())
	}
	return &a
}
