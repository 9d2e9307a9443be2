package keys

import (
	"context"
	"errors"
	"sync"
	"time"
)

// watcher is the goroutine of a ring on Vault, and what it saw last.
type watcher struct {
	done  chan struct{} // nil before start
	looks int           // since Vault was asked for its Transit key's version

	mu        sync.Mutex
	err       error
	checked   time.Time
	refreshed time.Time // when err was nil last
	expires   time.Time
}

// start begins to watch. close ends it.
func (v *vaultBackend) start(r *Ring) {
	ctx := v.life
	v.done = make(chan struct{})
	v.seen(nil)
	v.looks = rewrapLooks // so that the first look asks
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
			err := v.look(ctx, r.Refresh)
			if ctx.Err() != nil {
				return
			}
			v.report(err)
			if v.looks++; v.looks > rewrapLooks {
				// The next look is on a new connection: Vault may show another
				// certificate by now, and one that is in use never would.
				v.transport.CloseIdleConnections()
				if err == nil {
					v.looks = 0
					v.followTransit(ctx, r)
				}
			}
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
	if err == nil {
		v.refreshed = v.checked
	}
	return before
}

func (v *vaultBackend) status(s *Status) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s.Kind, s.CheckedAt, s.RefreshedAt, s.TokenExpires = "vault", v.checked, v.refreshed, v.expires
	s.Reachable, s.Sealed = v.err == nil, errors.Is(v.err, ErrSealed)
	if at := v.shown.Load(); at != 0 {
		s.CertificateExpires = time.Unix(at, 0)
	}
	if v.err != nil {
		s.LastError = word(v.err)
	}
}

// followTransit wraps the keyset anew where Vault's own Transit key was rotated:
// the old version of that key can then be given up.
func (v *vaultBackend) followTransit(ctx context.Context, r *Ring) {
	from, to, err := r.rewrap(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		// Nothing is lost by it: the old version goes on unwrapping, and the
		// next look but a few tries again.
		v.log.Warn("the keyset could not be wrapped with the new version of the Transit key", "reason", word(err), "error", err)
	case to > from:
		v.log.Info("the keyset is wrapped with the new version of the Transit key", "from", from, "to", to)
	}
}

// rewrap keeps ks, which is the one that is kept, wrapped with the newest
// version of the Transit key. Its revision stays: nothing in it changes.
func (v *vaultBackend) rewrap(ctx context.Context, ks *keyset) (from, to int, err error) {
	ctx, stop := v.bound(ctx)
	defer stop()
	if from, err = transitVersion(v.wrapped); err != nil {
		return 0, 0, err
	}
	if to, err = v.transit.version(ctx); err != nil || to <= from {
		return from, from, err
	}
	if err = v.save(ctx, ks); err != nil {
		return from, from, err
	}
	to, err = transitVersion(v.wrapped)
	return from, to, err
}

// close ends every call and the watcher, and waits for it. The token is left
// to expire: other proxies may be using the same one.
func (v *vaultBackend) close() {
	v.end()
	if v.done != nil {
		<-v.done
	}
	v.transport.CloseIdleConnections()
	v.client.ClearToken()
}
