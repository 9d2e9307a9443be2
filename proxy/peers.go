package proxy

import (
	"context"
	"slices"
	"time"

	"chaperone/audit"
	"chaperone/store"
)

// Several proxies may run on one store: they share the queues by leases, and
// look after each other. A chain whose lease has run out is that of a process
// that died, or that lost the store so long ago that it sends nothing any more
// of what it was about to (leaseHolds). What it has leased to itself when it
// released it is due again then, before that lease ends; and one of its peers
// rebuilds the queues, in case it died between a register and the index of it.

// watchEvery is how often a process looks for chains that have died, and
// recoverFor for how long nobody else recovers what one of them has taken upon
// itself.
const (
	watchEvery = 5 * time.Second
	recoverFor = 10 * time.Minute
)

// watchPeers looks after other processes until ctx ends.
func (s *Server) watchPeers(ctx context.Context) {
	check, err := s.driver.Check(ctx)
	if err == nil && check.Kind == "file" {
		return // which has no peers
	}
	w := peers{s: s, alive: map[string]bool{}}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if !s.outbox.resting() {
			w.look(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// peers is what one process knows of the chains of others.
type peers struct {
	s     *Server
	alive map[string]bool // by chain, when it was last asked
	begun bool
}

// look finds chains that have died since it looked last, and sees to what they
// have left. At the first time that is every chain that is dead by then: of
// those only leases may be left.
func (w *peers) look(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	died, err := w.died(asking)
	if err != nil {
		w.s.logger.Debug("the chains of other proxies cannot be looked at", "error", err)
		return
	}
	if w.begun && len(died) == 0 {
		return
	}
	if err := w.s.recallDead(asking); err != nil {
		w.s.logger.Warn("legs that a dead proxy was about to send wait for the end of their lease", "error", err)
	}
	w.s.outbox.wake()
	if w.begun {
		for _, chain := range died {
			w.recover(ctx, chain)
		}
	}
	w.begun = true
}

// died asks for the chains that are not known to be dead.
func (w *peers) died(ctx context.Context) (died []string, err error) {
	chains, err := w.s.driver.Chains(ctx)
	if err != nil {
		return nil, err
	}
	var ask []string
	for _, c := range chains {
		if alive, known := w.alive[c.ID]; alive || !known {
			ask = append(ask, c.ID)
		}
	}
	now, err := store.AliveChains(ctx, w.s.driver, ask)
	if err != nil {
		return nil, err
	}
	for chain, alive := range now {
		if !alive && chain != w.s.committer.Chain() {
			died = append(died, chain)
		}
		w.alive[chain] = alive
	}
	return died, nil
}

// recover rebuilds the queues after a chain has died, unless it ended as it
// should, or another process does so already.
func (w *peers) recover(ctx context.Context, chain string) {
	last, ok, err := w.s.driver.LogLast(ctx, chain)
	if err != nil {
		return
	}
	if ok {
		e, err := audit.NewSealing(w.s.ring, chain).Open(last.Entry)
		if err == nil && e.Kind == audit.KindStop {
			return
		}
	}
	// It may take long; while it does, nobody else begins.
	mine := []store.Command{{Kind: store.SetOnce, Key: store.MetaKey("recovered." + chain), Value: []byte(w.s.committer.Chain()), TTL: recoverFor}}
	if err := w.s.driver.Apply(ctx, mine); err != nil || !mine[0].Won {
		return
	}
	w.s.logger.Warn("a proxy has died: its work goes on here and elsewhere", "chain", chain)
	w.s.rebuild(ctx)
}

// recallDead makes due what a process has leased to itself with the outcome,
// and did not live to send. A lease that somebody has taken from the store is
// left alone: it ends at another time.
func (s *Server) recallDead(ctx context.Context) error {
	now := s.clock()
	return s.eachDue(ctx, func(dest string, items []store.Item) ([]store.Command, error) {
		var leased []store.Item
		var refs []store.Ref
		for _, item := range items {
			m, err := store.ParseMember(item.Member)
			if err == nil && item.Score > now.UnixMilli() && item.Score < store.Waiting {
				leased, refs = append(leased, item), append(refs, store.Ref{K: m.K, A: m.A})
			}
		}
		claims, err := store.LoadClaims(ctx, s.driver, refs)
		if err != nil {
			return nil, err
		}
		owners := make([]string, len(claims)) // of the leases; empty: nobody that is known
		asked := map[string]bool{}
		for i := range claims {
			if owners[i] = s.leasedBy(&claims[i], dest, leased[i].Score); owners[i] != "" {
				asked[owners[i]] = false
			}
		}
		if err := s.askAlive(ctx, asked); err != nil {
			return nil, err
		}
		var moves []store.Command
		for i, owner := range owners {
			if owner != "" && owner != s.committer.Chain() && !asked[owner] {
				moves = append(moves, dueNow(leased[i], now))
			}
		}
		return moves, nil
	})
}

// leasedBy gives the chain that has leased a leg to itself when it released it,
// by when that lease ends; empty where it was not so.
func (s *Server) leasedBy(c *store.Claim, dest string, end int64) string {
	if c.Value == nil {
		return ""
	}
	mine, err := s.openClaim(c.Value, c.K, c.A)
	if err != nil {
		return ""
	}
	o, err := s.openOutcome(c.Outcome, c.K, c.A, mine)
	if err != nil || o == nil || o.By != byPrimary {
		return "" // whoever else decides an attempt leases nothing
	}
	awaited := o.At + s.outbox.leaseFor(dest).Milliseconds()
	handed := awaited + handedWait.Milliseconds()
	// One less where the leg has an order, and the second half of its lease is
	// missing (release).
	if !slices.Contains([]int64{awaited, awaited - 1, handed, handed - 1}, end) {
		return ""
	}
	return mine.Chain
}
