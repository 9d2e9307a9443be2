package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// files says which files of the folders are not what they are called.
func (v *verifier) files() {
	for _, b := range v.folder.bad {
		v.find(Finding{Kind: SegmentForged, Note: b.name + ": " + faultText(b.err)})
	}
	for _, all := range v.folder.chains {
		for _, s := range all {
			if s.name() != s.Name() {
				v.find(Finding{Kind: SegmentMisnamed, Chain: s.Chain, Seq: s.From, To: s.To, Note: s.name() + " holds them"})
			}
		}
	}
}

// faultText is what is wrong with a segment.
func faultText(err error) string {
	return strings.TrimPrefix(err.Error(), ErrSegment.Error()+": ")
}

// walked is what was found along one chain.
type walked struct {
	report   ChainReport
	findings []Finding
	next     uint64 // after the last entry that was read, or that a cut vouches for
	cut      uint64 // the cut that counted
}

// walk goes along one chain: its segments, then what the store holds. told is
// what an entry of the log says of its archiving, nil where none does.
func (v *verifier) walk(ctx context.Context, chain string, told *Cut) (walked, error) {
	w := newWalk(chain, v.o, slices.Clone(v.signed[chain]))
	w.heard, w.folder = v.heard, len(v.o.Archive) > 0
	err := v.cutOf(ctx, w, told)
	for _, s := range v.folder.chains[chain] {
		if err == nil {
			err = v.segment(ctx, w, s)
		}
	}
	archived, sound := w.next-1, slices.Clone(w.candidates)
	if err == nil {
		err = w.read(ctx, v.src, 0)
	}
	if err == nil {
		err = w.finish(ctx)
	}
	if err == nil && w.report.Segments > 0 {
		err = v.overlap(ctx, w, archived, sound)
	}
	return walked{w.report, w.findings, w.next, w.cut.To}, err
}

// cutOf learns up to where a chain was archived.
func (v *verifier) cutOf(ctx context.Context, w *walk, told *Cut) error {
	if v.o.Key == nil {
		return nil
	}
	cut, err := v.register(ctx, w.chain)
	if errors.Is(err, ErrCut) {
		w.find(Finding{Kind: CutForged, Note: "what the store says was archived is not signed by this keyring"})
	} else if err != nil {
		return err
	}
	if told != nil && told.To > cut.To {
		cut = *told
	}
	w.vouch(cut)
	w.listed = cut.To
	w.fresh = func(ctx context.Context) (Cut, error) {
		cut, err := v.register(ctx, w.chain)
		if errors.Is(err, ErrCut) {
			return Cut{}, nil // it was found already, or vouches for nothing new
		}
		return cut, err
	}
	return nil
}

// register reads the register of a chain's cut; the zero Cut is none. The error
// wraps ErrCut where it was not signed by us.
func (v *verifier) register(ctx context.Context, chain string) (Cut, error) {
	text, err := v.src.Cut(ctx, chain)
	if err != nil {
		return Cut{}, fmt.Errorf("audit: cut of chain %s: %w", chain, err)
	}
	if text == nil {
		return Cut{}, nil
	}
	c, err := ParseCut(text)
	if err == nil {
		err = c.Check(v.o.Key)
	}
	if err == nil && c.Chain != chain {
		err = fmt.Errorf("%w: it is another chain's", ErrCut)
	}
	if err != nil {
		return Cut{}, err
	}
	return c, nil
}

// segment goes along the records of one segment.
func (v *verifier) segment(ctx context.Context, w *walk, s *segmentFile) error {
	w.report.Segments++
	if s.From < w.next && !v.again(w, s) || s.To < w.next {
		return nil
	}
	damage := -1
	_, err := s.sum(ctx)
	switch {
	case errors.Is(err, ErrSegment):
		damage = w.find(Finding{Kind: SegmentDamaged, Seq: s.From, To: s.To, Note: s.name() + ": " + faultText(err)})
	case err != nil:
		return err
	}
	if s.From > w.next {
		w.find(Finding{Kind: SegmentMissing, Seq: w.next, To: s.From - 1, Note: s.name() + " comes after them"})
		w.pass(s.From)
	} else if s.From == w.next && !slices.Contains(w.candidates, s.Before) {
		w.find(Finding{Kind: Fork, Seq: s.From, To: s.To, Note: s.name() + " does not follow on the entry before it"})
	}
	if s.From == w.next {
		w.candidates = append(w.candidates[:0], s.Before) // signed
	}
	w.sign(s.To, s.Last)
	stop := errors.New("no record of this segment")
	err = s.records(ctx, func(r *Record) error {
		if r.Seq < w.next && r.Seq >= s.From {
			return nil // it was in the segment before
		}
		if r.Seq < s.From || r.Seq > s.To || damage >= 0 && r.Seq != w.next {
			return stop
		}
		w.record(ctx, r)
		return w.failure
	})
	if err != nil && err != stop && !errors.Is(err, ErrSegment) {
		return err
	}
	if w.next <= s.To {
		if damage >= 0 {
			w.findings[damage].Note += fmt.Sprintf("; nothing can be read from entry %d on", w.next)
		} else {
			w.find(Finding{Kind: SegmentDamaged, Seq: w.next, To: s.To, Note: s.name() + " does not hold them"})
		}
		w.pass(s.To + 1)
		w.candidates = append(w.candidates, s.Last)
	}
	return nil
}

// again takes a segment that begins among entries that were read already. It
// reports whether it holds more than those. A copy in another folder is none
// of our business.
func (v *verifier) again(w *walk, s *segmentFile) bool {
	for _, other := range v.folder.chains[s.Chain] {
		if other == s {
			break
		}
		if other.same(&s.Segment) && other.name() == s.name() {
			return false
		}
	}
	w.find(Finding{Kind: SegmentOverlap, Seq: s.From, To: min(s.To, w.next-1), Note: s.name() + " holds them again"})
	return true
}

// overlap looks at entries that are in the store though they are archived: a
// run of Archive ended before it had trimmed them all, or goes on beside us.
func (v *verifier) overlap(ctx context.Context, w *walk, archived uint64, sound []Hash) error {
	records, err := v.src.Records(ctx, w.chain, 1, 1)
	if err != nil {
		return fmt.Errorf("audit: chain %s: %w", w.chain, err)
	}
	if len(records) == 0 || records[0].Seq > archived {
		return nil
	}
	over := newWalk(w.chain, v.o, nil)
	over.next, over.candidates = records[0].Seq, nil
	if over.next == 1 {
		over.candidates = []Hash{First(w.chain)}
	}
	over.fresh = w.fresh
	if len(sound) == 1 {
		over.sign(archived, sound[0])
	}
	if err := over.read(ctx, v.src, archived); err != nil {
		return err
	}
	if err := over.finish(ctx); err != nil {
		return err
	}
	w.findings = append(w.findings, over.findings...)
	w.report.Found += over.report.Found
	return nil
}
