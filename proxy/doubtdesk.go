package proxy

import (
	"context"
	"net/http"
	"strings"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/store"
)

// DoubtDesk is what an operator does about sales in doubt, in a running proxy
// or where none runs: admin.DoubtDesk. All fields are required. Safe for
// concurrent use.
type DoubtDesk struct {
	Outbox *Outbox
	// Commit stores entries together with what they speak of, in one unit, and
	// returns when it is acknowledged. A running proxy has its own way.
	Commit func(ctx context.Context, entries []*audit.Entry, cmds []store.Command) error
}

var (
	errNoDoubt     = legRefusal(http.StatusNotFound, "no sale in doubt has this key: it has an outcome, or there never was one")
	errManyDoubts  = legRefusal(http.StatusConflict, "several sales in doubt begin like this: give more of the key")
	errNotInDoubt  = legRefusal(http.StatusConflict, "the sale is in flight: its proxy is alive and waits for the primary")
	errSentAgain   = legRefusal(http.StatusConflict, "the sale is being sent again right now: look again in a moment")
	errDecided     = legRefusal(http.StatusConflict, "the sale was decided meanwhile, and that stands: see the log")
	errNeedsProxy  = legRefusal(http.StatusConflict, "the sale decides another one, which takes a running proxy: start it, and try again")
	errDeskOffline = legRefusal(http.StatusServiceUnavailable, "it cannot be put on record, so it is not done: the store did not take it in time")
)

// Resolve is that of admin.DoubtDesk. Charged means released, and not charged
// void: the key is free. It takes the turn to send the sale again, so that
// nobody does while it is decided.
func (d DoubtDesk) Resolve(ctx context.Context, who string, ask control.Resolve) (control.Resolved, error) {
	var none control.Resolved
	if err := reasonFault(ask.Reason); err != nil {
		return none, err
	}
	sale, err := d.find(ctx, ask.Sale)
	if err != nil {
		return none, err
	}
	s, c := d.Outbox.s, sale.claim
	if s.committer == nil && ask.Charged && c.Decides.Key != "" {
		return none, errNeedsProxy
	}
	turn, err := s.takeTurn(ctx, sale.ref, who, 2*storeTimeout)
	switch {
	case err != nil:
		return none, storeAway(err)
	case turn == nil:
		return none, errSentAgain
	}
	o := &outcome{Owner: c.Request, By: "operator", At: s.clock().UnixMilli(), Result: audit.ResultVoid}
	if ask.Charged {
		o.Result = audit.ResultReleased
	}
	stands, err := d.store(ctx, sale, o, d.entries(who, ask, sale, o))
	switch {
	case err != nil:
		turn.giveBack(ctx)
		return none, errDeskOffline
	case !stands:
		return none, errDecided
	}
	return control.Resolved{Key: sale.ref.K, Attempt: sale.ref.A, Request: c.Request, Route: c.Route, Outcome: o.Result.String(), Legs: len(c.Legs)}, nil
}

// find gives the one open sale of a name, whose key may be a beginning.
func (d DoubtDesk) find(ctx context.Context, name string) (openClaim, error) {
	begin, attempt, err := control.ParseSaleName(name)
	if err != nil {
		return openClaim{}, legRefusal(http.StatusUnprocessableEntity, err.Error())
	}
	var all []openClaim
	err = d.Outbox.s.open(ctx, func(o openClaim) error {
		if strings.HasPrefix(o.ref.K, begin) && (attempt == 0 || attempt == o.ref.A) {
			all = append(all, o)
		}
		return nil
	})
	switch {
	case err != nil:
		return openClaim{}, storeAway(err)
	case len(all) == 0:
		return openClaim{}, errNoDoubt
	case len(all) > 1:
		return openClaim{}, errManyDoubts
	case !all[0].doubt && !all[0].pending:
		return openClaim{}, errNotInDoubt
	case all[0].claim.Request == "":
		return openClaim{}, legRefusal(http.StatusConflict, "the claim of the sale cannot be read: its keyring is another one, or it was damaged")
	}
	return all[0], nil
}

// entries are the operator's act, and the outcome as that of any sale.
func (d DoubtDesk) entries(who string, ask control.Resolve, sale openClaim, o *outcome) []*audit.Entry {
	c, word, state := sale.claim, "not charged", audit.LegDropped
	if ask.Charged {
		word, state = "charged", audit.LegQueued
	}
	act := &audit.Entry{Time: d.Outbox.s.clock(), Kind: audit.KindAdmin, Action: audit.ActionDoubtResolve, Caller: audit.Name(who), Why: audit.Name(ask.Reason),
		Result: audit.ResultOK, Target: audit.Name(control.SaleName(sale.ref.K, sale.ref.A) + " as " + word), Request: audit.ID(c.Request),
		Route: audit.Name(c.Route), Key: audit.ID(sale.ref.K), Attempt: sale.ref.A, Subject: audit.ID(c.Subject)}
	ended := &audit.Entry{Time: act.Time, Kind: audit.KindOutcome, Caller: audit.Name(c.Caller), Result: o.Result, Request: act.Request,
		Route: act.Route, Plan: audit.ID(c.Plan), Purpose: audit.Name(c.Purpose), Subject: act.Subject, Key: act.Key, Attempt: act.Attempt}
	for i := range c.Legs {
		ended.Legs = append(ended.Legs, audit.Leg{Name: audit.Name(c.Legs[i].Name), To: audit.Name(c.Legs[i].To), State: state})
	}
	return []*audit.Entry{act, ended}
}

// store stores the outcome with its entries, and reports whether it stands.
func (d DoubtDesk) store(ctx context.Context, sale openClaim, o *outcome, entries []*audit.Entry) (stands bool, err error) {
	s, u := d.Outbox.s, new(store.Unit)
	at := s.addDecision(u, sale.ref, sale.claim, o)
	if s.committer == nil {
		if err := d.Commit(ctx, entries, u.Commands); err != nil {
			return false, err
		}
		if !u.Commands[at].Won {
			lost := *entries[0]
			lost.Result = audit.ResultFailed
			return false, d.Commit(ctx, []*audit.Entry{&lost}, nil)
		}
		if end := endCommands(sale.ref, sale.claim, o.Result); len(end) > 0 {
			// What is left is looked through by the next proxy.
			_ = s.driver.Apply(ctx, end)
		}
		return true, nil
	}
	own := make([][]byte, 0, len(entries)+len(u.Entries))
	for _, e := range entries {
		e.Plan = audit.ID(s.policy.Load().plan.Hash)
		own = append(own, s.sealing().Seal(nil, e))
	}
	u.Entries = append(own, u.Entries...)
	if err := s.committer.Commit(s.work, u); err != nil {
		return false, err
	}
	return s.settled(u, at, sale.ref, sale.claim, o), nil
}
