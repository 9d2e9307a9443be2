package keys

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// backend keeps the wrapped keyset. Its methods are called one at a time.
type backend interface {
	// load returns the keyset as it is kept now, or nil where that is still the
	// one that the caller has. ErrMissing says that there is none.
	load(ctx context.Context, have *keyset) (*keyset, error)
	// save replaces the keyset that load returned last, if that is still the
	// one that is kept; else ErrConflict. When it returns nil, next is durable.
	// After any other error it may have been kept or not: load tells.
	save(ctx context.Context, next *keyset) error
	// status fills in what the backend knows of itself, without waiting for
	// the network.
	status(s *Status)
	// settle is how long a new generation waits before it makes anything, so
	// that every proxy can open what it makes.
	settle() time.Duration
	close()
}

// Ring is the keyring in memory. It is safe for concurrent use. Whoever owns it
// closes it when nobody uses it any more: after Close every method that returns
// an error returns ErrClosed, List is empty, and Seal, SealToken, PAN and MAC
// panic, which have no other way to say that there are no keys.
type Ring struct {
	live    atomic.Pointer[material]
	macs    *macs
	id      string
	backend backend
	now     func() time.Time

	mu      sync.Mutex // over changes; readers use live
	timer   *time.Timer
	closed  bool
	closing sync.Once
}

// newRing returns the ring of a keyset, which it owns.
func newRing(ks *keyset, b backend, now func() time.Time) (*Ring, error) {
	r := &Ring{id: ks.ID, backend: b, now: now}
	for i := range ks.Keys {
		if ks.Keys[i].Use == UseDerive {
			r.macs = newMACs(ks.Keys[i].Material)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.install(ks); err != nil {
		ks.zero()
		return nil, err
	}
	return r, nil
}

// install makes a keyset the live one, and comes back when a generation of it
// is due to make. r.mu is held.
func (r *Ring) install(ks *keyset) error {
	now := r.now()
	m, err := compile(ks, now)
	if err != nil {
		return err
	}
	if old := r.live.Swap(m); old != nil && old.doc != ks {
		old.zero(false)
	}
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if next := ks.due(now); !next.IsZero() {
		r.timer = time.AfterFunc(next.Sub(now), r.promote)
	}
	return nil
}

// promote installs the live keyset again, now that a generation is due.
func (r *Ring) promote() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	// It compiled before; if it did not now, the generation of before goes on
	// making, which is what a keyring should do.
	_ = r.install(r.live.Load().doc)
}

func (r *Ring) material() *material {
	m := r.live.Load()
	if m == nil {
		panic("keys: the ring is closed")
	}
	return m
}

// ID returns the random id of the keyring: 20 letters, the same for as long as
// the keyring exists. Whoever keeps what the ring seals keeps the id with it, so
// that a keyring that was lost and made anew is noticed.
func (r *Ring) ID() string { return r.id }

// Seal appends plaintext, encrypted and authenticated together with ad under
// the current key of use "store", to dst and returns it: Overhead bytes more
// than plaintext, which must not overlap dst. It allocates at most once, and
// not where dst has room.
func (r *Ring) Seal(dst, plaintext, ad []byte) []byte {
	return r.material().store.seal(dst, plaintext, ad)
}

// Open appends the plaintext of what Seal made under the same ad to dst, which
// must not overlap sealed. The errors are ErrForged and ErrGeneration; dst is
// then returned as it was.
func (r *Ring) Open(dst, sealed, ad []byte) ([]byte, error) {
	m := r.live.Load()
	if m == nil {
		return dst, ErrClosed
	}
	if len(sealed) < headSize || sealed[0] != algXAES {
		return dst, ErrForged
	}
	return m.store.open(dst, sealed, ad)
}

// SealToken is Seal under the keys of sealed tokens. Deterministic sealing
// makes equal text of equal plaintext under equal ad, until the next rotation;
// it allocates, and the text is JoinOverhead longer than plaintext.
func (r *Ring) SealToken(dst, plaintext, ad []byte, deterministic bool) []byte {
	m := r.material()
	if deterministic {
		return m.join.seal(dst, plaintext, ad)
	}
	return m.sealed.seal(dst, plaintext, ad)
}

// OpenToken is Open for SealToken, of both kinds.
func (r *Ring) OpenToken(dst, sealed, ad []byte) ([]byte, error) {
	m := r.live.Load()
	if m == nil {
		return dst, ErrClosed
	}
	if len(sealed) < headSize {
		return dst, ErrForged
	}
	switch sealed[0] {
	case algXAES:
		return m.sealed.open(dst, sealed, ad)
	case algSIV:
		return m.join.open(dst, sealed, ad)
	}
	return dst, ErrForged
}

// PAN returns the live generations of the keys for pan tokens, as of now. It
// is to be taken once for each message and must not be changed.
func (r *Ring) PAN() *PANKeys { return &r.material().pan }

// MAC appends the HMAC-SHA-256 (32 bytes) of parts to dst, under a subkey of
// the key "derive" that is purpose's own: it is the same over restarts and
// rotations. Parts are told apart. Purposes are constants of the code. It does
// not allocate in the steady state where dst has room.
func (r *Ring) MAC(dst []byte, purpose string, parts ...[]byte) []byte {
	return r.macs.append(dst, purpose, parts...)
}

// Close ends what the ring does in the background and every call of Vault that
// is under way, and zeroes the keys. It waits for no answer of the network. It
// may be called more than once.
func (r *Ring) Close() {
	r.closing.Do(func() {
		r.backend.close() // before the lock: its goroutine may be waiting for it
		r.mu.Lock()
		defer r.mu.Unlock()
		r.closed = true
		if r.timer != nil {
			r.timer.Stop()
		}
		r.macs.zero()
		r.live.Swap(nil).zero(true)
	})
}
