package audit

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
)

// VerifyOptions say what a log is held against.
type VerifyOptions struct {
	Sealer Sealer            // nil: entries are not opened
	Key    ed25519.PublicKey // of the checkpoints' signer; nil: checkpoints are not used
	File   string            // local checkpoints; empty: none
	Limit  int               // findings kept for each chain; 0 means 1,000
	Batch  int               // records read at once; 0 means 1,000
}

// Verify reads every chain of a log from its first entry to its last, and says
// where it is not what was written: see the kinds of Finding. It may run beside
// the writer. Damage is in the report; the error says that reading failed, and
// then the report holds what was found before.
//
// The hashes alone show an accident. Who can write to the store can also make
// the hashes fit; that shows against the checkpoints, up to the last of them,
// and where an entry does not open. What came after the last checkpoint (a
// second of work, ChainReport.Signed says up to where) can be cut off without
// a trace.
func Verify(ctx context.Context, src Source, o VerifyOptions) (Report, error) {
	o.Limit = cmp.Or(o.Limit, 1000)
	o.Batch = cmp.Or(o.Batch, 1000)
	v := &verifier{src: src, o: o, signed: map[string][]Checkpoint{}}
	err := v.run(ctx)
	slices.SortStableFunc(v.report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.Seq, b.Seq))
	})
	return v.report, err
}

type verifier struct {
	src    Source
	o      VerifyOptions
	signed map[string][]Checkpoint // by chain, in order of Seq; their signatures are right
	report Report
}

func (v *verifier) run(ctx context.Context) error {
	chains, err := v.src.Chains(ctx)
	if err != nil {
		return fmt.Errorf("audit: list of chains: %w", err)
	}
	slices.Sort(chains)
	// Checkpoints first: those that the writer makes while we read speak of
	// entries that we have not seen.
	if err := v.checkpoints(ctx, chains); err != nil {
		return err
	}
	for _, chain := range chains {
		w := newWalk(chain, v.o, v.signed[chain])
		err := w.read(ctx, v.src)
		v.report.Chains = append(v.report.Chains, w.report)
		v.report.Findings = append(v.report.Findings, w.findings...)
		if err != nil {
			return err
		}
	}
	for chain, points := range v.signed {
		if _, ok := slices.BinarySearch(chains, chain); !ok {
			last := points[len(points)-1].Seq
			v.report.Findings = append(v.report.Findings, Finding{
				Kind: Missing, Chain: chain, Seq: 1, To: last,
				Note: "a signed checkpoint speaks of it; the store does not hold it",
			})
		}
	}
	return nil
}

// checkpoints gathers the checkpoints of the local file and of the store.
func (v *verifier) checkpoints(ctx context.Context, chains []string) error {
	if v.o.Key == nil {
		return nil
	}
	if v.o.File != "" {
		points, bad, err := readCheckpointFile(v.o.File)
		if err != nil {
			return err
		}
		for _, n := range bad {
			v.forged("", 0, fmt.Sprintf("line %d of the local checkpoints is not one", n))
		}
		for _, c := range points {
			v.checkpoint(c, "in the local file")
		}
	}
	for _, chain := range chains {
		text, err := v.src.Checkpoint(ctx, chain)
		if err != nil {
			return fmt.Errorf("audit: checkpoint of chain %s: %w", chain, err)
		}
		if text == nil {
			continue
		}
		c, err := ParseCheckpoint(text)
		switch {
		case err != nil:
			v.forged(chain, 0, "the checkpoint in the store is not one")
		case c.Chain != chain:
			v.forged(chain, c.Seq, "the checkpoint in the store is another chain's")
		default:
			v.checkpoint(c, "in the store")
		}
	}
	for _, points := range v.signed {
		slices.SortStableFunc(points, func(a, b Checkpoint) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return nil
}

func (v *verifier) checkpoint(c Checkpoint, where string) {
	if err := c.Check(v.o.Key); err != nil {
		v.forged(c.Chain, c.Seq, "the checkpoint "+where+" is not signed by this keyring")
		return
	}
	v.signed[c.Chain] = append(v.signed[c.Chain], c)
}

func (v *verifier) forged(chain string, seq uint64, note string) {
	v.report.Findings = append(v.report.Findings, Finding{Kind: Forged, Chain: chain, Seq: seq, Note: note})
}
