package main

import (
	"context"
	"errors"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/vault/letters"
)

// ownChain is the chain of a command that opened the files itself.
type ownChain struct {
	committer *store.Committer
	points    *audit.Checkpointer
	sealing   *audit.Sealing
}

// openOwn begins the chain, once. The journal is left to the proxy that wrote
// it.
func (f *files) openOwn(ctx context.Context) (*ownChain, error) {
	if f.own != nil {
		return f.own, nil
	}
	chain := "cli-" + letters.Random(24)
	c, err := store.NewCommitter(ctx, f.driver, store.CommitterOptions{Chain: chain, Deadline: recordTime, Logger: f.logger})
	if err != nil {
		return nil, err
	}
	points, err := audit.NewCheckpointer(audit.CheckpointerOptions{
		Head: func() audit.Head { return audit.HeadOf(c) }, Signer: audit.NewSigner(f.ring.MAC),
		File: f.file, Register: audit.RegisterIn(f.driver), Logger: f.logger,
	})
	if err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	f.own = &ownChain{committer: c, points: points, sealing: audit.NewSealing(f.ring, chain)}
	return f.own, nil
}

// recordEntry appends an entry to the command's own chain, and signs for it.
func (f *files) recordEntry(ctx context.Context, e *audit.Entry) error {
	return f.recordUnit(ctx, e, nil)
}

// recordUnit is recordEntry, with commands that are done in the same unit. e may
// be nil: then there are only these.
func (f *files) recordUnit(ctx context.Context, e *audit.Entry, cmds []store.Command) error {
	if e == nil {
		return f.recordEntries(ctx, nil, cmds)
	}
	return f.recordEntries(ctx, []*audit.Entry{e}, cmds)
}

// recordEntries is recordUnit for several entries.
func (f *files) recordEntries(ctx context.Context, entries []*audit.Entry, cmds []store.Command) error {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	own, err := f.openOwn(ctx)
	if err != nil {
		return err
	}
	u := store.Unit{Commands: cmds}
	for _, e := range entries {
		u.Entries = append(u.Entries, own.sealing.Seal(nil, e))
	}
	if err := own.committer.Commit(ctx, &u); err != nil {
		return err
	}
	return own.points.Sign(ctx)
}

// closeOwn ends the chain.
func (f *files) closeOwn() {
	if f.own == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordTime)
	defer cancel()
	if err := errors.Join(f.own.committer.Close(ctx), f.own.points.Close(ctx)); err != nil {
		f.logger.Warn("the end of what was recorded is not signed for", "error", err)
	}
	f.own = nil
}
