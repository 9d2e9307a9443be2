package proxy

import (
	"context"
	"errors"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/store"
)

// openAdmin opens the operator's side: metrics and health, and the control
// socket.
func (s *Server) openAdmin() error {
	s.metrics.SetState(s.state)
	desk := &admin.TokenDesk{Plan: func() *rules.Plan { return s.policy.Load().plan }, Ring: s.ring, Driver: s.driver,
		Commit: s.commitEntry, Limiter: s.limiter, Forget: s.recent.clear, Clock: s.clock, Logger: s.logger,
		Settle: admin.SettleTime}
	list := &Outbox{s: s, own: s.outbox}
	legs := LegDesk{Outbox: list, Plan: desk.Plan, Commit: s.commitEntries}
	var err error
	if s.o.Admin != "" {
		s.admin, err = admin.Listen(admin.Options{Address: s.o.Admin, Hosts: s.o.AdminHosts, Metrics: s.metrics, Ready: s.ready,
			Tokens: desk, TLS: s.o.AdminTLS.TLS(), Logger: s.logger})
		if err != nil {
			return err
		}
	}
	log := &audit.Reader{Source: audit.FromStore(s.driver), Sealer: s.ring, Key: audit.NewSigner(s.ring.MAC).Public(),
		File: audit.CheckpointFile(s.o.DataDir)}
	s.control, err = admin.ListenControl(admin.ControlOptions{
		DataDir: s.o.DataDir,
		Log:     log,
		Desk: &admin.LogDesk{Log: log, Driver: s.driver, Ring: s.ring, Plan: desk.Plan, Commit: s.commitEntry,
			DataDir: s.o.DataDir, Clock: s.clock, Logger: s.logger},
		Outbox: list,
		Legs:   legs,
		Doubts: DoubtDesk{Outbox: list, Commit: s.commitEntries},
		Status: s.status,
		Tokens: desk,
		Record: admin.RecorderFunc(s.record),
		Logger: s.logger,
		Ring:   s.ring,
		Reload: s.o.Reload,
	})
	return err
}

// commitEntry stores an entry, if there is one, together with what it speaks of.
func (s *Server) commitEntry(_ context.Context, e *audit.Entry, cmds []store.Command) error {
	u := new(store.Unit)
	if e != nil {
		u = s.unitOf(e)
	}
	u.Commands = cmds
	return s.committer.Commit(s.work, u)
}

// commitEntries is commitEntry for several entries.
func (s *Server) commitEntries(_ context.Context, entries []*audit.Entry, cmds []store.Command) error {
	u := store.Unit{Commands: cmds}
	for _, e := range entries {
		e.Plan = audit.ID(s.policy.Load().plan.Hash)
		u.Entries = append(u.Entries, s.sealing().Seal(nil, e))
	}
	return s.committer.Commit(s.work, &u)
}

// record is admin.Recorder.
func (s *Server) record(_ context.Context, e *audit.Entry) error {
	if e.Time.IsZero() {
		e.Time = s.clock()
	}
	if e.Plan == "" {
		e.Plan = audit.ID(s.policy.Load().plan.Hash)
	}
	return s.recordEntry(e)
}

// ready says whether the proxy takes requests.
func (s *Server) ready(ctx context.Context) admin.Readiness {
	r := admin.Readiness{Draining: s.draining.Load(), Store: admin.Part{OK: true}, Keyring: admin.Part{OK: true}, Plan: admin.Part{OK: true},
		Listener: admin.Part{OK: true, Detail: s.badCertificates()}}
	if s.guard.foreign() {
		r.Keyring.Detail = "the store says that it belongs to another keyring"
	}
	switch stats := s.committer.Stats(); {
	case stats.Draining:
		r.Store.Detail = "the store is back; what was recorded on local disk is being stored"
	case stats.Healthy:
	case !stats.Spooling || !s.spoolsAny():
		r.Store = admin.Part{Detail: "the store does not acknowledge writes"}
	case !s.committer.Takes(true):
		r.Store = admin.Part{Detail: "the store does not acknowledge writes, and there is no more room to record on local disk"}
	default:
		r.Store.Detail = "the store is away; requests are recorded on local disk"
	}
	r.Plan.Detail = s.staleDetail()
	r.Ready = r.Store.OK && r.Keyring.OK && r.Plan.OK && !r.Draining
	return r
}

// status is what the control socket tells.
func (s *Server) status(ctx context.Context) control.Status {
	seq, _ := s.committer.Head()
	y := s.policy.Load()
	stats := s.committer.Stats()
	st := control.Status{Version: s.o.Version, Started: s.started, Chain: s.committer.Chain(), Seq: seq, Plan: y.plan.Hash, Rules: y.plan.File,
		Address: s.Addr().String(), Ready: s.ready(ctx).Ready, Draining: s.draining.Load(), Journal: stats.JournalUnits, JournalBytes: stats.JournalBytes, Spooling: stats.Spooling, StoreDraining: stats.Draining,
		Keyring: s.ring.Status(ctx).Kind}
	if s.admin != nil {
		st.Admin = s.admin.Addr().String()
	}
	if check, err := s.driver.Check(ctx); err == nil {
		st.Store = check.Kind
	}
	return st
}

// countDropped counts a leg that an operator dropped.
func (s *Server) countDropped(dest string) {
	y, index := s.policy.Load(), -1
	for _, u := range y.upstreams {
		if u.dest.Name == dest {
			index = u.index
		}
	}
	y.metrics.Leg(index, admin.LegDropped)
}

// maxCounted bounds what a scrape reads of the lists that it counts.
const maxCounted = 4096

// state is what a scrape sees.
func (s *Server) state(ctx context.Context) admin.State {
	stats := s.committer.Stats()
	seq, _ := s.committer.Head()
	mark := s.marks.Last()
	st := admin.State{Ready: s.ready(ctx).Ready, Draining: s.draining.Load(), StoreUp: stats.Healthy, Pending: stats.Pending,
		Journal: stats.JournalUnits, JournalBytes: stats.JournalBytes, SpoolLimit: stats.JournalLimit,
		Spooling: stats.Spooling, StoreDraining: stats.Draining, Late: stats.TooLate, LogSeq: seq, CheckpointSeq: mark.Seq, CheckpointTime: mark.Time}
	if mark.Seq == 0 {
		st.CheckpointTime = time.Time{}
	}
	check, err := s.driver.Check(ctx)
	st.StoreKind, st.StoreSafe, st.Replicas, st.StoreCertificate = check.Kind, err == nil, check.Replicas, check.CertificateExpires
	st.Store = admin.Failovers{Masters: stats.Failovers, Resent: stats.Resent, Restored: stats.Restored, ChainRestarts: stats.Restarts}
	if check.Kind == "redis" {
		st.Store.Fsync = check.Fsync
	}
	st.KeyringForeign = s.guard.foreign()
	st.SetKeyring(s.ring.Status(ctx), s.ring.List())
	now := s.clock()
	st.Queues = s.queues(ctx, now)
	for _, held := range s.outbox.breakers() {
		st.Held = append(st.Held, held.Destination)
	}
	s.countOpen(ctx, now, &st)
	s.certificates(&st)
	return st
}

func (s *Server) queues(ctx context.Context, now time.Time) []admin.QueueState {
	dests, err := s.driver.Destinations(ctx)
	if err != nil {
		return nil
	}
	dead := map[string]int{}
	counted := 0
	for cursor := ""; counted < maxCounted; {
		items, next, err := s.driver.QueueList(ctx, store.Dead, "", cursor, listPage)
		if err != nil {
			break
		}
		for _, item := range items {
			if m, err := store.ParseMember(item.Member); err == nil {
				dead[m.Dest]++
			}
		}
		counted += len(items)
		if cursor = next; cursor == "" {
			break
		}
	}
	var all []admin.QueueState
	for _, dest := range dests {
		q, err := s.driver.QueueStats(ctx, store.Due, dest)
		if err != nil {
			continue
		}
		state := admin.QueueState{Destination: dest, Depth: int(q.Len), Dead: dead[dest], Parked: s.outbox.parked(dest)}
		if q.Len > 0 && q.Oldest > 0 {
			state.Oldest = max(0, now.Sub(time.UnixMilli(q.Oldest)))
		}
		all = append(all, state)
	}
	return all
}

// errEnough ends a listing early.
var errEnough = errors.New("proxy: enough")

// countOpen counts the sales in doubt and those that are pending.
func (s *Server) countOpen(ctx context.Context, now time.Time, st *admin.State) {
	counted := *st
	err := s.open(ctx, func(o openClaim) error {
		age := now.Sub(time.UnixMilli(o.claim.At))
		switch {
		case o.doubt:
			counted.Doubts++
			counted.OldestDoubt = max(counted.OldestDoubt, age)
		case o.pending:
			counted.PendingSales++
			counted.OldestPending = max(counted.OldestPending, age)
		}
		if counted.Doubts+counted.PendingSales >= maxCounted {
			return errEnough
		}
		return nil
	})
	if err == nil || errors.Is(err, errEnough) {
		*st = counted
	}
}
