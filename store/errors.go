package store

import (
	"errors"
	"fmt"
)

// The errors that callers tell apart, with errors.Is.
var (
	// ErrUnavailable: the store did not acknowledge in time, or cannot be
	// reached or written now.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrLocked: another process has the embedded file open.
	ErrLocked = errors.New("store: file is in use by another process")
	// ErrFork: a record with this sequence number and another hash is in the
	// chain. Two writers, or an edited log.
	ErrFork = errors.New("store: log holds another record under this number")
	// ErrFailover: a master was replaced or restarted. Nothing was written to
	// it: first comes what the one before had acknowledged lately. It is an
	// ErrUnavailable as well.
	ErrFailover = errors.New("store: another master, or one that was restarted")
	// ErrClosed: the Driver or the Committer was closed.
	ErrClosed = errors.New("store: closed")
	// ErrJournalFull: the local journal has reached its limit.
	ErrJournalFull = errors.New("store: local journal is full")
	// ErrChainBroken: the committer's chain is not the one in the store any
	// more, and it was given no way to start another.
	ErrChainBroken = errors.New("store: chain is broken")
	// ErrTooLarge: a unit is larger than a batch may ever be.
	ErrTooLarge = errors.New("store: unit is too large")
)

// GapError says that the predecessor of a record is not in the chain: the
// store lost what it had acknowledged (a failover, a FLUSHALL).
type GapError struct {
	Chain string
	Want  uint64 // the predecessor
	Last  uint64 // the newest record that is there; 0: none
}

func (e *GapError) Error() string {
	return fmt.Sprintf("store: chain %s ends at %d, before record %d", e.Chain, e.Last, e.Want)
}

// SetupError says that a store is not set up as durability asks for, and how
// to set it.
type SetupError struct {
	Node    string // address of the server
	Setting string // as the server calls it
	Got     string
	Want    string
	Hint    string // what to do
}

func (e *SetupError) Error() string {
	return fmt.Sprintf("store: redis at %s: %s is %s, must be %s", e.Node, e.Setting, e.Got, e.Want)
}

// unavailable is an ErrUnavailable with its cause, and whether the unit may
// have been, or may yet be, stored.
type unavailable struct {
	cause error
	sent  bool
}

func (e *unavailable) Error() string {
	if e.cause == nil {
		return ErrUnavailable.Error()
	}
	return ErrUnavailable.Error() + ": " + e.cause.Error()
}

func (e *unavailable) Is(target error) bool { return target == ErrUnavailable }
func (e *unavailable) Unwrap() error        { return e.cause }

// MayPersist tells, of an error from Commit, whether the unit may have been
// or may still be stored: then what it claimed must be voided by CommitLater.
// False means that nothing of it was sent, nor will be.
func MayPersist(err error) bool {
	var u *unavailable
	return errors.As(err, &u) && u.sent
}
