package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chaperone/store"
)

// archiveBatch is how many records are read at once, and trimStep how many are
// removed at once, so that no other user of the store waits for long.
const (
	archiveBatch = 1000
	trimStep     = 5000
)

// next returns the segment that follows a cut, whole and on disk: one that an
// earlier run left, or a new one. It is nil where nothing more is old enough.
func (a *archiver) next(ctx context.Context, cut *Cut, limit uint64, points []Checkpoint) (*segmentFile, error) {
	s, err := a.adopt(ctx, cut)
	if s != nil || err != nil {
		return s, err
	}
	p, err := a.plan(ctx, cut, limit, points)
	if p.to == 0 || err != nil {
		return nil, err
	}
	for _, other := range a.folder.chains[cut.Chain] {
		if other.From <= p.to && other.To > cut.To {
			return nil, problemf("%s holds entries %d to %d already, and does not follow on entry %d: move it away", other.name(), other.From, other.To, cut.To)
		}
	}
	return a.write(ctx, cut, &p)
}

// adopt takes up the segment that a run wrote which ended before its cut was
// stored.
func (a *archiver) adopt(ctx context.Context, cut *Cut) (*segmentFile, error) {
	for _, s := range a.folder.chains[cut.Chain] {
		if s.From != cut.To+1 {
			continue
		}
		if s.Before != cut.Hash {
			return nil, problemf("%s belongs to another history of the chain: run log verify", s.name())
		}
		records, err := a.src.Records(ctx, s.Chain, s.To, 1)
		if err != nil {
			return nil, err
		}
		if len(records) > 0 && records[0].Seq == s.To && records[0].Hash != s.Last {
			return nil, problemf("%s and the store hold different entries: run log verify", s.name())
		}
		return s, nil
	}
	return nil, nil
}

// plan is what goes into the next segment.
type plan struct {
	to            uint64 // the last entry; 0: none
	first, newest time.Time
}

// plan looks for the last entry that goes into the next segment. Everything up
// to it is older than the window, fits to the chain, and to the
// checkpoints. Where the chain is damaged the sound part goes first; then it is
// a problem.
func (a *archiver) plan(ctx context.Context, cut *Cut, limit uint64, points []Checkpoint) (p plan, err error) {
	hash, count, size := cut.Hash, 0, int64(0)
	damaged := func(seq uint64, what string) (plan, error) {
		if p.to > 0 {
			return p, nil
		}
		return p, problemf("entry %d %s: it stays, with all after it; run log verify", seq, what)
	}
	for from := cut.To + 1; from <= limit; {
		if err := a.o.step(ctx, "plan"); err != nil {
			return p, err
		}
		records, err := a.src.Records(ctx, cut.Chain, from, archiveBatch)
		if err != nil || len(records) == 0 {
			return p, err
		}
		for i := range records {
			r := &records[i]
			if r.Seq > limit {
				return p, nil
			}
			if r.Seq != from || Next(hash, r.Seq, r.Entry) != r.Hash {
				return damaged(from, "does not fit to the chain, or is missing")
			}
			for ; len(points) > 0 && points[0].Seq <= r.Seq; points = points[1:] {
				if points[0].Seq == r.Seq && points[0].Hash != r.Hash {
					return damaged(r.Seq, "is not what was signed")
				}
			}
			hash, from = r.Hash, from+1
			at := a.time(r)
			if !at.IsZero() && !at.Before(a.before) {
				return p, nil
			}
			p.take(r.Seq, at)
			if count, size = count+1, size+int64(len(r.Entry)); count >= a.o.Entries || size >= a.o.Bytes {
				if p.to == 0 {
					return p, problemf("entries %d to %d do not say how old they are: they stay, with all after them", cut.To+1, r.Seq)
				}
				return p, nil
			}
		}
	}
	return p, nil
}

// take adds an entry of a time; with the zero time it goes with one after it.
func (p *plan) take(seq uint64, at time.Time) {
	if at.IsZero() {
		return
	}
	p.to = seq
	if p.first.IsZero() || at.Before(p.first) {
		p.first = at
	}
	if at.After(p.newest) {
		p.newest = at
	}
}

// time returns when an entry was made; zero where it does not open, or says
// that it is of the future: a clock was set back since.
func (a *archiver) time(r *Record) time.Time {
	e, err := a.sealing.Open(r.Entry)
	if err != nil || e.Time.After(a.now) {
		return time.Time{}
	}
	return e.Time
}

// write makes the segment of the entries after a cut.
func (a *archiver) write(ctx context.Context, cut *Cut, p *plan) (*segmentFile, error) {
	if err := a.o.step(ctx, "write"); err != nil {
		return nil, err
	}
	made := filepath.Join(a.o.Dir, "."+cut.Chain+".new")
	w, err := newSegmentWriter(made, cut.Chain, cut.Hash)
	if err != nil {
		return nil, err
	}
	w.segment.First, w.segment.Newest = p.first, p.newest
	if err := a.copy(ctx, w, cut, p.to); err != nil {
		if !errors.Is(err, errCrash) {
			w.abandon()
		}
		return nil, err
	}
	if err := w.finish(a.o.Signer); err != nil {
		_ = os.Remove(made)
		return nil, err
	}
	if err := a.o.step(ctx, "rename"); err != nil {
		return nil, err
	}
	s := &segmentFile{Segment: w.segment, path: filepath.Join(a.o.Dir, w.segment.Name())}
	if err := os.Rename(made, s.path); err != nil {
		return nil, fmt.Errorf("audit: segment: %w", err)
	}
	if err := a.o.step(ctx, "sync"); err != nil {
		return nil, err
	}
	if err := syncFolder(s.path); err != nil {
		return nil, fmt.Errorf("audit: segment: %w", err)
	}
	a.folder.chains[s.Chain] = append(a.folder.chains[s.Chain], s)
	return s, nil
}

// errCrash marks the error of a test's step, after which nothing is cleaned up.
var errCrash = errors.New("audit: the process ends here")

// copy puts the entries after a cut, up to entry to, into a segment.
func (a *archiver) copy(ctx context.Context, w *segmentWriter, cut *Cut, to uint64) error {
	hash := cut.Hash
	for from := cut.To + 1; from <= to; {
		records, err := a.src.Records(ctx, cut.Chain, from, archiveBatch)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return problemf("entry %d has gone since it was looked at", from)
		}
		for i := range records {
			r := &records[i]
			if from > to {
				break
			}
			if r.Seq != from || Next(hash, r.Seq, r.Entry) != r.Hash {
				return problemf("entry %d has changed since it was looked at", from)
			}
			if err := w.add(r); err != nil {
				return err
			}
			hash, from = r.Hash, from+1
		}
		if err := a.o.step(ctx, "written"); err != nil {
			return err
		}
	}
	return nil
}

// commit reads a segment back, stores its cut and trims. cut is moved on.
func (a *archiver) commit(ctx context.Context, s *segmentFile, cut *Cut) error {
	if err := a.o.step(ctx, "read back"); err != nil {
		return err
	}
	// The file as it is on disk, not as we remember it.
	onDisk, err := openSegment(s.path, a.o.Signer.Public())
	if err == nil && !onDisk.same(&s.Segment) {
		err = fmt.Errorf("%w: it is another one", ErrSegment)
	}
	var file Hash
	if err == nil {
		file, err = a.check(ctx, onDisk)
	}
	if errors.Is(err, ErrSegment) {
		return problemf("%s is damaged, nothing was trimmed: move it away and archive again", s.name())
	}
	if err != nil {
		return err
	}
	if err := a.o.step(ctx, "cut"); err != nil {
		return err
	}
	made := Cut{Chain: s.Chain, From: s.From, To: s.To, Hash: s.Last, File: file, Time: a.o.Clock()}
	made.Sign(a.o.Signer)
	e := Entry{Time: made.Time, Kind: KindCut, Action: ActionLogArchive, Caller: a.o.Who, Result: ResultOK,
		Chains: []Stretch{{Chain: ID(s.Chain), From: s.From, To: s.To, Hash: Digest(s.Last), File: Digest(file)}}}
	register := []store.Command{{Kind: store.Set, Key: store.CutKey(s.Chain), Value: made.Text()}}
	if err := a.o.Append(ctx, &e, register); err != nil {
		return fmt.Errorf("the cut is not on record: %w", err)
	}
	from := cut.To + 1
	*cut = made
	if err := a.trim(ctx, s.Chain, from, s.To); err != nil {
		return err
	}
	return a.yield(Archived{Chain: s.Chain, From: s.From, To: s.To, File: s.name(), Bytes: headSize + int64(s.Size)})
}

// same reports whether two heads are one.
func (s *Segment) same(other *Segment) bool { return slices.Equal(s.head(), other.head()) }

// trim removes entries that are in a verified segment whose cut is stored. The
// store keeps a chain's newest.
func (a *archiver) trim(ctx context.Context, chain string, from, to uint64) error {
	for from <= to {
		if err := a.o.step(ctx, "trim"); err != nil {
			return err
		}
		from = min(from+trimStep, to+1)
		if err := a.o.Driver.LogTrim(ctx, chain, from); err != nil {
			return err
		}
	}
	return nil
}

// remove takes a chain out of the store that is wholly archived. Its cut stays:
// it tells where the chain is, and that it may be gone.
func (a *archiver) remove(ctx context.Context, cut *Cut) error {
	if err := a.o.step(ctx, "remove"); err != nil {
		return err
	}
	err := a.o.Driver.LogRemove(ctx, cut.Chain, cut.To)
	if gap := (*store.GapError)(nil); errors.As(err, &gap) {
		return nil // somebody writes it after all
	}
	if err != nil {
		return err
	}
	if err := a.o.step(ctx, "unlist"); err != nil {
		return err
	}
	for _, c := range []store.Command{
		{Kind: store.Delete, Key: store.CheckpointKey(cut.Chain)},
		{Kind: store.QueueRemove, Queue: store.ChainList, Member: cut.Chain},
	} {
		if err := do(ctx, a.o.Driver, &c); err != nil {
			return err
		}
	}
	return a.yield(Archived{Chain: cut.Chain, Gone: true})
}
