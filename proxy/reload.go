package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/rewrite"
)

// Next is a policy that is to take the place of the one in force.
type Next struct {
	Plan    *rules.Plan
	Engine  *rewrite.Engine // compiled from Plan
	By      string          // who asked, for the record: "local:UID", or a word of ours
	Changes []string        // what differs from the policy in force, for the record and the log
}

// ErrNeedsRestart is wrapped where a policy asks for something that a running
// proxy cannot begin to do.
var ErrNeedsRestart = errors.New("it needs a restart")

// Reload puts another policy in force, or leaves the one before as it is and
// says why. What was changed, and by whom, is on record before it happens. Every
// request keeps the policy with which it began, its answer included; queued legs
// are judged by the one in force when they are delivered. A policy that is the
// same as the one in force is taken as well: the files of secrets and
// certificates that it names are read again.
func (s *Server) Reload(ctx context.Context, next Next) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	old := s.policy.Load()
	y, err := s.nextPolicy(next)
	if err == nil {
		err = s.recordReload(ctx, old, next)
	}
	if err != nil {
		s.ReloadFailed(next.By, err.Error())
		return err
	}
	if err := keepPolicy(s.o.DataDir, next.Plan); err != nil {
		s.logger.Warn("the text of the policy is not kept", "plan", next.Plan.Hash, "error", err)
	}
	y.metrics = s.metrics.Use(next.Plan, s.clock())
	y.shownBefore(old)
	s.policy.Store(y)
	s.stale.Store(nil)
	s.metrics.Reloaded(true)
	s.outbox.look()
	// Its connections that are in use are closed when they have been idle.
	old.close()
	s.logger.Info("another policy is in force", "plan", next.Plan.Hash, "before", old.plan.Hash, "by", next.By, "changes", len(next.Changes))
	for _, change := range next.Changes {
		s.logger.Info("policy change", "change", change)
	}
	return nil
}

// nextPolicy prepares a policy, and refuses one that this process cannot serve.
func (s *Server) nextPolicy(next Next) (*policy, error) {
	if !next.Plan.HasCallers && !loopback(s.front.Addr()) {
		return nil, errors.New("the address can be reached from outside, and the policy knows no callers")
	}
	y, err := newPolicy(next.Plan, next.Engine, nil, s.limits, false)
	if err != nil {
		return nil, err
	}
	if !s.remembers && s.spoolsAnyOf(y) {
		return nil, fmt.Errorf("a route is to go on while the store is away, for which this process has remembered nothing: %w", ErrNeedsRestart)
	}
	return y, nil
}

// maxWhy bounds what an entry says of a change, in bytes.
const maxWhy = 240

// recordReload puts on record that another policy comes into force.
func (s *Server) recordReload(ctx context.Context, old *policy, next Next) error {
	e := audit.Entry{Time: s.clock(), Kind: audit.KindReload, Caller: audit.Name(next.By), Plan: audit.ID(next.Plan.Hash),
		Target: audit.Name("policy " + old.plan.Hash), Why: audit.Name(summary(next.Changes)), Result: audit.ResultOK}
	if err := s.record(ctx, &e); err != nil {
		return fmt.Errorf("the change cannot be put on record: %w", err)
	}
	return nil
}

// summary says as many changes as an entry has room for.
func summary(changes []string) string {
	var b strings.Builder
	for i, c := range changes {
		if b.Len()+len(c)+2 > maxWhy-len("; and 9999 more") {
			if b.Len() == 0 {
				return fmt.Sprintf("%d changes", len(changes))
			}
			fmt.Fprintf(&b, "; and %d more", len(changes)-i)
			return b.String()
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(c)
	}
	if b.Len() == 0 {
		return "nothing but its writing, or the files that it names"
	}
	return b.String()
}

// ReloadFailed notes that a policy was to come into force and did not, since it
// has mistakes or cannot be served. why is a line for people, without values.
// The policy before stays in force; /readyz, the metrics and the log say so
// until another is taken.
func (s *Server) ReloadFailed(by, why string) {
	now := s.clock()
	s.stale.Store(&now)
	s.metrics.Reloaded(false)
	s.logger.Error("the policy was not taken; the one before stays in force", "plan", s.policy.Load().plan.Hash, "by", by, "cause", why)
	e := audit.Entry{Time: now, Kind: audit.KindReload, Caller: audit.Name(by), Plan: audit.ID(s.policy.Load().plan.Hash),
		Why: audit.Name(why[:min(len(why), maxWhy)]), Result: audit.ResultFailed}
	if err := s.recordLater(&e); err != nil {
		s.logger.Warn("a policy that was not taken is not on record", "error", err)
	}
}

// Plan returns the policy in force.
func (s *Server) Plan() *rules.Plan { return s.policy.Load().plan }

// staleDetail says on /readyz that the policy in force is not the one in the
// file.
func (s *Server) staleDetail() string {
	since := s.stale.Load()
	if since == nil {
		return ""
	}
	return "the policy that was to come into force at " + since.UTC().Format(time.RFC3339) + " has mistakes; the one before is in force"
}
