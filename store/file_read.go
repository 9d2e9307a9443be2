package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Chains lists the chains, oldest first.
func (d *fileDriver) Chains(ctx context.Context) (chains []Chain, err error) {
	err = d.view(ctx, func(w *fileTx) error {
		for _, it := range w.list(setChains, 0, "", int(w.size(setChains))) {
			chains = append(chains, Chain{ID: it.Member, Start: time.UnixMilli(it.Score)})
		}
		return nil
	})
	return chains, err
}

// LogRange reads a stretch of a chain.
func (d *fileDriver) LogRange(ctx context.Context, chain string, from uint64, max int) (recs []LogRecord, err error) {
	err = d.view(ctx, func(w *fileTx) error {
		recs = w.records(chain, from, max)
		for i := range recs {
			recs[i].Entry = bytes.Clone(recs[i].Entry)
		}
		return nil
	})
	return recs, err
}

// LogLast reads the newest record of a chain.
func (d *fileDriver) LogLast(ctx context.Context, chain string) (rec LogRecord, ok bool, err error) {
	err = d.view(ctx, func(w *fileTx) error {
		rec, ok = w.newest(chain)
		rec.Entry = bytes.Clone(rec.Entry)
		return nil
	})
	return rec, ok, err
}

// trimStep bounds how many records one transaction removes, so that trimming
// does not hold up the committer.
const trimStep = 1000

// LogTrim removes the oldest records.
func (d *fileDriver) LogTrim(ctx context.Context, chain string, before uint64) error {
	if err := d.settleFirst(ctx); err != nil {
		return err
	}
	for more := true; more; {
		if err := d.ready(ctx); err != nil {
			return err
		}
		err := d.db.Update(func(tx *bolt.Tx) (err error) {
			more, err = trim(newBasis(tx), chain, before)
			return err
		})
		if err != nil {
			return d.done(err)
		}
	}
	return nil
}

func trim(b *basis, chain string, before uint64) (more bool, err error) {
	newest, ok := b.newest(chain)
	if !ok {
		return false, nil
	}
	before = min(before, newest.Seq)
	var gone [][]byte
	log := b.log.Bucket([]byte(chain))
	c := log.Cursor()
	for k, _ := c.First(); k != nil && binary.BigEndian.Uint64(k) < before; k, _ = c.Next() {
		if len(gone) == trimStep {
			more = true
			break
		}
		gone = append(gone, bytes.Clone(k))
	}
	for _, k := range gone {
		if err := log.Delete(k); err != nil {
			return false, err
		}
	}
	return more, nil
}

// DueBefore reads what is due.
func (d *fileDriver) DueBefore(ctx context.Context, dest string, now int64, max int) (items []Item, err error) {
	err = d.view(ctx, func(w *fileTx) error {
		items = w.list(queueName(Due, dest), 0, "", max)
		if i := slices.IndexFunc(items, func(it Item) bool { return it.Score > now }); i >= 0 {
			items = items[:i]
		}
		return nil
	})
	return items, err
}

// QueueList reads a page of a queue, which has one lane.
func (d *fileDriver) QueueList(ctx context.Context, q Queue, dest, cursor string, max int) (items []Item, next string, err error) {
	at, err := parseCursor(cursor)
	if err != nil || at.lane != 0 {
		return nil, "", errCursor
	}
	if max <= 0 {
		max = 100
	}
	err = d.view(ctx, func(w *fileTx) error {
		items = w.list(queueName(q, dest), at.score, at.member, max)
		return nil
	})
	if len(items) == max {
		last := items[max-1]
		next = listCursor{score: last.Score, member: last.Member}.String()
	}
	return items, next, err
}

// QueueStats counts a queue.
func (d *fileDriver) QueueStats(ctx context.Context, q Queue, dest string) (s QueueStats, err error) {
	err = d.view(ctx, func(w *fileTx) error {
		s.Len = w.size(queueName(q, dest))
		_, s.Oldest, _ = w.first(queueName(q, dest))
		return nil
	})
	return s, err
}

// Destinations lists those that ever had a leg.
func (d *fileDriver) Destinations(ctx context.Context) (dests []string, err error) {
	err = d.view(ctx, func(w *fileTx) error {
		for _, it := range w.list(setDests, 0, "", int(w.size(setDests))) {
			dests = append(dests, it.Member)
		}
		return nil
	})
	return dests, err
}

// ScanClaims walks the registers, from when the first page is asked for. The
// cursor is the last key that was seen.
func (d *fileDriver) ScanClaims(ctx context.Context, cursor string, max int) (refs []Ref, next string, err error) {
	if err := d.beginScan(ctx, cursor); err != nil {
		return nil, "", err
	}
	prefix := []byte("{r.")
	err = d.view(ctx, func(w *fileTx) error {
		c := w.base.reg.Cursor()
		seen := 0
		for k, _ := c.Seek(append(prefix, cursor...)); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			rest := string(k[len(prefix):])
			if rest == cursor {
				continue
			}
			if seen++; seen > max {
				return nil
			}
			next = rest
			if ref, ok := parseClaimKey(string(k)); ok {
				if _, _, found := w.read(string(k)); found {
					refs = append(refs, ref)
				}
			}
		}
		next = "" // the end was reached
		return nil
	})
	return refs, next, err
}

// beginScan sees that a scan finds in the bbolt file what was there before.
func (d *fileDriver) beginScan(ctx context.Context, cursor string) error {
	if cursor != "" {
		return nil
	}
	return d.settleFirst(ctx)
}

// ScanKeys walks the registers that begin with a prefix, in order. The cursor
// is what follows the prefix in the last key that was seen.
func (d *fileDriver) ScanKeys(ctx context.Context, prefix, cursor string, max int) (keys []string, next string, err error) {
	if err := d.beginScan(ctx, cursor); err != nil {
		return nil, "", err
	}
	err = d.view(ctx, func(w *fileTx) error {
		c := w.base.reg.Cursor()
		seen := 0
		for k, _ := c.Seek([]byte(prefix + cursor)); bytes.HasPrefix(k, []byte(prefix)); k, _ = c.Next() {
			rest := string(k[len(prefix):])
			if rest == cursor && cursor != "" {
				continue
			}
			if seen++; seen > max {
				return nil
			}
			next = rest
			if _, _, found := w.read(string(k)); found {
				keys = append(keys, string(k))
			}
		}
		next = "" // the end was reached
		return nil
	})
	return keys, next, err
}
