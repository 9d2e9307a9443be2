package store

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// ChainStart gives what stands in for the hash before the first record of a
// chain: the hash of its id.
func ChainStart(chain string) [32]byte { return sha256.Sum256([]byte(chain)) }

// ChainHash gives the hash of a record: SHA-256 of the predecessor's hash, the
// sequence number (8 bytes, big-endian) and the SHA-256 of the entry.
func ChainHash(previous [32]byte, seq uint64, entry []byte) [32]byte {
	var c chainer
	return c.next(previous, seq, entry)
}

// chainer computes hashes of records, one goroutine at a time. What it needs
// for one it keeps: whether the compiler finds that a hash of sha256.Sum256
// need not be on the heap depends on what it inlines, and so on its profile.
type chainer struct {
	sum    hash.Hash
	before [32 + 8 + 32]byte
	after  [32]byte
}

// next is ChainHash.
func (c *chainer) next(previous [32]byte, seq uint64, entry []byte) [32]byte {
	if c.sum == nil {
		c.sum = sha256.New()
	}
	copy(c.before[:], previous[:])
	binary.BigEndian.PutUint64(c.before[32:], seq)
	c.sum.Reset()
	c.sum.Write(entry)
	c.sum.Sum(c.before[:40])
	c.sum.Reset()
	c.sum.Write(c.before[:])
	c.sum.Sum(c.after[:0])
	return c.after
}
