package proxy

import (
	"chaperone/audit"
	"chaperone/rules/reason"
	"chaperone/store"
)

// contend finds out what became of the attempt that holds the key. again says
// that the key is free for x.attempt, which was advanced. Otherwise, without
// an error, the first answer was given again.
func (x *exchange) contend(sealed []byte) (again bool, e *reason.Error) {
	for x.attempt <= maxAttempts {
		c, err := x.s.openClaim(sealed, x.key, x.attempt)
		if err != nil {
			x.s.logger.Error("a claim cannot be read", "request", x.id, "key", x.key, "attempt", x.attempt, "error", err)
			return false, refuse(reason.InDoubt, "the first attempt with this key cannot be read")
		}
		found := []store.Command{
			{Kind: store.Get, Key: store.OutcomeKey(x.key, x.attempt)},
			{Kind: store.Get, Key: store.UnknownKey(x.key, x.attempt)},
			{Kind: store.Get, Key: store.AliveKey(c.Chain)},
			{Kind: store.Get, Key: store.ClaimKey(x.key, x.attempt+1)},
			{Kind: store.Get, Key: store.PendingKey(x.key, x.attempt)},
		}
		if e := x.lookUp(found); e != nil {
			return false, e
		}
		o, err := x.s.openOutcome(found[0].Prior, x.key, x.attempt, c)
		p, unread := x.s.openPending(found[4].Prior, store.Ref{K: x.key, A: x.attempt}, c)
		switch {
		case err != nil || unread != nil:
			return false, refuse(reason.InDoubt, "the first attempt with this key cannot be read")
		case o == nil && !x.sameBody(c):
			return false, refuse(reason.BodyDiffers, "the key belongs to another request")
		case o == nil && p != nil && !p.over(x.s.clock()):
			return false, x.replay(c, &p.outcome, p.Answer)
		case o == nil && (p != nil || found[1].Found || !found[2].Found):
			look, e := x.sendAgain(c)
			if look {
				continue
			}
			return false, e
		case o == nil:
			return false, refuse(reason.InFlight, "the first attempt with this key is not answered yet")
		case o.Result == audit.ResultVoid, o.Result == audit.ResultCancelled && !x.sameBody(c):
			// The key is free: on to the next attempt, if that is not taken.
			if found[3].Found {
				sealed = found[3].Prior
				x.attempt++
				continue
			}
			x.attempt++
			return true, nil
		case !x.sameBody(c):
			return false, refuse(reason.BodyDiffers, "the key belongs to another request")
		}
		return false, x.replay(c, o, decidedAnswer(o, p))
	}
	return false, refuse(reason.KeyMalformed, "the key has been tried too often")
}

// replay gives the first answer again, under the outcome as it is today.
func (x *exchange) replay(c *claim, o *outcome, a *storedAnswer) *reason.Error {
	tooOld := o.Result != audit.ResultPending && c.Keep > 0 && x.s.clock().UnixMilli()-o.At > c.Keep
	if a == nil || tooOld {
		return refuse(reason.AnswerForgotten, "the sale is "+o.Result.String()+", its answer is not kept any more")
	}
	legs, e := x.legsKept(c, a.Legs)
	if e != nil {
		return e
	}
	if a.Raw {
		return x.replayRaw(o, a, legs)
	}
	r := &x.ctx.Response
	r.SetStatusCode(a.Status)
	x.stamp(o.Result, o.Upstream, legs)
	r.Header.Set(headerReplayed, "true")
	if string(a.Sees) != string(x.p.sees[x.caller]) {
		// It was rendered for somebody who sees more, or otherwise.
		x.withheldBody(reason.AnswerWithheld)
	} else {
		for _, f := range a.Fields {
			r.Header.Set(f.Name, f.Value)
		}
		if a.Reason != "" {
			r.Header.Set(headerReason, a.Reason)
			x.code = reason.Code(a.Reason)
		}
		r.SetBody(a.Body)
	}
	entry := x.newEntry(audit.KindOutcome, audit.ResultReplayed, reason.None)
	entry.Status, entry.Upstream = a.Status, o.Upstream
	return x.recordReplay(entry)
}

// recordReplay puts a replay on record: an answer may not go out without.
func (x *exchange) recordReplay(e *audit.Entry) *reason.Error {
	u := x.s.unitOf(e)
	u.Spool = x.spools()
	if err := x.s.committer.Commit(x.s.work, u); err != nil {
		x.ctx.Response.Reset()
		return refuse(reason.StoreUnavailable, "the store is away: nothing can be recorded")
	}
	return nil
}
