package admin

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"chaperone/rules"
	"chaperone/store"
	"chaperone/store/storetest"
)

// TestLimiterAway counts by itself while the store is away, on from what it
// last heard, and with the others again when that is back.
func TestLimiterAway(t *testing.T) {
	f := storetest.NewFaults(storetest.Open(t))
	now := time.Unix(1_700_000_000, 0)
	limits := rules.CallerLimits{RevealsPerDay: 8, FailedRevealsPerHour: 3}
	limiter := func(away func() bool) *Limiter {
		return &Limiter{Apply: f.Apply, Clock: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler), Away: away}
	}
	take := func(l *Limiter, n int) bool {
		t.Helper()
		ok, err := l.Take(t.Context(), "till", limits, LimitReveals, n)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	away := false
	l := limiter(func() bool { return away })
	if !take(l, 3) {
		t.Error("three of eight are too many")
	}
	f.Down(true)
	if !take(l, 2) { // before the outage is known
		t.Error("five of eight are too many")
	}
	away = true
	if !take(l, 3) {
		t.Error("eight of eight are too many")
	}
	if take(l, 1) {
		t.Error("nine of eight are not too many")
	}
	for n := 1; n <= 3; n++ {
		if ok, err := l.Fail(t.Context(), "till", limits, 1); err != nil || !ok {
			t.Errorf("failure %d: %v, %v", n, ok, err)
		}
	}
	nothing := l.Failures("till")
	if !l.Failing("till", limits, &nothing) {
		t.Error("the failures of the outage are forgotten")
	}
	if l.Failing("another", limits, &nothing) {
		t.Error("somebody else failed")
	}
	if _, err := limiter(nil).Take(t.Context(), "till", limits, LimitReveals, 1); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a limiter that does not count by itself: %v", err)
	}
	f.Down(false)
	if ok, err := limiter(nil).Take(context.Background(), "till", limits, LimitReveals, 5); err != nil || !ok {
		t.Errorf("what was counted alone is not the store's: %v, %v", ok, err)
	}
}
