package proxy

import (
	"context"

	"chaperone/audit"
	"chaperone/store"
)

// rebuild restores the queues from the registers, which alone are evidence. It
// runs once, beside the first requests.
func (s *Server) rebuild(ctx context.Context) {
	found, err := store.Rebuild(ctx, s.driver, s.index)
	if err != nil {
		if ctx.Err() == nil {
			s.logger.Warn("the queues are not rebuilt", "error", err)
		}
		return
	}
	s.logger.Info("the queues are rebuilt", "claims", found.Claims, "open", found.Open, "due", found.Due, "unreadable", found.Unreadable)
	s.outbox.wake()
}

// recall makes due what is due only later for no good reason: in an embedded
// store the leases of the process before, for there is no other worker; in any
// store a time that no worker sets, from before a clock was put back. It must
// end before this process takes leases.
func (s *Server) recall(ctx context.Context) error {
	check, err := s.driver.Check(ctx)
	if err != nil {
		return err
	}
	dests, err := s.driver.Destinations(ctx)
	if err != nil {
		return err
	}
	now := s.clock().UnixMilli()
	for _, dest := range dests {
		latest := now + 2*(s.outbox.o.LongestWait+s.outbox.o.ParkedWait+s.outbox.leaseFor(dest)).Milliseconds()
		if check.Kind == "file" {
			latest = now
		}
		for cursor := ""; ; {
			items, next, err := s.driver.QueueList(ctx, store.Due, dest, cursor, listPage)
			if err != nil {
				return err
			}
			var moves []store.Command
			for _, item := range items {
				if item.Score > latest && item.Score < store.Waiting {
					moves = append(moves, store.Command{Kind: store.QueueMove, Queue: store.Due, Member: item.Member, From: item.Score, Score: now})
				}
			}
			if len(moves) > 0 {
				if err := s.driver.Apply(ctx, moves); err != nil {
					return err
				}
			}
			if cursor = next; cursor == "" {
				break
			}
		}
	}
	return nil
}

// index says what belongs into the queues for a claim.
func (s *Server) index(c *store.Claim) (store.Index, error) {
	mine, err := s.openClaim(c.Value, c.K, c.A)
	if err != nil {
		return store.Index{}, err
	}
	x := store.Index{Since: mine.At}
	o, err := s.openOutcome(c.Outcome, c.K, c.A, mine)
	if err != nil || o == nil || o.Result != audit.ResultReleased {
		return x, err
	}
	for i := range mine.Legs {
		l := &mine.Legs[i]
		x.Legs = append(x.Legs, store.Leg{Due: o.At, Member: store.Member{Dest: l.To, K: c.K, A: c.A, N: l.Leg, Group: l.Group}})
	}
	return x, nil
}
