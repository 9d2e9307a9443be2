package proxy

import (
	"context"

	"chaperone/audit"
	"chaperone/store"
)

// LogSource lets package audit read the log in a store.
func LogSource(d store.Driver) audit.Source { return logSource{d} }

type logSource struct{ d store.Driver }

func (l logSource) Chains(ctx context.Context) ([]string, error) {
	chains, err := l.d.Chains(ctx)
	ids := make([]string, len(chains))
	for i := range chains {
		ids[i] = chains[i].ID
	}
	return ids, err
}

func (l logSource) Records(ctx context.Context, chain string, from uint64, limit int) ([]audit.Record, error) {
	recs, err := l.d.LogRange(ctx, chain, from, limit)
	out := make([]audit.Record, len(recs))
	for i := range recs {
		out[i] = audit.Record{Seq: recs[i].Seq, Entry: recs[i].Entry, Hash: recs[i].Hash}
	}
	return out, err
}

func (l logSource) Last(ctx context.Context, chain string) (uint64, error) {
	rec, ok, err := l.d.LogLast(ctx, chain)
	if err != nil || !ok {
		return 0, err
	}
	return rec.Seq, nil
}

func (l logSource) Checkpoint(ctx context.Context, chain string) ([]byte, error) {
	c := []store.Command{{Kind: store.Get, Key: store.CheckpointKey(chain)}}
	err := l.d.Apply(ctx, c)
	return c[0].Prior, err
}

// registerCheckpoint stores a checkpoint beside its chain.
func (s *Server) registerCheckpoint(ctx context.Context, chain string, checkpoint []byte) error {
	c := []store.Command{{Kind: store.Set, Key: store.CheckpointKey(chain), Value: checkpoint}}
	if err := s.driver.Apply(ctx, c); err != nil {
		return err
	}
	return c[0].Err
}
