package proxy

import (
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/store/redistest"
)

// TestProxiesWitnessEachOther: what one proxy has signed is in the chain of the
// other, which tells when the store and the one's data folder have lost it.
func TestProxiesWitnessEachOther(t *testing.T) {
	r := redistest.Start(t, redistest.Options{})
	often := func(o *Options) { o.WitnessEvery = 20 * time.Millisecond }
	b := newBed(t, onRedis(t, r), func(b *bed) { b.tune = often })
	other := b.beside(t, r, often)
	if a := other.post("/v1/checkout", checkout(t)); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	chain := other.server.committer.Chain()
	other.stop() // its last checkpoint is of its last entry
	witnessed := func() (to uint64) {
		for _, e := range b.entries() {
			for _, s := range e.Chains {
				if e.Kind == audit.KindWitness && string(s.Chain) == chain && string(e.Chain) == b.server.committer.Chain() {
					to = max(to, s.To)
				}
			}
		}
		return to
	}
	last, _, err := b.driver.LogLast(t.Context(), chain)
	if err != nil {
		t.Fatal(err)
	}
	b.until("the end of the other chain is witnessed", func() bool { return witnessed() == last.Seq })

	reader := &audit.Reader{Source: audit.FromStore(b.driver), Sealer: b.ring, Key: audit.NewSigner(b.ring.MAC).Public(), File: audit.CheckpointFile(b.dir)}
	report, err := reader.Verify(t.Context())
	if err != nil || !report.OK() {
		t.Fatalf("%v: %+v", err, report.Findings)
	}
	if err := b.driver.LogRemove(t.Context(), chain, last.Seq); err != nil {
		t.Fatal(err)
	}
	gone := []store.Command{{Kind: store.Delete, Key: store.CheckpointKey(chain)}, {Kind: store.QueueRemove, Queue: store.ChainList, Member: chain}}
	if err := b.driver.Apply(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	report, err = reader.Verify(t.Context())
	if err != nil || len(report.Findings) != 1 || report.Findings[0].Kind != audit.Missing || report.Findings[0].Chain != chain || report.Findings[0].To != last.Seq {
		t.Errorf("%v: %+v", err, report.Findings)
	}
}
