package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// Checkpoint is a signed statement that a chain's entry Seq has Hash. Kept
// where the log is not, it shows that a tail was removed or history written
// anew.
type Checkpoint struct {
	Chain string
	Seq   uint64
	Hash  Hash
	Time  time.Time // UTC, whole milliseconds

	Key       string // KeyID of the signer
	Signature []byte
}

// ErrCheckpoint is wrapped by every error about a checkpoint's form or
// signature.
var ErrCheckpoint = errors.New("not a checkpoint of this log")

var base64url = base64.RawURLEncoding.Strict()

func (c *Checkpoint) statement() *statement {
	return newStatement("checkpoint 1").text(c.Chain).number(c.Seq).hash(&c.Hash).time(c.Time)
}

// Sign signs the checkpoint.
func (c *Checkpoint) Sign(s Signer) {
	c.Time = c.Time.UTC().Truncate(time.Millisecond)
	c.Key = KeyID(s.Public())
	c.Signature = s.Sign(c.statement().b)
}

// Check returns nil if the checkpoint was signed with key, else an error that
// wraps ErrCheckpoint.
func (c *Checkpoint) Check(key ed25519.PublicKey) error {
	if err := c.statement().check(key, c.Key, c.Signature); err != nil {
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return nil
}

// checkpointJSON is the text of a checkpoint.
type checkpointJSON struct {
	Version   int       `json:"v"`
	Chain     string    `json:"chain"`
	Seq       uint64    `json:"seq"`
	Hash      string    `json:"hash"`
	Time      time.Time `json:"time"`
	Key       string    `json:"key"`
	Signature string    `json:"sig"`
}

// Text returns the checkpoint as compact JSON on one line, without line feed.
func (c *Checkpoint) Text() []byte {
	w := newSignedObject()
	w.string("chain", c.Chain)
	w.unsigned("seq", c.Seq)
	w.bytes("hash", c.Hash[:])
	w.time("time", c.Time)
	w.string("key", c.Key)
	w.bytes("sig", c.Signature)
	return w.end()
}

// ParseCheckpoint reads what Text writes, and nothing else. It does not check
// the signature.
func ParseCheckpoint(text []byte) (Checkpoint, error) {
	var j checkpointJSON
	if err := parseSigned(text, &j); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if j.Version != 1 {
		return Checkpoint{}, fmt.Errorf("%w: version %d", ErrCheckpoint, j.Version)
	}
	c := Checkpoint{Chain: j.Chain, Seq: j.Seq, Time: j.Time.UTC(), Key: j.Key}
	var err error
	if c.Hash, err = parseHash(j.Hash); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: its hash is malformed", ErrCheckpoint)
	}
	if c.Signature, err = base64url.DecodeString(j.Signature); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: its signature is malformed", ErrCheckpoint)
	}
	if !bytes.Equal(c.Text(), text) {
		return Checkpoint{}, fmt.Errorf("%w: not as it is written", ErrCheckpoint)
	}
	return c, nil
}
