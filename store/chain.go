package store

import (
	"crypto/sha256"
	"encoding/binary"
)

// ChainStart gives what stands in for the hash before the first record of a
// chain: the hash of its id.
func ChainStart(chain string) [32]byte { return sha256.Sum256([]byte(chain)) }

// ChainHash gives the hash of a record: SHA-256 of the predecessor's hash, the
// sequence number (8 bytes, big-endian) and the SHA-256 of the entry.
func ChainHash(previous [32]byte, seq uint64, entry []byte) [32]byte {
	var b [32 + 8 + 32]byte
	copy(b[:], previous[:])
	binary.BigEndian.PutUint64(b[32:], seq)
	sum := sha256.Sum256(entry)
	copy(b[40:], sum[:])
	return sha256.Sum256(b[:])
}
