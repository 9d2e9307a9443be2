package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// FileOptions sets up the embedded store.
type FileOptions struct {
	// NoSync leaves out the fsync of each batch. For tests: what is
	// acknowledged may be lost with the machine's power.
	NoSync bool
	// Clock gives the time by which registers end; nil means time.Now.
	Clock func() time.Time
}

// The file's buckets.
//
//	meta   "format" → fileFormat
//	reg    key → when it ends (Unix ms, 8 bytes big-endian; 0: never), value
//	ends   when ‖ key → nothing: what has to be removed, by time
//	log    chain → bucket: sequence number (8 bytes) → hash (32 bytes), entry
//	sets   the sorted sets: queues, groups, chains, destinations (see zset.go)
var (
	bucketMeta = []byte("meta")
	bucketReg  = []byte("reg")
	bucketEnds = []byte("ends")
	bucketLog  = []byte("log")
	bucketSets = []byte("sets")
)

const (
	fileFormat = "chaperone store 1"
	// lockWait is how long to wait for a process that is just ending.
	lockWait = 200 * time.Millisecond
	// sweepMax bounds how many ended registers one batch removes.
	sweepMax = 256
)

// fileDriver keeps the state in one bbolt file. A batch is one transaction,
// and acknowledged once it is on disk.
type fileDriver struct {
	db     *bolt.DB
	now    func() time.Time
	sync   bool
	closed atomic.Bool
	// scrubbing keeps readers away while pages are overwritten that an old
	// snapshot may still show.
	scrubbing sync.RWMutex
}

// OpenFile opens the embedded store in the file at path, which is made with
// mode 0600 if it does not exist. ErrLocked if another process has it open.
func OpenFile(path string, o FileOptions) (Driver, error) {
	_, statErr := os.Stat(path)
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout: lockWait,
		NoSync:  o.NoSync,
		// The free list is found again by a scan at the start; writing it with
		// each batch would cost more.
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	case err != nil:
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	d := newFileDriver(db, o)
	if err := db.Update(prepareFile); err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", path, err), db.Close())
	}
	if errors.Is(statErr, os.ErrNotExist) {
		// Without this a new file's name may be lost with the power, and all
		// that is in it.
		if err := syncDir(filepath.Dir(path)); err != nil {
			return nil, errors.Join(fmt.Errorf("store: open %s: %w", path, err), db.Close())
		}
	}
	return d, nil
}

func newFileDriver(db *bolt.DB, o FileOptions) *fileDriver {
	d := &fileDriver{db: db, now: o.Clock, sync: !o.NoSync}
	if d.now == nil {
		d.now = time.Now
	}
	return d
}

// prepareFile makes the buckets, or refuses a file of another format.
func prepareFile(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketReg, bucketEnds, bucketLog, bucketSets} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	format := meta.Get([]byte("format"))
	if format == nil {
		return meta.Put([]byte("format"), []byte(fileFormat))
	}
	if string(format) != fileFormat {
		return errors.New("the file has a format that this version does not know")
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Write does the batch in one transaction.
func (d *fileDriver) Write(ctx context.Context, b *Batch) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	return d.done(d.db.Update(func(tx *bolt.Tx) error {
		w := newFileTx(tx, d.now())
		if err := w.appendLog(b); err != nil {
			return err
		}
		for _, group := range b.Groups {
			if err := w.apply(group); err != nil {
				return err
			}
		}
		return w.sweep()
	}))
}

// Apply does commands; without a write among them, without touching the disk.
func (d *fileDriver) Apply(ctx context.Context, cmds []Command) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	for i := range cmds {
		if cmds[i].Kind != Get {
			return d.done(d.db.Update(func(tx *bolt.Tx) error { return newFileTx(tx, d.now()).apply(cmds) }))
		}
	}
	d.scrubbing.RLock()
	defer d.scrubbing.RUnlock()
	return d.done(d.db.View(func(tx *bolt.Tx) error { return newFileTx(tx, d.now()).apply(cmds) }))
}

func (d *fileDriver) ready(ctx context.Context) error {
	if d.closed.Load() {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return &unavailable{cause: err}
	}
	return nil
}

// done sorts the error of a transaction.
func (d *fileDriver) done(err error) error {
	var gap *GapError
	switch {
	case err == nil, errors.As(err, &gap), errors.Is(err, ErrFork), errors.Is(err, errCursor):
		return err
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return ErrClosed
	}
	// The disk is full, or fails. A transaction that failed has changed
	// nothing, unless it was the last fsync of all: then it may have.
	return away(err)
}

// view runs a read.
func (d *fileDriver) view(ctx context.Context, read func(w *fileTx) error) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	d.scrubbing.RLock()
	defer d.scrubbing.RUnlock()
	return d.done(d.db.View(func(tx *bolt.Tx) error { return read(newFileTx(tx, d.now())) }))
}

// Generation is empty: what was acknowledged is on disk.
func (d *fileDriver) Generation(context.Context) (string, error) { return "", nil }

// Check tells what the file is.
func (d *fileDriver) Check(ctx context.Context) (Status, error) {
	s := Status{Kind: "file", Version: fileFormat, Mode: "file", Fsync: "always", Nodes: 1}
	if !d.sync {
		s.Fsync = "no"
	}
	return s, d.view(ctx, func(*fileTx) error { return nil })
}

// Close waits for the transaction in progress and gives the file free.
func (d *fileDriver) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	return d.db.Close()
}

// fileTx is one transaction on the file.
type fileTx struct {
	reg, ends, log, sets *bolt.Bucket
	now                  int64 // Unix ms
}

func newFileTx(tx *bolt.Tx, now time.Time) *fileTx {
	return &fileTx{
		reg: tx.Bucket(bucketReg), ends: tx.Bucket(bucketEnds),
		log: tx.Bucket(bucketLog), sets: tx.Bucket(bucketSets),
		now: now.UnixMilli(),
	}
}

// read gives a register's value, borrowed from the transaction, and when it
// ends; nil if it is not there or has ended.
func (w *fileTx) read(key string) (value []byte, end uint64) {
	v := w.reg.Get([]byte(key))
	if len(v) < 8 {
		return nil, 0
	}
	end = binary.BigEndian.Uint64(v)
	if end != 0 && int64(end) <= w.now {
		return nil, 0
	}
	return v[8:], end
}

// write puts a register, and its end into the index of ends.
func (w *fileTx) write(key string, value []byte, ttl time.Duration) error {
	if err := w.unindex(key); err != nil {
		return err
	}
	var end uint64
	if ttl > 0 {
		end = uint64(w.now + ttl.Milliseconds())
		if err := w.ends.Put(endKey(end, key), nil); err != nil {
			return err
		}
	}
	v := make([]byte, 8, 8+len(value))
	binary.BigEndian.PutUint64(v, end)
	return w.reg.Put([]byte(key), append(v, value...))
}

// unindex forgets when a register, which may have ended, was to end.
func (w *fileTx) unindex(key string) error {
	v := w.reg.Get([]byte(key))
	if len(v) < 8 {
		return nil
	}
	if end := binary.BigEndian.Uint64(v); end != 0 {
		return w.ends.Delete(endKey(end, key))
	}
	return nil
}

func (w *fileTx) remove(key string) error {
	if err := w.unindex(key); err != nil {
		return err
	}
	return w.reg.Delete([]byte(key))
}

func endKey(end uint64, key string) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(key)), end), key...)
}

// sweep removes registers that have ended.
func (w *fileTx) sweep() error {
	var gone [][]byte
	c := w.ends.Cursor()
	for k, _ := c.First(); k != nil && len(gone) < sweepMax && int64(binary.BigEndian.Uint64(k)) <= w.now; k, _ = c.Next() {
		gone = append(gone, bytes.Clone(k))
	}
	for _, k := range gone {
		if err := errors.Join(w.ends.Delete(k), w.reg.Delete(k[8:])); err != nil {
			return err
		}
	}
	return nil
}
