package admin

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"chaperone/rules"
	"chaperone/store"
)

// Limited is what a caller may do a limited number of times.
type Limited uint8

// What is limited.
const (
	LimitMints         Limited = iota // tokens of values that had none, a day
	LimitReveals                      // a day
	LimitFailedReveals                // an hour
)

var limitedNames = [...]string{"mints", "reveals", "failed_reveals"}

// String returns the value of the metric's label.
func (l Limited) String() string { return limitedNames[l] }

// stretch is the time in which a limit counts.
func (l Limited) stretch() time.Duration {
	if l == LimitFailedReveals {
		return time.Hour
	}
	return 24 * time.Hour
}

func (l Limited) of(limits rules.CallerLimits) int64 {
	return int64([...]int{limits.MintsPerDay, limits.RevealsPerDay, limits.FailedRevealsPerHour}[l])
}

// leaseShare is the part of a limit that a proxy takes from the store at once,
// so that it asks the store seldom. What it does not use is lost to the others
// until the stretch ends: a limit may be reached that much too early, and never
// too late.
const leaseShare = 100

// Limiter counts what callers do with tokens. The counters are in the store, so
// that a limit holds across all proxies. Safe for concurrent use.
type Limiter struct {
	Apply   func(ctx context.Context, cmds []store.Command) error // of the store's driver
	Clock   func() time.Time
	Metrics *Metrics // nil: none
	Logger  *slog.Logger
	// Away tells that the store is away; nil: it never is. Then each proxy
	// counts for itself, on from what it last heard.
	Away func() bool

	mu     sync.Mutex
	leases map[leaseKey]*lease
	said   map[leaseKey]time.Time // when the log was last told
}

type leaseKey struct {
	caller string
	what   Limited
}

// lease is what is left of what was taken from the store's counter.
type lease struct {
	stretch int64
	left    int64
	// full says that the store had no more under this limit.
	full      bool
	fullUnder int64
	// known is the store's counter as it was last heard of, and what was
	// counted here since.
	known int64
}

// Take counts n uses by a caller, and reports whether its limit allows them.
// If not, none is counted, and the alert metric is. The error is the store's.
func (l *Limiter) Take(ctx context.Context, caller string, limits rules.CallerLimits, what Limited, n int) (bool, error) {
	if n <= 0 {
		return true, nil
	}
	limit := what.of(limits)
	stretch := l.stretch(what)
	if ok, known := l.local(caller, what, stretch, limit, int64(n)); known {
		return l.judged(caller, what, ok), nil
	}
	ask := max(int64(n), limit/leaseShare)
	count, err := l.add(ctx, caller, what, stretch, ask)
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	e := l.lease(caller, what, stretch)
	e.left += min(ask, max(0, limit-(count-ask)))
	if count >= limit {
		e.full, e.fullUnder = true, limit
	}
	ok := e.left >= int64(n)
	if ok {
		e.left -= int64(n)
	}
	l.mu.Unlock()
	return l.judged(caller, what, ok), nil
}

// local decides from what was taken before; known is false where the store has
// to be asked.
func (l *Limiter) local(caller string, what Limited, stretch, limit, n int64) (ok, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.lease(caller, what, stretch)
	if e.left >= n {
		e.left -= n
		return true, true
	}
	return false, e.full && e.fullUnder == limit
}

func (l *Limiter) lease(caller string, what Limited, stretch int64) *lease {
	if l.leases == nil {
		l.leases = map[leaseKey]*lease{}
	}
	k := leaseKey{caller, what}
	e := l.leases[k]
	if e == nil || e.stretch != stretch {
		e = &lease{stretch: stretch}
		l.leases[k] = e
	}
	return e
}

// Fail counts n failed reveals, which have happened already, and reports
// whether they are within the limit.
func (l *Limiter) Fail(ctx context.Context, caller string, limits rules.CallerLimits, n int) (bool, error) {
	if n <= 0 {
		return true, nil
	}
	count, err := l.add(ctx, caller, LimitFailedReveals, l.stretch(LimitFailedReveals), int64(n))
	if err != nil {
		return false, err
	}
	return l.judged(caller, LimitFailedReveals, count <= LimitFailedReveals.of(limits)), nil
}

// Failures returns the command that reads how many reveals of a caller have
// failed, for whoever has a round trip to make; Failing judges its reply.
func (l *Limiter) Failures(caller string) store.Command {
	return store.Command{Kind: store.Get, Key: store.CounterKey(LimitFailedReveals.String(), caller, l.stretch(LimitFailedReveals))}
}

// Failing reports whether a caller has failed as often as it may, so that
// nothing is revealed for it any more.
func (l *Limiter) Failing(caller string, limits rules.CallerLimits, c *store.Command) bool {
	count := int64(0)
	if c.Found {
		// What is no number cannot be: the register is a counter.
		count, _ = strconv.ParseInt(string(c.Prior), 10, 64)
	}
	count = max(count, l.known(caller, LimitFailedReveals))
	limit := LimitFailedReveals.of(limits)
	return count >= max(1, limit) && !l.judged(caller, LimitFailedReveals, false)
}

func (l *Limiter) stretch(what Limited) int64 {
	return l.Clock().Unix() / int64(what.stretch().Seconds())
}

func (l *Limiter) add(ctx context.Context, caller string, what Limited, stretch, n int64) (int64, error) {
	c := []store.Command{{Kind: store.Incr, Key: store.CounterKey(what.String(), caller, stretch), Score: n, TTL: 2 * what.stretch()}}
	away := l.Away != nil && l.Away()
	if !away {
		if err := l.Apply(ctx, c); err != nil {
			if away = l.Away != nil && errors.Is(err, store.ErrUnavailable); !away {
				return 0, err
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.lease(caller, what, stretch)
	if away {
		e.known += n
		return e.known, nil
	}
	e.known = max(e.known, c[0].Count)
	return c[0].Count, c[0].Err
}

// known gives what was heard of a counter of this stretch of time.
func (l *Limiter) known(caller string, what Limited) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lease(caller, what, l.stretch(what)).known
}

// judged counts and logs a limit that was reached.
func (l *Limiter) judged(caller string, what Limited, ok bool) bool {
	if ok {
		return true
	}
	if l.Metrics != nil {
		l.Metrics.LimitReached(caller, what)
	}
	if !l.worthALine(caller, what) {
		return false
	}
	l.Logger.Warn("a caller has reached its limit of tokens", "caller", caller, "limit", what.String())
	return false
}

// sayEvery is how often the log is told of one caller's limit; the metric and
// the entries count every time.
const sayEvery = time.Minute

func (l *Limiter) worthALine(caller string, what Limited) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, now := leaseKey{caller, what}, l.Clock()
	if past := now.Sub(l.said[k]); past >= 0 && past < sayEvery {
		return false
	}
	if l.said == nil {
		l.said = map[leaseKey]time.Time{}
	}
	l.said[k] = now
	return true
}
