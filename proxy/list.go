package proxy

import (
	"context"
	"log/slog"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/store"
	"chaperone/vault/keys"
)

// Outbox lists what waits, from the registers. It needs no running proxy, and
// does not disturb one. It is safe for concurrent use.
type Outbox struct {
	s   *Server
	own *outbox // whose process this is; nil: none's
}

// NewOutbox lists what waits in a store, of which this process runs no proxy.
func NewOutbox(d store.Driver, ring *keys.Ring) *Outbox {
	return &Outbox{s: &Server{driver: d, ring: ring, logger: slog.New(slog.DiscardHandler), clock: time.Now}}
}

// listPage is how many members of a queue are read at once.
const listPage = 256

// Legs lists the legs in a state, or all of them for "".
func (l *Outbox) Legs(ctx context.Context, state control.LegState, yield func(control.Leg) error) error {
	alone := l.alone(ctx)
	if state == "" || state == control.Due || state == control.Sending || state == control.Parked {
		dests, err := l.s.driver.Destinations(ctx)
		if err != nil {
			return err
		}
		for _, dest := range dests {
			if err := l.queue(ctx, store.Due, dest, state, alone, yield); err != nil {
				return err
			}
		}
	}
	if state == "" || state == control.Dead {
		if err := l.queue(ctx, store.Dead, "", control.Dead, alone, yield); err != nil {
			return err
		}
	}
	if state == "" || state == control.Held {
		return l.held(ctx, yield)
	}
	return nil
}

// queue lists the legs of one queue that are in a state; "" takes them all.
func (l *Outbox) queue(ctx context.Context, q store.Queue, dest string, state control.LegState, alone bool, yield func(control.Leg) error) error {
	for cursor := ""; ; {
		items, next, err := l.s.driver.QueueList(ctx, q, dest, cursor, listPage)
		if err != nil {
			return err
		}
		reads, err := l.readLegs(ctx, items)
		if err != nil {
			return err
		}
		for i, item := range items {
			leg := l.leg(q, item, reads[i*perListed:], alone)
			if leg != nil && (state == "" || leg.State == state) {
				if err := yield(*leg); err != nil {
					return err
				}
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

// perListed is the number of registers that describe a leg.
const perListed = 3

// readLegs reads what describes the members of a queue, in one round trip. A
// member that is none is described by registers that are not there.
func (l *Outbox) readLegs(ctx context.Context, items []store.Item) ([]store.Command, error) {
	if len(items) == 0 {
		return nil, nil
	}
	reads := make([]store.Command, 0, len(items)*perListed)
	for _, item := range items {
		m, err := store.ParseMember(item.Member)
		if err != nil {
			m = store.Member{K: "none", A: 1}
		}
		reads = append(reads, store.Command{Kind: store.Get, Key: store.ClaimKey(m.K, m.A)},
			store.Command{Kind: store.Get, Key: store.DeliveryKey(m.K, m.A, m.N)}, store.Command{Kind: store.Get, Key: store.TrialKey(m.K, m.A, m.N)})
	}
	return reads, l.s.driver.Apply(ctx, reads)
}

// leg describes a member of a queue by what was read; nil where the registers
// say that it is none any more.
func (l *Outbox) leg(q store.Queue, item store.Item, reads []store.Command, alone bool) *control.Leg {
	m, err := store.ParseMember(item.Member)
	if err != nil || reads[1].Found {
		return nil
	}
	t := l.s.openTrial(reads[2].Prior, m)
	leg := &control.Leg{State: l.stateOf(q, item, &t, alone), Ref: control.LegName(m.K, m.A, m.N), Destination: m.Dest, Key: m.K, Attempt: m.A, Index: m.N, Tries: t.tries, Reason: t.reason}
	if q == store.Due && item.Score < store.Waiting {
		leg.Due = time.UnixMilli(item.Score).UTC()
	}
	c, err := l.s.openClaim(reads[0].Prior, m.K, m.A)
	if err != nil {
		leg.Reason = "claim_unreadable"
		return leg
	}
	leg.Route, leg.Request, leg.Since = c.Route, c.Request, time.UnixMilli(c.At).UTC()
	for i := range c.Legs {
		if c.Legs[i].Leg == m.N {
			leg.Name = c.Legs[i].Name
		}
	}
	return leg
}

// stateOf says where a leg stands by its place in a queue. A score in the
// future that its trial does not know is the end of a lease: somebody is
// sending it, here or elsewhere, or was when he died.
func (l *Outbox) stateOf(q store.Queue, item store.Item, t *trial, alone bool) control.LegState {
	switch {
	case q == store.Dead:
		return control.Dead
	case l.own != nil && l.own.sending(item.Member):
		return control.Sending
	case !alone && item.Score < store.Waiting && item.Score != t.due && item.Score > l.s.clock().UnixMilli():
		return control.Sending
	case t.parked:
		return control.Parked
	}
	return control.Due
}

// held lists the legs whose sale has no outcome yet.
func (l *Outbox) held(ctx context.Context, yield func(control.Leg) error) error {
	return l.s.open(ctx, func(o openClaim) error {
		for i := range o.claim.Legs {
			leg := &o.claim.Legs[i]
			err := yield(control.Leg{State: control.Held, Destination: leg.To, Route: o.claim.Route, Name: leg.Name, Request: o.claim.Request,
				Ref: control.LegName(o.ref.K, o.ref.A, leg.Leg), Key: o.ref.K, Attempt: o.ref.A, Index: leg.Leg, Since: time.UnixMilli(o.claim.At).UTC(), Reason: o.reason})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Doubts lists the sales in doubt and those that are pending, the oldest first
// within a lane.
func (l *Outbox) Doubts(ctx context.Context, yield func(control.Doubt) error) error {
	return l.s.open(ctx, func(o openClaim) error {
		if !o.doubt && !o.pending {
			return nil
		}
		return yield(control.Doubt{Pending: o.pending, Until: o.until,
			Key: o.ref.K, Attempt: o.ref.A, Request: o.claim.Request, Route: o.claim.Route, Caller: o.claim.Caller,
			Chain: o.claim.Chain, Since: time.UnixMilli(o.claim.At).UTC(), Reason: o.reason, Held: len(o.claim.Legs)})
	})
}

// openClaim is a claim without an outcome.
type openClaim struct {
	ref    store.Ref
	claim  *claim
	doubt  bool   // its outcome is unknown, or its process is dead
	reason string // why; empty where the process is dead

	pending bool      // the primary left it open: it is not in doubt
	until   time.Time // for how long; zero: it did not
}

// open reads the claims that have no outcome, the oldest first within a lane.
func (s *Server) open(ctx context.Context, yield func(openClaim) error) error {
	for cursor := ""; ; {
		page, next, err := store.OpenClaims(ctx, s.driver, cursor, listPage)
		if err != nil {
			return err
		}
		alive := map[string]bool{}
		found := make([]openClaim, len(page))
		for i, o := range page {
			c, err := s.openClaim(o.Value, o.K, o.A)
			if err != nil {
				c = &claim{At: o.Since} // of no process that lives
			}
			alive[c.Chain] = false
			found[i] = openClaim{ref: o.Ref, claim: c}
			if o.Unknown != nil {
				found[i].doubt, found[i].reason = true, s.whyUnknown(o.Unknown, o.Ref)
			}
			s.learnPending(&found[i], o.Pending)
		}
		if err := s.askAlive(ctx, alive); err != nil {
			return err
		}
		for _, o := range found {
			o.doubt = !o.pending && (o.doubt || !alive[o.claim.Chain])
			if err := yield(o); err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

// pendingTooLong is the reason of a doubt about a sale that no later call has
// decided in time.
const pendingTooLong = "pending_too_long"

// learnPending adds what a pending register says. One that cannot be read says
// nothing: the sale is what it would be without.
func (s *Server) learnPending(o *openClaim, sealed []byte) {
	p, err := s.openPending(sealed, o.ref, o.claim)
	if err != nil || p == nil {
		return
	}
	o.until = time.UnixMilli(p.Until).UTC()
	o.pending = !p.over(s.clock())
	if !o.pending && !o.doubt {
		o.doubt, o.reason = true, pendingTooLong
	}
}

func (s *Server) whyUnknown(sealed []byte, r store.Ref) string {
	plain, err := s.ring.Open(nil, sealed, []byte(store.UnknownKey(r.K, r.A)))
	var n note
	if err != nil || n.parse(plain) != nil {
		return audit.ResultUnknown.String()
	}
	return n.Reason
}

// askAlive finds out which chains have a process that lives.
func (s *Server) askAlive(ctx context.Context, chains map[string]bool) error {
	var asks []store.Command
	var names []string
	for chain := range chains {
		if chain != "" {
			names = append(names, chain)
			asks = append(asks, store.Command{Kind: store.Get, Key: store.AliveKey(chain)})
		}
	}
	if len(asks) == 0 {
		return nil
	}
	if err := s.driver.Apply(ctx, asks); err != nil {
		return err
	}
	for i, name := range names {
		chains[name] = asks[i].Found
	}
	return nil
}
