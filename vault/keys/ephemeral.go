package keys

import (
	"context"
	"fmt"
	"time"
)

// Ephemeral returns a fresh keyring that is kept nowhere, for explain and for
// tests. What it seals opens for as long as the process lives.
func Ephemeral() *Ring {
	b := new(memory)
	ks := newKeyset(time.Now())
	b.kept = ks.clone()
	r, err := newRing(ks, b, time.Now)
	if err != nil {
		panic(err) // the keyset was made by newKeyset just now
	}
	return r
}

// memory is the backend of Ephemeral.
type memory struct{ kept *keyset }

func (b *memory) load(context.Context, *keyset) (*keyset, error) { return b.kept.clone(), nil }

func (b *memory) save(_ context.Context, next *keyset) error {
	if next.Revision != b.kept.Revision+1 {
		return fmt.Errorf("%w: revision %d after %d", ErrConflict, next.Revision, b.kept.Revision)
	}
	b.kept.zero()
	b.kept = next.clone()
	return nil
}

func (b *memory) status(s *Status)      { s.Kind, s.Reachable = "ephemeral", true }
func (b *memory) settle() time.Duration { return 0 }
func (b *memory) close()                { b.kept.zero() }
