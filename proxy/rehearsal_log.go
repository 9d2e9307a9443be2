package proxy

import (
	"context"
	"strings"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/vault/letters"
)

// logPage is how many entries are read at once.
const logPage = 256

// read takes from the log what was put on record since the last time: it is
// what an auditor would read.
func (r *Rehearsal) read(ctx context.Context, h *Rehearsed) error {
	// Behind everything that is on its way to the log.
	if err := r.s.committer.Commit(ctx, &store.Unit{Commands: []store.Command{{Kind: store.Get, Key: store.MetaKey("keyring")}}}); err != nil {
		return err
	}
	for {
		records, err := r.driver.LogRange(ctx, r.s.committer.Chain(), r.seen+1, logPage)
		if err != nil || len(records) == 0 {
			h.waiting()
			return err
		}
		for _, record := range records {
			e, err := r.s.sealing().Open(record.Entry)
			if err != nil {
				return err
			}
			r.seen = record.Seq
			r.entry(h, &e)
		}
	}
}

// entry takes what one entry says.
func (r *Rehearsal) entry(h *Rehearsed, e *audit.Entry) {
	for _, t := range e.Tokens {
		r.known[string(t.Key)] = true
	}
	h.Decisions = append(h.Decisions, e.Decisions...)
	switch e.Kind {
	case audit.KindRefusal:
		h.Refusal = e
	case audit.KindDelivery:
		for _, l := range e.Legs {
			h.later(string(l.Name), l.State.String())
		}
	}
}

// later notes what became of a leg after the answer.
func (h *Rehearsed) later(leg, state string) {
	for i := range h.Legs {
		if h.Legs[i].Name == leg {
			h.Legs[i].Later = state
		}
	}
}

// waiting marks the queued legs of which nothing more is on record.
func (h *Rehearsed) waiting() {
	for i := range h.Legs {
		if l := &h.Legs[i]; l.State == audit.LegQueued.String() && l.Later == "" {
			l.Later = "waiting"
		}
	}
}

// IsToken reports whether a text is a token of this rehearsal: one that was
// made in it, and is on record.
func (r *Rehearsal) IsToken(text string) bool {
	plan := r.s.policy.Load().plan
	for _, scope := range plan.Scopes() {
		tokens := r.s.tokensOf(scope)
		if r.known[string(tokens.IndexKey(nil, []byte(text)))] {
			return true
		}
		for i := range plan.Labels {
			if _, _, err := tokens.Unseal(nil, plan.Labels[i].Name, []byte(text)); err == nil {
				return true
			}
		}
	}
	return false
}

// IsAlias reports whether a text looks like a destination's pseudonym.
func (r *Rehearsal) IsAlias(text string) bool {
	rest, ok := strings.CutPrefix(text, "al_")
	return ok && len(rest) >= 8 && strings.Trim(rest, letters.Alphabet) == ""
}
