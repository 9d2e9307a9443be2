package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/reason"
)

// DecideLeg decides what the destination of leg (an index into Route.Legs) may
// see of the scanned request m, into v. The token operations that it needs are
// added to m.Ops; decide every leg, and every text, before resolving them.
// The error is blocked (form block), token_unknown (a sealed token that names
// no label of this plan), expression_undecided (of a computed value), or
// body_malformed (a member to set, and the body is no object).
func (e *Engine) DecideLeg(m *Message, leg int, v *View) *reason.Error {
	p := &m.prog.parties[leg]
	v.start(m, p)
	if p.leg.Items == rules.ItemsClass {
		v.own(p.leg)
	}
	return v.decide()
}

// DecideAnswer decides what a caller (an index into Plan.Callers, -1 for
// anonymous) may see of the scanned answer m, into v. Aliases that the
// resolved request minted for the destination are turned back, and answer.set
// takes its tokens from the request's resolved operations: request must not be
// reset before v is rendered. Token operations are added to m.Ops. The errors
// are DecideLeg's.
func (e *Engine) DecideAnswer(m, request *Message, caller int, v *View) *reason.Error {
	v.start(m, &m.prog.parties[caller+1])
	v.request = request
	if request != nil {
		v.unalias = v.aliases.build(request.ops, m.prog.destination)
	}
	return v.decide()
}

func (v *View) decide() *reason.Error {
	if len(v.m.tape) == 0 {
		return nil // no body
	}
	alive, err := v.walk()
	if err != nil {
		return err
	}
	return v.finish(alive)
}
