package proxy

import (
	"context"
	"errors"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/rules"
	"chaperone/rules/rewrite"
	"chaperone/store"
	"chaperone/vault"
)

// finish takes the replies, and counts what the caller may do a limited number
// of times.
func (r *resolver) finish(ops []rewrite.TokenOp) error {
	var open []*vault.VaultedMint
	for i := range r.asked {
		a, c := &r.asked[i], &r.reads[i]
		if r.needsStore(a, c) {
			return store.ErrUnavailable
		}
		switch a.kind {
		case askFailures:
			if r.s.limiter.Failing(r.party().Name, r.party().Limits, c) {
				return errLimit
			}
		case askMinted:
			r.learn(a, c, &ops[a.op])
		case askVaulted:
			more, err := r.tokens.TakeVaulted(a.mint, c)
			if err != nil {
				return err
			}
			if more {
				open = append(open, a.mint)
			}
		case askPAN, askRevoked, askValue, askFormer:
			r.revealed(a, c, &ops[a.op])
		}
	}
	if len(open) > 0 {
		if err := r.finishVaulted(open); err != nil {
			return err
		}
	}
	for i := range r.asked {
		if a := &r.asked[i]; a.kind == askVaulted {
			op := &ops[a.op]
			op.Result = a.mint.Token
			if a.mint.Fresh {
				r.fresh++
			}
			r.minted = append(r.minted, minted{label: op.Label, format: rules.FormatVaulted, index: a.mint.Index})
		}
	}
	r.former(ops)
	r.reads, r.asked = r.reads[:0], r.asked[:0]
	return r.count()
}

func (r *resolver) finishVaulted(open []*vault.VaultedMint) error {
	ctx, cancel := context.WithTimeout(r.s.work, storeTimeout)
	defer cancel()
	return r.tokens.FinishVaulted(ctx, r.s.driver.Apply, open)
}

// learn takes what the store knows of a card token that was minted.
func (r *resolver) learn(a *ask, c *store.Command, op *rewrite.TokenOp) {
	for i := range r.minted {
		m := &r.minted[i]
		switch {
		case m.index != a.index || m.format != rules.FormatPAN:
		case vault.Revoked(c.Prior):
			r.minted = append(r.minted[:i], r.minted[i+1:]...)
			r.seal(op, &r.p.plan.Labels[op.Label], true)
			return
		case c.Found:
			r.s.recent.add(c.Key, r.now)
			return
		default:
			m.store = true
			r.fresh++
			return
		}
	}
}

// revealed takes what the store knows of a token that arrived.
func (r *resolver) revealed(a *ask, c *store.Command, op *rewrite.TokenOp) {
	if op.Unknown {
		return
	}
	from := len(r.results)
	var err error
	switch a.kind {
	case askRevoked:
		if vault.Revoked(c.Prior) {
			r.unknown(op)
			return
		}
	case askPAN:
		// What is not found away from the store is known otherwise; see
		// needsStore.
		if !vault.Known(c.Prior) && (c.Found || !r.local) {
			r.unknown(op)
			return
		}
		if r.results, err = r.tokens.RevealKnown(r.results, op.Raw, []byte(a.index)); err != nil {
			r.unknown(op)
			return
		}
		op.Result = r.since(from)
	case askValue:
		if !c.Found {
			return // perhaps of a former format; see former
		}
		var record vault.Record
		r.results, record, err = r.tokens.OpenVaulted(r.results, c.Key, r.p.plan.Labels[op.Label].Name, c.Prior, r.now)
		if err != nil {
			r.unknown(op)
			return
		}
		op.Result, op.Card, op.Fragment = r.since(from), record.Card, record.Fragment
	case askFormer:
		if op.Result != nil || !vault.Known(c.Prior) {
			return
		}
		if r.results, err = r.tokens.RevealKnown(r.results, op.Raw, []byte(a.index)); err != nil {
			return
		}
		op.Result, op.Card = r.since(from), true
	}
	if op.Result == nil {
		return
	}
	if op.Kind == rewrite.Known {
		op.Result = op.Raw
		return
	}
	r.p.metrics.Revealed(op.Label, 1)
}

// former ends the operations on vaulted tokens that neither format knows.
func (r *resolver) former(ops []rewrite.TokenOp) {
	for i := range r.asked {
		if a := &r.asked[i]; a.kind == askValue && ops[a.op].Result == nil && !ops[a.op].Unknown {
			r.unknown(&ops[a.op])
		}
	}
}

// count holds the caller to its limits.
func (r *resolver) count() error {
	if r.blind || r.fresh+r.reveals+r.failed == 0 {
		return nil
	}
	c, l, ctx := r.party(), r.s.limiter, r.s.work // each round trip is bounded by itself
	within, err := l.Fail(ctx, c.Name, c.Limits, r.failed)
	if err != nil || !within {
		return errors.Join(err, limited(within))
	}
	if within, err = l.Take(ctx, c.Name, c.Limits, admin.LimitReveals, r.reveals); err != nil || !within {
		return errors.Join(err, limited(within))
	}
	within, err = l.Take(ctx, c.Name, c.Limits, admin.LimitMints, r.fresh)
	return errors.Join(err, limited(within || err != nil))
}

func limited(within bool) error {
	if within {
		return nil
	}
	return errLimit
}

// store appends the commands that store what was minted, and the entry's
// mention of it.
func (r *resolver) store(cmds []store.Command, e *audit.Entry) []store.Command {
	for i := range r.minted {
		m := &r.minted[i]
		label := r.p.plan.Labels[m.label].Name
		e.Tokens = append(e.Tokens, audit.Token{Scope: audit.Name(r.scope), Label: audit.Name(label), Format: audit.Name(m.format), Key: audit.ID(m.index)})
		if m.store {
			mark := r.tokens.Mark(m.key, &vault.Record{Label: label, Format: string(m.format), Card: true, Created: r.now, Last4: string(m.digits[m.n-4 : m.n])})
			cmds = append(cmds, store.Command{Kind: store.SetOnce, Key: m.key, Value: mark})
		}
	}
	for _, m := range r.vaulted {
		cmds = r.tokens.StoreVaulted(cmds, m)
	}
	return cmds
}

// stored notes that what was minted is in the store.
func (r *resolver) stored() {
	for i := range r.minted {
		if m := &r.minted[i]; m.store {
			r.s.recent.add(m.key, r.now)
		}
	}
}
