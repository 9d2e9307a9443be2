package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/reason"
)

// DefaultDepth is the nesting depth that Limits{} admits.
const DefaultDepth = 128

// Limits bound what a scan accepts.
type Limits struct {
	// Depth is the greatest nesting of objects and arrays; zero means
	// DefaultDepth.
	Depth int
}

// Engine is a compiled Plan. It is immutable and safe for concurrent use.
type Engine struct {
	plan *rules.Plan
}

// Compile builds the engine of a plan. The diagnostics speak of what only
// compiling can find: label paths whose wildcards need too many automaton
// states (wildcard_blowup, at the path's position). The engine is nil if and
// only if one of them is an error.
func Compile(p *rules.Plan) (*Engine, rules.Diagnostics) {
	return &Engine{plan: p}, nil
}

// Plan returns the plan from which the engine was compiled.
func (e *Engine) Plan() *rules.Plan { return e.plan }

// NewMessage returns the scratch for one body at a time. It may be used again
// after Reset, also with another Engine.
func (e *Engine) NewMessage() *Message { return &Message{} }

// NewView returns the scratch for one party's rendering at a time. It may be
// used again at once, also with another Engine.
func (e *Engine) NewView() *View { return &View{} }

// ScanRequest reads the body of a request on Plan.Routes[route] into m, which
// must be new or reset. The body is borrowed: it must stay unchanged until m
// is reset. A nil error means that it is well-formed, within the limits and
// unambiguous, that its line items are classified and its totals split.
//
// The codes are body_malformed, body_not_utf8, body_too_deep, body_too_large
// (over 2 GiB), ambiguous_member, basket_shape, amount_malformed,
// currency_unknown, totals_mismatch and totals_unsplittable.
func (e *Engine) ScanRequest(m *Message, route int, body []byte, lim Limits) *reason.Error {
	return nil
}

// ScanNothing prepares m for a request on Plan.Routes[route] that has no body,
// so that legs and texts can be decided. The error is basket_shape where the
// route needs line items.
func (e *Engine) ScanNothing(m *Message, route int) *reason.Error {
	return nil
}

// ScanAnswer reads the answer of Plan.Destinations[destination], the route's
// primary, into m, as ScanRequest does. Of the codes it gives only those for
// the body's form and ambiguous_member (of a member that decides success or
// the class of an item).
func (e *Engine) ScanAnswer(m *Message, route, destination int, body []byte, lim Limits) *reason.Error {
	return nil
}

// DecideLeg decides what the destination of leg (an index into Route.Legs) may
// see of the scanned request m, into v. The token operations that it needs are
// added to m.Ops; decide every leg, and every text, before resolving them.
// The error is blocked (form block), or token_unknown (a sealed token that
// names no label of this plan).
func (e *Engine) DecideLeg(m *Message, leg int, v *View) *reason.Error {
	return nil
}

// DecideAnswer decides what a caller (an index into Plan.Callers, -1 for
// anonymous) may see of the scanned answer m, into v. Aliases that the
// resolved request minted for the destination are turned back, and answer.set
// takes its tokens from the request's resolved operations: request must not be
// reset before v is rendered. Token operations are added to m.Ops.
func (e *Engine) DecideAnswer(m, request *Message, caller int, v *View) *reason.Error {
	return nil
}
