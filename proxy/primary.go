package proxy

import (
	"errors"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite"
)

// forward calls the primary, stores what came of it, and answers. From the
// first byte on, nothing that goes wrong here changes the primary's outcome.
func (x *exchange) forward() {
	r := &x.p.plan.Routes[x.route]
	spec := &r.Legs[r.Primary]
	u := x.p.upstreams[spec.Destination]
	began := x.at // the record was acknowledged then, or the turn taken
	k := &x.call  // its other members are as begin has made them
	k.began, k.deadline, k.method, k.message, k.tail = began, began.Add(u.timeout), x.method(spec), x.wire[x.head:], x.tail
	how, err := u.do(k)
	if how == answered {
		x.looked(x.call.ended)
	} else {
		x.look()
	}
	x.waited = x.at.Sub(began)
	if how != answered {
		x.unanswered(u, how, err)
		return
	}
	x.p.metrics.Upstream(u.index, x.waited)
	x.answered(u)
}

// unanswered ends an exchange whose primary has given no answer.
//
//go:noinline
func (x *exchange) unanswered(u *upstream, how sending, err error) {
	switch {
	case how == sentNothing:
		x.called = false
		x.p.metrics.Leg(u.index, admin.LegUnreachable)
		x.void(err)
	case timedOut(err):
		x.p.metrics.Leg(u.index, admin.LegTimeout)
		x.doubt(reason.PrimaryTimeout, 0)
	default:
		x.p.metrics.Leg(u.index, admin.LegBroken)
		x.doubt(reason.PrimaryInDoubt, 0)
	}
}

// mayCall is asked right before the first byte to the primary.
func (x *exchange) mayCall() bool {
	if !x.mayAct() || !x.mayAgain(x.p.upstreams[x.primaryIndex()]) {
		return false
	}
	x.called = true
	return true
}

// answered takes the primary's answer.
func (x *exchange) answered(u *upstream) {
	status := x.resp.StatusCode()
	x.legs[x.p.plan.Routes[x.route].Primary].status = status
	readable, fault := x.readAnswer(u)
	result := classify(&x.p.plan.Routes[x.route], x.ans, status, readable, len(x.resp.Body()) == 0)
	if x.again != nil {
		result = secondAnswer(result, status)
	}
	switch result {
	case audit.ResultUnknown:
		x.p.metrics.Leg(u.index, admin.LegBroken)
		if status/100 == 2 {
			// Perhaps charged, and the caller must not read a failure into it.
			x.doubtAnswered(status, reason.AnswerUnreadable)
			return
		}
		x.doubt(reason.PrimaryInDoubt, status)
		return
	case audit.ResultReleased, audit.ResultPending:
		x.p.metrics.Leg(u.index, admin.LegAccepted)
	default:
		x.p.metrics.Leg(u.index, admin.LegRejected)
	}
	if fault == reason.None {
		fault = x.renderAnswer(u)
	}
	if result == audit.ResultPending {
		x.settlePending(status, fault)
		return
	}
	x.settle(result, status, fault)
}

// readAnswer scans the primary's answer. An empty one is readable: there is
// nothing in it to see.
func (x *exchange) readAnswer(u *upstream) (readable bool, fault reason.Code) {
	x.sit()
	body := x.resp.Body()
	if !identityCoded(&x.resp.Header) {
		return false, reason.AnswerUnreadable
	}
	if len(body) == 0 {
		return true, reason.None
	}
	if e := x.p.engine.ScanAnswer(x.ans, x.route, u.index, body, rewrite.Limits{Depth: x.s.limits.Depth}); e != nil {
		return false, reason.AnswerUnreadable
	}
	return true, reason.None
}

// classify says what an answer means for the sale (DESIGN, fault table). ans is
// the answer's body as it was scanned, if it is readable and not empty.
func classify(r *rules.Route, ans *rewrite.Message, status int, readable, empty bool) audit.Result {
	success := r.Legs[r.Primary].Success
	class := status / 100
	// A status of no class there is says as little as a 5xx (RFC 9110, 15).
	if class != 2 && class != 4 || status == 408 || status == 409 {
		return audit.ResultUnknown
	}
	if byStatus(success) {
		// What the body says does not count.
		if success.Admits(status) {
			return audit.ResultReleased
		}
	} else if readable && !empty && ans.Succeeded(status) {
		return audit.ResultReleased
	}
	switch {
	case leavesOpen(r.Legs[r.Primary].Pending, ans, status, readable && !empty):
		return audit.ResultPending
	case !readable, empty && class == 2 && !byStatus(success):
		return audit.ResultUnknown // it was to say something, and says nothing
	}
	return audit.ResultCancelled
}

// leavesOpen reports whether an answer that is no success leaves the sale to a
// later call.
func leavesOpen(p *rules.Pending, ans *rewrite.Message, status int, legible bool) bool {
	if p == nil {
		return false
	}
	if len(p.Where) > 0 {
		return legible && ans.Pending(status)
	}
	return rules.InRanges(p.Status, status)
}

// byStatus reports whether the HTTP status alone decides success.
func byStatus(s *rules.Success) bool { return s == nil || s.HTTP || len(s.Where) == 0 }

// leaseHolds reports whether this process may act on its claims: the lease of
// its chain was renewed recently enough that nobody takes it for dead.
func (s *Server) leaseHolds() bool { return s.committer.LeaseFresh() }

// leaseHolds reports whether the exchange may act on its claim: the lease holds,
// and is the one under which the claim was made. Between two leases others may
// have taken the claim for one in doubt.
func (x *exchange) leaseHolds() bool {
	return x.s.leaseHolds() && x.s.committer.LeaseTerm() == x.term
}

// leaseLimit is half of the life of a chain's lease (PROTOCOL §2): what a claim
// on local disk, which has no lease, may be old.
const leaseLimit = 7500 * time.Millisecond

// void ends an attempt of which provably no byte was sent.
func (x *exchange) void(cause error) {
	if x.again != nil {
		x.notSentAgain(cause)
		return
	}
	code, detail := reason.UpstreamUnreachable, "the primary could not be reached; nothing was sent"
	if errors.Is(cause, errNotOurs) {
		code, detail = reason.StoreUnavailable, "this process lost touch with the store before it could send; nothing was sent"
	}
	x.s.logger.Warn("nothing was sent to the primary", "request", x.id, "destination", x.primaryName(), "cause", causeOf(cause))
	x.code = code
	status := code.Status()
	x.setLegStates(audit.LegDropped)
	if !x.storeOutcome(&outcome{Owner: x.id, By: "proxy", At: x.s.clock().UnixMilli(), Result: audit.ResultVoid}, code, status) {
		x.overtaken()
		return
	}
	writeProblem(x.ctx, refuse(code, detail), status, x.id)
	x.stamp(audit.ResultVoid, 0, x.legsHeader(audit.ResultVoid))
}

// overtaken ends an exchange that has sent nothing, and whose attempt somebody
// else took for one in doubt: what became of it is not ours to say.
func (x *exchange) overtaken() {
	x.code = reason.InDoubt
	writeProblem(x.ctx, doubted(), reason.InDoubt.Status(), x.id)
	x.stamp(audit.ResultUnknown, 0, x.legsHeader(audit.ResultUnknown))
}

// doubt ends an exchange whose primary may have acted, with a fault as the
// answer.
func (x *exchange) doubt(code reason.Code, upstream int) {
	x.code = code
	status := code.Status()
	x.storeDoubt(code, upstream, status)
	writeProblem(x.ctx, refuse(code, "the primary may have acted on the request: it is in doubt"), status, x.id)
	x.stamp(audit.ResultUnknown, upstream, x.legsHeader(audit.ResultUnknown))
}

// doubtAnswered ends an exchange whose primary answered with success in a way
// that cannot be read: its status goes on, its body does not.
func (x *exchange) doubtAnswered(upstream int, code reason.Code) {
	x.storeDoubt(code, upstream, upstream)
	x.withheld(upstream, code)
	x.stamp(audit.ResultUnknown, upstream, x.legsHeader(audit.ResultUnknown))
}

func (x *exchange) primaryName() string {
	r := &x.p.plan.Routes[x.route]
	return x.p.plan.Destinations[r.Legs[r.Primary].Destination].Name
}
