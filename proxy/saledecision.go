package proxy

import (
	"chaperone/audit"
	"chaperone/store"
)

// A request that follows a pending sale may decide it: by its own success,
// whoever finds that out. What it would make of the sale stands in its claim,
// and goes into the unit that releases it. As everywhere, the first outcome
// written counts.

// addSaleDecision adds to the unit that ends an attempt what that makes of the
// sale which its request follows. It must come before the attempt's own legs,
// which are sent after the sale's. sale is the claim of that sale; nil: it is
// read.
func (s *Server) addSaleDecision(u *store.Unit, ref store.Ref, c *claim, o *outcome, sale *claim) {
	d := &c.Decides
	if d.Key == "" || o.Result != audit.ResultReleased {
		return
	}
	of := d.ref()
	if sale == nil {
		var standing *outcome
		if sale, standing = s.standing(of); standing != nil {
			return // somebody else has decided it
		}
	}
	if sale == nil {
		s.logger.Error("a sale that a request decides cannot be read: it stays pending", "request", c.Request, "key", d.Key, "attempt", d.Attempt)
		return
	}
	s.addDecision(u, of, sale, d.outcome(sale, o))
	e := audit.Entry{Time: s.clock(), Kind: audit.KindOutcome, Request: audit.ID(sale.Request), Caller: audit.Name(sale.Caller),
		Route: audit.Name(sale.Route), Plan: audit.ID(s.policy.Load().plan.Hash), Purpose: audit.Name(sale.Purpose), Subject: audit.ID(sale.Subject),
		Key: audit.ID(d.Key), Attempt: d.Attempt, Result: d.Result, Target: attemptName(ref)}
	state := audit.LegQueued
	if d.Result != audit.ResultReleased {
		state = audit.LegDropped
	}
	for i := range sale.Legs {
		e.Legs = append(e.Legs, audit.Leg{Name: audit.Name(sale.Legs[i].Name), To: audit.Name(sale.Legs[i].To), State: state})
	}
	u.Entries = append(u.Entries, s.sealing().Seal(nil, &e))
}

// saleSettled follows a stored unit to which addSaleDecision was asked to add.
func (s *Server) saleSettled(u *store.Unit, c *claim, o *outcome, sale *claim) {
	d := &c.Decides
	if d.Key == "" || o.Result != audit.ResultReleased {
		return
	}
	of := d.ref()
	name := store.OutcomeKey(of.K, of.A)
	for at := range u.Commands {
		if u.Commands[at].Kind != store.SetOnce || u.Commands[at].Key != name {
			continue
		}
		if sale == nil {
			if sale, _ = s.standing(of); sale == nil {
				return // whoever finds its legs reads its registers
			}
		}
		s.settled(u, at, of, sale, d.outcome(sale, o))
		return
	}
}

// decision is what the request makes of the sale, for its claim.
func (f *following) decision() saleDecision {
	if f.pending == nil || f.decides == audit.ResultNone {
		return saleDecision{}
	}
	return saleDecision{Key: f.key, Attempt: f.sale.Attempt, Result: f.decides}
}

// ref names the attempt that is decided.
func (d *saleDecision) ref() store.Ref { return store.Ref{K: d.Key, A: d.Attempt} }

// outcome is that of the sale, by the outcome of the request that decides it.
func (d *saleDecision) outcome(sale *claim, by *outcome) *outcome {
	return &outcome{Owner: sale.Request, By: "follower", At: by.At, Result: d.Result}
}

// attemptName names an attempt as the verbs of the outbox do.
func attemptName(r store.Ref) audit.Name { return audit.Name(r.K + "/" + itoa(r.A)) }
