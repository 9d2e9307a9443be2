package rules

import (
	"fmt"
	"slices"
)

// checkWays holds the ways out of doubt and through an outage against what a
// route's primary can bear.
func (l *loader) checkWays() {
	for i := range l.plan.Routes {
		r, nodes := &l.plan.Routes[i], &l.routes[i]
		if len(r.Legs) == 0 || !r.Legs[r.Primary].Primary {
			continue // said already
		}
		l.checkDoubt(r, nodes)
		if to := r.Legs[r.Primary].Destination; r.OnOutage == OutageSpool && to >= 0 && !l.plan.Destinations[to].Idempotent {
			nodes.onOutage.Warn("spool_not_idempotent", fmt.Sprintf("while the store is away, two proxies cannot know of each other's sales, and %s does not say that it honours an Idempotency-Key: a key that reaches both is charged twice", l.plan.Destinations[to].Name), "write idempotent: true on the destination if that is so, run one proxy, or use on_outage: refuse")
		}
	}
}

func (l *loader) checkDoubt(r *Route, nodes *routeNodes) {
	word := ""
	switch r.OnDoubt {
	case DoubtHold:
		return
	case DoubtRetry:
		word = "retry"
	case DoubtReplay:
		word = "replay"
	}
	if r.Idempotency == nil {
		nodes.onDoubt.Fail("doubt_without_key", fmt.Sprintf("the route %s has no idempotency, so no repeat of a request is known", r.Name), "write idempotency: {key: …}, or use on_doubt: hold")
	}
	to := r.Legs[r.Primary].Destination
	if to < 0 {
		return
	}
	d := &l.plan.Destinations[to]
	if !d.Idempotent {
		nodes.onDoubt.Fail("doubt_not_idempotent", fmt.Sprintf("on_doubt: %s sends a call to %s again, and nothing says that it would not charge twice", word, d.Name), "write idempotent: true on the destination if it honours Idempotency-Key, or use on_doubt: hold")
	}
	if r.OnDoubt != DoubtReplay {
		return
	}
	for id := range l.plan.Labels {
		if id := LabelID(id); l.plan.inFamily(id, labelSAD) && d.Sees.Of(id) == Plain {
			nodes.onDoubt.Fail("replay_sad", fmt.Sprintf("on_doubt: replay keeps the call to %s, which may see %s, and sensitive authentication data must never be stored", d.Name, l.plan.Labels[id].Name), "use on_doubt: retry: the caller's own repeat brings the data again")
			return
		}
	}
}

// checkPending finds answers that could never leave a sale open, and sales
// that nothing but an operator could decide.
func (l *loader) checkPending() {
	for i := range l.plan.Routes {
		r, nodes := &l.plan.Routes[i], &l.routes[i]
		for j := range r.Legs {
			leg, n := &r.Legs[j], nodes.legs[j].pending
			if leg.Pending == nil {
				continue
			}
			if leg.Success != nil && leg.Success.covers(leg.Pending) {
				n.Fail("pending_unreachable", "every answer that pending describes is a success already, which is asked first", "let success ask for other answers, as in success: {where: {status: [approved]}}")
			}
			if !l.decided(i) {
				n.Warn("pending_undecided", fmt.Sprintf("no route decides a sale of %s that is pending, so that an operator has to", r.Name), "write a route that follows it with release: or cancel:, as in follows: {key: …, release: success}")
			}
		}
	}
}

// decided reports whether a route decides, or was meant to decide, the pending
// sales of another.
func (l *loader) decided(sale int) bool {
	for i := range l.plan.Routes {
		f, nodes := l.plan.Routes[i].Follows, &l.routes[i].follows
		if f != nil && (f.Route == sale || f.Route < 0) && (nodes.release.Written() || nodes.cancel.Written()) {
			return true
		}
	}
	return false
}

// covers reports whether every answer that is pending is a success.
func (s *Success) covers(p *Pending) bool {
	ranges := s.Status
	if s.HTTP {
		ranges = []StatusRange{{200, 299}}
	}
	for _, r := range p.Status {
		if !slices.ContainsFunc(ranges, func(o StatusRange) bool { return o.From <= r.From && r.To <= o.To }) {
			return false
		}
	}
	for _, w := range s.Where {
		if !slices.ContainsFunc(p.Where, func(o Where) bool {
			return o.Path.same(w.Path) && !slices.ContainsFunc(o.Values, func(v Scalar) bool { return !slices.Contains(w.Values, v) })
		}) {
			return false
		}
	}
	return len(p.Status) > 0
}
