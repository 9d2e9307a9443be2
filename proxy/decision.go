package proxy

import (
	"bytes"
	"context"
	"time"

	"chaperone/audit"
	"chaperone/rules/reason"
	"chaperone/store"
)

// An attempt is ended by its outcome register, whoever writes it: the request
// that made the attempt, a repeat, the replayer, a request that follows the
// sale, an operator. The first write counts. Everybody but the request itself,
// which has its own way in outcome.go, goes through decide.

// addRelease adds what a released outcome sets free to its unit: the held legs,
// due from at (Unix milliseconds), and what is kept of the sale for the calls
// that follow it.
func (s *Server) addRelease(u *store.Unit, c *claim, ref store.Ref, at int64) {
	for i := range c.Legs {
		l := &c.Legs[i]
		member := store.Member{Dest: l.To, K: ref.K, A: ref.A, N: l.Leg, Group: l.Group}
		u.Commands = append(u.Commands, store.Command{Kind: store.QueueAdd, Queue: store.Due, Member: member.String(), Score: at})
	}
	s.addSale(u, c, ref.K)
}

// addSale adds what is kept of a released sale, if anything is.
func (s *Server) addSale(u *store.Unit, c *claim, k string) {
	if len(c.Sale) == 0 {
		return
	}
	for _, k := range saleNames(c.Sale, k) {
		key := store.SaleKey(k)
		u.Commands = append(u.Commands, store.Command{Kind: store.SetOnce, Key: key, Value: s.ring.Seal(nil, c.Sale, []byte(key)),
			TTL: time.Duration(c.SaleKeep) * time.Millisecond})
	}
}

// addDecision adds what ends an attempt to a unit that is yet to be stored. The
// first of its commands writes the outcome; its index is what settled is to be
// given once the unit is stored.
func (s *Server) addDecision(u *store.Unit, ref store.Ref, c *claim, o *outcome) (at int) {
	at = len(u.Commands)
	key := store.OutcomeKey(ref.K, ref.A)
	write := store.Command{Kind: store.SetOnce, Key: key, Value: s.ring.Seal(nil, o.append(nil), []byte(key))}
	if o.Result != audit.ResultReleased || len(c.Legs) == 0 {
		write.TTL = c.keep()
	}
	u.Commands = append(u.Commands, write,
		store.Command{Kind: store.QueueRemove, Queue: store.Doubt, Member: store.DoubtMember(ref.K, ref.A)},
		// With an outcome, whosever it is, these are of use to repeats alone.
		store.Command{Kind: store.Expire, Key: store.UnknownKey(ref.K, ref.A), TTL: c.keep()},
		store.Command{Kind: store.Expire, Key: store.PendingKey(ref.K, ref.A), TTL: c.keep()})
	if o.Result == audit.ResultReleased {
		s.addSaleDecision(u, ref, c, o, nil)
		s.addRelease(u, c, ref, o.At)
	}
	return at
}

// settled follows a unit that has been stored, with the decision at an index of
// its commands. It reports whether that outcome is the one that counts: then
// the released legs are looked at, and registers that nothing waits for begin
// to end. Else it is a late outcome, and is reported as one.
func (s *Server) settled(u *store.Unit, at int, ref store.Ref, c *claim, o *outcome) bool {
	s.saleSettled(u, c, o, nil)
	if !u.Commands[at].Won && !s.replaceStranger(&u.Commands[at], ref, c) {
		s.lateOutcome(ref)
		return false
	}
	if o.Result == audit.ResultReleased {
		for i := range c.Legs {
			s.outbox.wakeLane(c.Legs[i].To)
		}
	}
	s.endClaim(ref, c, o.Result)
	return true
}

// replaceStranger writes an outcome over one that belongs to a claim which
// never was (a void for a claim that was not acknowledged, or what a proxy made
// of a claim that lost when the store came back), and reports whether it has
// done so. Where the claim that stands is not c, the stranger is the outcome of
// c. What is released is queued once more: who found the other outcome meanwhile
// has taken its legs out.
func (s *Server) replaceStranger(lost *store.Command, ref store.Ref, c *claim) bool {
	there, err := s.openOutcome(lost.Prior, ref.K, ref.A, c)
	if err != nil || there != nil {
		return false
	}
	switch stands, o := s.standing(ref); {
	case stands == nil:
		return false
	case stands.Request != c.Request:
		u := s.overVoid(lost, ref, stands, o)
		return u != nil && s.committer.CommitLater(u) == nil
	}
	u := &store.Unit{Commands: []store.Command{{Kind: store.Set, Key: lost.Key, Value: bytes.Clone(lost.Value), TTL: lost.TTL}}}
	if ours, err := s.openOutcome(lost.Value, ref.K, ref.A, c); err == nil && ours != nil && ours.Result == audit.ResultReleased {
		s.addRelease(u, c, ref, ours.At)
	}
	return s.committer.CommitLater(u) == nil
}

// keep is how long the registers of the attempt live once it is over.
func (c *claim) keep() time.Duration {
	if c.Keep > 0 {
		return time.Duration(c.Keep) * time.Millisecond
	}
	return keylessKeep
}

// endClaim ends what an attempt with an outcome does not need any more: the
// bodies of calls that nobody will make, and, where no leg waits, the claim. It
// must not go with the outcome's own unit: if that outcome is not the one that
// counts, legs may wait.
func (s *Server) endClaim(ref store.Ref, c *claim, result audit.Result) {
	commands := endCommands(ref, c, result)
	if len(commands) == 0 {
		return
	}
	if err := s.committer.CommitLater(&store.Unit{Commands: commands}); err != nil {
		s.logger.Warn("what an attempt needs no more lives on until the registers are looked through", "request", c.Request, "error", err)
	}
}

// endCommands makes the commands of endClaim.
func endCommands(ref store.Ref, c *claim, result audit.Result) (commands []store.Command) {
	if result != audit.ResultReleased || len(c.Legs) == 0 {
		commands = append(commands, store.Command{Kind: store.Expire, Key: store.ClaimKey(ref.K, ref.A), TTL: c.keep()})
	}
	return dropBodies(commands, ref, c, result)
}

// dropBodies deletes the large bodies of calls that nobody will make after an
// outcome.
func dropBodies(commands []store.Command, ref store.Ref, c *claim, result audit.Result) []store.Command {
	drop := func(l *heldLeg) {
		if l.Large {
			commands = append(commands, store.Command{Kind: store.Delete, Key: store.RequestBodyKey(ref.K, ref.A, l.Leg, c.Request)})
		}
	}
	if result != audit.ResultReleased {
		for i := range c.Legs {
			drop(&c.Legs[i])
		}
	}
	if c.Primary != nil {
		drop(c.Primary)
	}
	return commands
}

// lateOutcome reports an outcome of an attempt that lost to one written before:
// on record, in the log and in the metrics. What counts stays as it is; what
// the late one did besides is undone, as far as it could do harm. What
// was drained from local disk comes to late (outage.go) instead.
func (s *Server) lateOutcome(ref store.Ref) {
	c, o := s.standing(ref)
	e := s.lateEntry(ref, c, o)
	u := s.unitOf(&e)
	u.Commands = s.undoLate(ref, c, o)
	if err := s.committer.CommitLater(u); err != nil {
		s.logger.Error("a late outcome is not on record", "request", string(e.Request), "error", err)
	}
}

// lateEntry counts and logs a late outcome, and makes its entry; c and o are
// what stands, nil where that cannot be read.
func (s *Server) lateEntry(ref store.Ref, c *claim, o *outcome) audit.Entry {
	s.metrics.LateOutcome()
	e := audit.Entry{Time: s.clock(), Kind: audit.KindAlarm, Plan: audit.ID(s.policy.Load().plan.Hash), Reason: reason.LateOutcome,
		Key: audit.ID(ref.K), Attempt: ref.A}
	if c != nil {
		e.Request, e.Caller, e.Route = audit.ID(c.Request), audit.Name(c.Caller), audit.Name(c.Route)
		e.Purpose, e.Subject = audit.Name(c.Purpose), audit.ID(c.Subject)
	}
	if o != nil {
		e.Result = o.Result
	}
	s.logger.Error("a late outcome lost to the one before it, which stands", "request", string(e.Request), "key", ref.K, "attempt", ref.A, "stands", e.Result.String())
	return e
}

// standing reads a claim and the outcome that counts for it; nil where they
// cannot be read.
func (s *Server) standing(ref store.Ref) (*claim, *outcome) {
	ctx, cancel := context.WithTimeout(s.work, storeTimeout)
	defer cancel()
	found, err := store.LoadClaims(ctx, s.driver, []store.Ref{ref})
	if err != nil || found[0].Value == nil {
		return nil, nil
	}
	c, err := s.openClaim(found[0].Value, ref.K, ref.A)
	if err != nil {
		return nil, nil
	}
	o, err := s.openOutcome(found[0].Outcome, ref.K, ref.A, c)
	if err != nil {
		return c, nil
	}
	return c, o
}

// undoLate makes the commands that take back what came with a late outcome: the
// time to live of a claim whose legs still wait, and what is kept of a sale that
// was not completed. c and stands are what stands, nil where that cannot be read.
// They are stored by the committer, behind what they take back: after a failover
// that is sent again, and so are they. Legs that were queued with the late
// outcome are left: whoever takes one asks the registers first.
func (s *Server) undoLate(ref store.Ref, c *claim, stands *outcome) (undo []store.Command) {
	if c == nil || stands == nil {
		return nil
	}
	if stands.Result == audit.ResultReleased {
		if len(c.Legs) > 0 {
			undo = append(undo, store.Command{Kind: store.Persist, Key: store.ClaimKey(ref.K, ref.A)},
				store.Command{Kind: store.Persist, Key: store.OutcomeKey(ref.K, ref.A)})
		}
		return undo
	}
	if len(c.Sale) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.work, storeTimeout)
	defer cancel()
	for _, k := range saleNames(c.Sale, ref.K) {
		sale := []store.Command{{Kind: store.Get, Key: store.SaleKey(k)}}
		if s.driver.Apply(ctx, sale) != nil || !sale[0].Found {
			continue
		}
		plain, err := s.ring.Open(nil, sale[0].Prior, []byte(sale[0].Key))
		if err == nil && bytes.Equal(plain, c.Sale) {
			undo = append(undo, store.Command{Kind: store.Delete, Key: sale[0].Key})
		}
	}
	return undo
}
