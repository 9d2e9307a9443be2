package audit

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// WitnessOptions set up a Witness.
type WitnessOptions struct {
	Own    func() string // the chain that the process writes
	Source Source
	Key    ed25519.PublicKey // of the checkpoints' signer
	Append func(ctx context.Context, e *Entry) error
	Every  time.Duration // between two looks, give or take a fifth; 0 means 30 s
	Clock  func() time.Time
	Logger *slog.Logger
}

// Witness puts the signed heads of other chains into the process's own. Whoever
// removes the end of a chain, and every checkpoint of it, has to remove the
// ends of the others, too.
type Witness struct {
	o     WitnessOptions
	known map[string]uint64 // chain → the head that is in the process's chain
}

// maxWitnessed bounds the chains that are looked at: the newest. Chains are one
// for each boot, so that those of processes that live are among them.
const maxWitnessed = 64

// NewWitness returns a Witness that has seen nothing.
func NewWitness(o WitnessOptions) *Witness {
	o.Every = cmp.Or(o.Every, 30*time.Second)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Witness{o: o, known: map[string]uint64{}}
}

// Run looks now and then until ctx ends. The first look comes after half of the
// time: the end of a boot that was cut off is in the log soon after the next.
func (w *Witness) Run(ctx context.Context) {
	timer := time.NewTimer(w.o.Every/2 + rand.N(w.o.Every/5))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			// The next look makes up for it.
			w.o.Logger.Debug("the heads of other chains are not on record", "error", err)
		}
		timer.Reset(w.o.Every*4/5 + rand.N(w.o.Every*2/5))
	}
}

// look records the heads that moved since the last look.
func (w *Witness) look(ctx context.Context) error {
	chains, err := w.o.Source.Chains(ctx) // the oldest first
	if err != nil {
		return fmt.Errorf("audit: list of chains: %w", err)
	}
	chains = chains[max(0, len(chains)-maxWitnessed):]
	own := w.o.Own()
	e := Entry{Time: w.o.Clock(), Kind: KindWitness}
	known := make(map[string]uint64, len(chains))
	for _, chain := range chains {
		if chain == own {
			continue
		}
		known[chain] = w.known[chain]
		text, err := w.o.Source.Checkpoint(ctx, chain)
		if err != nil {
			return fmt.Errorf("audit: checkpoint of chain %s: %w", chain, err)
		}
		if text == nil {
			continue
		}
		c, err := ParseCheckpoint(text)
		if err == nil {
			err = c.Check(w.o.Key)
		}
		switch {
		case err != nil || c.Chain != chain:
			w.o.Logger.Error("a checkpoint in the store is not signed by this keyring; run log verify", "chain", chain)
		case c.Seq < known[chain]:
			w.o.Logger.Error("a checkpoint in the store is older than before; run log verify", "chain", chain, "was", known[chain], "is", c.Seq)
		case c.Seq > known[chain]:
			known[chain] = c.Seq
			e.Chains = append(e.Chains, Stretch{Chain: ID(chain), To: c.Seq, Hash: Digest(c.Hash)})
		}
	}
	if len(e.Chains) > 0 {
		if err := w.o.Append(ctx, &e); err != nil {
			return err
		}
	}
	w.known = known
	return nil
}
