package proxy

import (
	"context"

	"chaperone/audit"
	"chaperone/store"
)

// rebuild restores the queues from the registers, which alone are evidence: a
// claim without an outcome belongs into the queue of doubts, a released leg
// without a delivery into the one of its destination. It runs once, beside
// the first requests, and adds only what is missing.
func (s *Server) rebuild(ctx context.Context) {
	dead, err := s.members(ctx, store.Dead, "")
	if err != nil {
		s.logger.Warn("the queues are not rebuilt", "error", err)
		return
	}
	for cursor := ""; ctx.Err() == nil; {
		refs, next, err := s.driver.ScanClaims(ctx, cursor, 256)
		if err == nil {
			err = s.rebuildPage(ctx, refs, dead)
		}
		if err != nil {
			if ctx.Err() == nil {
				s.logger.Warn("the queues are not rebuilt", "error", err)
			}
			return
		}
		if cursor = next; cursor == "" {
			s.outbox.wake()
			return
		}
	}
}

// members reads a queue as a set.
func (s *Server) members(ctx context.Context, q store.Queue, dest string) (map[string]bool, error) {
	set := map[string]bool{}
	for cursor := ""; ; {
		items, next, err := s.driver.QueueList(ctx, q, dest, cursor, 512)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			set[item.Member] = true
		}
		if cursor = next; cursor == "" {
			return set, nil
		}
	}
}

func (s *Server) rebuildPage(ctx context.Context, refs []store.Ref, dead map[string]bool) error {
	reads := make([]store.Command, 0, 2*len(refs))
	for _, r := range refs {
		reads = append(reads, store.Command{Kind: store.Get, Key: store.ClaimKey(r.K, r.A)}, store.Command{Kind: store.Get, Key: store.OutcomeKey(r.K, r.A)})
	}
	if err := s.driver.Apply(ctx, reads); err != nil {
		return err
	}
	var adds, deliveries []store.Command
	var waiting []store.Command // waiting[i] is added unless deliveries[i] is found
	for i, r := range refs {
		if !reads[2*i].Found {
			continue
		}
		c, err := s.openClaim(reads[2*i].Prior, r.K, r.A)
		if err != nil {
			s.logger.Error("a claim cannot be read", "key", r.K, "attempt", r.A, "error", err)
			continue
		}
		o, err := s.openOutcome(reads[2*i+1].Prior, r.K, r.A, c)
		switch {
		case err != nil:
			s.logger.Error("an outcome cannot be read", "key", r.K, "attempt", r.A, "error", err)
		case o == nil:
			adds = append(adds, store.Command{Kind: store.QueueAdd, Queue: store.Doubt, Member: store.DoubtMember(r.K, r.A), Score: c.At})
		case o.Result == audit.ResultReleased:
			for j := range c.Legs {
				l := &c.Legs[j]
				m := store.Member{Dest: l.To, K: r.K, A: r.A, N: l.Leg, Group: l.Group}.String()
				if !dead[m] {
					deliveries = append(deliveries, store.Command{Kind: store.Get, Key: store.DeliveryKey(r.K, r.A, l.Leg)})
					waiting = append(waiting, store.Command{Kind: store.QueueAdd, Queue: store.Due, Member: m, Score: o.At})
				}
			}
		}
	}
	if len(deliveries) > 0 {
		if err := s.driver.Apply(ctx, deliveries); err != nil {
			return err
		}
	}
	for i := range deliveries {
		if !deliveries[i].Found {
			adds = append(adds, waiting[i])
		}
	}
	if len(adds) == 0 {
		return nil
	}
	return s.driver.Apply(ctx, adds)
}
