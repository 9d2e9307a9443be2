package proxy

import (
	"errors"

	"chaperone/rules/detect"
	"chaperone/rules/reason"
)

// renderAnswer makes the caller's answer of the primary's. A fault says why it
// cannot be passed on.
func (x *exchange) renderAnswer(u *upstream) reason.Code {
	x.out = x.out[:0]
	body := x.resp.Body()
	if len(body) == 0 {
		return reason.None
	}
	caller := x.caller
	if !x.p.plan.HasCallers {
		caller = -1
	}
	if e := x.p.engine.DecideAnswer(x.ans, x.resolved(), caller, x.ansView); e != nil {
		return x.cannotPass(e.Code)
	}
	// The claim has stored what the request minted; from here on it is the
	// answer's tokens that are to be stored.
	x.tokens.forget()
	if err := x.tokens.Resolve(x.s.work, x.ans.Ops()); errors.Is(err, errLimit) {
		return x.cannotPass(reason.TokenLimit)
	} else if err != nil {
		return x.cannotPass(reason.StoreUnavailable)
	}
	out, e := x.ansView.Render(x.out)
	x.out = out
	if e != nil {
		return x.cannotPass(e.Code)
	}
	if !x.p.seesCards(x.caller) {
		if _, found := detect.GuardJSON(x.out); found {
			x.p.metrics.EgressBlocked(-1)
			return x.cannotPass(reason.EgressBlocked)
		}
	}
	x.count(x.ansView.Chosen(), x.p.plan.Callers[x.caller].Name)
	return reason.None
}

// cannotPass drops what was rendered.
func (x *exchange) cannotPass(cause reason.Code) reason.Code {
	x.s.logger.Warn("an answer is withheld", "request", x.id, "cause", string(cause))
	x.out = wipe(x.out)
	return reason.AnswerWithheld
}

// withheld makes the response one with the primary's status and no content.
func (x *exchange) withheld(status int, code reason.Code) {
	x.code = code
	x.ctx.Response.SetStatusCode(status)
	x.ctx.Response.Header.Set(headerRequestID, x.id)
	x.withheldBody(code)
}

func (x *exchange) withheldBody(code reason.Code) {
	r := &x.ctx.Response
	r.Header.Set(headerReason, string(code))
	r.Header.SetContentType("application/json")
	r.SetBodyString("{}")
}

// passedHeaders are those of the primary's answer that the caller always
// gets: they say nothing of anybody.
var passedHeaders = []string{"Retry-After", "Cache-Control", "Content-Language"}

func passedHeader(name string, more []string) bool {
	for _, n := range passedHeaders {
		if n == name {
			return true
		}
	}
	for _, n := range more {
		if n == name {
			return !neverPassed[name]
		}
	}
	return false
}

// neverPassed are header fields of an answer that a policy cannot pass on:
// they belong to the hop, or describe bytes that are not the primary's.
var neverPassed = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Connection": true, "Te": true,
	"Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Content-Length": true, "Content-Encoding": true,
	"Content-Type": true, "Content-Md5": true, "Digest": true, "Content-Digest": true, "Repr-Digest": true,
	"Etag": true, "Set-Cookie": true, "Server": true, "Date": true,
	headerRequestID: true, headerUpstream: true, headerOutcome: true, headerLegs: true, headerReason: true, headerReplayed: true,
}

// passHeaders copies the header fields of the primary's answer that the caller
// gets, and notes them for whoever repeats the request.
func (x *exchange) passHeaders() {
	more := x.p.upstreams[x.primaryIndex()].dest.Response.Headers
	cards := x.p.seesCards(x.caller)
	for name, value := range x.resp.Header.All() {
		if !passedHeader(string(name), more) || !fieldText(value) {
			continue
		}
		if !cards {
			if _, found := detect.GuardText(value); found {
				x.p.metrics.EgressBlocked(-1)
				continue
			}
		}
		f := heldField{string(name), string(value)}
		x.ctx.Response.Header.Add(f.Name, f.Value)
		x.answer.Fields = append(x.answer.Fields, f)
	}
}

// primaryIndex is the index of the primary's destination.
func (x *exchange) primaryIndex() int {
	r := &x.p.plan.Routes[x.route]
	return r.Legs[r.Primary].Destination
}
