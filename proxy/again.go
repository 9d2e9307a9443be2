package proxy

import (
	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/store"
)

// A route that says on_doubt: retry sends the caller's own repeat again, where
// the sale is in doubt: under the attempt and the key that the destination knows
// from the first time. The outcome is the first attempt's, and so are the legs.

// again is an exchange's part in an attempt that another request has made.
type again struct {
	claim *claim
	ref   store.Ref
	turn  *turn
}

// owner is the request whose claim the exchange acts on.
func (x *exchange) owner() string {
	if x.again != nil {
		return x.again.claim.Request
	}
	return x.id
}

// doubted says that an attempt with the key of the request is in doubt.
func doubted() *reason.Error {
	return refuse(reason.InDoubt, "the first attempt with this key is in doubt: it may have been charged")
}

// holdPrimary describes the primary's call of an attempt, for a route that gets
// it out of doubt by sending it again; nil for all others. Where the caller
// sends it again, nothing of its content is kept.
func (x *exchange) holdPrimary() *heldLeg {
	r := &x.p.plan.Routes[x.route]
	switch r.OnDoubt {
	case rules.DoubtRetry:
		return &heldLeg{Leg: r.Primary, Name: r.Legs[r.Primary].Name, To: x.primaryName(), Key: x.legs[r.Primary].key}
	case rules.DoubtReplay:
		if x.sensitive(r.Primary) {
			return nil
		}
		held := x.hold(r.Primary)
		return &held
	}
	return nil
}

// sensitive reports whether a leg carries sensitive authentication data, which
// must not be stored. A policy that would is not loaded; this is the second
// look.
func (x *exchange) sensitive(leg int) bool {
	for _, d := range x.legs[leg].view.Chosen() {
		label := x.p.plan.Label(d.Label)
		if label != rules.NoLabel && x.p.plan.Labels[x.p.plan.Labels[label].Family].Name == "sad" && d.Form < rules.Drop {
			return true
		}
	}
	return false
}

// sendAgain sends the repeat of an attempt that is in doubt, if the route does
// so, and answers. look says that the attempt was decided in the meantime.
func (x *exchange) sendAgain(c *claim) (look bool, e *reason.Error) {
	r := &x.p.plan.Routes[x.route]
	u := x.p.upstreams[x.primaryIndex()]
	// Without legs the request is not rendered: it only asks what became of it.
	if len(x.legs) == 0 || r.OnDoubt != rules.DoubtRetry || !u.dest.Idempotent || c.Primary == nil || c.Primary.To != u.dest.Name {
		return false, doubted()
	}
	ref := store.Ref{K: x.key, A: x.attempt}
	turn, err := x.s.takeTurn(x.s.work, ref, x.id, u.timeout)
	switch {
	case err != nil:
		return false, refuse(reason.StoreUnavailable, "the store is away: nothing can be recorded, so nothing is forwarded")
	case turn == nil:
		return false, refuse(reason.InFlight, "the request is being sent again already")
	}
	// Who had the turn before may have found the outcome since it was looked
	// for.
	found := []store.Command{{Kind: store.Get, Key: store.OutcomeKey(ref.K, ref.A)}}
	if e := x.lookUp(found); e != nil || found[0].Found {
		turn.giveBack(x.s.work)
		return e == nil, e
	}
	entry := x.newEntry(audit.KindDecision, audit.ResultForwarded, reason.None)
	entry.Rule = audit.Name("routes." + r.Name + ".on_doubt")
	x.legs[r.Primary].key = c.Primary.Key
	x.address()
	x.addLegs(entry)
	entry.Prepared = append(entry.Prepared, x.legs[r.Primary].prepared...)
	if err := x.s.recordEntry(entry); err != nil {
		turn.giveBack(x.s.work)
		return false, refuse(reason.StoreUnavailable, "the store did not take the record in time, so nothing is forwarded")
	}
	x.again = &again{claim: c, ref: ref, turn: turn}
	x.term = x.s.committer.LeaseTerm() // it is the turn that counts
	x.names = store.NamesOf(ref.K, ref.A)
	x.p.metrics.SentAgain(x.route, false)
	x.look()
	x.forward()
	return false, nil
}

// mayAgain reports whether the exchange may send now, as far as the turn goes.
func (x *exchange) mayAgain(u *upstream) bool {
	return x.again == nil || x.again.turn.holds(u.timeout)
}

// secondAnswer says what the answer to a call that was sent again means for the
// sale. That the destination refuses the repeat says nothing of the first call:
// its key may have been used with other bytes, the credentials may have ended,
// or there are too many calls. Only an answer about the payment counts.
func secondAnswer(result audit.Result, status int) audit.Result {
	const paymentRequired = 402
	if result == audit.ResultCancelled && status/100 != 2 && status != paymentRequired {
		return audit.ResultUnknown
	}
	return result
}

// notSentAgain ends an exchange that could not send the repeat: the attempt is
// as much in doubt as before.
func (x *exchange) notSentAgain(cause error) {
	x.s.logger.Warn("a repeat of a sale in doubt was not sent", "request", x.id, "destination", x.primaryName(), "cause", causeOf(cause))
	entry := x.newEntry(audit.KindDoubt, audit.ResultUnknown, reason.UpstreamUnreachable)
	entry.Status = reason.InDoubt.Status()
	x.addLegs(entry)
	if err := x.s.recordLater(entry); err != nil {
		x.s.logger.Error("that a repeat was not sent is not on record", "request", x.id, "error", err)
	}
	x.final = true
	x.again.turn.giveBack(x.s.work)
	x.code = reason.InDoubt
	writeProblem(x.ctx, doubted(), reason.InDoubt.Status(), x.id)
	x.stamp(audit.ResultUnknown, 0, x.legsHeader(audit.ResultUnknown))
}

// storeAgain puts the outcome of an attempt on record that another request has
// made, and with it what the answer of this one holds.
func (x *exchange) storeAgain(o *outcome, code reason.Code, status int) {
	ref, c := x.again.ref, x.again.claim
	u := new(store.Unit)
	entry := x.newEntry(audit.KindOutcome, o.Result, code)
	at := x.s.addDecision(u, ref, c, o)
	x.addAnswer(u, entry)
	entry.Status, entry.Upstream = status, o.Upstream
	x.addLegs(entry)
	u.Entries = append(u.Entries, x.s.sealing().Seal(nil, entry))
	x.p.metrics.Outcome(x.route, o.Result)
	x.final = true
	if err := x.s.committer.CommitLater(u); err != nil {
		x.s.logger.Error("an outcome is not on record; its sale stays in doubt", "request", x.id, "key", ref.K, "attempt", ref.A, "error", err)
		return
	}
	if u.Stored {
		x.s.settled(u, at, ref, c, o)
	}
}
