package store

import (
	"context"
	"log/slog"
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
	// Entries are sealed log entries. Their sequence numbers, and with a
	// journal even their chain, are given when they are stored: neither can be
	// part of the associated data under which they were sealed.
	Entries  [][]byte
	Commands []Command

	// Seq is the sequence number that the first entry was given; valid when
	// the unit was stored.
	Seq uint64
	// Stored tells, after CommitLater, that the store itself has acknowledged
	// the unit: the commands hold their results.
	Stored bool

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
	// Journal is the path of the local journal, made on first use with mode
	// 0600. What an earlier process left in it is stored first.
	Journal string
	// JournalLimit bounds the journal's bytes; 0 means 1 GiB.
	JournalLimit int64
	// Deadline bounds how long Commit waits; 0 means 2 s.
	Deadline time.Duration
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
	Resends                           uint64 // batches sent again
	Refused                           uint64 // commits that ended with an error
	Restarts                          uint64 // chains started after the first

	JournalUnits int   // units kept on local disk, not yet stored
	JournalBytes int64 // size of the journal
}

// unitState is the committer's own part of a Unit.
type unitState struct{}

// Committer is the one writer of a process's chain: it gathers the units of
// many requests into one batch, with one batch in flight, and sends that again
// byte for byte until its fate is known. It never waits for a batch to fill:
// what came in while the last one was in flight is the next. All methods may
// be called by several goroutines.
type Committer struct{}

// NewCommitter starts the writer of o.Chain on d, which stays the caller's to
// close, after the committer. What the journal holds is stored before
// anything new. It does not wait for the store.
func NewCommitter(ctx context.Context, d Driver, o CommitterOptions) (*Committer, error) {
	return nil, ErrUnavailable
}

// Commit stores a unit. When it returns nil every command was acknowledged,
// and the results are in the unit. When ctx or the deadline ends first, or the
// store is known to be away, the error is ErrUnavailable: if MayPersist(err),
// the unit may be stored yet, and what it claimed must be voided by
// CommitLater. Commands that the store refused for good give their Err; the
// rest of the unit is stored. ErrClosed and ErrChainBroken say that nothing of
// this unit was sent.
func (c *Committer) Commit(ctx context.Context, u *Unit) error { return ErrUnavailable }

// CommitLater stores a unit that must not be lost, whatever the state of the
// store: if that does not acknowledge in time, the unit is on local disk
// (fsync'd) when CommitLater returns, and is stored in order once the store is
// back, also after a restart; then nobody learns its commands' results. An
// error says that it is neither stored nor on disk: then only MayPersist(err)
// leaves hope.
func (c *Committer) CommitLater(u *Unit) error { return ErrUnavailable }

// Head gives the newest acknowledged record of the chain; zero before it.
func (c *Committer) Head() (seq uint64, hash [32]byte) { return 0, hash }

// Chain gives the id of the chain being written.
func (c *Committer) Chain() string { return "" }

// Healthy tells whether the store acknowledged the last batch and none is
// overdue. While it is false Commit fails at once.
func (c *Committer) Healthy() bool { return false }

// LeaseAge tells how long ago the newest acknowledged renewal of the chain's
// lease was sent. A process whose lease is older than half of AliveFor must
// not act on its claims. It needs no lock and is cheap.
func (c *Committer) LeaseAge() time.Duration { return time.Hour }

// Stats gives the counts.
func (c *Committer) Stats() Stats { return Stats{} }

// Close stores what is pending, until ctx ends, releases the lease and the
// journal. What is not stored by then fails with ErrUnavailable or stays in
// the journal for the next start.
func (c *Committer) Close(ctx context.Context) error { return nil }
