package proxy

import (
	"context"
	"sync/atomic"
	"time"

	"chaperone/audit"
	"chaperone/rules/reason"
	"chaperone/store"
)

// A store may lose what it had acknowledged: by a failover what is older than
// the committer sends again, by a FLUSHALL or an old copy nearly everything. Then
// what this process remembers of the store is not to be trusted, what it has
// written beside the committer may be gone, and so may the register that says
// which keyring the store belongs to, which is written once, at the first start.
// The guard notices, and sees to all three.
type guard struct {
	s        *Server
	stranger atomic.Bool // the store belongs to another keyring
	// relook is told that the queues have to be rebuilt.
	relook chan struct{}

	losses uint64 // that the committer had counted when it was looked at last
	said   string // the other keyring that was reported last; empty: none
}

// guardEvery is how often the guard asks the committer whether anything was
// lost, and tieEvery how often it looks at the store's keyring besides.
const (
	guardEvery = time.Second
	tieEvery   = 5 * time.Second
)

func newGuard(s *Server) *guard { return &guard{s: s, relook: make(chan struct{}, 1)} }

// foreign reports whether the store was found to belong to another keyring.
func (g *guard) foreign() bool { return g.stranger.Load() }

// run guards until ctx ends.
func (g *guard) run(ctx context.Context) {
	check, err := g.s.driver.Check(ctx)
	if err == nil && check.Kind == "file" {
		return // which nobody else has open, and which loses nothing
	}
	tick := time.NewTicker(guardEvery)
	defer tick.Stop()
	for looked := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		stats := g.s.committer.Stats()
		if !stats.Healthy {
			continue
		}
		if now := stats.Failovers + stats.Restored + stats.Restarts; now != g.losses {
			g.losses = now
			g.forget()
		} else if time.Since(looked) < tieEvery {
			continue
		}
		looked = time.Now()
		g.tie(ctx)
	}
}

// forget has nothing taken for stored that is only known to have been: the card
// tokens that were seen of late, the ids of persons, the queues.
func (g *guard) forget() {
	g.s.recent.clear()
	g.s.subjects.doubtAll()
	select {
	case g.relook <- struct{}{}:
	default: // it has been told
	}
}

// tie looks whether the store still says that it belongs to our keyring. Where
// it says nothing, somebody has emptied it: that is put on record, and written
// again. What it says otherwise is never overwritten.
func (g *guard) tie(ctx context.Context) {
	s, key := g.s, store.MetaKey("keyring")
	get := []store.Command{{Kind: store.Get, Key: key}}
	if err := s.applySoon(ctx, get); err != nil || get[0].Err != nil {
		return // the committer's log says that the store is away
	}
	owner := string(get[0].Prior)
	if !get[0].Found {
		g.forget()
		e := g.alarm(reason.KeyringUntied, audit.ResultNone, s.ring.ID())
		u := s.unitOf(&e)
		u.Commands = []store.Command{{Kind: store.SetOnce, Key: key, Value: []byte(s.ring.ID())}}
		if err := s.committer.Commit(ctx, u); err != nil {
			s.logger.Warn("the store does not say which keyring it belongs to, and does not take it", "error", err)
			return
		}
		if owner = s.ring.ID(); !u.Commands[0].Won {
			owner = string(u.Commands[0].Prior)
		}
		s.logger.Error("the store had lost which keyring it belongs to, as after a FLUSHALL", "belongs_to", owner)
	}
	g.judge(owner)
}

// judge reports, once each, another keyring to which the store belongs, and its
// end.
func (g *guard) judge(owner string) {
	s := g.s
	strange := owner != s.ring.ID()
	if before := g.stranger.Swap(strange); !strange {
		if before {
			s.logger.Info("the store belongs to this keyring again", "keyring", owner)
		}
		g.said = ""
		return
	}
	if owner == g.said {
		return
	}
	s.logger.Error("the store belongs to another keyring, which stands: neither proxy can read what the other has written, and this one could not be started again", "keyring", s.ring.ID(), "belongs_to", owner)
	e := g.alarm(reason.KeyringForeign, audit.ResultFailed, owner)
	if err := s.recordLater(&e); err != nil {
		s.logger.Error("that the store belongs to another keyring is not on record", "error", err)
		return // the next look tries again
	}
	g.said = owner
}

func (g *guard) alarm(code reason.Code, result audit.Result, owner string) audit.Entry {
	return audit.Entry{Time: g.s.clock(), Kind: audit.KindAlarm, Plan: audit.ID(g.s.policy.Load().plan.Hash), Reason: code, Result: result,
		Target: audit.Name("keyring " + owner)}
}
