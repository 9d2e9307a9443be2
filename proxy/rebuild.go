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
