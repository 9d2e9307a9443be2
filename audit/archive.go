package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chaperone/store"
)

// MinArchiveAge is the shortest window: nothing younger is archived. Nothing
// in the product needs an entry of the log to go on: claims, outcomes, legs and
// subjects are registers, which archiving leaves alone. Three days keep the
// entries of what may still be in doubt, or on its way, at hand.
const MinArchiveAge = 72 * time.Hour

// ErrWindow says that a window is shorter than MinArchiveAge.
var ErrWindow = errors.New("audit: nothing younger than 72 hours is archived")

// Appender stores an entry in the chain of who archives, and registers, as one
// unit, and returns when both are acknowledged.
type Appender func(ctx context.Context, e *Entry, registers []store.Command) error

// ArchiveOptions set up one run of Archive.
type ArchiveOptions struct {
	Driver store.Driver
	Sealer Sealer
	Signer Signer
	Append Appender
	File   string        // local checkpoints; empty: none
	Dir    string        // where segments go; made if need be, for its owner alone
	Window time.Duration // what is younger stays; at least MinArchiveAge
	Who    Name          // for the log
	Clock  func() time.Time

	Entries int           // of one segment at most; 0 means 100,000
	Bytes   int64         // of one segment's entries, roughly; 0 means 64 MiB
	Lock    time.Duration // how long a run that died keeps others away; 0 means 30 s

	step func(ctx context.Context, name string) error // of tests: before each step; its error is a crash
}

// Archived is one thing that Archive did, or could not do.
type Archived struct {
	Chain string `json:"chain"`
	From  uint64 `json:"from,omitempty"` // entries that are in File now, and in the store no more
	To    uint64 `json:"to,omitempty"`
	File  string `json:"file,omitempty"`  // name in the folder
	Bytes int64  `json:"bytes,omitempty"` // its size
	// Gone says that a chain that nobody writes any more is wholly archived,
	// and no longer in the store.
	Gone bool `json:"gone,omitempty"`
	// Problem says why a chain, or its rest, stays as it is.
	Problem string `json:"problem,omitempty"`
}

// Archive moves what is older than the window from the store into segments, a
// chain after the other, and yields what it did.
//
// For each segment: it is written under another name and synced, renamed, the
// folder is synced, and the file is read back and checked. Then a cut is stored:
// an entry of the log and the register {chain}:cut, in one unit. Then, and only
// then, the entries are trimmed. A run that ends in between is gone on with by
// the next one into the same folder: a segment that is there and sound is taken
// up as it is.
//
// It may run beside the writers of the chains. Of a chain that is alive the
// newest entry stays in the store. Of others the chain is removed when all of
// it is archived. An entry that does not open, or that is of the future, goes
// with an older one after it. What does not fit to its chain or to a checkpoint
// stays in the store, with all after it: it is evidence.
//
// One run at a time works on a store. The error says that the run could not go
// on; everything that was yielded before is done.
func Archive(ctx context.Context, o ArchiveOptions, yield func(Archived) error) (err error) {
	if o.Window < MinArchiveAge {
		return ErrWindow
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.Entries, o.Bytes = cmp.Or(o.Entries, 100_000), cmp.Or(o.Bytes, 64<<20)
	if o.step == nil {
		o.step = func(context.Context, string) error { return nil }
	}
	if err := makeFolder(o.Dir); err != nil {
		return err
	}
	ctx, unlock, err := lockArchive(ctx, o.Driver, cmp.Or(o.Lock, 30*time.Second))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	now := o.Clock()
	a := &archiver{o: o, src: FromStore(o.Driver), sealing: NewSealing(o.Sealer, ""), yield: yield, now: now, before: now.Add(-o.Window)}
	if err := a.open(); err != nil {
		return err
	}
	chains, err := a.src.Chains(ctx)
	if err != nil {
		return fmt.Errorf("audit: list of chains: %w", err)
	}
	for _, chain := range chains {
		err := a.chain(ctx, chain)
		var p problem
		if errors.As(err, &p) {
			err = yield(Archived{Chain: chain, Problem: string(p)})
		}
		if err != nil {
			return fmt.Errorf("audit: archive of chain %s: %w", chain, err)
		}
	}
	return nil
}

// problem is why a chain stays as it is; the others are gone on with.
type problem string

func (p problem) Error() string { return string(p) }

func problemf(format string, args ...any) error { return problem(fmt.Sprintf(format, args...)) }

// makeFolder makes the folder of segments, and its name last.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("audit: archive: %w", err)
	}
	if err := syncFolder(filepath.Clean(dir)); err != nil {
		return fmt.Errorf("audit: archive: %w", err)
	}
	return nil
}

// archiver is one run of Archive.
type archiver struct {
	o       ArchiveOptions
	src     Source
	sealing *Sealing
	yield   func(Archived) error
	now     time.Time
	before  time.Time // what is not older stays
	folder  *folder
	points  map[string][]Checkpoint // of the local file, whose signatures are right
}

// open reads what is there already.
func (a *archiver) open() error {
	var err error
	if a.folder, err = openFolders([]string{a.o.Dir}, a.o.Signer.Public()); err != nil {
		return err
	}
	a.points = map[string][]Checkpoint{}
	if a.o.File == "" {
		return nil
	}
	points, _, err := readCheckpointFile(a.o.File)
	if err != nil {
		return err
	}
	for _, p := range points {
		if p.Check(a.o.Signer.Public()) == nil {
			a.points[p.Chain] = append(a.points[p.Chain], p)
		}
	}
	return nil
}

// chain archives what is old enough of one chain.
func (a *archiver) chain(ctx context.Context, chain string) error {
	if !chainName(chain) {
		return problem("its id is not one of ours")
	}
	cut, err := a.cut(ctx, chain)
	if err != nil {
		return err
	}
	last, err := a.src.Last(ctx, chain)
	if err != nil {
		return err
	}
	// Asked after the last record: who dies in between leaves no newer one.
	alive, err := a.alive(ctx, chain)
	if err != nil {
		return err
	}
	if last == 0 {
		if cut.To > 0 && !alive {
			return a.remove(ctx, &cut)
		}
		return nil
	}
	limit := last
	if alive {
		limit-- // the writer's next entry is chained to it
	}
	points, err := a.signed(ctx, chain)
	if err != nil {
		return err
	}
	if err := a.finish(ctx, &cut, last); err != nil {
		return err
	}
	for cut.To < limit {
		s, err := a.next(ctx, &cut, limit, points)
		if err != nil {
			return err
		}
		if s == nil {
			return nil
		}
		if err := a.commit(ctx, s, &cut); err != nil {
			return err
		}
	}
	if alive || cut.To != last {
		return nil
	}
	if n := len(points); n > 0 && points[n-1].Seq > last {
		return problemf("its end, up to entry %d, is missing: run log verify", points[n-1].Seq)
	}
	if _, err := a.verified(ctx, &cut); err != nil {
		return err
	}
	return a.remove(ctx, &cut)
}

// cut reads the register of a chain's cut; a chain that has none begins before
// its first entry.
func (a *archiver) cut(ctx context.Context, chain string) (Cut, error) {
	text, err := a.src.Cut(ctx, chain)
	if err != nil {
		return Cut{}, err
	}
	if text == nil {
		return Cut{Chain: chain, Hash: First(chain)}, nil
	}
	c, err := ParseCut(text)
	if err == nil {
		err = c.Check(a.o.Signer.Public())
	}
	if err != nil || c.Chain != chain {
		return Cut{}, problem("what the store says was archived of it is not signed by this keyring: run log verify")
	}
	return c, nil
}

func (a *archiver) alive(ctx context.Context, chain string) (bool, error) {
	c := store.Command{Kind: store.Get, Key: store.AliveKey(chain)}
	err := do(ctx, a.o.Driver, &c)
	return c.Found, err
}

// signed returns the checkpoints of a chain, in order.
func (a *archiver) signed(ctx context.Context, chain string) ([]Checkpoint, error) {
	points := slices.Clone(a.points[chain])
	text, err := a.src.Checkpoint(ctx, chain)
	if err != nil {
		return nil, err
	}
	if p, err := ParseCheckpoint(text); err == nil && p.Chain == chain && p.Check(a.o.Signer.Public()) == nil {
		points = append(points, p)
	}
	sortPoints(points)
	return points, nil
}

// finish trims what an earlier run archived and did not trim any more.
func (a *archiver) finish(ctx context.Context, cut *Cut, last uint64) error {
	records, err := a.src.Records(ctx, cut.Chain, 1, 1)
	if err != nil || len(records) == 0 {
		return err
	}
	first := records[0].Seq
	if first > cut.To || first == last {
		return nil
	}
	if _, err := a.verified(ctx, cut); err != nil {
		return err
	}
	return a.trim(ctx, cut.Chain, first, cut.To)
}

// verified looks for the segment that a cut speaks of, and makes sure that it
// is sound.
func (a *archiver) verified(ctx context.Context, cut *Cut) (*segmentFile, error) {
	for _, s := range a.folder.chains[cut.Chain] {
		if s.To != cut.To || s.Last != cut.Hash {
			continue
		}
		sum, err := a.check(ctx, s)
		if err == nil && sum == cut.File {
			return s, nil
		}
		if err != nil && !errors.Is(err, ErrSegment) {
			return nil, err
		}
	}
	return nil, problemf("entries up to %d were archived to another folder and not trimmed: name that folder", cut.To)
}

// check reads a segment back: its content is what was signed, and its records
// are the chain from Before to Last. It returns the SHA-256 of the file. The
// error wraps ErrSegment where the file is not sound.
func (a *archiver) check(ctx context.Context, s *segmentFile) (Hash, error) {
	sum, err := s.sum(ctx)
	if err != nil {
		return sum, err
	}
	hash, next := s.Before, s.From
	err = s.records(ctx, func(r *Record) error {
		if r.Seq != next || Next(hash, r.Seq, r.Entry) != r.Hash {
			return fmt.Errorf("%w: entry %d does not fit to the chain", ErrSegment, r.Seq)
		}
		hash, next = r.Hash, next+1
		return nil
	})
	if err == nil && (next != s.To+1 || hash != s.Last) {
		err = fmt.Errorf("%w: it does not end as it says", ErrSegment)
	}
	return sum, err
}
