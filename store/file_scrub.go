package store

import (
	"context"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// Scrub overwrites the file's free pages and the files ahead with zeros. bbolt frees the pages of
// what was deleted or changed and leaves their bytes as they are until they are
// used again, which may be never.
//
// No reader may hold a snapshot that still shows such a page, and no writer may
// use one, while it is overwritten: readers wait at the gate, and the write
// transaction keeps writers out. Free pages have no meaning to bbolt, so a
// crash in the midst of it harms nothing; the meta page of the transaction
// before the last may then name pages of zeros, but the last one is on disk.
func (d *fileDriver) Scrub(ctx context.Context) (Scrubbed, error) {
	if err := d.ready(ctx); err != nil {
		return Scrubbed{}, err
	}
	// Nothing is written meanwhile, so that nothing is ahead.
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := d.settle(ctx); err != nil {
		return Scrubbed{}, d.done(err)
	}
	// A transaction that changes something, so that what the last one freed
	// is free in both meta pages.
	err := d.db.Update(func(tx *bolt.Tx) error {
		b := newBasis(tx)
		if _, err := b.sweep(d.now().UnixMilli(), sweepMin); err != nil {
			return err
		}
		return b.write([]byte(MetaKey("scrubbed")), make(held, 8))
	})
	if err != nil {
		return Scrubbed{}, d.done(err)
	}
	if err := d.ahead.empty(); err != nil {
		return Scrubbed{}, away(fmt.Errorf("scrub: %w", err))
	}
	d.scrubbing.Lock()
	defer d.scrubbing.Unlock()
	tx, err := d.db.Begin(true)
	if err != nil {
		return Scrubbed{}, d.done(err)
	}
	n, err := overwriteFree(ctx, tx, d.db)
	// Nothing was changed by way of bbolt.
	if err := errors.Join(err, tx.Rollback()); err != nil {
		return Scrubbed{}, away(fmt.Errorf("scrub: %w", err))
	}
	return Scrubbed{Pages: n}, nil
}

// overwriteFree writes zeros over the pages that no tree uses.
func overwriteFree(ctx context.Context, tx *bolt.Tx, db *bolt.DB) (n int, err error) {
	size := db.Info().PageSize
	// A second descriptor: bbolt's own is not to be had. Its lock is advisory
	// and this process holds it.
	f, err := os.OpenFile(db.Path(), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	zeros := make([]byte, size)
	last := int(tx.Size() / int64(size))
	for id := 2; id < last; id++ { // 0 and 1 are the meta pages
		if id%1024 == 0 && ctx.Err() != nil {
			return n, ctx.Err()
		}
		page, err := tx.Page(id)
		if err != nil {
			return n, err
		}
		if page == nil {
			break
		}
		if page.Type != "free" {
			id += page.OverflowCount
			continue
		}
		if _, err := f.WriteAt(zeros, int64(id)*int64(size)); err != nil {
			return n, err
		}
		n++
	}
	return n, f.Sync()
}
