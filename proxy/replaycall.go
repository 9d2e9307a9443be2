package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite"
	"chaperone/store"
)

// replayCall is one call of a primary that the proxy itself sends again.
type replayCall struct {
	s      *Server
	ref    store.Ref
	claim  *claim
	policy *policy

	route int // in the policy
	to    *upstream
	term  uint64 // of the lease when the turn was taken
	turn  *turn
	resp  *fasthttp.Response
}

// may says why the policy of today does not allow the call; empty: it does, and
// route and destination are set. What the call holds was rendered under the
// policy of its time.
func (c *replayCall) may(now time.Time) string {
	plan := c.policy.plan
	c.route = -1
	for i := range plan.Routes {
		if plan.Routes[i].Name == c.claim.Route {
			c.route = i
		}
	}
	if c.route < 0 {
		return "route_gone"
	}
	r := &plan.Routes[c.route]
	dest := &plan.Destinations[r.Legs[r.Primary].Destination]
	switch {
	case r.OnDoubt != rules.DoubtReplay:
		return "not_replayed"
	case dest.Name != c.claim.Primary.To:
		return "primary_changed"
	case !dest.Idempotent:
		return "not_idempotent"
	}
	p := parcel{claim: c.claim, leg: c.claim.Primary, policy: c.policy}
	why := p.decide(now)
	c.to = p.to
	return why
}

// run takes the turn, puts on record what it is about to do, sends the call,
// and stores what its answer says.
func (c *replayCall) run(ctx context.Context) {
	c.term = c.s.committer.LeaseTerm()
	var err error
	c.turn, err = c.s.takeTurn(ctx, c.ref, c.s.committer.Chain(), c.to.timeout)
	if err != nil || c.turn == nil {
		return // the store is away, or somebody else is at it
	}
	body, err := c.ready(ctx)
	if err != nil {
		if !errors.Is(err, errNothingToSend) {
			c.s.logger.Warn("a sale in doubt cannot be sent again", "request", c.claim.Request, "error", err)
		}
		c.turn.giveBack(c.s.work)
		return
	}
	c.policy.metrics.SentAgain(c.route, true)
	c.resp = fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(c.resp)
	began := time.Now()
	how, err := c.send(began, body)
	switch {
	case how == answered:
		c.policy.metrics.Upstream(c.to.index, time.Since(began))
		c.answered()
		return
	case how == sentNothing:
		c.policy.metrics.Leg(c.to.index, admin.LegUnreachable)
		c.stillInDoubt(reason.UpstreamUnreachable, 0)
	case timedOut(err):
		c.policy.metrics.Leg(c.to.index, admin.LegTimeout)
		c.stillInDoubt(reason.PrimaryTimeout, 0)
	default:
		c.policy.metrics.Leg(c.to.index, admin.LegBroken)
		c.stillInDoubt(reason.PrimaryInDoubt, 0)
	}
}

// ready looks whether the sale was decided before the turn was taken, reads a
// large body, and puts the call on record.
func (c *replayCall) ready(ctx context.Context) (body []byte, err error) {
	leg := c.claim.Primary
	reads := []store.Command{{Kind: store.Get, Key: store.OutcomeKey(c.ref.K, c.ref.A)}}
	if leg.Large {
		reads = append(reads, store.Command{Kind: store.Get, Key: store.RequestBodyKey(c.ref.K, c.ref.A, leg.Leg, c.claim.Request)})
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := c.s.driver.Apply(ctx, reads); err != nil {
		return nil, err
	}
	if reads[0].Found {
		return nil, errNothingToSend
	}
	body = leg.Body
	if leg.Large {
		if body, err = c.s.ring.Open(nil, reads[1].Prior, []byte(reads[1].Key)); err != nil {
			return nil, errStranger
		}
	}
	if !c.to.sees {
		if _, found := detect.GuardJSON(body); found {
			return nil, errors.New("proxy: a card number would have left for a destination that may not see it")
		}
	}
	e := c.entry(audit.KindDecision, audit.ResultForwarded, reason.None)
	e.Rule = audit.Name("routes." + c.claim.Route + ".on_doubt")
	e.Legs = []audit.Leg{{Name: audit.Name(leg.Name), To: audit.Name(leg.To), State: audit.LegPrimary}}
	return body, c.s.recordEntry(e)
}

// send sends the call, while this process may act and has the turn.
func (c *replayCall) send(began time.Time, body []byte) (sending, error) {
	leg := c.claim.Primary
	fields := make([]field, len(leg.Fields))
	for i, f := range leg.Fields {
		fields[i] = field{f.Name, []byte(f.Value)}
	}
	size := len(body)
	if !leg.HasBody && !needsBody([]byte(leg.Method)) {
		size = -1
	}
	message := c.to.appendHead(nil, leg.Method, []byte(leg.Target), leg.Key, fields, size)
	return c.to.call(began.Add(c.to.timeout), leg.Method, message, body, c.resp, func() bool {
		return c.s.leaseHolds() && c.s.committer.LeaseTerm() == c.term && c.turn.holds(c.to.timeout)
	})
}

// answered takes the primary's answer.
func (c *replayCall) answered() {
	r := &c.policy.plan.Routes[c.route]
	status, body := c.resp.StatusCode(), c.resp.Body()
	ans := c.policy.engine.NewMessage()
	readable := identityCoded(&c.resp.Header)
	if readable && len(body) > 0 {
		readable = c.policy.engine.ScanAnswer(ans, c.route, c.to.index, body, rewrite.Limits{Depth: c.s.limits.Depth}) == nil
	}
	defer ans.Reset()
	result := secondAnswer(classify(r, ans, status, readable, len(body) == 0), status)
	switch result {
	case audit.ResultUnknown:
		c.policy.metrics.Leg(c.to.index, admin.LegBroken)
		c.stillInDoubt(reason.PrimaryInDoubt, status)
		return
	case audit.ResultCancelled:
		c.policy.metrics.Leg(c.to.index, admin.LegRejected)
	default:
		c.policy.metrics.Leg(c.to.index, admin.LegAccepted)
	}
	o := &outcome{Owner: c.claim.Request, By: "replay", At: c.s.clock().UnixMilli(), Result: result, Upstream: status}
	if c.claim.Keep > 0 {
		o.Answer = c.keepAnswer(result, status, readable && (len(body) == 0 || !ans.HasSAD()))
	}
	c.settle(o)
}

// keepAnswer makes what a repeat of the request is given. The primary's own
// answer is kept only where it holds nothing that may not be: the repeat's
// caller is then given what it may see of it. Else there is its status alone.
func (c *replayCall) keepAnswer(result audit.Result, status int, clean bool) *storedAnswer {
	body := c.resp.Body()
	a := &storedAnswer{Status: status, Legs: c.legsHeader(result, status), Reason: string(reason.AnswerWithheld)}
	if clean {
		_, card := detect.GuardJSON(body)
		clean = !card
	}
	if !clean {
		return a
	}
	a.Raw, a.Reason, a.Body = true, "", body
	for name, value := range c.resp.Header.All() {
		if !passedHeader(string(name), c.to.dest.Response.Headers) || !fieldText(value) {
			continue
		}
		if _, card := detect.GuardText(value); !card {
			a.Fields = append(a.Fields, heldField{string(name), string(value)})
		}
	}
	return a
}

// legsHeader says where each leg stands, as the first answer would have.
func (c *replayCall) legsHeader(result audit.Result, status int) string {
	state := audit.LegDropped
	switch result {
	case audit.ResultReleased:
		state = audit.LegQueued
	case audit.ResultPending:
		state = audit.LegHeld
	}
	text := c.claim.Primary.Name + "=" + itoa(status)
	for i := range c.claim.Legs {
		text += " " + c.claim.Legs[i].Name + "=" + state.String()
	}
	return text
}

// settle stores what the answer says of the sale.
func (c *replayCall) settle(o *outcome) {
	u, at := new(store.Unit), -1
	if o.Result == audit.ResultPending {
		within := c.policy.plan.Routes[c.route].Legs[c.policy.plan.Routes[c.route].Primary].Pending.Within
		p := pending{Until: o.At + within.Milliseconds(), outcome: *o}
		key := store.PendingKey(c.ref.K, c.ref.A)
		u.Commands = append(u.Commands, store.Command{Kind: store.Set, Key: key, Value: c.s.ring.Seal(nil, p.append(nil), []byte(key))})
	} else {
		at = c.s.addDecision(u, c.ref, c.claim, o)
	}
	e := c.entry(audit.KindOutcome, o.Result, reason.None)
	e.Upstream, e.Legs = o.Upstream, c.legs(o)
	u.Entries = append([][]byte{c.s.sealing().Seal(nil, e)}, u.Entries...)
	c.policy.metrics.Outcome(c.route, o.Result)
	if err := c.s.committer.CommitLater(u); err != nil {
		c.s.logger.Error("an outcome is not on record; its sale stays in doubt", "request", c.claim.Request, "key", c.ref.K, "attempt", c.ref.A, "error", err)
		return
	}
	if u.Stored && at >= 0 {
		c.s.settled(u, at, c.ref, c.claim, o)
	}
}

// legs are those of the entry of the outcome.
func (c *replayCall) legs(o *outcome) []audit.Leg {
	state := audit.LegDropped
	switch o.Result {
	case audit.ResultReleased:
		state = audit.LegQueued
	case audit.ResultPending:
		state = audit.LegHeld
	}
	legs := []audit.Leg{{Name: audit.Name(c.claim.Primary.Name), To: audit.Name(c.claim.Primary.To), State: audit.LegPrimary, Status: o.Upstream}}
	for i := range c.claim.Legs {
		legs = append(legs, audit.Leg{Name: audit.Name(c.claim.Legs[i].Name), To: audit.Name(c.claim.Legs[i].To), State: state})
	}
	return legs
}

// stillInDoubt puts on record that the call did not tell, and gives the turn
// back.
func (c *replayCall) stillInDoubt(code reason.Code, status int) {
	c.s.logger.Warn("a sale in doubt was sent again, and still is", "request", c.claim.Request, "route", c.claim.Route, "code", string(code), "upstream_status", status)
	e := c.entry(audit.KindDoubt, audit.ResultUnknown, code)
	e.Upstream = status
	e.Legs = []audit.Leg{{Name: audit.Name(c.claim.Primary.Name), To: audit.Name(c.claim.Primary.To), State: audit.LegPrimary, Status: status}}
	if err := c.s.recordLater(e); err != nil {
		c.s.logger.Error("a doubt is not on record", "request", c.claim.Request, "error", err)
	}
	c.turn.giveBack(c.s.work)
}

// entry starts an entry about the sale.
func (c *replayCall) entry(kind audit.Kind, result audit.Result, code reason.Code) *audit.Entry {
	return &audit.Entry{Time: c.s.clock(), Kind: kind, Request: audit.ID(c.claim.Request), Caller: audit.Name(c.claim.Caller), Route: audit.Name(c.claim.Route),
		Plan: audit.ID(c.policy.plan.Hash), Purpose: audit.Name(c.claim.Purpose), Subject: audit.ID(c.claim.Subject), Key: audit.ID(c.ref.K),
		Attempt: c.ref.A, Result: result, Reason: code}
}
