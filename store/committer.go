package store

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Unit is what one step of a request stores: log entries in order, and
// commands. The zero value is an empty unit, ready for use.
//
// It is reusable, with all that it refers to, once Commit has returned nil,
// or CommitLater has returned nil and Stored is true. After anything else it
// belongs to the committer for good, which may still be sending it: make
// another, and leave the byte slices it refers to unchanged.
type Unit struct {
	// Entries are sealed log entries. Their sequence numbers are given when
	// they are stored, and so cannot be part of the associated data under which
	// they were sealed.
	Entries  [][]byte
	Commands []Command
	// Chain is the chain for which Entries were sealed, if that is part of
	// their associated data: should they be stored in another one, Rechain is
	// called. Empty means that it is not.
	Chain string
	// Spool says that the unit may be kept on local disk in place of the store,
	// while that is away (CommitterOptions.SpoolLimit).
	Spool bool

	// Seq is the sequence number that the first entry was given; valid when
	// the unit was stored.
	Seq uint64
	// Stored tells, after CommitLater, that the store itself has acknowledged
	// the unit: the commands hold their results.
	Stored bool
	// Spooled tells, after Commit, that the unit is on local disk, and is
	// stored when the store is back. The results in Commands, which is then
	// another slice than before, are what this process knew, and the byte
	// slices belong to the committer for good; the unit may be used again.
	Spooled bool
	// At is when a unit that is Spooled was judged, just before it was on disk;
	// of one that waited for the store by then, since when it did.
	At time.Time

	state unitState
}

// CommitterOptions sets up a Committer.
type CommitterOptions struct {
	// Chain is the id of the chain to write, letters, digits and dashes; new
	// for each boot of a process.
	Chain string
	// Restart, if set, is called when the store has lost or forked the chain
	// (cause is a *GapError or ErrFork). It gives the id of a new chain to go
	// on with, and entries to start it. Without it the committer ends with
	// ErrChainBroken. It must not call the committer.
	Restart func(broken string, head uint64, cause error) (chain string, entries [][]byte)
	// Rechain seals an entry for another chain than Unit.Chain: after Restart,
	// and for what an earlier process left in the journal. nil leaves such
	// entries as they are. It must not call the committer.
	Rechain func(entry []byte, from, to string) []byte
	// Journal is the path of the local journal, made on first use with mode
	// 0600. What an earlier process left in it is stored first.
	Journal string
	// JournalLimit bounds the journal's bytes; 0 means 1 GiB.
	JournalLimit int64
	// SpoolLimit bounds the journal's bytes beyond which Commit spools no more:
	// what is above it, an eighth of JournalLimit at least, is for CommitLater.
	// What is spooled is in memory as well. 0 means that nothing is spooled, and
	// nothing remembered for it.
	SpoolLimit int64
	// MirrorBytes bounds what is remembered of stored registers, so that
	// repeats are known while the store is away; 0 means 32 MiB.
	MirrorBytes int
	// Late, if set, is called for each SetOnce of a unit that nobody waited for
	// (CommitLater, or spooled) that had lost when it reached the store, and for
	// each that a failover took away and that somebody else has written since:
	// Prior is what was there first. The unit that it gives, if any, is stored next.
	// It must not call the committer, nor keep what the command refers to.
	Late func(c *Command) *Unit
	// RecentBytes bounds what is kept of the last minute, to be sent again
	// after a failover, where the store may lose what it acknowledged; 0 means
	// 64 MiB, less than 0 that nothing is kept.
	RecentBytes int
	// Deadline bounds how long Commit waits; 0 means 2 s.
	Deadline time.Duration
	// Patience is about how long Commit waits itself for the reply to a batch
	// that it wrote; 0 means a sixteenth of Deadline.
	Patience time.Duration
	// MaxPending bounds the units that wait; beyond it Commit fails at once.
	// 0 means 10,000.
	MaxPending int
	// AliveEvery is how often the chain's lease is renewed, and AliveFor its
	// length; 0 means 5 s and 15 s.
	AliveEvery, AliveFor time.Duration
	// Clock gives the wall-clock time of a chain's start; nil means time.Now.
	Clock func() time.Time
	// Logger gets changes of state, never a value; nil means none.
	Logger *slog.Logger
}

// Stats are a committer's counts since its start, and its state now.
type Stats struct {
	Healthy  bool
	Pending  int           // units that wait for a batch
	InFlight time.Duration // age of the batch in flight; 0: none
	Lease    time.Duration // since the newest acknowledged renewal was sent

	Units, Batches, Commands, Entries uint64 // acknowledged
	Led                               uint64 // batches that a caller of Commit saw to by itself
	Resends                           uint64 // batches sent again
	Refused                           uint64 // commits that ended with an error
	Restarts                          uint64 // chains started after the first
	// TooLate counts registers that somebody else had written first, of units
	// that nobody waited for any more: an outcome from the journal, say, of a
	// sale that an operator has resolved meanwhile.
	TooLate uint64

	Failovers uint64 // times that a master was found replaced, restarted or gone: it may have lost what it had acknowledged
	Resent    uint64 // units of the last minute that were sent again then, or when another joined
	Restored  uint64 // log records that the store had lost, and that were appended again

	JournalUnits int   // units kept on local disk, not yet stored
	JournalBytes int64 // size of the journal
	JournalLimit int64 // beyond which nothing new is spooled; 0: nothing is

	Spooled  uint64 // commits that were taken on local disk
	Spooling bool   // the store is away, and units are spooled
	Draining bool   // the store is back, and what is on local disk goes first
}

// Committer is the one writer of a process's chain: it gathers the units of
// many requests into one batch, with one batch in flight, and sends that again
// byte for byte until its fate is known. It never waits for a batch to fill:
// what came in while the last one was in flight is the next. Who finds none in
// flight writes his own; see committer_lead.go. All methods may be called by
// several goroutines.
type Committer struct {
	d       Driver
	o       CommitterOptions
	log     *slog.Logger
	journal *journal      // nil: none
	wake    chan struct{} // there is something to send
	done    chan struct{} // the writing goroutine has ended
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	laters  sync.WaitGroup        // calls of CommitLater; grows only while not closed
	lease   atomic.Pointer[lease] // nil: there was none yet

	// turn is full while somebody writes a batch, whose are then these, and
	// handed is how he leaves it all to the writing goroutine.
	turn    chan struct{}
	handed  chan begun
	early   beginner // nil: all batches are written by the writing goroutine
	out     outgoing
	chainer chainer
	kept    keeping

	sighted atomic.Pointer[sighting] // nil: not yet

	mu      sync.Mutex
	queue   []*Unit   // in the order in which they came
	flight  []*Unit   // of the batch in flight
	since   time.Time // when that was first sent
	failing time.Time // since when its attempts fail; zero: they do not
	down    bool
	broken  error
	closed  bool
	chain   string
	leaseOf string // the chain whose lease was renewed last
	head    uint64
	hash    [32]byte
	stats   Stats

	// While units may be spooled; see committer_spool.go.
	spoolLimit int64
	mirror     *mirror
	overlay    overlay // nil: nothing is spooled
	disk       int     // units in the queue or in flight that are on local disk
}

const (
	defaultDeadline   = 2 * time.Second
	defaultPending    = 10_000
	defaultAliveEvery = 5 * time.Second
	defaultAliveFor   = 15 * time.Second
	defaultJournal    = 1 << 30
)

// NewCommitter starts the writer of o.Chain on d, which stays the caller's to
// close, after the committer. What the journal holds is stored before
// anything new. It does not wait for the store. Its goroutines end with Close;
// ctx bounds nothing but the start.
func NewCommitter(ctx context.Context, d Driver, o CommitterOptions) (*Committer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Chain == "" {
		return nil, errors.New("store: a committer needs the id of its chain")
	}
	o.Deadline = orDuration(o.Deadline, defaultDeadline)
	o.AliveEvery = orDuration(o.AliveEvery, defaultAliveEvery)
	o.AliveFor = orDuration(o.AliveFor, defaultAliveFor)
	o.Patience = orDuration(o.Patience, o.Deadline/16)
	if o.MaxPending <= 0 {
		o.MaxPending = defaultPending
	}
	if o.JournalLimit <= 0 {
		o.JournalLimit = defaultJournal
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Committer{
		d: d, o: o, log: o.Logger,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		turn: make(chan struct{}, 1), handed: make(chan begun, 1),
		chain: o.Chain, hash: ChainStart(o.Chain),
	}
	c.early, _ = d.(beginner)
	if c.o.RecentBytes >= 0 {
		c.kept.recent = newRecent(cmp.Or(o.RecentBytes, defaultRecent))
	}
	if o.Journal != "" {
		j, left, err := openJournal(o.Journal, o.JournalLimit, o.Logger)
		if err != nil {
			return nil, err
		}
		c.journal, c.queue = j, left
		if o.SpoolLimit > 0 {
			c.spoolLimit = min(o.SpoolLimit, int64(spoolShare*float64(o.JournalLimit)))
			c.overlay, c.mirror = make(overlay), newMirror(cmp.Or(o.MirrorBytes, defaultMirrorBytes), mirrorAge)
		}
		c.leftover(left)
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.wg.Go(c.run)
	c.wg.Go(c.sweep)
	if o.RecentBytes >= 0 {
		c.wg.Go(c.watch)
	}
	return c, nil
}

// Commit stores a unit. When it returns nil every command was acknowledged,
// and the results are in the unit; or, if u.Spool allows it, the store is away
// and the unit is on local disk (u.Spooled). When ctx or the deadline ends
// first, or the store is known to be away, or there is no room on local disk,
// the error is ErrUnavailable: if MayPersist(err), the unit may be stored yet,
// and what it claimed must be voided by CommitLater. Commands that the store refused for good give their Err; the
// rest of the unit is stored. ErrClosed and ErrChainBroken say that the
// committer takes nothing any more; MayPersist tells of this unit.
func (c *Committer) Commit(ctx context.Context, u *Unit) error {
	if err := u.prepare(); err != nil {
		return err
	}
	// A body that cannot go ahead goes with the rest, on local disk too.
	if err := c.place(ctx, u); err != nil && !(c.maySpool(u) && errors.Is(err, ErrUnavailable)) {
		return c.refused(err)
	}
	err := c.enqueue(u, false)
	if err == nil {
		c.lead()
		err = c.await(ctx, u)
	}
	if err == errOnDisk {
		err = c.onDisk(u)
	}
	return c.refused(err)
}

// await waits for a unit's fate: its own time at most, which the sweep sees to. A
// wait for one channel costs half of one for two.
func (c *Committer) await(ctx context.Context, u *Unit) error {
	end := ctx.Done()
	if end == nil {
		return <-u.state.done
	}
	select {
	case err := <-u.state.done:
		return err
	case <-end:
		return c.leave(u, ctx.Err())
	}
}

// CommitLater stores a unit that must not be lost, whatever the state of the
// store: if that does not acknowledge in time, the unit is on local disk
// (fsync'd) when CommitLater returns, and is stored in order once the store is
// back, also after a restart; then nobody learns its commands' results. An
// error says that it is neither stored nor on disk: then only MayPersist(err)
// leaves hope. If it is stored (u.Stored) but the store refused commands of it
// for good, the error is theirs.
func (c *Committer) CommitLater(u *Unit) error {
	if err := u.prepare(); err != nil {
		return err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.refused(ErrClosed)
	}
	c.laters.Add(1)
	c.mu.Unlock()
	defer c.laters.Done()
	// A body that cannot go ahead goes with the rest.
	_ = c.place(c.ctx, u)
	err := c.enqueue(u, true)
	if err == nil {
		c.lead()
		err = <-u.state.done
		if !errors.Is(err, ErrUnavailable) {
			u.Stored = true
			return err
		}
	}
	return c.refused(c.keep(u, err))
}

// refused counts an error.
func (c *Committer) refused(err error) error {
	if err != nil {
		c.mu.Lock()
		c.stats.Refused++
		c.mu.Unlock()
	}
	return err
}

// Head gives the newest acknowledged record of the chain; zero before it.
func (c *Committer) Head() (seq uint64, hash [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.head == 0 {
		return 0, hash
	}
	return c.head, c.hash
}

// Chain gives the id of the chain being written.
func (c *Committer) Chain() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chain
}

// Healthy tells whether the store acknowledged the last batch and none is
// overdue. While it is false Commit fails at once, unless the unit may be
// spooled; see Takes.
func (c *Committer) Healthy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.down && c.broken == nil && !c.closed
}

// lease is the newest acknowledged renewal of a chain's lease.
type lease struct {
	sent time.Time
	term uint64
}

// LeaseTerm counts the times that the lease was lost, or may have been, and
// taken again, and those that the chain was. Who acts on a claim must find the term
// of its claim: in between, others may have taken the claim for dead, and
// acted on it. It needs no lock and is cheap.
func (c *Committer) LeaseTerm() uint64 {
	if at := c.lease.Load(); at != nil {
		return at.term
	}
	return 0
}

// LeaseAge tells how long ago the newest acknowledged renewal of the chain's
// lease was sent. It needs no lock and is cheap.
func (c *Committer) LeaseAge() time.Duration {
	at := c.lease.Load()
	if at == nil {
		return math.MaxInt64
	}
	return Age(at.sent, time.Now())
}

// Age tells how long ago something was, by the clock that says more. A machine
// that was suspended finds its monotonic clock where it was; one whose wall
// clock was put back, the other.
func Age(at, now time.Time) time.Duration {
	return max(now.Sub(at), now.Round(0).Sub(at.Round(0)))
}

// LeaseFresh tells whether the lease is younger than half its length. If not,
// the process must not act on its claims: others may take them for dead.
func (c *Committer) LeaseFresh() bool { return c.LeaseAge() < c.o.AliveFor/2 }

// Stats gives the counts.
func (c *Committer) Stats() Stats {
	c.mu.Lock()
	s := c.stats
	s.Healthy = !c.down && c.broken == nil && !c.closed
	s.Pending = len(c.queue)
	if len(c.flight) > 0 || !c.failing.IsZero() {
		s.InFlight = time.Since(c.since)
	}
	s.Spooling = c.overlay != nil && c.down
	s.Draining = !c.down && c.disk > 0
	s.JournalLimit = c.spoolLimit
	c.mu.Unlock()
	s.Lease = c.LeaseAge()
	if c.journal != nil {
		s.JournalUnits, s.JournalBytes = c.journal.stats()
	}
	return s
}

// Close stores what is pending, until ctx ends, releases the lease and the
// journal. What is not stored by then fails with ErrUnavailable or stays in
// the journal for the next start.
func (c *Committer) Close(ctx context.Context) error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	if again {
		<-c.done
		return nil
	}
	c.poke()
	var err error
	select {
	case <-c.done:
	case <-ctx.Done():
		c.cancel()
		c.hurry(time.Now())
		<-c.done
		err = &unavailable{cause: ctx.Err(), sent: true}
	}
	c.cancel()
	c.wg.Wait()
	c.failAll(&unavailable{cause: ErrClosed, sent: true})
	c.laters.Wait()
	if c.journal != nil {
		err = errors.Join(err, c.journal.close())
	}
	return err
}
