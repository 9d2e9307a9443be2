package proxy

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/store"
)

// LegDesk is what an operator does to single legs, in a running proxy or where
// none runs: admin.LegDesk. All fields are required. Safe for concurrent use.
type LegDesk struct {
	Outbox *Outbox
	// Plan is the policy in force. It may be nil: then no body is shown.
	Plan func() *rules.Plan
	// Commit stores entries together with what they speak of, in one unit, and
	// returns when it is acknowledged.
	Commit func(ctx context.Context, entries []*audit.Entry, cmds []store.Command) error
}

// Breakers is that of admin.LegDesk. Where no proxy runs there are none.
func (d LegDesk) Breakers() []control.Breaker {
	if d.Outbox.own == nil {
		return nil
	}
	return d.Outbox.own.breakers()
}

// entry starts the record of what somebody does about a leg.
func (d LegDesk) entry(f *found, action audit.Action, who, why string, result audit.Result) *audit.Entry {
	return &audit.Entry{Time: d.Outbox.s.clock(), Kind: audit.KindAdmin, Action: action, Caller: audit.Name(who), Why: audit.Name(why), Result: result,
		Target: audit.Name(f.leg.To + " " + control.LegName(f.member.K, f.member.A, f.member.N)), Request: audit.ID(f.claim.Request),
		Route: audit.Name(f.claim.Route), Key: audit.ID(f.member.K), Attempt: f.member.A, Subject: audit.ID(f.claim.Subject)}
}

func (d LegDesk) commit(ctx context.Context, cmds []store.Command, entries ...*audit.Entry) error {
	if err := d.Commit(ctx, entries, cmds); err != nil {
		return legRefusal(http.StatusServiceUnavailable, "it cannot be put on record, so it is not done: "+err.Error())
	}
	return nil
}

func reasonFault(reason string) error {
	if err := admin.CheckReason(reason); err != nil {
		return legRefusal(http.StatusUnprocessableEntity, err.Error())
	}
	return nil
}

// Leg is that of admin.LegDesk.
func (d LegDesk) Leg(ctx context.Context, who, name string) (control.LegDetail, error) {
	f, err := d.Outbox.find(ctx, name)
	if err != nil {
		return control.LegDetail{}, err
	}
	e := d.entry(f, audit.ActionOutboxShow, who, "", audit.ResultOK)
	e.Kind = audit.KindLogRead
	if err := d.commit(ctx, nil, e); err != nil {
		return control.LegDetail{}, err
	}
	return d.Outbox.describe(f, d.Outbox.alone(ctx)), nil
}

// Body is that of admin.LegDesk: the body goes to a caller of the policy who
// shows its key, and who may see every label in it in the form in which it
// stands there, or in a more open one (45 CFR 164.502(b)).
func (d LegDesk) Body(ctx context.Context, who string, ask control.LegBodyAsk) (control.LegBody, error) {
	if err := reasonFault(ask.Reason); err != nil {
		return control.LegBody{}, err
	}
	f, err := d.Outbox.find(ctx, ask.Leg)
	if err != nil {
		return control.LegBody{}, err
	}
	plan := d.Plan()
	caller := showsKey(plan, ask.Caller, ask.Key)
	body, err := d.Outbox.body(ctx, f)
	if err != nil {
		return control.LegBody{}, err
	}
	result, refused := audit.ResultOK, error(nil)
	switch {
	case caller == nil:
		refused = legRefusal(http.StatusForbidden, "no caller of the policy has this name and key")
	case !cleared(plan, caller, f.leg, body):
		refused = legRefusal(http.StatusForbidden, "the caller may not see all that the leg holds: see its forms, and the caller's `sees`")
	}
	if refused != nil {
		result = audit.ResultRefused
	}
	e := d.entry(f, audit.ActionOutboxBody, who, ask.Reason, result)
	e.Kind = audit.KindLogRead
	if caller != nil {
		e.Target += audit.Name(" for " + caller.Name)
	}
	if err := d.commit(ctx, nil, e); err != nil {
		return control.LegBody{}, err
	}
	if refused != nil {
		return control.LegBody{}, refused
	}
	return control.LegBody{LegDetail: d.Outbox.describe(f, d.Outbox.alone(ctx)), Body: body}, nil
}

// showsKey returns the caller of a name whose key is shown, nil for none. Every
// key is compared, whichever matches: how long it takes says nothing.
func showsKey(p *rules.Plan, name, key string) *rules.Caller {
	if p == nil || !p.HasCallers || key == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(key))
	found := noCaller
	for i := range p.Callers {
		for j := range p.Callers[i].KeyHashes {
			same := subtle.ConstantTimeCompare(sum[:], p.Callers[i].KeyHashes[j][:])
			found = subtle.ConstantTimeSelect(same, i, found)
		}
	}
	if found == noCaller || p.Callers[found].Name != name {
		return nil
	}
	return &p.Callers[found]
}

// cleared reports whether a caller may see a leg. A label that the policy does
// not know any more is nobody's to see.
func cleared(p *rules.Plan, c *rules.Caller, leg *heldLeg, body []byte) bool {
	for _, f := range leg.Forms {
		label := p.Label(f.Label)
		if label == rules.NoLabel || c.Sees.Of(label) > f.Form {
			return false
		}
	}
	if pan := p.Label("pan"); pan != rules.NoLabel && c.Sees.Of(pan) == rules.Plain {
		return true
	}
	_, card := detect.GuardJSON(body)
	return !card
}

// body reads the body of a leg, wherever it is kept.
func (l *Outbox) body(ctx context.Context, f *found) ([]byte, error) {
	if !f.leg.Large {
		return f.leg.Body, nil
	}
	key := store.RequestBodyKey(f.member.K, f.member.A, f.member.N, f.claim.Request)
	read := []store.Command{{Kind: store.Get, Key: key}}
	if err := l.s.driver.Apply(ctx, read); err != nil {
		return nil, storeAway(err)
	}
	body, err := l.s.ring.Open(nil, read[0].Prior, []byte(key))
	if !read[0].Found || err != nil {
		return nil, legRefusal(http.StatusNotFound, "the body is not kept any more")
	}
	return body, nil
}

// dropLease is for how long a leg is taken away from whoever might send it,
// while it is dropped.
const dropLease = 30 * time.Second

// Drop is that of admin.LegDesk. Whoever sends a leg has a lease of it: one that
// somebody has is not dropped, and while it is dropped nobody gets one. Its
// register decides in the end.
func (d LegDesk) Drop(ctx context.Context, who string, ask control.LegDrop) (control.LegDetail, error) {
	var none control.LegDetail
	if err := reasonFault(ask.Reason); err != nil {
		return none, err
	}
	f, err := d.Outbox.find(ctx, ask.Leg)
	if err != nil {
		return none, err
	}
	alone := d.Outbox.alone(ctx)
	if err := changeable(d.Outbox.state(f, alone)); err != nil {
		return none, err
	}
	now := d.Outbox.s.clock()
	if f.queue == store.Due && f.score != store.Waiting {
		taken := []store.Command{{Kind: store.QueueMove, Queue: store.Due, Member: f.member.String(), From: f.score, Score: now.Add(dropLease).UnixMilli()}}
		if err := d.Outbox.s.driver.Apply(ctx, taken); err != nil {
			return none, storeAway(err)
		}
		if !taken[0].Won {
			return none, errSending
		}
	}
	e := d.entry(f, audit.ActionOutboxDrop, who, ask.Reason, audit.ResultOK)
	e.Legs = []audit.Leg{{Name: audit.Name(f.leg.Name), To: audit.Name(f.leg.To), State: audit.LegDropped, Tries: f.trial.tries}}
	cmds := d.Outbox.dropping(f, now.UnixMilli())
	if err := d.commit(ctx, cmds, e); err != nil {
		return none, err
	}
	if !cmds[0].Won {
		again := d.entry(f, audit.ActionOutboxDrop, who, "", audit.ResultFailed)
		if err := d.commit(ctx, nil, again); err != nil {
			return none, err
		}
		return none, legRefusal(http.StatusConflict, "it was delivered meanwhile")
	}
	if own := d.Outbox.own; own != nil {
		own.wakeLane(f.leg.To) // what waited behind it is due
		own.notePark(f.member.String(), false)
		own.noteScattered(attempt{f.member.K, f.member.A}, len(f.claim.Legs))
		d.Outbox.s.countDropped(f.leg.To)
	}
	if f, err = d.Outbox.read(ctx, f.member.K, f.member.A, f.member.N); err != nil {
		return none, err
	}
	return d.Outbox.describe(f, alone), nil
}

// dropping makes the commands that drop a leg. The first writes its register.
func (l *Outbox) dropping(f *found, now int64) []store.Command {
	m := f.member
	key := store.DeliveryKey(m.K, m.A, m.N)
	n := note{Owner: f.claim.Request, At: now, Result: audit.ResultDropped, Reason: "operator"}
	cmds := []store.Command{
		{Kind: store.SetOnce, Key: key, Value: l.s.ring.Seal(nil, n.append(nil), []byte(key))},
		{Kind: store.QueueRemove, Queue: store.Due, Member: m.String(), Score: now},
		{Kind: store.QueueRemove, Queue: store.Dead, Member: m.String()},
		{Kind: store.Delete, Key: store.TrialKey(m.K, m.A, m.N)}}
	if f.leg.Large {
		cmds = append(cmds, store.Command{Kind: store.Delete, Key: store.RequestBodyKey(m.K, m.A, m.N, f.claim.Request)})
	}
	if f.others == len(f.claim.Legs)-1 {
		cmds[0].TTL = f.claim.keep()
		cmds = expireAttempt(cmds, f.claim, attempt{m.K, m.A}, func(leg int) bool { return leg == m.N })
	}
	return cmds
}

var errSending = legRefusal(http.StatusConflict, "it is being sent right now, or was when its proxy died: look again in a moment")

// changeable says why a leg in this state cannot be retried or dropped.
func changeable(state control.LegState) error {
	switch state {
	case control.Delivered:
		return legRefusal(http.StatusConflict, "it is delivered")
	case control.Dropped:
		return legRefusal(http.StatusConflict, "it is dropped already")
	case control.Held:
		return legRefusal(http.StatusConflict, "its sale has no outcome yet: see `chaperone outbox doubts`")
	case control.Sending:
		return errSending
	}
	return nil
}

// Retry is that of admin.LegDesk. A leg begins anew: its tries are forgotten,
// and its time limit counts from now.
func (d LegDesk) Retry(ctx context.Context, who string, ask control.LegRetry) (control.LegsRetried, error) {
	var n control.LegsRetried
	if err := reasonFault(ask.Reason); err != nil {
		return n, err
	}
	if (ask.Leg == "") != ask.Dead || ask.Destination != "" && !ask.Dead {
		return n, legRefusal(http.StatusUnprocessableEntity, "either a leg, or all that are dead")
	}
	if ask.Dead {
		return d.retryDead(ctx, who, ask)
	}
	f, err := d.Outbox.find(ctx, ask.Leg)
	if err != nil {
		return n, err
	}
	if err := changeable(d.Outbox.state(f, d.Outbox.alone(ctx))); err != nil {
		return n, err
	}
	cmds := d.Outbox.retrying(nil, f)
	if err := d.commit(ctx, cmds, d.entry(f, audit.ActionOutboxRetry, who, ask.Reason, audit.ResultOK)); err != nil {
		return n, err
	}
	n.Retried = 1
	d.hurry(f.leg.To)
	return n, nil
}

// retrying adds the commands that make a leg due now. A dead one that has an
// order goes behind all that waits in it.
func (l *Outbox) retrying(cmds []store.Command, f *found) []store.Command {
	now, member := l.s.clock().UnixMilli(), f.member.String()
	if f.queue == store.Due && f.score == store.Waiting {
		return cmds // its turn comes with that of what is before it
	}
	cmds = append(cmds, l.s.trialCommand(&trial{since: now, due: now, reached: f.trial.reached}, f.member))
	if f.queue == store.Due {
		return append(cmds, store.Command{Kind: store.QueueMove, Queue: store.Due, Member: member, From: f.score, Score: now})
	}
	return append(cmds, store.Command{Kind: store.QueueAdd, Queue: store.Due, Member: member, Score: now},
		store.Command{Kind: store.QueueRemove, Queue: store.Dead, Member: member})
}

// hurry lets the proxy look at once.
func (d LegDesk) hurry(dest string) {
	if own := d.Outbox.own; own != nil {
		if l := own.laneOf(dest); l != nil {
			l.breaker.hurry()
			l.ring()
		}
	}
}

// retriedAtOnce bounds the legs of one unit.
const retriedAtOnce = 100

// retryDead makes all dead legs due, in the order in which they were given up.
func (d LegDesk) retryDead(ctx context.Context, who string, ask control.LegRetry) (n control.LegsRetried, err error) {
	var dead []store.Member
	err = d.Outbox.scan(ctx, store.Dead, "", func(_ store.Queue, item store.Item) error {
		if m, err := store.ParseMember(item.Member); err == nil && (ask.Destination == "" || m.Dest == ask.Destination) {
			dead = append(dead, m)
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	dests := map[string]bool{}
	for page := range slices.Chunk(dead, retriedAtOnce) {
		var entries []*audit.Entry
		var cmds []store.Command
		for _, m := range page {
			f, err := d.Outbox.read(ctx, m.K, m.A, m.N)
			if err != nil || f.ended != nil || f.outcome == nil {
				n.Passed++ // it has ended, or cannot be read
				continue
			}
			f.queue = store.Dead
			cmds = d.Outbox.retrying(cmds, f)
			entries = append(entries, d.entry(f, audit.ActionOutboxRetry, who, ask.Reason, audit.ResultOK))
			dests[m.Dest] = true
		}
		if len(entries) == 0 {
			continue
		}
		if err := d.commit(ctx, cmds, entries...); err != nil {
			return n, err
		}
		n.Retried += len(entries)
	}
	for dest := range dests {
		d.hurry(dest)
	}
	return n, nil
}
