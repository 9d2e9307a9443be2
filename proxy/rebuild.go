package proxy

import (
	"context"
	"math/rand/v2"
	"time"

	"chaperone/audit"
	"chaperone/store"
)

// rebuildEvery is how often, about, one of the processes on a store restores
// the queues from the registers, besides each at its start; rebuildPause is its
// pause between two pages, so that nobody else waits for it. After a loss each
// does so once more, one after the other: rebuildTurn is for how long none of the
// others begins.
const (
	rebuildEvery = time.Hour
	rebuildPause = 50 * time.Millisecond
	rebuildTurn  = 30 * time.Second
)

// keepRebuilt restores the queues at the start, beside the first requests, and
// now and then until ctx ends: an index may miss what died between two writes,
// and registers may live on whose end nobody saw.
func (s *Server) keepRebuilt(ctx context.Context) {
	s.rebuild(ctx)
	pause := time.NewTimer(rebuildEvery/2 + rand.N(rebuildEvery))
	defer pause.Stop()
	for lost := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-s.guard.relook:
			lost = true
			pause.Reset(rand.N(time.Second)) // the others have noticed, too
			continue
		case <-pause.C:
		}
		switch {
		case s.outbox.resting() || !s.leaseHolds():
		case lost && s.myRebuild(ctx, "rebuilding", rebuildTurn):
			// Times from before a clock was put back may be there again.
			if err := s.recallFuture(ctx); err != nil && ctx.Err() == nil {
				s.logger.Warn("legs may wait for a time that a clock which was put back has set", "error", err)
			}
			s.rebuild(ctx)
			lost = false
		case !lost && s.myRebuild(ctx, "rebuilt", rebuildEvery/2):
			s.rebuild(ctx)
		}
		wait := rebuildEvery
		if lost {
			wait = rebuildTurn
		}
		pause.Reset(wait/2 + rand.N(wait))
	}
}

// myRebuild takes the turn to rebuild the queues, by a register that lives for a
// while, and reports whether no other process has it.
func (s *Server) myRebuild(ctx context.Context, register string, life time.Duration) bool {
	mine := []store.Command{{Kind: store.SetOnce, Key: store.MetaKey(register), Value: []byte(s.committer.Chain() + " " + s.newID()), TTL: life}}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return s.driver.Apply(ctx, mine) == nil && mine[0].Won
}

// paced is a driver whose scans take their time after the first page.
type paced struct {
	store.Driver
	pause time.Duration
}

// ScanClaims is that of store.Driver.
func (p paced) ScanClaims(ctx context.Context, cursor string, max int) ([]store.Ref, string, error) {
	if cursor != "" {
		select {
		case <-ctx.Done():
			return nil, "", ctx.Err()
		case <-time.After(p.pause):
		}
	}
	return p.Driver.ScanClaims(ctx, cursor, max)
}

// rebuild restores the queues from the registers, which alone are evidence.
func (s *Server) rebuild(ctx context.Context) {
	found, err := store.Rebuild(ctx, paced{s.driver, rebuildPause}, s.index)
	if err != nil {
		if ctx.Err() == nil {
			s.logger.Warn("the queues are not rebuilt", "error", err)
		}
		return
	}
	s.logger.Info("the queues are rebuilt", "claims", found.Claims, "open", found.Open, "due", found.Due, "ended", found.Ended, "unreadable", found.Unreadable)
	s.outbox.wake()
}

// index says what belongs into the queues for a claim.
func (s *Server) index(c *store.Claim) (store.Index, error) {
	mine, err := s.openClaim(c.Value, c.K, c.A)
	if err != nil {
		return store.Index{}, err
	}
	x := store.Index{Since: mine.At}
	o, err := s.openOutcome(c.Outcome, c.K, c.A, mine)
	if err != nil || o == nil {
		return x, err
	}
	x.End = func(ended [][]byte) []store.Command { return s.overdue(c.Ref, mine, o, ended) }
	if o.Result != audit.ResultReleased {
		return x, nil
	}
	x.Fix = s.missingSale(c.Ref, mine, o)
	for i := range mine.Legs {
		l := &mine.Legs[i]
		x.Legs = append(x.Legs, store.Leg{Due: o.At, Member: store.Member{Dest: l.To, K: c.K, A: c.A, N: l.Leg, Group: l.Group}})
	}
	return x, nil
}

// missingSale makes the command that keeps what calls that follow a released
// sale need, where the process that released it died in the midst of that.
func (s *Server) missingSale(ref store.Ref, c *claim, o *outcome) []store.Command {
	left := o.At + c.SaleKeep - s.clock().UnixMilli()
	if len(c.Sale) == 0 || left <= 0 {
		return nil
	}
	key := store.SaleKey(ref.K)
	return []store.Command{{Kind: store.SetOnce, Key: key, Value: s.ring.Seal(nil, c.Sale, []byte(key)), TTL: time.Duration(left) * time.Millisecond}}
}

// overdueLife is what registers still live that should have ended.
const overdueLife = time.Minute

// overdue ends the registers of an attempt that is over, has no leg waiting,
// and should have ended by itself: whoever was to see to that did not live to.
// ended are the delivery registers of its legs.
func (s *Server) overdue(ref store.Ref, c *claim, o *outcome, ended [][]byte) []store.Command {
	last := o.At
	for i, sealed := range ended {
		plain, err := s.ring.Open(nil, sealed, []byte(store.DeliveryKey(ref.K, ref.A, c.Legs[i].Leg)))
		var n note
		if err != nil || n.parse(plain) != nil {
			return nil
		}
		last = max(last, n.At)
	}
	if s.clock().UnixMilli() < last+c.keep().Milliseconds()+overdueLife.Milliseconds() {
		return nil
	}
	var commands []store.Command
	end := func(key string) {
		commands = append(commands, store.Command{Kind: store.Expire, Key: key, TTL: overdueLife})
	}
	end(store.ClaimKey(ref.K, ref.A))
	end(store.OutcomeKey(ref.K, ref.A))
	end(store.UnknownKey(ref.K, ref.A))
	end(store.PendingKey(ref.K, ref.A))
	for i := range c.Legs {
		end(store.DeliveryKey(ref.K, ref.A, c.Legs[i].Leg))
		if c.Legs[i].Large {
			end(store.RequestBodyKey(ref.K, ref.A, c.Legs[i].Leg, c.Request))
		}
	}
	return dropBodies(commands, ref, c, o.Result)
}
