package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/store"
)

// found is a leg that somebody asked for, with all that the store knows of it.
type found struct {
	member  store.Member
	sealed  []byte // its claim
	claim   *claim
	leg     *heldLeg
	outcome *outcome // nil: none yet
	ended   *note    // nil: not delivered, and not dropped
	trial   trial
	others  int // legs of its attempt that are final, itself not counted

	queue store.Queue // 0: in none
	score int64
}

func legRefusal(status int, message string) error {
	return &control.Error{Status: status, Message: message}
}

var (
	errNoLeg     = legRefusal(http.StatusNotFound, "there is no such leg: it is long delivered, or there never was one")
	errAmbiguous = legRefusal(http.StatusConflict, "several legs begin like this: give more of the key")
)

// find reads a leg by its name, whose key may be a beginning.
func (l *Outbox) find(ctx context.Context, name string) (*found, error) {
	k, a, n, err := control.ParseLegName(name)
	if err != nil {
		return nil, legRefusal(http.StatusUnprocessableEntity, err.Error())
	}
	f, err := l.read(ctx, k, a, n)
	if errors.Is(err, errNoLeg) {
		if k, err = l.complete(ctx, k, a, n); err == nil {
			f, err = l.read(ctx, k, a, n)
		}
	}
	if err != nil || f.ended != nil || f.outcome == nil {
		return f, err
	}
	return f, l.locate(ctx, f)
}

// complete finds the one key that begins so, among all that waits.
func (l *Outbox) complete(ctx context.Context, begin string, a, n int) (string, error) {
	whole := ""
	take := func(k string, at int) error {
		if at != a || !strings.HasPrefix(k, begin) || k == whole {
			return nil
		}
		if whole != "" {
			return errAmbiguous
		}
		whole = k
		return nil
	}
	member := func(_ store.Queue, item store.Item) error {
		m, err := store.ParseMember(item.Member)
		if err != nil || m.N != n {
			return nil
		}
		return take(m.K, m.A)
	}
	dests, err := l.s.driver.Destinations(ctx)
	if err != nil {
		return "", storeAway(err)
	}
	for _, dest := range dests {
		if err := l.scan(ctx, store.Due, dest, member); err != nil {
			return "", err
		}
	}
	if err := l.scan(ctx, store.Dead, "", member); err != nil {
		return "", err
	}
	err = l.scan(ctx, store.Doubt, "", func(_ store.Queue, item store.Item) error {
		ref, err := store.ParseDoubt(item.Member)
		if err != nil {
			return nil
		}
		return take(ref.K, ref.A)
	})
	if err == nil && whole == "" {
		err = errNoLeg
	}
	return whole, err
}

// scan reads a queue to its end, or to the first error of yield.
func (l *Outbox) scan(ctx context.Context, q store.Queue, dest string, yield func(store.Queue, store.Item) error) error {
	for cursor := ""; ; {
		items, next, err := l.s.driver.QueueList(ctx, q, dest, cursor, listPage)
		if err != nil {
			return storeAway(err)
		}
		for _, item := range items {
			if err := yield(q, item); err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

func storeAway(err error) error {
	return legRefusal(http.StatusServiceUnavailable, "the store does not answer: "+err.Error())
}

// read reads the registers of a leg.
func (l *Outbox) read(ctx context.Context, k string, a, n int) (*found, error) {
	reads := []store.Command{{Kind: store.Get, Key: store.ClaimKey(k, a)}, {Kind: store.Get, Key: store.OutcomeKey(k, a)},
		{Kind: store.Get, Key: store.TrialKey(k, a, n)}}
	if err := l.s.driver.Apply(ctx, reads); err != nil {
		return nil, storeAway(err)
	}
	if !reads[0].Found {
		return nil, errNoLeg
	}
	f := &found{sealed: reads[0].Prior}
	var err error
	if f.claim, err = l.s.openClaim(f.sealed, k, a); err == nil {
		f.outcome, err = l.s.openOutcome(reads[1].Prior, k, a, f.claim)
	}
	if err != nil {
		return nil, legRefusal(http.StatusUnprocessableEntity, "the leg cannot be read under this keyring")
	}
	for i := range f.claim.Legs {
		if f.claim.Legs[i].Leg == n {
			f.leg = &f.claim.Legs[i]
		}
	}
	if f.leg == nil {
		return nil, errNoLeg
	}
	f.member = store.Member{Dest: f.leg.To, K: k, A: a, N: n, Group: f.leg.Group}
	f.trial = l.s.openTrial(reads[2].Prior, f.member)
	return f, l.readEnds(ctx, f)
}

// readEnds finds out which legs of the attempt are final.
func (l *Outbox) readEnds(ctx context.Context, f *found) error {
	reads := make([]store.Command, len(f.claim.Legs))
	for i := range reads {
		reads[i] = store.Command{Kind: store.Get, Key: store.DeliveryKey(f.member.K, f.member.A, f.claim.Legs[i].Leg)}
	}
	if err := l.s.driver.Apply(ctx, reads); err != nil {
		return storeAway(err)
	}
	for i := range reads {
		switch {
		case !reads[i].Found:
		case f.claim.Legs[i].Leg != f.member.N:
			f.others++
		default:
			f.ended = new(note)
			plain, err := l.s.ring.Open(nil, reads[i].Prior, []byte(reads[i].Key))
			if err != nil || f.ended.parse(plain) != nil {
				*f.ended = note{Result: audit.ResultDelivered}
			}
		}
	}
	return nil
}

var errFound = errors.New("proxy: found")

// locate finds the queue that a leg is in. The store knows a member's score by
// listing alone.
func (l *Outbox) locate(ctx context.Context, f *found) error {
	member := f.member.String()
	look := func(q store.Queue, item store.Item) error {
		if item.Member != member {
			return nil
		}
		f.queue, f.score = q, item.Score
		return errFound
	}
	err := l.scan(ctx, store.Due, f.member.Dest, look)
	if err == nil {
		err = l.scan(ctx, store.Dead, "", look)
	}
	if errors.Is(err, errFound) {
		return nil
	}
	return err
}

// state says where a leg stands.
func (l *Outbox) state(f *found, alone bool) control.LegState {
	switch {
	case f.ended != nil && f.ended.Result == audit.ResultDropped:
		return control.Dropped
	case f.ended != nil:
		return control.Delivered
	case f.outcome == nil:
		return control.Held
	case f.outcome.Result != audit.ResultReleased:
		return control.Dropped
	case f.queue == 0:
		return control.Due // the index has lost it; a start rebuilds it
	}
	return l.stateOf(f.queue, store.Item{Member: f.member.String(), Score: f.score}, &f.trial, alone)
}

// describe puts what is known of a leg into the words of the socket.
func (l *Outbox) describe(f *found, alone bool) control.LegDetail {
	at := func(ms int64) time.Time {
		if ms == 0 {
			return time.Time{}
		}
		return time.UnixMilli(ms).UTC()
	}
	d := control.LegDetail{
		Leg: control.Leg{State: l.state(f, alone), Destination: f.leg.To, Route: f.claim.Route, Name: f.leg.Name, Request: f.claim.Request,
			Ref: control.LegName(f.member.K, f.member.A, f.member.N), Key: f.member.K, Attempt: f.member.A, Index: f.member.N, Since: at(f.claim.At), Tries: f.trial.tries, Reason: f.trial.reason},
		Caller: f.claim.Caller, Plan: f.claim.Plan, Order: f.leg.Group, Waiting: f.queue == store.Due && f.score == store.Waiting,
		Refused: f.trial.refused, LastTry: at(f.trial.at), Status: f.trial.status, Bytes: len(f.leg.Body), Apart: f.leg.Large,
	}
	if f.queue == store.Due && f.score < store.Waiting {
		d.Due = at(f.score)
	}
	if f.outcome != nil {
		d.Outcome, d.Released = f.outcome.Result.String(), at(f.outcome.At)
	}
	if f.ended != nil {
		d.Ended, d.Status, d.Reason = at(f.ended.At), f.ended.Status, f.ended.Reason
	}
	for _, form := range f.leg.Forms {
		d.Forms = append(d.Forms, control.LegForm{Label: form.Label, Form: form.Form.String()})
	}
	return d
}

// alone reports whether no other process can have a leg: of an embedded store
// that no proxy has open, leases are nobody's.
func (l *Outbox) alone(ctx context.Context) bool {
	if l.own != nil {
		return false
	}
	check, err := l.s.driver.Check(ctx)
	return err == nil && check.Kind == "file"
}
