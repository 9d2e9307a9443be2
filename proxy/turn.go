package proxy

import (
	"context"
	"time"

	"chaperone/audit"
	"chaperone/rules/reason"
	"chaperone/store"
)

// turn is the right to send the primary of an attempt that is in doubt again.
// One at a time has it, among all proxies on the store: it is a register that
// is written once and ends by itself. A failover does not take it away: it is
// written with what is sent again after one.
type turn struct {
	s     *Server
	ref   store.Ref
	taken time.Time // before the store was asked
	life  time.Duration
}

// turnMargin is what a turn lives besides the destination's timeout: as long as
// the sending may be put off, and the outcome be under way.
const turnMargin = 10 * time.Second

// takeTurn takes the turn for one call of at most timeout. It is nil where
// somebody else has it. owner is the request, or the process, that wants it.
func (s *Server) takeTurn(ctx context.Context, ref store.Ref, owner string, timeout time.Duration) (*turn, error) {
	t := &turn{s: s, ref: ref, taken: time.Now(), life: (timeout + turnMargin).Round(time.Millisecond)}
	key := store.AgainKey(ref.K, ref.A)
	n := note{Owner: owner, At: s.clock().UnixMilli()}
	mark := note{Owner: owner, At: n.At, Result: audit.ResultUnknown, Reason: string(reason.InDoubt)}
	unknown := store.UnknownKey(ref.K, ref.A)
	take := []store.Command{
		{Kind: store.SetOnce, Key: key, Value: s.ring.Seal(nil, n.append(nil), []byte(key)), TTL: t.life},
		// From now on the claimant cannot end the attempt as one of which
		// nothing was sent.
		{Kind: store.SetOnce, Key: unknown, Value: s.ring.Seal(nil, mark.append(nil), []byte(unknown))}}
	if err := s.commitSoon(ctx, take); err != nil {
		return nil, err
	}
	if !take[0].Won {
		return nil, take[0].Err
	}
	return t, nil
}

// age tells how long ago the turn was taken.
func (t *turn) age() time.Duration { return store.Age(t.taken, time.Now()) }

// holds reports whether a call of at most timeout that begins now is over
// before anybody else may take the turn.
func (t *turn) holds(timeout time.Duration) bool { return t.age()+timeout < t.life }

// giveBack ends the turn before its time, where the attempt is as much in doubt
// as before. A turn that is nearly over is left to end by itself: it may be
// somebody else's by the time the store is told.
func (t *turn) giveBack(ctx context.Context) {
	if t.age()+2*storeTimeout > t.life {
		return
	}
	_ = t.s.commitSoon(ctx, []store.Command{{Kind: store.Delete, Key: store.AgainKey(t.ref.K, t.ref.A)}})
}
