package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/valyala/fasthttp"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/store"
)

// parcel is a leg on its way.
type parcel struct {
	item     store.Item // its score is the end of the lease
	member   store.Member
	read     []store.Command // its claim, outcome and delivery registers, where it comes from the store
	claim    *claim
	released int64 // Unix milliseconds
	leg      *heldLeg
	policy   *policy
	to       *upstream
	trial    trial // before this try; with it once it has begun
	probe    bool  // it is sent to see whether the destination works
	how      sending
	retry    time.Duration // what the answer's Retry-After asks for; 0: nothing
	status   int           // of the answer that accepted it

	lane    *lane  // nil: it is a sync leg
	handed  bool   // by the request that released it
	message []byte // then: all that is sent
	awaited bool   // a sync leg: that request waits for it
	turn    int    // index of the command that leased it, where it has a group
}

// deliver sends one leased leg, if the registers and the policy of today say
// so, and sees that what came of it is recorded.
func (b *outbox) deliver(ctx context.Context, l *lane, p *parcel) {
	if p.handed {
		if l.breaker.isOpen.Load() || !b.s.leaseHolds() || !p.holds(b.s.policy.Load(), b.s.clock()) {
			b.giveBack(l, p)
			l.ring()
			return
		}
	} else if !b.prepare(ctx, p) {
		l.showsNothing(p)
		l.done(p)
		return
	}
	status, err := b.send(p)
	if judge(p.how, status, err, &p.trial) == accepted {
		p.policy.metrics.Leg(p.to.index, admin.LegAccepted)
		l.works()
		p.status = status
		b.records.add(p)
		return
	}
	b.failed(p, status, err)
	l.done(p)
}

// prepare opens a leg that comes from the store. It is false where it is not
// to be sent now, and that is seen to.
func (b *outbox) prepare(ctx context.Context, p *parcel) bool {
	err := b.open(ctx, p)
	switch {
	case errors.Is(err, errNothingToSend):
		b.remove(p.item.Member)
		return false
	case err != nil:
		// The lease runs out, and it is looked at again.
		b.logger.Error("a queued leg cannot be read", "destination", p.member.Dest, "key", p.member.K, "attempt", p.member.A, "error", err)
		return false
	}
	p.policy = b.s.policy.Load()
	now := b.s.clock()
	if why := p.decide(now); why != "" {
		b.park(p, why)
		return false
	}
	if now.Add(p.to.timeout).UnixMilli() >= p.item.Score {
		b.move(p, now) // it took so long to come here that another may soon take it
		return false
	}
	return true
}

// errNothingToSend says that the index speaks of a leg that is final, or not
// released: the registers are right.
var errNothingToSend = errors.New("proxy: nothing to send")

// open opens the registers of a leg.
func (b *outbox) open(ctx context.Context, p *parcel) error {
	m := p.member
	if p.read[2].Found || !p.read[0].Found {
		return errNothingToSend
	}
	var err error
	if p.claim, err = b.s.openClaim(p.read[0].Prior, m.K, m.A); err != nil {
		return err
	}
	out, err := b.s.openOutcome(p.read[1].Prior, m.K, m.A, p.claim)
	if err != nil {
		return err
	}
	p.read = nil
	if out == nil || out.Result != audit.ResultReleased {
		return errNothingToSend
	}
	p.released = out.At
	for i := range p.claim.Legs {
		if p.claim.Legs[i].Leg == m.N && p.claim.Legs[i].To == m.Dest {
			p.leg = &p.claim.Legs[i]
		}
	}
	if p.leg == nil {
		return errNothingToSend
	}
	if !p.leg.Large {
		return nil
	}
	key := store.RequestBodyKey(m.K, m.A, m.N, p.claim.Request)
	body := []store.Command{{Kind: store.Get, Key: key}}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err = b.s.driver.Apply(ctx, body); err != nil {
		return err
	}
	if !body[0].Found {
		return fmt.Errorf("the body of leg %d is gone", m.N)
	}
	if p.leg.Body, err = b.s.ring.Open(nil, body[0].Prior, []byte(key)); err != nil {
		return errStranger
	}
	return nil
}

// decide asks the policy in force whether the leg may go: its destination
// exists, its agreement holds, and every form in which a label was rendered is
// one that it may still see. It gives the reason if not.
func (p *parcel) decide(now time.Time) string {
	for _, u := range p.policy.upstreams {
		if u.dest.Name == p.leg.To {
			p.to = u
		}
	}
	if p.to == nil {
		return "destination_gone"
	}
	if lapsed(p.to.dest, now) {
		return "agreement_lapsed"
	}
	if p.claim.Plan == p.policy.plan.Hash {
		return ""
	}
	for _, f := range p.leg.Forms {
		label := p.policy.plan.Label(f.Label)
		if label == rules.NoLabel || p.to.dest.Sees.Of(label) > f.Form {
			return "clearance_narrowed"
		}
	}
	if !p.to.sees {
		if _, found := detect.GuardJSON(p.leg.Body); found {
			return "clearance_narrowed"
		}
	}
	return ""
}

// send sends the leg once and waits for the answer. The destination knows a
// repeat by the leg's key.
func (b *outbox) send(p *parcel) (status int, err error) {
	p.trial.tries++
	message, tail := p.message, []byte(nil)
	if !p.handed {
		fields := make([]field, len(p.leg.Fields))
		for i, f := range p.leg.Fields {
			fields[i] = field{f.Name, []byte(f.Value)}
		}
		size := len(p.leg.Body)
		if !p.leg.HasBody && !needsBody([]byte(p.leg.Method)) {
			size = -1
		}
		message, tail = p.to.appendHead(nil, p.leg.Method, []byte(p.leg.Target), p.leg.Key, fields, size), p.leg.Body
	}
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	began := time.Now()
	p.how, err = p.to.callUnder(&b.cuts, began.Add(p.to.timeout), p.leg.Method, message, tail, resp, func() bool { return true })
	if p.how != answered {
		result := admin.LegBroken
		switch {
		case p.how == sentNothing:
			result = admin.LegUnreachable
		case timedOut(err):
			result = admin.LegTimeout
		}
		p.policy.metrics.Leg(p.to.index, result)
		return 0, err
	}
	p.policy.metrics.Upstream(p.to.index, time.Since(began))
	p.retry = retryAfter(resp, b.s.clock(), b.o.LongestWait)
	return resp.StatusCode(), nil
}

// failed puts a leg back for later, or gives it up. A try that only showed
// what was known of the destination, or that it wants fewer of them, is not one
// of the leg's own: it does not count against its limit.
func (b *outbox) failed(p *parcel, status int, err error) {
	if err == nil {
		p.policy.metrics.Leg(p.to.index, admin.LegRejected)
	}
	t := &p.trial
	found := judge(p.how, status, err, t)
	why := reasonOf(status, err)
	if err != nil && b.cuts.isOver() {
		found, why = crowded, "proxy_stopped" // its own doing, not the destination's
	}
	counts := found != crowded && status != fasthttp.StatusTooManyRequests
	switch l := b.laneOf(p.member.Dest); {
	case l == nil:
	case found == failing:
		counts = !l.trouble(p, why, p.retry) && counts
	case found == refused || found == troubled:
		l.works()
	default:
		l.showsNothing(p)
	}
	now := b.s.clock()
	wait := time.Duration(0)
	switch {
	case !counts:
		t.tries--
		wait = time.Duration(rand.N(b.o.FirstDelay)) // the lane is slower than that
	case found == refused:
		t.refused++
		wait = b.delay(2 * t.refused)
	default:
		wait = max(b.delay(t.tries), p.retry)
	}
	t.parked, t.reason, t.status, t.at, t.due = false, why, status, now.UnixMilli(), now.Add(wait).UnixMilli()
	t.reached = t.reached || mayHaveArrived(p.how, status)
	if t.tries >= b.o.Tries || t.refused >= b.o.RefusedTries || t.age(p.released, now) > b.o.MaxAge {
		b.giveUp(p)
		return
	}
	b.logger.Warn("a queued leg was not accepted", "request", p.claim.Request, "destination", p.leg.To, "status", status, "tries", t.tries, "again_in", wait, "cause", causeOf(err))
	b.putBack(p)
}

// giveUp puts a leg on the dead-letter list. What waits behind it in its order
// goes on.
func (b *outbox) giveUp(p *parcel) {
	t := &p.trial
	p.policy.metrics.Leg(p.to.index, admin.LegDead)
	b.logger.Error("a queued leg is given up", "request", p.claim.Request, "destination", p.leg.To, "reason", t.reason, "tries", t.tries)
	now := b.s.clock().UnixMilli()
	t.due = 0
	u := b.unit(p, audit.ResultDead, audit.LegDead, t.status, t.reason)
	u.Commands = append(u.Commands, b.s.trialCommand(t, p.member),
		store.Command{Kind: store.QueueAdd, Queue: store.Dead, Member: p.item.Member, Score: now},
		store.Command{Kind: store.QueueRemove, Queue: store.Due, Member: p.item.Member, Score: now})
	if err := b.s.committer.CommitLater(u); err != nil {
		b.logger.Error("a dead letter is not on record; the leg is tried again", "request", p.claim.Request, "error", err)
	}
}

// park keeps a leg that the policy does not allow now.
func (b *outbox) park(p *parcel, why string) {
	t := &p.trial
	if !t.parked || t.reason != why {
		if p.to != nil {
			p.policy.metrics.Leg(p.to.index, admin.LegParked)
		}
		b.logger.Error("a queued leg is parked: the policy does not allow it", "request", p.claim.Request, "destination", p.leg.To, "reason", why)
		if err := b.s.committer.CommitLater(b.unit(p, audit.ResultParked, audit.LegParked, 0, why)); err != nil {
			b.logger.Error("a parked leg is not on record", "request", p.claim.Request, "error", err)
		}
	}
	t.parked, t.reason, t.status, t.due = true, why, 0, b.s.clock().Add(b.o.ParkedWait).UnixMilli()
	b.notePark(p.item.Member, true)
	b.putBack(p)
}

// putBack gives the lease back until the trial's due, which is stored with it.
func (b *outbox) putBack(p *parcel) {
	b.noteApart(p)
	b.moveAll([]store.Command{b.s.trialCommand(&p.trial, p.member),
		{Kind: store.QueueMove, Queue: store.Due, Member: p.item.Member, From: p.item.Score, Score: p.trial.due}})
}

// move gives the lease back: the leg is due again at a time.
func (b *outbox) move(p *parcel, at time.Time) {
	b.moveAll([]store.Command{{Kind: store.QueueMove, Queue: store.Due, Member: p.item.Member, From: p.item.Score, Score: at.UnixMilli()}})
}

func (b *outbox) moveAll(moves []store.Command) {
	if len(moves) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(b.s.work, storeTimeout)
	defer cancel()
	// Where the store does not take it, the lease runs out by itself.
	_ = b.s.driver.Apply(ctx, moves)
}

// remove takes a leg out of the index that has nothing to be sent.
func (b *outbox) remove(member string) {
	ctx, cancel := context.WithTimeout(b.s.work, storeTimeout)
	defer cancel()
	_ = b.s.driver.Apply(ctx, []store.Command{{Kind: store.QueueRemove, Queue: store.Due, Member: member, Score: b.s.clock().UnixMilli()}})
}

// unit starts the record of what became of a leg.
func (b *outbox) unit(p *parcel, result audit.Result, state audit.LegState, status int, why string) *store.Unit {
	var e audit.Entry
	b.fillEntry(&e, p, result, state, status, why)
	return b.s.unitOf(&e)
}

// fillEntry makes the entry that says what became of a leg, to which more of
// the same attempt can be added.
func (b *outbox) fillEntry(e *audit.Entry, p *parcel, result audit.Result, state audit.LegState, status int, why string) {
	*e = audit.Entry{Time: b.s.clock(), Kind: audit.KindDelivery, Request: audit.ID(p.claim.Request), Caller: audit.Name(p.claim.Caller),
		Route: audit.Name(p.claim.Route), Plan: audit.ID(p.policy.plan.Hash), Purpose: audit.Name(p.claim.Purpose), Subject: audit.ID(p.claim.Subject),
		Key: audit.ID(p.member.K), Attempt: p.member.A, Result: result, Rule: audit.Name(why), Legs: e.Legs[:0]}
	e.Legs = append(e.Legs, p.said(state, status))
}

// said is what an entry says of the leg.
func (p *parcel) said(state audit.LegState, status int) audit.Leg {
	return audit.Leg{Name: audit.Name(p.leg.Name), To: audit.Name(p.leg.To), State: state, Status: status, Tries: p.trial.tries}
}
