package store

import (
	"context"
	"time"
)

// Driver is one kind of store. Both kinds hold to the same contract, which
// storetest.Conformance checks:
//
// Durability. When Write or Apply returns nil, everything in it survives
// what the store was set up to survive (Redis: its AOF; the embedded file: the
// loss of power). When it returns an error, each part may or may not have been
// done; the caller sends the very same batch again until it is acknowledged.
//
// Order. Commands on one key are done in the order in which they were given.
// Commands on different keys have no order and no transaction, but queues are
// written after the log and the registers.
//
// Concurrency. All methods may be called by several goroutines. Write for one
// chain is called by one at a time, which the Committer sees to.
//
// Errors. One that wraps ErrUnavailable says that the store cannot be reached
// or does not take writes now (connection, time, out of memory, read-only,
// loading): send again later. GapError and ErrFork say that the chain in the
// store is not the writer's any more. ErrClosed follows Close. Whatever
// concerns one command alone is in its Err, and Write returns nil. No error
// holds a value.
type Driver interface {
	// Write appends the batch's records to its chain and does its commands: in
	// one pipeline (Redis) or one transaction (the embedded file). A record
	// whose sequence number is there already with the same hash counts as
	// appended; with another hash nothing is appended and the error is ErrFork.
	// If the predecessor of the first record is missing nothing is appended
	// and the error is a *GapError. Results are in the commands.
	Write(ctx context.Context, b *Batch) error
	// Apply does commands without a log record, on a connection of its own:
	// reads, and bodies too large to travel with the log.
	Apply(ctx context.Context, cmds []Command) error

	// Chains lists the chains that exist, oldest first.
	Chains(ctx context.Context) ([]Chain, error)
	// LogRange reads at most max records of a chain from sequence number from
	// on. Fewer than max means that the end was reached; records that were
	// trimmed are left out, which shows in the first one's number.
	LogRange(ctx context.Context, chain string, from uint64, max int) ([]LogRecord, error)
	// LogLast reads the newest record of a chain; ok is false if it has none.
	LogLast(ctx context.Context, chain string) (rec LogRecord, ok bool, err error)
	// LogTrim removes the records before sequence number before, but never the
	// newest. Of those that were written in one batch with one that stays, 127
	// may stay with it. Only what is archived may be trimmed.
	LogTrim(ctx context.Context, chain string, before uint64) error
	// LogRemove removes all records of a chain whose newest is last; where it
	// is another one, nothing is removed and the error is a *GapError. A chain
	// that has no records stays as it is. It is for chains that nobody writes
	// any more and that are wholly archived.
	LogRemove(ctx context.Context, chain string, last uint64) error

	// DueBefore reads at most max legs of a destination whose time has come,
	// oldest first in each lane. It takes no lease: QueueMove does.
	DueBefore(ctx context.Context, dest string, now int64, max int) ([]Item, error)
	// QueueList reads a page of a queue. dest is for Due alone. The first
	// cursor is empty; an empty next says that this was the last page. A page
	// may hold less than max, even nothing, and is in order of score within a
	// lane. What is added or moved meanwhile may be missed or seen twice.
	QueueList(ctx context.Context, q Queue, dest, cursor string, max int) (items []Item, next string, err error)
	// QueueStats counts a queue. dest is for Due alone.
	QueueStats(ctx context.Context, q Queue, dest string) (QueueStats, error)
	// Destinations lists the destinations that ever had a leg in Due, in
	// order. One that the policy has dropped since may still have legs.
	Destinations(ctx context.Context) ([]string, error)
	// ScanClaims reads a page of the claims that exist, in no order; one may
	// be seen twice. Cursors are as in QueueList.
	ScanClaims(ctx context.Context, cursor string, max int) (refs []Ref, next string, err error)

	// ScanKeys reads a page of the registers whose keys begin with prefix, in
	// no order; one may be seen twice. Cursors are as in QueueList.
	ScanKeys(ctx context.Context, prefix, cursor string, max int) (keys []string, next string, err error)
	// Scrub makes sure that the store's files hold nothing of what was deleted
	// before the call. It may take as long as writing all data once.
	Scrub(ctx context.Context) (Scrubbed, error)

	// Generation names the masters as they are now. Another name than before
	// says that one was replaced or restarted, and may have lost what it had
	// acknowledged lately; see Batch.Generation. Empty: the store never loses
	// what it acknowledged.
	Generation(ctx context.Context) (string, error)

	// Check asks whether the store can be reached and is set up as the
	// contract needs it. Its error is a *SetupError where something must be
	// set differently, or wraps ErrUnavailable.
	Check(ctx context.Context) (Status, error)
	// Close releases the store. Calls in flight may fail.
	Close() error
}

// Batch is what one Write does.
type Batch struct {
	Chain string // of Records; may be empty without them
	// Prev is the hash of the record before the first of Records: ChainStart
	// where that is number 1.
	Prev    [32]byte
	Records []LogRecord // consecutive sequence numbers
	// Groups are the commands, in order; a group is one caller's slice, in
	// which its results are left.
	Groups [][]Command
	// Generation says which masters are known to hold what their writer had
	// acknowledged: Write does nothing on another one, and gives ErrFailover.
	// Empty: any will do, and Write leaves the name of those that it used.
	Generation string
}

// LogRecord is one record of a chain. Entry is sealed by whoever made it, and
// borrowed; what a read returns is the caller's own.
type LogRecord struct {
	Seq   uint64 // from 1
	Entry []byte
	Hash  [32]byte // ChainHash of the predecessor's, Seq and Entry
}

// Chain is one boot of one process.
type Chain struct {
	ID    string
	Start time.Time
}

// Item is one member of a queue.
type Item struct {
	Member string // see ParseMember, ParseDoubt
	Score  int64  // Unix milliseconds, or Waiting
}

// QueueStats counts a queue.
type QueueStats struct {
	Len    int64 // members, those that wait behind others of their group included
	Oldest int64 // the lowest score in Unix milliseconds; 0 when empty
}

// Scrubbed says what Scrub did.
type Scrubbed struct {
	Pages    int // embedded file: free pages that were overwritten
	Nodes    int // Redis: masters that rewrote their append-only file and snapshot
	Replicas int // Redis: connected replicas, which have files of their own
}

// Status is what a store says about itself.
type Status struct {
	Kind    string // "redis" or "file"
	Version string // of the server or of the file's format
	Mode    string // standalone, sentinel, cluster, file
	// Fsync is how an acknowledged write reaches the disk: always, everysec,
	// no, or unknown where the server does not say.
	Fsync    string
	Nodes    int // masters that hold data
	Replicas int // replicas connected to the master that has the fewest
	// CertificateExpires is when the first of the certificates ends that the
	// servers, Sentinels among them, have shown at their last TLS handshakes;
	// zero where there was none. It is known of a server within a minute after
	// its certificate was replaced, and for an hour after it was last seen.
	CertificateExpires time.Time
}
