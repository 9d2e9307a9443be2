package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// journal keeps units on local disk while the store is away. A unit is on
// disk (fsync'd) when append returns, and stays until forget, or until every
// other one is forgotten too and the file is emptied. Units that many
// goroutines append at once share one fsync.
//
// The file is a row of frames (see journal_codec.go). A frame that is cut off
// or damaged ends what can be read; it and what follows is put aside at the
// next start, never thrown away.
type journal struct {
	path  string
	limit int64
	log   *slog.Logger

	mu     sync.Mutex
	idle   sync.Cond // no round is being written
	f      journalFile
	size   int64               // bytes on disk that count
	open   map[uint64]struct{} // units that are not forgotten
	last   uint64              // the newest unit's number
	buf    []byte              // frames of the next round
	round  *round              // the next
	busy   bool                // a round is being written
	full   bool                // a unit had no room, and the file was not emptied since
	closed bool
}

// usualUnit is the size up to which a unit that has no room shows that there is
// none.
const usualUnit = 64 << 10

// round is one write and its fsync, for all who wait for it.
type round struct {
	over bool
	err  error
}

// journalFile is what a journal needs of its file.
type journalFile interface {
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// openJournal opens the journal, or makes it, and gives the units that are
// left in it, in order.
func openJournal(path string, limit int64, log *slog.Logger) (*journal, []*Unit, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("store: journal: %w", err)
	}
	if err := lockFile(f); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, ErrLocked), f.Close())
	}
	j := &journal{path: path, limit: limit, log: log, f: f, open: make(map[uint64]struct{}), round: new(round)}
	j.idle.L = &j.mu
	left, err := j.load(f)
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("store: journal: %w", err), f.Close())
	}
	return j, left, nil
}

// load reads what an earlier process left.
func (j *journal) load(f *os.File) ([]*Unit, error) {
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	entries, n := readJournal(data)
	if n < len(data) {
		if err := j.putAside(data[n:]); err != nil {
			return nil, err
		}
	}
	var left []*Unit
	for _, e := range entries {
		j.last = max(j.last, e.id)
		if e.forgotten {
			continue
		}
		j.open[e.id] = struct{}{}
		e.unit.state = unitState{
			done: make(chan error, 1), phase: queued, told: true, later: true,
			entry: e.id, size: e.size,
		}
		left = append(left, e.unit)
	}
	j.size = int64(n)
	if len(left) == 0 {
		j.size = 0
	}
	if int64(len(data)) != j.size {
		if err := errors.Join(f.Truncate(j.size), f.Sync()); err != nil {
			return nil, err
		}
	}
	if len(left) > 0 {
		j.log.Info("journal of an earlier run is stored first", "units", len(left))
	}
	return left, nil
}

// putAside keeps what cannot be read: mostly the torn end of a unit that was
// never acknowledged, but that is for a person to judge.
func (j *journal) putAside(rest []byte) error {
	f, err := os.CreateTemp(filepath.Dir(j.path), filepath.Base(j.path)+".damaged-*")
	if err != nil {
		return err
	}
	_, err = f.Write(rest)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	j.log.Warn("journal has an unreadable end, which is kept", "bytes", len(rest), "file", f.Name())
	return nil
}

// append puts a unit on disk. An error says that it is not there.
func (j *journal) append(u *Unit) (id uint64, err error) {
	id, r, err := j.enqueue(u, j.limit)
	if err == nil {
		err = j.wait(id, r)
	}
	if err != nil {
		return 0, err
	}
	return id, nil
}

// enqueue gives a unit its place in the next round, unless the file would
// become larger than limit. It is on disk when wait says so.
func (j *journal) enqueue(u *Unit, limit int64) (id uint64, r *round, err error) {
	frame := encodeUnit(u)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return 0, nil, ErrClosed
	}
	if j.size+int64(len(j.buf)+len(frame)) > min(limit, j.limit) {
		j.full = j.full || len(frame) <= usualUnit
		return 0, nil, ErrJournalFull
	}
	j.last++
	id = j.last
	j.buf = appendFrame(j.buf, frameUnit, id, frame)
	// Counted from now on, or forgetting the last other one would empty the
	// file just after this one was written.
	j.open[id] = struct{}{}
	return id, j.round, nil
}

// wait returns when a unit's round is on disk; it writes the round if nobody
// else does.
func (j *journal) wait(id uint64, r *round) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for !r.over {
		if j.busy {
			j.idle.Wait()
			continue
		}
		j.write()
	}
	if r.err != nil {
		delete(j.open, id)
	}
	return r.err
}

// write writes the next round. The lock is held, but not while writing: then
// the round after it gathers.
func (j *journal) write() {
	r, data, at := j.round, j.buf, j.size
	j.round, j.buf, j.busy = new(round), nil, true
	j.mu.Unlock()
	_, err := j.f.WriteAt(data, at)
	if err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		// What was written must not be taken for a unit at the next start, nor
		// stand before what a later round writes in its place.
		err = errors.Join(fmt.Errorf("store: journal: %w", err), j.f.Truncate(at))
	}
	j.mu.Lock()
	r.over, r.err = true, err
	if err == nil {
		j.size += int64(len(data))
	} else if len(j.buf) > 0 {
		// What was gathered meanwhile may build on what is lost.
		j.round.over, j.round.err = true, err
		j.round, j.buf = new(round), nil
	}
	j.busy = false
	j.emptyIfDone()
	j.idle.Broadcast()
}

// forget marks units as stored. That is not fsync'd: a unit that is stored
// twice does no harm. When none is left the file is emptied.
func (j *journal) forget(ids ...uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.busy {
		j.idle.Wait()
	}
	if j.closed {
		return
	}
	var marks []byte
	for _, id := range ids {
		if _, ok := j.open[id]; ok {
			delete(j.open, id)
			marks = appendFrame(marks, frameForget, id, nil)
		}
	}
	switch {
	case len(marks) == 0 || j.emptyIfDone():
	case len(j.buf) > 0:
		// Among the units that wait for their round may be those that the
		// marks are about: a mark comes after its unit.
		j.buf = append(j.buf, marks...)
	default:
		if _, err := j.f.WriteAt(marks, j.size); err != nil {
			j.log.Error("journal cannot be marked; its units are stored again at the next start", "cause", err)
			return
		}
		j.size += int64(len(marks))
	}
}

// emptyIfDone empties the file when no unit is left in it. The lock is held,
// and no round is being written.
func (j *journal) emptyIfDone() bool {
	if len(j.open) > 0 || len(j.buf) > 0 || j.size == 0 {
		return false
	}
	if err := j.f.Truncate(0); err != nil {
		j.log.Error("journal cannot be emptied; its units are stored again at the next start", "cause", err)
		return true
	}
	j.size, j.full = 0, false
	return true
}

// room tells whether there is room for another unit below a limit.
func (j *journal) room(limit int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.closed && !j.full && j.size+int64(len(j.buf)) < min(limit, j.limit)
}

func (j *journal) stats() (units int, size int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.open), j.size
}

// close waits for the round in progress and gives the file free.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.busy {
		j.idle.Wait()
	}
	if j.closed {
		return nil
	}
	j.closed = true
	return j.f.Close()
}
