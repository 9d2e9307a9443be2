package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/proxy/framing"
	"chaperone/store"
	"chaperone/vault"
	"chaperone/vault/keys"
	"chaperone/vault/letters"
)

// Server is a proxy. New opens it, Serve runs it to its end.
type Server struct {
	o      Options
	limits Limits
	logger *slog.Logger
	clock  func() time.Time
	// ownClock says that clock is not the system's: a test's.
	ownClock bool

	driver    store.Driver
	ring      *keys.Ring
	tokens    *vault.Tokens // of the default scope
	scopes    sync.Map      // of the others: name → *vault.Tokens
	recent    *recent       // card tokens that are in the store
	limiter   *admin.Limiter
	committer *store.Committer
	seal      atomic.Pointer[audit.Sealing]
	policy    atomic.Pointer[policy]
	metrics   *admin.Metrics
	marks     *audit.Checkpointer
	outbox    *outbox
	guard     *guard
	replayer  *replayer
	subjects  *lru
	refusals  refusals
	exchanges sync.Pool // of *exchange
	slates    sync.Pool // of *slate
	room      room      // for large bodies
	spares    spares    // their buffers

	reloading     sync.Mutex                // Reload
	handshakeSaid atomic.Int64              // when a failed handshake was logged last, in Unix seconds
	stale         atomic.Pointer[time.Time] // since when a policy that was to come into force was not taken; nil: none
	remembers     bool                      // what a route that spools needs to know is kept

	front    *framing.Listener
	inbounds sync.Pool
	hosts    *hosts
	admin    *admin.Server // nil: none
	control  *admin.Control

	started  time.Time
	draining atomic.Bool
	work     context.Context // of everything that a request asks of others
	stop     context.CancelFunc

	afterwards sync.WaitGroup // claims that are being given up
}

// maxSubjects bounds the random ids that are kept at hand.
const maxSubjects = 16 << 10

// New opens a proxy: its listeners, its chain in the log, its control socket.
// It refuses a keyring that is not the store's, and an address that others can
// reach where the policy knows no callers. When New returns, the start of the
// proxy is on record. ctx bounds New alone.
func New(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Journal == "" {
		o.Journal = filepath.Join(o.DataDir, "journal")
	}
	s, err := newServer(ctx, o, false)
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	if err := keepPolicy(o.DataDir, o.Plan); err != nil {
		s.logger.Warn("the text of the policy is not kept", "plan", o.Plan.Hash, "error", err)
	}
	if err = s.claimStore(ctx); err != nil {
		return nil, err
	}
	if err = s.listen(); err != nil {
		return nil, err
	}
	if err = s.openLog(ctx); err != nil {
		return nil, err
	}
	return s, s.openAdmin()
}

// applySoon is the driver's Apply within storeTimeout.
func (s *Server) applySoon(ctx context.Context, cmds []store.Command) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return s.driver.Apply(ctx, cmds)
}

// commitSoon stores commands within storeTimeout: by the committer, which sends
// them again after a failover, or by the driver where there is none, at an
// operator's desk on the files. Their results are valid if it returns nil.
func (s *Server) commitSoon(ctx context.Context, cmds []store.Command) error {
	if s.committer == nil {
		return s.applySoon(ctx, cmds)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return s.committer.Commit(ctx, &store.Unit{Commands: cmds})
}

// newServer makes what a request needs, but for the listener and the log. One
// that is only to be tried does without the files that destinations name. It
// returns a Server, to be closed, with an error as well.
func newServer(ctx context.Context, o Options, try bool) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ownClock := o.Clock != nil
	if !ownClock {
		o.Clock = time.Now
	}
	s := &Server{o: o, limits: o.Limits.withDefaults(), logger: o.Logger, clock: o.Clock, ownClock: ownClock, driver: o.Driver, ring: o.Ring, tokens: o.Tokens,
		subjects: newLRU(maxSubjects), refusals: refusals{last: map[refusalKey]*refusalCount{}}, started: o.Clock()}
	s.room.all = s.limits.Memory
	// What a request asks of others outlives the caller's patience and the
	// end of New: only Serve ends it, when everything has drained.
	s.work, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.metrics = admin.NewMetrics(admin.Build{Version: o.Version, Revision: o.Rev})
	s.recent = new(recent)
	s.limiter = &admin.Limiter{Apply: s.applySoon, Clock: s.clock, Metrics: s.metrics, Logger: s.logger}
	if o.Spool > 0 {
		s.limiter.Away = func() bool { return s.committer.Spooling() }
	}
	y, err := newPolicy(o.Plan, o.Engine, s.metrics.Use(o.Plan, s.started), s.limits, try)
	if err != nil {
		return s, err
	}
	s.policy.Store(y)
	s.outbox = newOutbox(s, o.Outbox)
	s.guard = newGuard(s)
	s.replayer = newReplayer(s)
	return s, nil
}

// claimStore makes sure that the keyring is the one under which the store was
// filled: a lost keyring must not be replaced in silence.
func (s *Server) claimStore(ctx context.Context) error {
	c := []store.Command{{Kind: store.SetOnce, Key: store.MetaKey("keyring"), Value: []byte(s.ring.ID())}}
	ctx, cancel := context.WithTimeout(ctx, 2*storeTimeout)
	defer cancel()
	if err := s.driver.Apply(ctx, c); err != nil {
		return fmt.Errorf("proxy: the store: %w", err)
	}
	if !c[0].Won && string(c[0].Prior) != s.ring.ID() {
		return errors.New("proxy: the store was filled under another keyring: restore that one, or start on an empty store")
	}
	return nil
}

// openLog starts this process's chain.
func (s *Server) openLog(ctx context.Context) error {
	chain := newChain()
	s.seal.Store(s.newSealing(chain))
	var err error
	spool := s.o.Spool
	s.remembers = spool > 0 && s.spoolsAny()
	if !s.remembers {
		spool = 0 // then nothing need be remembered for it
	}
	s.committer, err = store.NewCommitter(ctx, s.driver, store.CommitterOptions{
		Chain: chain, Restart: s.restartChain, Journal: s.o.Journal, Clock: s.clock, Logger: s.logger,
		SpoolLimit: spool, Late: s.late,
	})
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	s.marks, err = audit.NewCheckpointer(audit.CheckpointerOptions{
		Head:     func() audit.Head { return audit.HeadOf(s.committer) },
		Signer:   audit.NewSigner(s.ring.MAC),
		File:     audit.CheckpointFile(s.o.DataDir),
		Register: audit.RegisterIn(s.driver),
		Logger:   s.logger,
	})
	if err != nil {
		return fmt.Errorf("proxy: checkpoints of the log: %w", err)
	}
	return s.recordStart()
}

// witness puts the heads of other proxies' chains into ours.
func (s *Server) witness() *audit.Witness {
	return audit.NewWitness(audit.WitnessOptions{
		Own: s.committer.Chain, Source: audit.FromStore(s.driver), Key: audit.NewSigner(s.ring.MAC).Public(),
		Append: s.record, Every: s.o.WitnessEvery, Clock: s.clock, Logger: s.logger,
	})
}

func newChain() string { return "node-" + letters.Random(idLetters) }

func (s *Server) recordStart() error {
	e := audit.Entry{Time: s.clock(), Kind: audit.KindStart, Plan: audit.ID(s.o.Plan.Hash), Build: audit.Name(s.o.Version)}
	// Behind what the process before this one has left on local disk, which may
	// be much.
	if err := s.recordLater(&e); err != nil {
		return fmt.Errorf("proxy: the start is not on record: %w", err)
	}
	return nil
}

// restartChain goes on with another chain after the store lost this one.
func (s *Server) restartChain(broken string, head uint64, cause error) (string, [][]byte) {
	chain := newChain()
	sealing := s.newSealing(chain)
	s.seal.Store(sealing)
	s.logger.Error("the store has lost part of the log; another chain is begun", "lost", broken, "head", head, "chain", chain, "cause", cause)
	e := audit.Entry{Time: s.clock(), Kind: audit.KindStart, Plan: audit.ID(s.policy.Load().plan.Hash), Build: audit.Name(s.o.Version),
		Result: audit.ResultFailed, Rule: "the store has lost the end of " + audit.Name(broken)}
	return chain, [][]byte{sealing.Seal(nil, &e)}
}

func (s *Server) newID() string { return letters.Random(idLetters) }

func (s *Server) sealing() *audit.Sealing { return s.seal.Load() }

// taking reports whether new requests are taken.
func (s *Server) taking() bool { return !s.draining.Load() }

// Addr returns the address on which requests are taken.
func (s *Server) Addr() net.Addr { return s.front.Addr() }

// AdminAddr returns the address of metrics and health, nil where there is none.
func (s *Server) AdminAddr() net.Addr {
	if s.admin == nil {
		return nil
	}
	return s.admin.Addr()
}

// Serve takes requests until ctx ends. Then it takes no more, lets what has
// begun end within the drain timeout, and leaves what is queued to the next
// start. It returns when all its goroutines have ended. A Server serves once.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	faults := make(chan error, 4)
	run := func(f func() error) {
		group.Add(1)
		go func() {
			defer group.Done()
			if err := f(); err != nil {
				faults <- err
				cancel()
			}
		}()
	}
	aside, endAside := context.WithCancel(context.WithoutCancel(ctx))
	defer endAside()
	run(func() error { return s.front.Serve(s.serve) })
	run(func() error { s.marks.Run(aside); return nil })
	run(func() error { s.witness().Run(ctx); return nil })
	run(func() error { s.outbox.run(ctx); return nil })
	run(func() error { s.replayer.run(ctx); return nil })
	run(func() error { s.keepRebuilt(ctx); return nil })
	run(func() error { s.guard.run(ctx); return nil })
	if s.admin != nil {
		run(func() error { return s.admin.Serve(aside) })
	}
	run(func() error { return s.control.Serve(aside) })
	s.logger.Info("taking requests", "address", s.Addr().String(), "chain", s.committer.Chain(), "plan", s.o.Plan.Hash)

	<-ctx.Done()
	s.draining.Store(true)
	s.logger.Info("draining")
	// ctx is over; the drain has a deadline of its own.
	drain, done := context.WithTimeout(context.WithoutCancel(ctx), s.limits.DrainTimeout)
	defer done()
	_ = s.front.Close() // nothing that is to come fails with it
	if err := s.front.Drain(drain); err != nil {
		s.logger.Warn("not everything ended in time", "error", err)
	}
	s.outbox.stopped(drain)
	s.replayer.stopped(drain)
	// What requests and deliveries have used up of the drain is not taken from
	// the end of the log: it has a time of its own.
	end, ended := context.WithTimeout(context.WithoutCancel(ctx), 2*storeTimeout)
	defer ended()
	err := s.closeLog(end)
	endAside()
	group.Wait()
	s.stop()
	s.afterwards.Wait()
	s.spares.close()
	s.policy.Load().close()
	close(faults)
	return errors.Join(append([]error{err}, collect(faults)...)...)
}

func collect(faults <-chan error) (all []error) {
	for err := range faults {
		all = append(all, err)
	}
	return all
}

// closeLog records the stop and stores what is pending.
func (s *Server) closeLog(ctx context.Context) error {
	e := audit.Entry{Time: s.clock(), Kind: audit.KindStop, Plan: audit.ID(s.policy.Load().plan.Hash), Build: audit.Name(s.o.Version)}
	later := s.recordLater(&e)
	err := errors.Join(later, s.committer.Close(ctx), s.marks.Close(ctx))
	if err != nil {
		return fmt.Errorf("proxy: the end of the log: %w", err)
	}
	return nil
}

// Close gives up a Server that does not serve.
func (s *Server) Close() error {
	s.stop()
	s.afterwards.Wait()
	s.spares.close()
	var faults []error
	if s.front != nil {
		faults = append(faults, s.front.Close())
	}
	if s.admin != nil {
		faults = append(faults, s.admin.Close())
	}
	if s.control != nil {
		faults = append(faults, s.control.Close())
	}
	if s.committer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		faults = append(faults, s.committer.Close(ctx))
		if s.marks != nil {
			faults = append(faults, s.marks.Close(ctx))
		}
	}
	return errors.Join(faults...)
}
