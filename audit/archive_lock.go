package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"chaperone/store"
)

// lockArchive keeps other runs away. The context that it returns ends when the
// lock is lost; unlock ends the renewal and gives the lock free.
func lockArchive(ctx context.Context, d store.Driver, life time.Duration) (context.Context, func() error, error) {
	ours := []byte(rand.Text()) // nobody else's
	key := store.MetaKey("archiving")
	take := store.Command{Kind: store.SetOnce, Key: key, Value: ours, TTL: life}
	if err := do(ctx, d, &take); err != nil {
		return nil, nil, fmt.Errorf("audit: archive: %w", err)
	}
	if !take.Won {
		return nil, nil, fmt.Errorf("%w; one that was cut off gives way after %s", ErrArchiving, life)
	}
	held, lose := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		tick := time.NewTicker(life / 4)
		defer tick.Stop()
		for at := time.Now(); ; {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			// Not ours any more, or not known to be: nothing is done without it.
			ask := store.Command{Kind: store.Get, Key: key}
			more := store.Command{Kind: store.Expire, Key: key, TTL: life}
			if do(held, d, &ask) == nil && slices.Equal(ask.Prior, ours) && do(held, d, &more) == nil && more.Found {
				at = time.Now()
			} else if time.Since(at) > life/2 {
				lose(errLockLost)
				return
			}
		}
	}()
	return held, func() error {
		lost := context.Cause(held)
		lose(nil)
		<-renewed
		if errors.Is(lost, errLockLost) {
			return lost
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), registerTime)
		defer cancel()
		ask := store.Command{Kind: store.Get, Key: key}
		if do(ctx, d, &ask) == nil && slices.Equal(ask.Prior, ours) {
			// If it stays, it ends by itself.
			_ = do(ctx, d, &store.Command{Kind: store.Delete, Key: key})
		}
		return nil
	}, nil
}

// ErrArchiving says that another run archives the same store.
var ErrArchiving = errors.New("audit: another run archives this log")

var errLockLost = errors.New("audit: the store was away for too long, or another run archives this log")
