package proxy

import (
	"strconv"

	"chaperone/audit"
	"chaperone/rules/reason"
	"chaperone/store"
)

// settle stores the outcome of an attempt that was answered, and answers. A
// fault withholds the body of the answer.
func (x *exchange) settle(result audit.Result, status int, fault reason.Code) {
	state := audit.LegQueued
	if result != audit.ResultReleased {
		state = audit.LegDropped
	}
	x.setLegStates(state)
	x.writeAnswer(status, fault)
	legs := x.legsHeader(result)
	x.stamp(result, status, legs)
	o := &outcome{Owner: x.owner(), By: byPrimary, At: x.wall.UnixMilli(), Result: result, Upstream: status}
	if x.hasKey {
		o.Answer = x.keepAnswer(status, x.legsToKeep(result, legs), fault)
		if !x.spooled.IsZero() {
			o.MAC = x.mac
		}
	}
	x.storeOutcome(o, fault, status)
}

// writeAnswer writes the primary's answer as it was rendered for the caller, or
// its status alone.
func (x *exchange) writeAnswer(status int, fault reason.Code) {
	r := &x.ctx.Response
	x.answer.Fields = x.answer.Fields[:0]
	if fault != reason.None {
		x.withheld(status, fault)
	} else {
		r.SetStatusCode(status)
		x.passHeaders()
		if len(x.out) > 0 {
			r.Header.SetContentType(jsonMedia)
			x.shown = true
			if len(x.out) < keepBuffer {
				r.SetBody(x.out)
			} else { // it would not be used again
				r.TakeBody(x.out)
				x.out = nil
			}
		}
	}
}

// keepAnswer makes what a repeat of the request is given of what writeAnswer has
// written.
func (x *exchange) keepAnswer(status int, legs string, fault reason.Code) *storedAnswer {
	r := &x.ctx.Response
	a := &x.answer
	*a = storedAnswer{Status: status, Sees: x.p.sees[x.caller], Legs: legs, Reason: string(fault), Fields: a.Fields, Body: r.Body()}
	if t := r.Header.ContentType(); t != "" {
		a.Fields = append(a.Fields, heldField{"Content-Type", t})
	}
	return a
}

const jsonMedia = "application/json"

// storeOutcome puts the outcome on record: its register, its entry, the legs
// that it releases, and the tokens of the answer.
//
// It reports whether that outcome stands, as far as is known.
func (x *exchange) storeOutcome(o *outcome, code reason.Code, status int) (stands bool) {
	if x.again != nil {
		x.storeAgain(o, code, status)
		return true
	}
	u := x.unit
	waiting := x.composeOutcome(o, code, status)
	ours, lost := x.commitFinal()
	if x.follows != nil && u.Stored {
		x.s.saleSettled(u, &x.claim, o, x.follows.pending)
	}
	if waiting > 0 {
		if !ours {
			x.unlease(o.At)
		}
		x.handOver(ours)
		x.await(ours)
	}
	switch {
	case ours && o.Result == audit.ResultVoid:
		x.endVoid()
	case ours:
		x.dropBodies(o.Result)
	}
	return !lost
}

// composeOutcome makes the unit of an outcome, and tells how many legs it
// releases. As compose, it is a call of its own.
//
//go:noinline
func (x *exchange) composeOutcome(o *outcome, code reason.Code, status int) (waiting int) {
	u := x.unit
	resetUnit(u)
	x.arena = x.arena[:0]
	x.addOutcome(u, o)
	entry := x.entryNow(audit.KindOutcome, o.Result, code)
	x.addAnswer(u, entry)
	if x.follows != nil {
		x.s.addSaleDecision(u, store.Ref{K: x.key, A: x.attempt}, &x.claim, o, x.follows.pending)
	}
	if o.Result == audit.ResultReleased {
		for i := range x.claim.Legs {
			u.Commands = x.release(u.Commands, &x.claim.Legs[i], o.At)
			waiting++
		}
		x.s.addSale(u, &x.claim, x.key)
	}
	if waiting == 0 && o.Result != audit.ResultVoid {
		x.expire(u)
	}
	entry.Status, entry.Upstream = status, o.Upstream
	x.addLegs(entry)
	u.Entries = append(u.Entries, x.sealEntry(entry))
	x.p.metrics.Outcome(x.route, o.Result)
	return waiting
}

// endVoid ends what a void attempt leaves behind, now that it is one.
func (x *exchange) endVoid() {
	ref := store.Ref{K: x.key, A: x.attempt}
	u := &store.Unit{Commands: dropBodies([]store.Command{
		{Kind: store.QueueRemove, Queue: store.Doubt, Member: x.names.Doubt},
		{Kind: store.Expire, Key: x.names.Claim, TTL: x.claim.keep()}}, ref, &x.claim, audit.ResultVoid)}
	if err := x.s.committer.CommitLater(u); err != nil {
		x.s.logger.Warn("what a void attempt needs no more lives on until the registers are looked through", "request", x.id, "error", err)
	}
}

// addAnswer adds the tokens of the answer to a unit, and what was decided about
// it to its entry.
func (x *exchange) addAnswer(u *store.Unit, entry *audit.Entry) {
	if !x.shown {
		return
	}
	u.Commands = x.tokens.store(u.Commands, entry)
	entry.Prepared = append(entry.Prepared, x.prepared...)
}

// dropBodies deletes the large bodies that the outcome leaves nobody to send.
func (x *exchange) dropBodies(result audit.Result) {
	commands := dropBodies(nil, store.Ref{K: x.key, A: x.attempt}, &x.claim, result)
	if len(commands) == 0 {
		return
	}
	if err := x.s.committer.CommitLater(&store.Unit{Commands: commands}); err != nil {
		x.s.logger.Warn("the bodies of dropped legs live on until the registers are looked through", "request", x.id, "error", err)
	}
}

// addOutcome adds what ends the attempt to a unit.
func (x *exchange) addOutcome(u *store.Unit, o *outcome) {
	x.sit()
	x.scratch = o.append(x.scratch[:0])
	if o.Result == audit.ResultVoid {
		// Not if somebody has taken the attempt for one in doubt meanwhile, and
		// may have sent it. The queue of doubts is put right by whoever reads it.
		u.Commands = append(u.Commands, store.Command{Kind: store.SetUnless, Key: x.names.Outcome, Unless: store.UnknownKey(x.key, x.attempt),
			Value: x.seal(x.scratch, x.names.Outcome), TTL: x.claim.keep()})
		x.scratch = rinse(x.scratch)
		return
	}
	command(u, store.SetOnce).Key = x.names.Outcome
	doubt := command(u, store.QueueRemove)
	doubt.Queue, doubt.Member = store.Doubt, x.names.Doubt
	u.Commands[len(u.Commands)-2].Value = x.seal(x.scratch, x.names.Outcome)
	x.scratch = rinse(x.scratch)
}

// expire lets the registers of an attempt end that has no leg waiting. The
// first command writes the outcome, and its life with it.
func (x *exchange) expire(u *store.Unit) {
	keep := x.claim.keep()
	u.Commands[0].TTL = keep
	claim := command(u, store.Expire)
	claim.Key, claim.TTL = x.names.Claim, keep
}

// storeDoubt puts on record that the outcome is not known. The claim stays in
// the queue of doubts.
func (x *exchange) storeDoubt(code reason.Code, upstream, status int) {
	u := x.unit
	resetUnit(u)
	x.arena = x.arena[:0]
	n := note{Owner: x.owner(), At: x.s.clock().UnixMilli(), Result: audit.ResultUnknown, Reason: string(code), Status: upstream}
	name := store.UnknownKey(x.key, x.attempt)
	x.sit()
	x.scratch = n.append(x.scratch[:0])
	u.Commands = append(u.Commands, store.Command{Kind: store.SetOnce, Key: name, Value: x.seal(x.scratch, name)})
	entry := x.newEntry(audit.KindDoubt, audit.ResultUnknown, code)
	entry.Status, entry.Upstream = status, upstream
	x.addLegs(entry)
	u.Entries = append(u.Entries, x.sealEntry(entry))
	x.p.metrics.Outcome(x.route, audit.ResultUnknown)
	x.s.logger.Warn("a sale is in doubt", "request", x.id, "route", x.p.plan.Routes[x.route].Name, "code", string(code), "upstream_status", upstream)
	x.commitFinal()
	if x.again != nil {
		x.again.turn.giveBack(x.s.work)
	}
}

// commitFinal stores what must not be lost: with the store, or else on local
// disk. It reports whether the unit's first register is stored by now, and is
// this exchange's, or is known not to be.
func (x *exchange) commitFinal() (ours, lost bool) {
	x.final = true
	u := x.unit
	if !x.lent { // else legs are handed over from it
		x.rise()
	}
	err := x.s.committer.CommitLater(u)
	if err != nil {
		x.s.logger.Error("an outcome is not on record; its claim will be in doubt", "request", x.id, "key", x.key, "attempt", x.attempt, "error", err)
	}
	if err == nil && u.Stored {
		if first := &u.Commands[0]; first.Kind == store.SetOnce && !first.Won && first.Key == x.names.Outcome {
			ref := store.Ref{K: x.key, A: x.attempt}
			if !x.s.replaceStranger(first, ref, &x.claim) {
				x.s.lateOutcome(ref)
			}
		}
		return u.Commands[0].Won, !u.Commands[0].Won
	}
	x.unit, x.arena = new(store.Unit), nil // the committer's now
	return false, false
}

func (x *exchange) setLegStates(state audit.LegState) {
	for i := range x.legs {
		if x.legs[i].state == audit.LegHeld {
			x.legs[i].state = state
		}
	}
}

// addLegs adds where the legs stand to an entry.
//
//go:noinline
func (x *exchange) addLegs(e *audit.Entry) {
	r := &x.p.plan.Routes[x.route]
	for i := range r.Legs {
		e.Legs = append(e.Legs, audit.Leg{Name: audit.Name(r.Legs[i].Name), To: audit.Name(x.p.plan.Destinations[r.Legs[i].Destination].Name),
			State: x.legs[i].state, Status: x.legs[i].status})
	}
}

// stamp sets the headers of every answer.
func (x *exchange) stamp(result audit.Result, upstream int, legs string) {
	h := &x.ctx.Response.Header
	h.set(headerRequestID, x.id)
	h.set(headerOutcome, result.String())
	if upstream > 0 {
		h.set(headerUpstream, statusText(upstream))
	}
	if legs != "" {
		h.set(headerLegs, legs)
	}
}

// statusText is an HTTP status in digits.
func statusText(status int) string {
	if status == 200 {
		return "200" // most are
	}
	return strconv.Itoa(status)
}

// legsHeader says where each leg stands: processor=200 ehr=queued.
func (x *exchange) legsHeader(result audit.Result) string { return x.legsText(result, false) }

// legsText is legsHeader; where it is to be kept with the outcome, it leaves
// open what became of sync legs.
func (x *exchange) legsText(result audit.Result, kept bool) string {
	r := &x.p.plan.Routes[x.route]
	b := x.text
	from := len(b)
	for i := range r.Legs {
		l := &x.legs[i]
		if l.state == audit.LegSkipped {
			continue
		}
		if len(b) > from {
			b = append(b, ' ')
		}
		b = append(b, r.Legs[i].Name...)
		b = append(b, '=')
		switch {
		case l.status > 0 && (i == r.Primary || l.state == audit.LegDelivered):
			b = strconv.AppendInt(b, int64(l.status), 10)
		case i == r.Primary:
			b = append(b, result.String()...)
		case kept && r.Legs[i].Sync && l.state == audit.LegQueued:
			b = append(b, keptSync...)
			b = strconv.AppendInt(b, int64(i), 10)
		default:
			b = append(b, l.state.String()...)
		}
	}
	return x.noted(b)
}
