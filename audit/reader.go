package audit

import (
	"context"
	"crypto/ed25519"
)

// Reader reads one log with one keyring. Safe for concurrent use.
type Reader struct {
	Source Source
	Sealer Sealer
	Key    ed25519.PublicKey // of the checkpoints' signer
	File   string            // of the local checkpoints; see CheckpointFile
}

// Tail is the package's Tail.
func (r *Reader) Tail(ctx context.Context, o TailOptions, yield func(Line) error) error {
	return Tail(ctx, r.Source, r.Sealer, o, yield)
}

// Verify is the package's Verify, with the segments in some folders.
func (r *Reader) Verify(ctx context.Context, archive ...string) (Report, error) {
	return Verify(ctx, r.Source, VerifyOptions{Sealer: r.Sealer, Key: r.Key, File: r.File, Archive: archive})
}
