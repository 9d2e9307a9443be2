package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The files of the local keyring.
const (
	LocalKeyring = "keyring.json" // the wrapped keyset, mode 0600
	LocalKeyFile = "keyring.key"  // the default key file, mode 0600
	localLock    = "keyring.lock"
)

// LocalOptions says where the local keyring is and what wraps it.
type LocalOptions struct {
	// Dir holds keyring.json. It is made, mode 0700, where it is missing.
	Dir string
	// Passphrase returns the passphrase that the keyring is wrapped with, by
	// way of Argon2id. It is called once; the returned slice is zeroed after
	// use. It excludes KeyFile.
	Passphrase func() ([]byte, error)
	// KeyFile holds the key that the keyring is wrapped with; empty means
	// keyring.key in Dir, unless there is a Passphrase. It is made together
	// with the keyring.
	KeyFile string
}

// OpenLocal opens the keyring of a folder, and makes one on first use, that is
// where there is no keyring.json. Compare Ring.ID with what was stored under
// the keyring, to notice that keyring.json was lost.
//
// The errors are ErrPermissions, ErrMissing (a keyring without its key file),
// ErrWrongKey, ErrMalformed, and those of the file system. ctx is for the wait
// for another process that holds the lock while it makes or changes the
// keyring, a matter of milliseconds; it is looked at before that.
func OpenLocal(ctx context.Context, o LocalOptions) (*Ring, error) {
	return openLocal(ctx, o, durable{}, time.Now)
}

func openLocal(ctx context.Context, o LocalOptions, files durable, now func() time.Time) (*Ring, error) {
	if o.Passphrase != nil && o.KeyFile != "" {
		return nil, errors.New("keys: a passphrase and a key file exclude each other")
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	l := &local{dir: o.Dir, files: files}
	unlock, err := lockFile(filepath.Join(o.Dir, localLock))
	if err != nil {
		return nil, err
	}
	defer unlock()

	e, err := l.read()
	switch {
	case errors.Is(err, ErrMissing):
		return l.create(o, now)
	case err != nil:
		return nil, err
	}
	if l.wrap, err = unlockWrap(o, e.Wrap); err != nil {
		return nil, err
	}
	ks, err := l.unwrap(e)
	if err != nil {
		return nil, err
	}
	return newRing(ks, l, now)
}

// create makes the key file first and then the keyring: a crash in between
// leaves a key that the next start uses, never a keyring without its key.
func (l *local) create(o LocalOptions, now func() time.Time) (*Ring, error) {
	var err error
	if l.wrap, err = newWrap(o, l.files); err != nil {
		return nil, err
	}
	ks := newKeyset(now())
	if err := l.write(ks); err != nil {
		ks.zero()
		return nil, err
	}
	return newRing(ks, l, now)
}

// local is the backend of a folder.
type local struct {
	dir   string
	files durable
	wrap  *wrapKey
}

// envelope is keyring.json.
type envelope struct {
	Format   string     `json:"format"`
	Version  int        `json:"version"`
	ID       string     `json:"id"`
	Revision uint64     `json:"revision"`
	Wrap     wrapParams `json:"wrap"`
	Keyset   []byte     `json:"keyset"` // wrapped
}

const (
	envelopeFormat  = "chaperone-keyring"
	envelopeVersion = 1
)

func (l *local) path() string { return filepath.Join(l.dir, LocalKeyring) }

// read reads keyring.json without opening it.
func (l *local) read() (*envelope, error) {
	b, err := readPrivate(l.path())
	if err != nil {
		return nil, err
	}
	e := new(envelope)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("%w: %s is not JSON of its format", ErrMalformed, l.path())
	}
	if e.Format != envelopeFormat || e.Version != envelopeVersion {
		return nil, fmt.Errorf("%w: %s is not a %s of version %d", ErrMalformed, l.path(), envelopeFormat, envelopeVersion)
	}
	return e, nil
}

func (l *local) unwrap(e *envelope) (*keyset, error) {
	plain, err := l.wrap.aead.open(nil, e.Keyset, wrapAD(e.ID, e.Revision))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrWrongKey, l.path())
	}
	defer clear(plain)
	ks, err := parseKeyset(plain)
	if err != nil {
		return nil, err
	}
	if ks.ID != e.ID || ks.Revision != e.Revision {
		ks.zero()
		return nil, fmt.Errorf("%w: %s holds another keyset than it says", ErrMalformed, l.path())
	}
	return ks, nil
}

// write wraps and writes. The lock is held.
func (l *local) write(ks *keyset) error {
	plain, err := ks.marshal()
	if err != nil {
		return err
	}
	defer clear(plain)
	e := envelope{
		Format: envelopeFormat, Version: envelopeVersion, ID: ks.ID, Revision: ks.Revision, Wrap: l.wrap.params,
		Keyset: l.wrap.aead.seal(nil, plain, wrapAD(ks.ID, ks.Revision)),
	}
	b, err := json.MarshalIndent(&e, "", "  ")
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return l.files.write(l.path(), append(b, '\n'))
}

func (l *local) load(_ context.Context, have *keyset) (*keyset, error) {
	e, err := l.read()
	if err != nil {
		return nil, err
	}
	if have != nil && e.ID == have.ID && e.Revision == have.Revision {
		return nil, nil
	}
	return l.unwrap(e)
}

func (l *local) save(_ context.Context, next *keyset) error {
	unlock, err := lockFile(filepath.Join(l.dir, localLock))
	if err != nil {
		return err
	}
	defer unlock()
	e, err := l.read()
	if err != nil {
		return err
	}
	if e.ID != next.ID || e.Revision != next.Revision-1 {
		return fmt.Errorf("%w: revision %d is kept, %d was to follow %d", ErrConflict, e.Revision, next.Revision, next.Revision-1)
	}
	return l.write(next)
}

func (l *local) status(s *Status) {
	s.Kind = "local"
	_, err := os.Stat(l.path())
	if s.Reachable = err == nil; !s.Reachable {
		s.LastError = "missing"
	}
}

// settle is zero: no other process opens what this folder's keyring seals.
func (l *local) settle() time.Duration { return 0 }

func (l *local) close() {}
