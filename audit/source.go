package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
)

// Hash is a link of a chain.
type Hash = [sha256.Size]byte

// First returns hash₀ of a chain: what its first entry is chained to.
func First(chain string) Hash { return sha256.Sum256([]byte(chain)) }

// Next returns the hash of the sealed entry with sequence number seq, chained
// to previous.
func Next(previous Hash, seq uint64, sealed []byte) Hash {
	var b [2*sha256.Size + 8]byte
	entry := sha256.Sum256(sealed)
	n := copy(b[:], previous[:])
	binary.BigEndian.PutUint64(b[n:], seq)
	copy(b[n+8:], entry[:])
	return sha256.Sum256(b[:])
}

// Record is one stored entry.
type Record struct {
	Seq   uint64
	Entry []byte // sealed
	Hash  Hash   // as it is stored
}

// Source is where chains are read from. Implementations are safe for
// concurrent use; they do not check what they return, which is Verify's part.
type Source interface {
	// Chains returns the ids of all chains, in any order.
	Chains(ctx context.Context) ([]string, error)
	// Records returns up to limit records of a chain in order of their
	// sequence numbers, from the first that is not below from. None means
	// that there are no more. Their bytes belong to the caller.
	Records(ctx context.Context, chain string, from uint64, limit int) ([]Record, error)
	// Last returns the sequence number of a chain's last record, 0 where the
	// chain has none.
	Last(ctx context.Context, chain string) (uint64, error)
	// Checkpoint returns the register {chain}:cp, nil where there is none.
	Checkpoint(ctx context.Context, chain string) ([]byte, error)
	// Cut returns the register {chain}:cut, nil where there is none.
	Cut(ctx context.Context, chain string) ([]byte, error)
}
