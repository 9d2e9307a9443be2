package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// aheadBytes is how much is ahead of the bbolt file before it is put there.
	// Of what gathers if that takes long, or fails, there is aheadTimes as much.
	aheadBytes = 4 << 20
	aheadTimes = 4
	// aheadAge is after which time it is put there in any case.
	aheadAge = time.Minute
	// sweepMin is how many ended registers are removed then, at least; more
	// where more were written.
	sweepMin = 4096
	// logFill is how full the pages of a log are: nothing is ever put between.
	logFill = 1.0
)

var (
	keyFormat  = []byte("format")
	keyID      = []byte("id")
	keyApplied = []byte("applied")
)

// applied is the newest generation that is in the bbolt file.
func (b *basis) applied() uint64 {
	v := b.meta.Get(keyApplied)
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

func (b *basis) setApplied(generation uint64) error {
	return b.meta.Put(keyApplied, binary.BigEndian.AppendUint64(nil, generation))
}

// recover puts what an earlier process has left ahead into the bbolt file, and
// makes ready to write.
func (d *fileDriver) recover(path string) error {
	var id []byte
	applied := uint64(0)
	err := d.db.View(func(tx *bolt.Tx) error {
		b := newBasis(tx)
		id, applied = bytes.Clone(b.meta.Get(keyID)), b.applied()
		return nil
	})
	if err != nil {
		return err
	}
	var left []generation
	if d.ahead, left, err = openAhead(path, id, d.sync); err != nil {
		return err
	}
	// Without this the files' names may be lost with the power, and all that is
	// in them.
	if err := syncDir(filepath.Dir(path)); err != nil {
		return errors.Join(err, d.ahead.close())
	}
	left = slices.DeleteFunc(left, func(g generation) bool { return g.number <= applied })
	if len(left) > 0 {
		applied = left[len(left)-1].number
		err = d.db.Update(func(tx *bolt.Tx) error {
			b := newBasis(tx)
			for _, g := range left {
				if err := b.replay(g.frames); err != nil {
					return err
				}
			}
			return b.setApplied(applied)
		})
		if err != nil {
			return errors.Join(err, d.ahead.close())
		}
	}
	d.ahead.generation = applied + 1
	d.active = newLayer(d.ahead.generation)
	return nil
}

// newStoreID names a store, so that what is ahead of another one is not taken
// for its own.
func newStoreID() []byte {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return id
}

// flushing is one run of the flusher.
type flushing struct {
	over chan struct{} // closed at its end
	err  error         // valid then
}

// progress tells how much is ahead, whether something of it could not be put
// into the bbolt file by the newest run, and which run is on its way; nil: none.
func (d *fileDriver) progress() (size int, stuck bool, run *flushing) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	size = d.active.size
	if d.run != nil {
		select {
		case <-d.run.over:
		default:
			return size, false, d.run
		}
	}
	return size, d.frozen != nil, nil
}

// makeRoom sees that what is ahead gets into the bbolt file in time. The caller
// holds d.writing.
func (d *fileDriver) makeRoom(ctx context.Context) error {
	size, stuck, run := d.progress()
	now := d.now()
	if since := now.Sub(d.flushed); size < d.most && since >= 0 && since < d.age() {
		return nil
	}
	if run != nil {
		if size < aheadTimes*d.most {
			return nil
		}
		select {
		case <-run.over:
		case <-ctx.Done():
			return ctx.Err()
		}
		size, stuck, _ = d.progress()
	}
	switch {
	case stuck:
		err := d.run.err
		d.start() // again
		if size >= aheadTimes*d.most {
			return err
		}
	case size > 0 || d.ends():
		d.freeze()
		d.start()
	default:
		d.flushed = now
	}
	return nil
}

// age is after which time what is ahead is put into the bbolt file.
func (d *fileDriver) age() time.Duration {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.more {
		return time.Second
	}
	return aheadAge
}

// ends tells whether registers may have ended that are in the bbolt file.
func (d *fileDriver) ends() (some bool) {
	_ = d.db.View(func(tx *bolt.Tx) error {
		k, _ := newBasis(tx).ends.Cursor().First()
		some = k != nil && int64(binary.BigEndian.Uint64(k)) <= d.now().UnixMilli()
		return nil
	})
	return some
}

// freeze lets a new layer gather what is written. The caller holds d.writing,
// and nothing is frozen.
func (d *fileDriver) freeze() {
	d.ahead.turn()
	next := newLayer(d.ahead.generation)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active.frozen = true
	d.frozen, d.active = d.active, next
}

// start puts the frozen layer into the bbolt file, beside. The caller holds
// d.writing.
func (d *fileDriver) start() {
	run := &flushing{over: make(chan struct{})}
	now := d.now()
	d.flushed = now
	d.mu.Lock()
	d.run = run
	l := d.frozen
	d.mu.Unlock()
	d.work.Go(func() {
		defer close(run.over)
		run.err = d.flush(l, now)
	})
}

// flush puts a frozen layer into the bbolt file, and removes what has ended.
func (d *fileDriver) flush(l *layer, now time.Time) error {
	more := false
	err := d.db.Update(func(tx *bolt.Tx) (err error) {
		b := newBasis(tx)
		if err := b.take(l); err != nil {
			return err
		}
		if more, err = b.sweep(now.UnixMilli(), max(sweepMin, 2*len(l.regs))); err != nil {
			return err
		}
		return b.setApplied(l.generation)
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.frozen, d.more = nil, more
	}
	return err
}

// settle puts all that is ahead into the bbolt file. The caller holds
// d.writing.
func (d *fileDriver) settle(ctx context.Context) error {
	for {
		size, stuck, run := d.progress()
		switch {
		case run != nil:
			select {
			case <-run.over:
			case <-ctx.Done():
				return &unavailable{cause: ctx.Err()}
			}
			if run.err != nil {
				return run.err
			}
		case stuck:
			d.start() // again
		case size > 0:
			d.freeze()
			d.start()
		default:
			return nil
		}
	}
}

// take puts a layer into the file, in the order of its keys.
func (b *basis) take(l *layer) error {
	for chain, log := range l.logs {
		bucket, err := b.log.CreateBucketIfNotExists([]byte(chain))
		if err != nil {
			return err
		}
		bucket.FillPercent = logFill
		for _, r := range log {
			if err := bucket.Put(seqKey(r.seq), r.raw); err != nil {
				return err
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.regs)) {
		var err error
		if r := l.regs[key]; r != nil {
			err = b.write([]byte(key), r)
		} else {
			err = b.remove([]byte(key))
		}
		if err != nil {
			return err
		}
	}
	for name, s := range l.sets {
		if err := b.takeSet(name, s); err != nil {
			return err
		}
	}
	return nil
}

func (b *basis) takeSet(name string, s *memSet) error {
	sum := int64(0)
	for _, member := range slices.Sorted(maps.Keys(s.members)) {
		c := s.members[member]
		var more int64
		var err error
		if c.there {
			more, err = b.put(name, member, c.score)
		} else {
			more, err = b.drop(name, member)
		}
		if err != nil {
			return err
		}
		sum += more
	}
	return b.count(name, sum)
}
