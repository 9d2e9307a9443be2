package audit

import (
	"context"

	"chaperone/store"
)

// RegisterIn returns the Register of a store.
func RegisterIn(d store.Driver) Register {
	return func(ctx context.Context, chain string, checkpoint []byte) error {
		return do(ctx, d, &store.Command{Kind: store.Set, Key: store.CheckpointKey(chain), Value: checkpoint})
	}
}

// FromStore returns the Source of a store.
func FromStore(d store.Driver) Source { return stored{d} }

type stored struct{ driver store.Driver }

func (s stored) Chains(ctx context.Context) ([]string, error) {
	chains, err := s.driver.Chains(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(chains))
	for i, c := range chains {
		ids[i] = c.ID
	}
	return ids, nil
}

func (s stored) Records(ctx context.Context, chain string, from uint64, limit int) ([]Record, error) {
	stored, err := s.driver.LogRange(ctx, chain, from, limit)
	if err != nil {
		return nil, err
	}
	records := make([]Record, len(stored))
	for i, r := range stored {
		records[i] = Record{Seq: r.Seq, Entry: r.Entry, Hash: r.Hash}
	}
	return records, nil
}

func (s stored) Last(ctx context.Context, chain string) (uint64, error) {
	r, _, err := s.driver.LogLast(ctx, chain)
	return r.Seq, err
}

func (s stored) Checkpoint(ctx context.Context, chain string) ([]byte, error) {
	return s.register(ctx, store.CheckpointKey(chain))
}

func (s stored) Cut(ctx context.Context, chain string) ([]byte, error) {
	return s.register(ctx, store.CutKey(chain))
}

func (s stored) register(ctx context.Context, key string) ([]byte, error) {
	c := store.Command{Kind: store.Get, Key: key}
	if err := do(ctx, s.driver, &c); err != nil {
		return nil, err
	}
	return c.Prior, nil
}

func do(ctx context.Context, d store.Driver, c *store.Command) error {
	commands := []store.Command{*c}
	if err := d.Apply(ctx, commands); err != nil {
		return err
	}
	*c = commands[0]
	return c.Err
}
