package keys

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// CopyToLocal writes the keyset to the local keyring of a folder, reads it back
// and compares. The ring stays where it is, and its id is kept, so that every
// token goes on working when the proxies are told to use the copy.
//
// A local keyring that is there is replaced only where it is this one, and has
// no key that this one has not: ErrConflict otherwise. Where it is a later
// revision with all keys of this one, there is nothing to do.
func (r *Ring) CopyToLocal(ctx context.Context, o LocalOptions) error {
	return r.copyTo(ctx, func(ctx context.Context, ks *keyset) error { return copyToLocal(ctx, o, ks) })
}

// CopyToVault is CopyToLocal for a keyset in Vault. AllowCreate is not needed.
func (r *Ring) CopyToVault(ctx context.Context, o VaultOptions) error {
	return r.copyTo(ctx, func(ctx context.Context, ks *keyset) error { return copyToVault(ctx, o, ks) })
}

// RemoveLocal removes keyring.json from a folder, if it is the ring's keyring.
// The key file is left: it opens nothing any more.
func (r *Ring) RemoveLocal(o LocalOptions) error {
	l := &local{dir: o.Dir}
	unlock, err := lockFile(filepath.Join(o.Dir, localLock))
	if err != nil {
		return err
	}
	defer unlock()
	e, err := l.read()
	if err != nil {
		return err
	}
	if e.ID != r.id {
		return fmt.Errorf("%w: %s is keyring %s, not %s", ErrConflict, l.path(), e.ID, r.id)
	}
	if err := os.Remove(l.path()); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := syncDir(o.Dir); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// RemoveVault removes the keyset from Vault with all its versions, if it is
// the ring's. The policy of a proxy does not allow that: ErrDenied.
func (r *Ring) RemoveVault(ctx context.Context, o VaultOptions) error {
	v, err := newVault(&o)
	if err != nil {
		return err
	}
	defer v.close()
	if err := v.session.login(ctx); err != nil {
		return err
	}
	s, err := v.read(ctx)
	if err != nil {
		return err
	}
	if s.id != r.id {
		return fmt.Errorf("%w: the keyset in Vault is %s, not %s", ErrConflict, s.id, r.id)
	}
	if err := v.kv.DeleteMetadata(ctx, v.path); err != nil {
		return explain("delete "+v.mount+"/"+v.path, err)
	}
	return nil
}

// copyTo copies what is kept, which may be newer than what the ring has seen.
// Nobody changes the ring meanwhile.
func (r *Ring) copyTo(ctx context.Context, write func(context.Context, *keyset) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if err := r.reload(ctx); err != nil {
		return err
	}
	return write(ctx, r.material().doc)
}

func copyToLocal(ctx context.Context, o LocalOptions, ks *keyset) error {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	l := &local{dir: o.Dir}
	if err := l.replace(o, ks); err != nil {
		return err
	}
	back, err := openLocal(ctx, o, durable{}, time.Now)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	defer back.Close()
	if back.Status(ctx).Revision > ks.Revision {
		return nil // it was there, and replace has compared it
	}
	return same(ks, back.material().doc)
}

// replace writes a keyset in place of none, or of an older revision of it.
func (l *local) replace(o LocalOptions, ks *keyset) error {
	unlock, err := lockFile(filepath.Join(l.dir, localLock))
	if err != nil {
		return err
	}
	defer unlock()
	e, err := l.read()
	switch {
	case errors.Is(err, ErrMissing):
		if l.wrap, err = newWrap(o, l.files); err != nil {
			return err
		}
		return l.write(ks)
	case err != nil:
		return err
	}
	if l.wrap, err = unlockWrap(o, e.Wrap); err != nil {
		return err
	}
	old, err := l.unwrap(e)
	if err != nil {
		return err
	}
	defer old.zero()
	needed, err := replaceable(old, ks)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", l.path(), err)
	case !needed:
		return nil
	}
	return l.write(ks)
}

func copyToVault(ctx context.Context, o VaultOptions, ks *keyset) error {
	v, err := newVault(&o)
	if err != nil {
		return err
	}
	defer v.close()
	if err := v.session.login(ctx); err != nil {
		return err
	}
	old, err := v.load(ctx, nil)
	switch {
	case errors.Is(err, errNever):
	case err != nil:
		return err
	default:
		defer old.zero()
		needed, err := replaceable(old, ks)
		switch {
		case err != nil:
			return fmt.Errorf("%s/%s: %w", v.mount, v.path, err)
		case !needed:
			return nil
		}
	}
	if err := v.save(ctx, ks); err != nil { // check-and-set on what was read
		return err
	}
	back, err := v.load(ctx, nil)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	defer back.zero()
	return same(ks, back)
}

// replaceable says whether ks may take the place of old, and whether it has to:
// not where old is a later revision with all that ks has. Two copies that were
// both rotated hold keys that the other has not: neither takes the other's
// place.
func replaceable(old, ks *keyset) (needed bool, err error) {
	if old.ID != ks.ID {
		return false, fmt.Errorf("%w: another keyring is there (%s), and is not overwritten", ErrConflict, old.ID)
	}
	if needed = old.Revision <= ks.Revision; !needed {
		old, ks = ks, old
	}
	for i := range old.Keys {
		k := &old.Keys[i]
		kept := slices.ContainsFunc(ks.Keys, func(n key) bool {
			return n.Use == k.Use && n.Generation == k.Generation &&
				(n.State == Destroyed || subtle.ConstantTimeCompare(n.Material, k.Material) == 1)
		})
		if k.State != Destroyed && !kept {
			return false, fmt.Errorf("%w: both keyrings were changed since they were copied: they differ in %s generation %d", ErrConflict, k.Use, k.Generation)
		}
	}
	return needed, nil
}

// same compares a keyset with what was read back.
func same(want, got *keyset) error {
	a, err := want.marshal()
	defer clear(a)
	if err != nil {
		return err
	}
	b, err := got.marshal()
	defer clear(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(a, b) {
		return fmt.Errorf("%w: what was read back is not what was written", ErrMalformed)
	}
	return nil
}
