package proxy

import (
	"context"
	"errors"
	"time"

	"chaperone/store"
)

// recall makes due what is due only later for no good reason: in an embedded
// store the leases of the process before, for there is no other worker, and
// what the policy of that one did not allow; in any store a time that no worker
// sets, from before a clock was put back. It must end before this process takes
// leases.
func (s *Server) recall(ctx context.Context) error {
	check, err := s.driver.Check(ctx)
	if err != nil {
		return err
	}
	now := s.clock()
	return s.eachDue(ctx, func(dest string, items []store.Item) ([]store.Command, error) {
		latest := s.latestDue(dest, now)
		var later []store.Item
		for _, item := range items {
			if item.Score > now.UnixMilli() && item.Score < store.Waiting {
				later = append(later, item)
			}
		}
		trials := make([]trial, len(later))
		if check.Kind == "file" {
			if err := s.readTrials(ctx, later, trials); err != nil {
				return nil, err
			}
		}
		var moves []store.Command
		for i, item := range later {
			pausing := check.Kind != "file" || item.Score == trials[i].due && !trials[i].parked
			if item.Score > latest || !pausing {
				moves = append(moves, dueNow(item, now))
			}
		}
		return moves, nil
	})
}

// recallFuture makes due what is due at a time that no worker sets: the clock
// was put back while it waited.
func (s *Server) recallFuture(ctx context.Context) error {
	now := s.clock()
	return s.eachDue(ctx, func(dest string, items []store.Item) ([]store.Command, error) {
		latest := s.latestDue(dest, now)
		var moves []store.Command
		for _, item := range items {
			if item.Score > latest && item.Score < store.Waiting {
				moves = append(moves, dueNow(item, now))
			}
		}
		return moves, nil
	})
}

// latestDue is the latest time, in Unix milliseconds, that a worker sets for a
// leg of a destination now: twice the longest pause or lease.
func (s *Server) latestDue(dest string, now time.Time) int64 {
	return now.Add(2 * (s.outbox.o.LongestWait + s.outbox.o.ParkedWait + s.outbox.leaseFor(dest))).UnixMilli()
}

// dueNow makes the command that ends a lease or a pause.
func dueNow(item store.Item, now time.Time) store.Command {
	return store.Command{Kind: store.QueueMove, Queue: store.Due, Member: item.Member, From: item.Score, Score: now.UnixMilli()}
}

// eachDue reads all that waits, page by page, and does what change wants done
// about a page.
func (s *Server) eachDue(ctx context.Context, change func(dest string, items []store.Item) ([]store.Command, error)) error {
	dests, err := s.driver.Destinations(ctx)
	if err != nil {
		return err
	}
	for _, dest := range dests {
		for cursor := ""; ; {
			items, next, err := s.driver.QueueList(ctx, store.Due, dest, cursor, listPage)
			if err != nil {
				return err
			}
			moves, err := change(dest, items)
			if err == nil && len(moves) > 0 {
				err = s.driver.Apply(ctx, moves)
			}
			if err != nil {
				return err
			}
			if cursor = next; cursor == "" {
				break
			}
		}
	}
	return nil
}

var errMember = errors.New("proxy: malformed member of a queue")

// readTrials reads the trials of members of a queue, in one round trip.
func (s *Server) readTrials(ctx context.Context, items []store.Item, into []trial) error {
	if len(items) == 0 {
		return nil
	}
	reads := make([]store.Command, len(items))
	members := make([]store.Member, len(items))
	for i, item := range items {
		m, err := store.ParseMember(item.Member)
		if err != nil {
			return errMember
		}
		members[i], reads[i] = m, store.Command{Kind: store.Get, Key: store.TrialKey(m.K, m.A, m.N)}
	}
	if err := s.driver.Apply(ctx, reads); err != nil {
		return err
	}
	for i := range reads {
		into[i] = s.openTrial(reads[i].Prior, members[i])
	}
	return nil
}
