package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Head is the newest acknowledged entry of the chain that a process writes.
type Head struct {
	Chain string
	Seq   uint64 // 0: the chain is empty
	Hash  Hash
}

// Writer is the part of store.Committer that knows the head.
type Writer interface {
	Chain() string
	Head() (seq uint64, hash [32]byte)
}

// HeadOf returns the head of a writer, whose chain may change while we look: a
// new chain takes the place of one that the store has lost.
func HeadOf(w Writer) Head {
	for {
		chain := w.Chain()
		seq, hash := w.Head()
		// Chain ids are never used again, so an equal one was there throughout.
		if w.Chain() == chain {
			return Head{Chain: chain, Seq: seq, Hash: hash}
		}
	}
}

// Register stores a checkpoint in the register {chain}:cp.
type Register func(ctx context.Context, chain string, checkpoint []byte) error

// CheckpointerOptions set up a Checkpointer.
type CheckpointerOptions struct {
	Head     func() Head // cheap: it is asked twenty times in Every
	Signer   Signer
	File     string // see CheckpointFile
	Register Register
	Every    time.Duration // at most this long after an entry; 0 means 1 s
	Entries  uint64        // and at most this many entries after the last one; 0 means 1,000
	// Announce is how often the newest checkpoint is logged, so that it is
	// where the process's output goes; 0 means every minute.
	Announce time.Duration
	Logger   *slog.Logger
}

// Checkpointer signs the head of a chain as it moves, to a local file, to the
// store, and now and then to the process's log.
type Checkpointer struct {
	o    CheckpointerOptions
	file *checkpointFile

	filed atomic.Pointer[Checkpoint] // the last one in the file

	mu         sync.Mutex // all below, and the file
	last       Checkpoint // signed
	at         time.Time  // when last was signed, by a clock that does not jump
	registered Checkpoint // the last one in the store
	failed     time.Time  // when the last attempt failed; zero: it did not
	announced  Checkpoint // the last one in the process's output
	spoke      time.Time  // when
	ran        bool       // Run was called: the process has begun its work
}

// NewCheckpointer opens the file. Run writes to it and closes it.
func NewCheckpointer(o CheckpointerOptions) (*Checkpointer, error) {
	o.Every = cmp.Or(o.Every, time.Second)
	o.Entries = cmp.Or(o.Entries, 1000)
	o.Announce = cmp.Or(o.Announce, time.Minute)
	f, err := openCheckpointFile(o.File)
	if err != nil {
		return nil, err
	}
	return &Checkpointer{o: o, file: f, spoke: time.Now()}, nil
}

// Run signs the head as it moves until ctx ends. Call Close after the last
// entry of the chain is acknowledged.
func (c *Checkpointer) Run(ctx context.Context) {
	ticker := time.NewTicker(c.o.Every / 20)
	defer ticker.Stop()
	c.mu.Lock()
	c.ran = true
	c.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			c.mu.Lock()
			if now.Sub(c.failed) >= c.o.Every {
				c.note(c.step(ctx, now, false), now)
			}
			c.mu.Unlock()
		}
	}
}

// Sign signs the head now.
func (c *Checkpointer) Sign(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.step(ctx, time.Now(), true)
}

// Close signs the head a last time and closes the file. Run has returned.
func (c *Checkpointer) Close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.step(ctx, time.Now(), true), c.file.close())
}

// Last returns the last checkpoint that is on local disk; its Seq is 0 before
// the first.
func (c *Checkpointer) Last() Checkpoint {
	if last := c.filed.Load(); last != nil {
		return *last
	}
	return Checkpoint{}
}

// step signs the head if it is time to, and writes what is not written yet. A
// failure of one of the two places does not keep the other from being written;
// what failed is tried again at the next step.
func (c *Checkpointer) step(ctx context.Context, now time.Time, final bool) error {
	h := c.o.Head()
	if moved := h.Seq > 0 && (h.Chain != c.last.Chain || h.Seq > c.last.Seq); moved &&
		(final || h.Chain != c.last.Chain || h.Seq-c.last.Seq >= c.o.Entries || now.Sub(c.at) >= c.o.Every) {
		c.last = Checkpoint{Chain: h.Chain, Seq: h.Seq, Hash: h.Hash, Time: now}
		c.last.Sign(c.o.Signer)
		c.at = now
	}
	if c.last.Seq == 0 {
		return nil
	}
	var failed []error
	if !same(c.Last(), c.last) {
		if err := c.file.append(c.last.Text()); err != nil {
			failed = append(failed, err)
		} else {
			last := c.last
			c.filed.Store(&last)
		}
	}
	if !same(c.announced, c.last) && (final && c.ran || now.Sub(c.spoke) >= c.o.Announce) {
		c.announced, c.spoke = c.last, now
		c.o.Logger.Info("checkpoint of the log", "checkpoint", json.RawMessage(c.last.Text()))
	}
	if !same(c.registered, c.last) {
		ctx, cancel := context.WithTimeout(ctx, registerTime)
		defer cancel()
		if err := c.o.Register(ctx, c.last.Chain, c.last.Text()); err != nil {
			failed = append(failed, err)
		} else {
			c.registered = c.last
		}
	}
	return errors.Join(failed...)
}

func same(a, b Checkpoint) bool { return a.Chain == b.Chain && a.Seq == b.Seq }

// registerTime bounds the wait for the store, which may be away.
const registerTime = 2 * time.Second

// note logs when writing begins to fail and when it works again.
func (c *Checkpointer) note(err error, now time.Time) {
	switch {
	case err == nil && !c.failed.IsZero():
		c.failed = time.Time{}
		c.o.Logger.Info("checkpoints of the log are written again")
	case err != nil && c.failed.IsZero():
		c.o.Logger.Error("checkpoint of the log not written", "error", err)
		fallthrough
	case err != nil:
		c.failed = now
	}
}
