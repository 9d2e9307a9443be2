package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
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
	// AheadBytes is about how much is written ahead of the file itself, and held
	// in memory, before it is put there, and how much gathers meanwhile; 0 means
	// 4 MiB.
	AheadBytes int
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
	// fileFormat is that of a file which has more beside it, in the files
	// ahead. Once all is in the file it has the format fileSettled, which
	// versions know that knew of no others.
	fileFormat  = "chaperone store 2"
	fileSettled = "chaperone store 1"
	// lockWait is how long to wait for a process that is just ending.
	lockWait = 200 * time.Millisecond
)

// fileDriver keeps the state in one bbolt file and two files ahead of it. A
// batch is acknowledged once it is on disk in one of these; the layers are the
// same in memory. A read sees what was acknowledged.
type fileDriver struct {
	db     *bolt.DB
	now    func() time.Time
	sync   bool
	most   int // FileOptions.AheadBytes
	closed atomic.Bool
	work   sync.WaitGroup // the flusher

	writing sync.Mutex // one batch at a time
	ahead   *ahead     // the writer's
	stage   stage      // likewise
	flushed time.Time  // likewise: when that was begun last

	mu     sync.RWMutex // of what follows, and what is in active
	active *layer       // takes what is written
	frozen *layer       // on its way into the bbolt file; nil: none
	run    *flushing    // the newest; nil: there was none
	more   bool         // registers have ended that are still there

	// scrubbing keeps readers away while pages are overwritten that an old
	// snapshot may still show.
	scrubbing sync.RWMutex
}

// OpenFile opens the embedded store in the file at path, which is made with
// mode 0600 if it does not exist. ErrLocked if another process has it open.
func OpenFile(path string, o FileOptions) (Driver, error) {
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
	err = db.Update(prepareFile)
	if err == nil {
		err = d.recover(path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", path, err), db.Close())
	}
	return d, nil
}

// newFileDriver makes a driver that writes nothing ahead on disk; recover lets
// it.
func newFileDriver(db *bolt.DB, o FileOptions) *fileDriver {
	d := &fileDriver{db: db, now: o.Clock, sync: !o.NoSync, most: cmp.Or(o.AheadBytes, aheadBytes)}
	if d.now == nil {
		d.now = time.Now
	}
	d.ahead = &ahead{generation: 1}
	d.active, d.flushed = newLayer(1), d.now()
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
	if meta.Get(keyID) == nil {
		if err := meta.Put(keyID, newStoreID()); err != nil {
			return err
		}
	}
	switch string(meta.Get(keyFormat)) {
	case fileFormat:
		return nil
	case "", fileSettled:
		return meta.Put(keyFormat, []byte(fileFormat))
	}
	return errors.New("the file has a format that this version does not know")
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Write does the batch, and returns when it is on disk.
func (d *fileDriver) Write(ctx context.Context, b *Batch) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	size := 0
	for i := range b.Records {
		size += len(b.Records[i].Entry) + partRoom
	}
	for _, group := range b.Groups {
		size += sizeOf(group)
	}
	return d.done(d.write(ctx, size, func(w *fileTx) error {
		if err := w.appendLog(b); err != nil {
			return err
		}
		for _, group := range b.Groups {
			w.apply(group)
		}
		return nil
	}))
}

// partRoom is what a part of a frame needs besides its value, mostly.
const partRoom = 160

func sizeOf(cmds []Command) (size int) {
	for i := range cmds {
		size += len(cmds[i].Value) + partRoom
	}
	return size
}

// Apply does commands; without a write among them, without touching the disk.
func (d *fileDriver) Apply(ctx context.Context, cmds []Command) error {
	do := func(w *fileTx) error {
		w.apply(cmds)
		return nil
	}
	for i := range cmds {
		if cmds[i].Kind != Get {
			if err := d.ready(ctx); err != nil {
				return err
			}
			return d.done(d.write(ctx, sizeOf(cmds), do))
		}
	}
	return d.view(ctx, do)
}

// write does what a function wants, and returns when it is on disk. If the
// function fails it has written nothing.
func (d *fileDriver) write(ctx context.Context, size int, do func(w *fileTx) error) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if d.closed.Load() {
		return ErrClosed
	}
	if err := d.makeRoom(ctx); err != nil {
		return err
	}
	d.stage.begin(size)
	if err := d.see(&d.stage, do); err != nil {
		return err
	}
	if d.stage.empty() {
		return nil
	}
	if err := d.ahead.append(d.stage.out); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active.take(&d.stage)
	return nil
}

// see shows the file to a function, under the layers that are not in it.
func (d *fileDriver) see(s *stage, do func(w *fileTx) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.db.View(func(tx *bolt.Tx) error {
		w := &fileTx{base: newBasis(tx), stage: s, now: d.now().UnixMilli(), layers: make([]*layer, 0, 3)}
		if s != nil {
			w.layers = append(w.layers, &s.layer)
		}
		w.layers = append(w.layers, d.active)
		// It may have come into the file a moment ago.
		if d.frozen != nil && d.frozen.generation > w.base.applied() {
			w.layers = append(w.layers, d.frozen)
		}
		return do(w)
	})
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
	return d.done(d.see(nil, read))
}

// settleFirst puts all that was acknowledged before into the bbolt file.
func (d *fileDriver) settleFirst(ctx context.Context) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	d.writing.Lock()
	defer d.writing.Unlock()
	return d.done(d.settle(ctx))
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

// Close waits for the batch in progress, puts what is ahead into the bbolt
// file, and gives that free. If there is no room for it, the next OpenFile does
// it.
func (d *fileDriver) Close() error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if d.closed.Swap(true) {
		return nil
	}
	err := d.settle(context.Background())
	d.work.Wait()
	if err == nil {
		err = d.db.Update(func(tx *bolt.Tx) error {
			meta, err := tx.CreateBucketIfNotExists(bucketMeta)
			if err != nil {
				return err
			}
			return meta.Put(keyFormat, []byte(fileSettled))
		})
	}
	if err == nil {
		return errors.Join(d.ahead.remove(), d.db.Close())
	}
	return errors.Join(d.ahead.close(), d.db.Close())
}
