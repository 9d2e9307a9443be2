package proxy

import (
	"runtime/debug"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite"
)

// handle is the life of one request (DESIGN §3).
func (s *Server) handle(ctx *inbound) {
	x := s.begin(ctx)
	x.attend() // which does not panic
	s.end(x)
}

// attend sees a request to its answer, whatever happens.
func (x *exchange) attend() {
	x.s.metrics.Begin()
	defer func() {
		if v := recover(); v != nil {
			x.panicked()
		}
		x.measure()
		x.s.metrics.End()
	}()
	if e := x.live(); e != nil {
		x.refused(e)
	}
}

// live takes a request to its answer. An error is a refusal: nothing was
// forwarded, and the answer is yet to be written.
func (x *exchange) live() *reason.Error {
	if e := x.judge(); e != nil {
		return e
	}
	if !x.s.taking() {
		return refuse(reason.NotReady, "the proxy is shutting down")
	}
	if !x.s.committer.Takes(x.spools()) {
		return refuse(reason.StoreUnavailable, "the store is away: nothing can be recorded, so nothing is forwarded")
	}
	if e := x.readBody(); e != nil {
		return e
	}
	if e := x.scan(); e != nil {
		return e
	}
	follows := x.p.plan.Routes[x.route].Follows != nil
	if follows {
		if done, e := x.follow(); e != nil || done {
			return e
		}
	}
	if e := x.decide(); e != nil {
		return e
	}
	if !follows { // else it is known
		if e := x.identity(); e != nil {
			return e
		}
	}
	if e := x.resolve(); e != nil {
		return e
	}
	if e := x.render(); e != nil {
		return e
	}
	done, e := x.record()
	if e != nil || done {
		return e
	}
	x.forward()
	return nil
}

// storeTimeout bounds one round trip to the store beside the committer's.
const storeTimeout = 2 * time.Second

// scan reads the body.
func (x *exchange) scan() *reason.Error {
	x.req.WatchItems(x.watch)
	if x.hasBody {
		return x.p.engine.ScanRequest(x.req, x.route, x.body, rewrite.Limits{Depth: x.s.limits.Depth})
	}
	return x.p.engine.ScanNothing(x.req, x.route)
}

// decide decides, for every leg of the route, what its destination may see.
func (x *exchange) decide() *reason.Error {
	e := x.p.engine
	r := &x.p.plan.Routes[x.route]
	x.setLegs(len(r.Legs))
	if e.Asks(x.route) {
		x.req.UseOutside(x)
	}
	for i := range r.Legs {
		l := &x.legs[i]
		l.state, l.unwanted = audit.LegHeld, false
		if i == r.Primary {
			l.state = audit.LegPrimary
		}
		if r.Legs[i].Items == rules.ItemsClass && !x.req.HasClass(r.Legs[i].Class) {
			if i == r.Primary {
				return x.refuseLeg(i, reason.ClassAbsent, "the basket has no item of the primary leg's class")
			}
			l.state = audit.LegSkipped
			continue
		}
		if r.Legs[i].When != nil {
			wanted, fault := e.Wanted(x.req, i, l.view)
			if fault != nil {
				return fault
			}
			x.p.metrics.Condition(x.route, i, wanted)
			if !wanted {
				l.state, l.unwanted = audit.LegSkipped, true
				continue
			}
		}
		// What a request leaves out needs no agreement. A queued leg waits for it.
		if r.Legs[i].Sync && optional(&r.Legs[i]) {
			if d := &x.p.plan.Destinations[r.Legs[i].Destination]; lapsed(d, x.wall) {
				return agreementLapsed(d)
			}
		}
		if fault := e.DecideLeg(x.req, i, l.view); fault != nil {
			return fault
		}
		if fault := x.decideTexts(i); fault != nil {
			return fault
		}
	}
	return nil
}

// legRule names a leg as the policy's author knows it.
func (x *exchange) legRule(i int) string {
	r := &x.p.plan.Routes[x.route]
	return "routes." + r.Name + ".legs." + r.Legs[i].Name
}

// refuseLeg makes a refusal that a leg is the place of.
//
//go:noinline
func (x *exchange) refuseLeg(i int, code reason.Code, detail string) *reason.Error {
	return &reason.Error{Code: code, Rule: x.legRule(i), Offset: -1, Detail: detail}
}

// render makes the bytes of every leg and checks them: no card number leaves
// for a destination that may not see it, whatever the engine decided.
func (x *exchange) render() *reason.Error {
	r := &x.p.plan.Routes[x.route]
	for i := range r.Legs {
		l := &x.legs[i]
		if l.state == audit.LegSkipped {
			continue
		}
		u := x.p.upstreams[r.Legs[i].Destination]
		if x.hasBody {
			if fault := x.renderBody(l, i == r.Primary); fault != nil {
				return fault
			}
		}
		if fault := x.renderTexts(i); fault != nil {
			return fault
		}
		if !u.sees && x.leaks(l) {
			x.p.metrics.EgressBlocked(u.index)
			return x.refuseLeg(i, reason.EgressBlocked, "a card number would have left for a destination that may not see it")
		}
		l.prepared = x.p.prepare(l.prepared[:0], l.view.Chosen(), u.dest.Name)
	}
	return nil
}

// leaks reports whether a card number stands in what would be sent.
func (x *exchange) leaks(l *leg) bool {
	if len(l.body) > 0 {
		if _, found := detect.GuardJSON(l.body); found {
			return true
		}
	}
	if _, found := detect.GuardText(l.target); found {
		return true
	}
	for _, f := range l.fields {
		if _, found := detect.GuardText(f.value); found {
			return true
		}
	}
	return false
}

// measure hands the request to the metrics.
func (x *exchange) measure() {
	x.ctx.at = x.look()
	x.p.metrics.Request(admin.Request{
		Route: x.route, Status: x.ctx.Response.StatusCode(), Reason: x.code,
		Took: x.at.Sub(x.start), Waited: x.waited,
		BodyIn: x.bodyIn, BodyOut: len(x.ctx.Response.Body()),
	})
}

// refused writes and records a refusal.
func (x *exchange) refused(e *reason.Error) {
	x.code = e.Code
	status := e.Code.Status()
	writeProblem(x.ctx, e, status, x.id)
	// What was not read of the body would be taken for the next request.
	if n := x.ctx.head.Length(); (n > 0 || n == -1) && !x.read {
		x.ctx.Response.SetConnectionClose()
	}
	x.recordRefusal(e, status)
}

// panicked is what is left to do after a fault of the program itself. The
// value may hold part of a body, so only the place is logged.
func (x *exchange) panicked() {
	x.s.logger.Error("panic while handling a request", "request", x.id, "stack", string(debug.Stack()))
	x.ctx.Response.Reset()
	x.ctx.Response.SetConnectionClose()
	if x.called && !x.final {
		x.doubt(reason.PrimaryInDoubt, 0)
		return
	}
	if x.called {
		status := x.legs[x.p.plan.Routes[x.route].Primary].status
		if status/100 != 2 && status/100 != 4 {
			status = reason.PrimaryInDoubt.Status()
		}
		x.withheld(status, reason.AnswerWithheld)
		return
	}
	x.code = reason.Internal
	writeProblem(x.ctx, refuse(reason.Internal, "a fault of the proxy; nothing was forwarded"), reason.Internal.Status(), x.id)
}
