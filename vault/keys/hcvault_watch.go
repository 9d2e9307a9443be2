package keys

import (
	"context"
	"errors"
	"sync"
	"time"
)

// watcher is the goroutine of a ring on Vault, and what it saw last.
type watcher struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	err     error
	checked time.Time
	expires time.Time
}

// start begins to watch. close ends it.
func (v *vaultBackend) start(refresh func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel, v.done = cancel, make(chan struct{})
	v.seen(nil)
	go func() {
		defer close(v.done)
		timer := time.NewTimer(v.next())
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			err := v.look(ctx, refresh)
			if ctx.Err() != nil {
				return
			}
			v.report(err)
			timer.Reset(v.next())
		}
	}()
}

// next is the time until the next look: the interval, or sooner where the
// token asks for it.
func (v *vaultBackend) next() time.Duration {
	wait := v.refresh
	if at := v.session.renewAt; !at.IsZero() {
		// At least a tenth of the interval, so that a Vault that hands out
		// ever shorter leases is not called without a pause.
		wait = min(wait, max(time.Until(at), v.refresh/10))
	}
	return wait
}

// look keeps the token alive and reads the keyset. Where the token turns out to
// be no good (revoked, used up), it logs in again, once.
func (v *vaultBackend) look(ctx context.Context, refresh func(context.Context) error) error {
	if err := v.session.maintain(ctx); err != nil {
		return err
	}
	err := refresh(ctx)
	if !errors.Is(err, ErrDenied) {
		return err
	}
	if lerr := v.session.login(ctx); lerr != nil {
		return lerr
	}
	return refresh(ctx)
}

// report notes an outcome and logs it when it differs from the one before.
func (v *vaultBackend) report(err error) {
	before := v.seen(err)
	switch {
	case err != nil && (before == nil || word(before) != word(err)):
		v.log.Error("the keyset in Vault cannot be looked at; the keys in memory go on working",
			"reason", word(err), "error", err)
	case err == nil && before != nil:
		v.log.Info("Vault is back")
	}
}

func (v *vaultBackend) seen(err error) (before error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before, v.err = v.err, err
	v.checked, v.expires = time.Now(), v.session.expires
	return before
}

func (v *vaultBackend) status(s *Status) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s.Kind, s.CheckedAt, s.TokenExpires = "vault", v.checked, v.expires
	s.Reachable, s.Sealed = v.err == nil, errors.Is(v.err, ErrSealed)
	if v.err != nil {
		s.LastError = word(v.err)
	}
}

// close ends the watcher and waits for it. The token is left to expire: other
// proxies may be using the same one.
func (v *vaultBackend) close() {
	v.cancel()
	<-v.done
	v.transport.CloseIdleConnections()
	v.client.ClearToken()
}
