package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
)

// hearsay is what the entries of a log say of its chains: the heads that others
// have witnessed, and what was archived. The entries are sealed, so that whoever
// writes to the store cannot make them up.
type hearsay struct {
	heads map[string]told // the newest of each chain
	cuts  map[string]told // the furthest of each chain
}

// told is what an entry says of a chain, and which entry.
type told struct {
	Stretch
	by  string
	seq uint64
}

func newHearsay() *hearsay {
	return &hearsay{heads: map[string]told{}, cuts: map[string]told{}}
}

// take learns from the entry that stands in a chain as number seq.
func (h *hearsay) take(e *Entry, chain string, seq uint64) {
	into := h.heads
	switch e.Kind {
	case KindWitness:
	case KindCut:
		into = h.cuts
	default:
		return
	}
	for _, s := range e.Chains {
		if s.To > into[string(s.Chain)].To {
			into[string(s.Chain)] = told{s, chain, seq}
		}
	}
}

// cut returns what was heard of a chain's archiving, nil where nothing was.
func (h *hearsay) cut(chain string) *Cut {
	t, ok := h.cuts[chain]
	if !ok {
		return nil
	}
	return &Cut{Chain: chain, From: t.From, To: t.To, Hash: Hash(t.Hash), File: Hash(t.File)}
}

// compare holds what was heard against what was found.
func (v *verifier) compare(ctx context.Context) error {
	chains := slices.Collect(maps.Keys(v.signed))
	chains = slices.AppendSeq(chains, maps.Keys(v.heard.heads))
	chains = slices.AppendSeq(chains, maps.Keys(v.heard.cuts))
	slices.Sort(chains)
	for _, chain := range slices.Compact(chains) {
		if err := v.recheck(ctx, chain); err != nil {
			return err
		}
		if err := v.witnessed(ctx, chain); err != nil {
			return err
		}
	}
	return nil
}

// recheck looks at a chain again, if an entry knows more of its archiving than
// the store; and at one that the store does not list any more.
func (v *verifier) recheck(ctx context.Context, chain string) error {
	at, listed := v.walked[chain]
	cut := v.heard.cut(chain)
	if listed && (cut == nil || cut.To <= at.cut) {
		return nil
	}
	again, err := v.walk(ctx, chain, cut)
	if err != nil {
		return err
	}
	if !listed && again.cut == 0 {
		again.findings = slices.DeleteFunc(again.findings, func(f Finding) bool { return f.Kind != CutForged })
		f := Finding{Kind: Missing, Chain: chain, Seq: 1, To: v.heard.heads[chain].To, Note: "the store does not hold it"}
		if points := v.signed[chain]; len(points) > 0 {
			f.To, f.Note = max(f.To, points[len(points)-1].Seq), "a signed checkpoint speaks of it; the store does not hold it"
		}
		v.report.Findings = append(v.report.Findings, append(again.findings, f)...)
		return nil
	}
	v.walked[chain] = again
	return nil
}

// witnessed holds a chain against the head of it that another one has witnessed.
func (v *verifier) witnessed(ctx context.Context, chain string) error {
	head, ok := v.heard.heads[chain]
	at, found := v.walked[chain]
	if !ok || !found || head.To <= at.report.Archived {
		return nil
	}
	note := fmt.Sprintf("witnessed by entry %d of chain %s", head.seq, head.by)
	if head.To >= at.next {
		i := slices.IndexFunc(at.findings, func(f Finding) bool { return f.Kind == Truncated })
		if i >= 0 {
			at.findings[i].To = max(at.findings[i].To, head.To)
		} else {
			at.findings = append(at.findings, Finding{Kind: Truncated, Chain: chain, Seq: at.next, To: head.To, Note: note})
			at.report.Found++
		}
		v.walked[chain] = at
		return nil
	}
	hash, ok, err := v.hashAt(ctx, chain, head.To)
	if err != nil || ok && hash == Hash(head.Hash) {
		return err
	}
	// What was found at that place, or missing from it, is the reason.
	for _, f := range at.findings {
		if f.Seq <= head.To && cmp.Or(f.To, f.Seq) >= head.To {
			return nil
		}
	}
	at.findings = append(at.findings, Finding{Kind: Fork, Chain: chain, Seq: min(at.report.Signed+1, head.To), To: head.To, Note: note})
	at.report.Found++
	v.walked[chain] = at
	return nil
}

// hashAt returns the stored hash of an entry.
func (v *verifier) hashAt(ctx context.Context, chain string, seq uint64) (hash Hash, ok bool, err error) {
	records, err := v.src.Records(ctx, chain, seq, 1)
	if err != nil {
		return hash, false, fmt.Errorf("audit: chain %s: entry %d: %w", chain, seq, err)
	}
	if len(records) > 0 && records[0].Seq == seq {
		return records[0].Hash, true, nil
	}
	for _, s := range v.folder.chains[chain] {
		if seq < s.From || seq > s.To {
			continue
		}
		err := s.records(ctx, func(r *Record) error {
			if r.Seq == seq {
				hash, ok = r.Hash, true
			}
			return nil
		})
		if ctx.Err() != nil {
			return hash, false, err
		}
	}
	return hash, ok, nil
}
