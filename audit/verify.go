package audit

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
)

// VerifyOptions say what a log is held against.
type VerifyOptions struct {
	Sealer  Sealer            // nil: entries are not opened
	Key     ed25519.PublicKey // of the signer; nil: checkpoints and cuts are not used
	File    string            // local checkpoints; empty: none
	Archive []string          // folders of segments; none: what was archived is not read. They need Key
	Limit   int               // findings kept for each chain; 0 means 1,000
	Batch   int               // records read at once; 0 means 1,000
}

// Verify reads every chain of a log from its first entry to its last, archived
// or not, and says where it is not what was written: see the kinds of Finding.
// It may run beside the writer and beside Archive. Damage is in the report; the
// error says that reading failed, and then the report holds what was found
// before.
//
// The hashes alone show an accident. Who can write to the store can also make
// the hashes fit; that shows against the checkpoints, up to the last of them,
// against what other chains have witnessed, and where an entry does not open.
// What came after the last of these (a second of work, ChainReport.Signed says
// up to where) can be cut off without a trace.
//
// Without Archive, a cut vouches for what was moved into segments; it is not
// read, and not damage.
func Verify(ctx context.Context, src Source, o VerifyOptions) (Report, error) {
	o.Limit = cmp.Or(o.Limit, 1000)
	o.Batch = cmp.Or(o.Batch, 1000)
	v := &verifier{src: src, o: o, signed: map[string][]Checkpoint{}, heard: newHearsay(), walked: map[string]walked{}, folder: &folder{}}
	err := v.run(ctx)
	v.gather()
	slices.SortStableFunc(v.report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.Seq, b.Seq))
	})
	return v.report, err
}

type verifier struct {
	src    Source
	o      VerifyOptions
	signed map[string][]Checkpoint // by chain, in order of Seq; their signatures are right
	folder *folder
	heard  *hearsay // what entries say of chains
	walked map[string]walked
	report Report
}

func (v *verifier) run(ctx context.Context) error {
	chains, err := v.src.Chains(ctx)
	if err != nil {
		return fmt.Errorf("audit: list of chains: %w", err)
	}
	// Checkpoints first: those that the writer makes while we read speak of
	// entries that we have not seen.
	if err := v.checkpoints(ctx, chains); err != nil {
		return err
	}
	if v.o.Key != nil && len(v.o.Archive) > 0 {
		if v.folder, err = openFolders(v.o.Archive, v.o.Key); err != nil {
			return err
		}
		v.files()
	}
	chains = append(chains, v.folder.known()...)
	slices.Sort(chains)
	chains = slices.Compact(chains)
	for _, chain := range chains {
		w, err := v.walk(ctx, chain, nil)
		v.walked[chain] = w
		if err != nil {
			return err
		}
	}
	return v.compare(ctx)
}

// gather puts into the report what was found along the chains.
func (v *verifier) gather() {
	for _, chain := range slices.Sorted(maps.Keys(v.walked)) {
		w := v.walked[chain]
		v.report.Chains = append(v.report.Chains, w.report)
		v.report.Findings = append(v.report.Findings, w.findings...)
	}
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
		sortPoints(points)
	}
	return nil
}

func sortPoints(points []Checkpoint) {
	slices.SortStableFunc(points, func(a, b Checkpoint) int { return cmp.Compare(a.Seq, b.Seq) })
}

func (v *verifier) checkpoint(c Checkpoint, where string) {
	if err := c.Check(v.o.Key); err != nil {
		v.forged(c.Chain, c.Seq, "the checkpoint "+where+" is not signed by this keyring")
		return
	}
	v.signed[c.Chain] = append(v.signed[c.Chain], c)
}

func (v *verifier) forged(chain string, seq uint64, note string) {
	v.find(Finding{Kind: Forged, Chain: chain, Seq: seq, Note: note})
}

func (v *verifier) find(f Finding) { v.report.Findings = append(v.report.Findings, f) }
