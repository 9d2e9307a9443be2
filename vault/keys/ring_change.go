package keys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// List describes every generation, by use and number. The parts are the
// caller's. A closed ring has none.
func (r *Ring) List() []Info {
	m := r.live.Load()
	if m == nil {
		return nil
	}
	return m.info(r.now())
}

// Rotate makes the next generation of a use. In Vault it starts to make only
// after every other proxy has had the time to read it; the Info says when. The
// errors are ErrSlots, ErrState, ErrConflict and those of the backend.
func (r *Ring) Rotate(ctx context.Context, use Use) (Info, error) {
	made, err := r.rotate(ctx, map[Use]int{use: anyGeneration})
	if err != nil {
		return Info{}, err
	}
	return made[0], nil
}

// RotateAfter is Rotate of several uses at once, all or none, for somebody who
// has looked: seen holds the newest generation of each use as it was listed.
// Where one of them is not the newest any more, somebody else has rotated
// meanwhile, and the error is ErrConflict. The Infos are in the order in which
// uses are listed.
func (r *Ring) RotateAfter(ctx context.Context, seen map[Use]int) ([]Info, error) {
	for use, newest := range seen {
		if newest < 1 {
			return nil, fmt.Errorf("rotate %s: %w: no generation %d", use, ErrState, newest)
		}
	}
	if len(seen) == 0 {
		return nil, nil
	}
	return r.rotate(ctx, seen)
}

// anyGeneration stands for the newest generation, whichever it is.
const anyGeneration = 0

func (r *Ring) rotate(ctx context.Context, seen map[Use]int) ([]Info, error) {
	made := map[Use]int{}
	err := r.change(ctx, func(ks *keyset, now time.Time) error {
		for _, use := range slices.Sorted(maps.Keys(seen)) {
			newest := seen[use]
			generation, err := ks.rotate(use, now, now.Add(r.backend.settle()))
			if err != nil {
				return fmt.Errorf("rotate %s: %w", use, err)
			}
			if newest != anyGeneration && generation != newest+1 {
				return fmt.Errorf("rotate %s: %w: generation %d is there already", use, ErrConflict, generation-1)
			}
			made[use] = generation
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(r.List(), func(i Info) bool { return made[i.Use] != i.Generation })
	if len(list) != len(seen) {
		return nil, fmt.Errorf("rotate: %w", ErrConflict)
	}
	return list, nil
}

// Retire makes sure that a generation, which must not be the current one,
// never makes again. It goes on opening.
func (r *Ring) Retire(ctx context.Context, use Use, generation int) error {
	return r.change(ctx, func(ks *keyset, now time.Time) error {
		return ks.setState(use, generation, Retired, now)
	})
}

// Destroy removes the key of a generation, which must not be the current one.
// Nothing that it made opens ever again.
func (r *Ring) Destroy(ctx context.Context, use Use, generation int) error {
	return r.change(ctx, func(ks *keyset, now time.Time) error {
		return ks.setState(use, generation, Destroyed, now)
	})
}

// change keeps a changed keyset and then installs it. What could not be kept
// is not used.
func (r *Ring) change(ctx context.Context, edit func(ks *keyset, now time.Time) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	// Whoever changed it last may have been another process.
	if err := r.reload(ctx); err != nil {
		return err
	}
	next := r.material().doc.clone()
	if err := edit(next, r.now()); err != nil {
		next.zero()
		return err
	}
	next.Revision++
	if err := r.backend.save(ctx, next); err != nil {
		next.zero()
		if errors.Is(err, ErrConflict) {
			err = errors.Join(err, r.reload(ctx))
		}
		return err
	}
	return r.install(next)
}

// Refresh reads the keyset again and installs it where it has changed. A ring
// on Vault does so by itself.
func (r *Ring) Refresh(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	return r.reload(ctx)
}

// reload is Refresh; r.mu is held. A keyset of another id, or one older than
// ours, is not taken: it is a restored backup or somebody's mistake, and ours
// has keys that are in use.
func (r *Ring) reload(ctx context.Context) error {
	live := r.material().doc
	ks, err := r.backend.load(ctx, live)
	if err != nil || ks == nil {
		return err
	}
	switch {
	case ks.ID != r.id:
		err = fmt.Errorf("%w: the keyset kept is another one (%s, ours is %s)", ErrConflict, ks.ID, r.id)
	case ks.Revision < live.Revision:
		err = fmt.Errorf("%w: the keyset kept has revision %d, ours has %d", ErrConflict, ks.Revision, live.Revision)
	case ks.Revision > live.Revision:
		return r.install(ks)
	}
	ks.zero()
	return err
}

// rewrap keeps the keyset anew where what wraps it has a newer version. The
// keyset stays as it is.
func (r *Ring) rewrap(ctx context.Context) (from, to int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.backend.(*vaultBackend)
	if !ok || r.closed {
		return 0, 0, ErrClosed
	}
	// What is written must be what is kept.
	if err := r.reload(ctx); err != nil {
		return 0, 0, err
	}
	return v.rewrap(ctx, r.material().doc)
}
