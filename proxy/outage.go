package proxy

import (
	"context"
	"strings"
	"time"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/store"
)

// While the store is away, requests of routes that may spool are judged by what
// this process knows, recorded on local disk in the order of the chain, and go
// on (PROTOCOL §3). store/committer_spool.go does that; here is what it means
// for a request, and for what had lost when it reached the store.

// spools reports whether the request may be recorded on local disk while the
// store is away.
func (x *exchange) spools() bool { return x.s.spools(x.p, &x.p.plan.Routes[x.route]) }

func (s *Server) spools(y *policy, r *rules.Route) bool {
	switch {
	case s.o.Spool <= 0 || r.OnOutage == rules.OutageRefuse:
		return false
	case r.OnOutage == rules.OutageSpool:
		return true
	}
	return s.o.OnOutage == rules.OutageSpool && y.plan.Destinations[r.Legs[r.Primary].Destination].Idempotent
}

// spoolsAny reports whether any route of the policy in force takes requests
// while the store is away.
func (s *Server) spoolsAny() bool { return s.spoolsAnyOf(s.policy.Load()) }

func (s *Server) spoolsAnyOf(y *policy) bool {
	for i := range y.plan.Routes {
		if s.spools(y, &y.plan.Routes[i]) {
			return true
		}
	}
	return false
}

// mayAct reports whether the primary may be sent to: right before its first
// byte. A claim on local disk has no lease that could be renewed; in its place
// counts how long ago it was made, so that a process that was paused does not
// wake up and charge.
func (x *exchange) mayAct() bool {
	if x.spooled.IsZero() {
		return x.leaseHolds()
	}
	return store.Age(x.spooled, time.Now()) < leaseLimit
}

// read asks the store in one round trip. local says that it was not asked: the
// answers are what this process knows.
func (s *Server) read(cmds []store.Command) (local bool, err error) {
	ctx, cancel := context.WithTimeout(s.work, storeTimeout)
	defer cancel()
	return s.committer.Read(ctx, cmds)
}

// recorded follows a unit that was acknowledged, or is on local disk.
func (x *exchange) recorded() {
	x.spooled = x.unit.At
	if x.unit.Spooled {
		x.arena = nil // the committer's now
	}
	x.tokens.stored()
	if x.owed.Kind == 0 {
		return
	}
	for i := range x.unit.Commands {
		c := &x.unit.Commands[i]
		if c.Key != x.owed.Key {
			continue
		}
		if c.Won {
			x.s.subjects.put(c.Key[len(store.SubjectKey("")):], x.subject)
		} else if u := x.s.subjectMerged(c); u != nil {
			u.Spool = x.spools()
			if err := x.s.committer.CommitLater(u); err != nil {
				x.s.logger.Error("that a person has two ids is not on record", "request", x.id, "error", err)
			}
		}
	}
	x.owed = store.Command{}
}

// unlease makes legs due at a time that were released under leases, where
// nobody uses those: the outcome is on local disk, and they go behind it.
func (x *exchange) unlease(at int64) {
	var moves []store.Command
	for _, legs := range [][]*parcel{x.parcels, x.awaited} {
		for _, p := range legs {
			moves = append(moves, store.Command{Kind: store.QueueMove, Queue: store.Due, Member: p.item.Member, From: p.item.Score, Score: at})
		}
	}
	if len(moves) == 0 {
		return
	}
	if err := x.s.committer.CommitLater(&store.Unit{Commands: moves}); err != nil {
		x.s.logger.Warn("released legs wait for the end of their leases", "request", x.id, "error", err)
	}
}

// needsStore reports whether the answer to a read has to be the store's, and is
// not: what this process does not know may be there all the same.
func (r *resolver) needsStore(a *ask, c *store.Command) bool {
	if !r.local || c.Found {
		return false
	}
	switch a.kind {
	case askVaulted, askValue, askRevoked, askFormer:
		return true
	case askPAN:
		return !r.s.recent.has(c.Key, r.now)
	}
	return false
}

// late is told of each register that had lost when it came from local disk to
// the store. It runs on the committer's own goroutine, and gives what is to be
// stored next.
func (s *Server) late(c *store.Command) *store.Unit {
	if strings.HasPrefix(c.Key, store.SubjectKey("")) {
		return s.subjectMerged(c)
	}
	ref, sort, ok := store.RefOf(c.Key)
	switch {
	case ok && sort == 'c':
		return s.doubleClaim(c, ref)
	case ok && sort == 'o':
		return s.lateFromDisk(c, ref)
	}
	return nil
}

// doubleClaim reports a sale whose key another proxy had taken while neither
// could know of the other. The first claim stands, with its legs; ours may have
// called the primary, under the same Idempotency-Key.
func (s *Server) doubleClaim(c *store.Command, ref store.Ref) *store.Unit {
	s.metrics.DoubleClaim()
	e := audit.Entry{Time: s.clock(), Kind: audit.KindAlarm, Plan: audit.ID(s.policy.Load().plan.Hash), Reason: reason.DoubleClaim,
		Key: audit.ID(ref.K), Attempt: ref.A}
	if ours, err := s.openClaim(c.Value, ref.K, ref.A); err == nil {
		e.Request, e.Caller, e.Route = audit.ID(ours.Request), audit.Name(ours.Caller), audit.Name(ours.Route)
		e.Purpose, e.Subject = audit.Name(ours.Purpose), audit.ID(ours.Subject)
	}
	if theirs, err := s.openClaim(c.Prior, ref.K, ref.A); err == nil {
		e.Target = audit.Name(theirs.Request)
	}
	s.logger.Error("two proxies took one key while the store was away; the first claim stands", "request", string(e.Request), "stands", string(e.Target), "key", ref.K, "attempt", ref.A)
	return s.unitOf(&e)
}

// lateFromDisk follows an outcome from local disk that lost.
func (s *Server) lateFromDisk(lost *store.Command, ref store.Ref) *store.Unit {
	c, stands := s.standing(ref)
	if c != nil && stands == nil {
		if ours, err := s.openOutcome(lost.Value, ref.K, ref.A, c); err == nil && ours != nil {
			// It lost to one of a claim that never was.
			u := &store.Unit{Commands: []store.Command{{Kind: store.Set, Key: lost.Key, Value: append([]byte(nil), lost.Value...), TTL: lost.TTL}}}
			if ours.Result == audit.ResultReleased {
				s.addRelease(u, c, ref, ours.At)
			}
			return u
		}
	}
	if u := s.overVoid(lost, ref, c, stands); u != nil {
		return u
	}
	e := s.lateEntry(ref, c, stands)
	u := s.unitOf(&e)
	u.Commands = s.undoLate(ref, c, stands)
	return u
}

// overVoid makes the unit by which a released outcome takes the place of a void
// one: two proxies that could not know of each other counted their attempts
// alike, one of them sent nothing, the other sold the same body. It is nil where
// that is not so.
func (s *Server) overVoid(lost *store.Command, ref store.Ref, c *claim, stands *outcome) *store.Unit {
	if c == nil || stands == nil || stands.Result != audit.ResultVoid {
		return nil
	}
	ours, err := s.openOutcome(lost.Value, ref.K, ref.A, c)
	if err != nil || ours == nil || ours.Owner == c.Request || ours.Result != audit.ResultReleased {
		return nil
	}
	u := &store.Unit{Commands: []store.Command{
		{Kind: store.Persist, Key: store.ClaimKey(ref.K, ref.A)},
		{Kind: store.Set, Key: lost.Key, Value: append([]byte(nil), lost.Value...)}}}
	s.addRelease(u, c, ref, ours.At)
	return u
}

// subjectMerged notes that a person was given an id on local disk who has one
// in the store, which counts from now on. The entry bears both.
func (s *Server) subjectMerged(c *store.Command) *store.Unit {
	ours, theirs := s.subjectIn(c.Key, c.Value), s.subjectIn(c.Key, c.Prior)
	if ours == "" || theirs == "" || ours == theirs {
		return nil
	}
	s.subjects.put(c.Key[len(store.SubjectKey("")):], theirs)
	e := audit.Entry{Time: s.clock(), Kind: audit.KindAdmin, Action: audit.ActionSubjectMerged, Plan: audit.ID(s.policy.Load().plan.Hash),
		Subject: audit.ID(theirs), Target: audit.Name(ours), Result: audit.ResultOK}
	return s.unitOf(&e)
}

// subjectIn reads the id in the register of a subject; empty where it does not
// open.
func (s *Server) subjectIn(key string, sealed []byte) string {
	plain, err := s.ring.Open(nil, sealed, []byte(key))
	if err != nil {
		return ""
	}
	defer clear(plain)
	d := decoder{b: plain}
	id := d.text()
	if d.bad {
		return ""
	}
	return id
}
