package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
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

// signed returns what the signature is over. Chain ids hold no line feed.
func (c *Checkpoint) signed() []byte {
	b := append([]byte("chaperone checkpoint 1\n"), c.Chain...)
	b = append(b, '\n')
	b = strconv.AppendUint(b, c.Seq, 10)
	b = append(b, '\n')
	b = base64url.AppendEncode(b, c.Hash[:])
	b = append(b, '\n')
	b = appendTime(b, c.Time)
	return append(b, '\n')
}

// Sign signs the checkpoint.
func (c *Checkpoint) Sign(s Signer) {
	c.Time = c.Time.UTC().Truncate(time.Millisecond)
	c.Key = KeyID(s.Public())
	c.Signature = s.Sign(c.signed())
}

// Check returns nil if the checkpoint was signed with key, else an error that
// wraps ErrCheckpoint.
func (c *Checkpoint) Check(key ed25519.PublicKey) error {
	if c.Key != KeyID(key) {
		return fmt.Errorf("%w: signed with another key", ErrCheckpoint)
	}
	if !ed25519.Verify(key, c.signed(), c.Signature) {
		return fmt.Errorf("%w: the signature is wrong", ErrCheckpoint)
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
	b := []byte(`{"v":1,"chain":`)
	b = appendString(b, c.Chain)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, c.Seq, 10)
	b = append(b, `,"hash":"`...)
	b = base64url.AppendEncode(b, c.Hash[:])
	b = append(b, `","time":"`...)
	b = appendTime(b, c.Time)
	b = append(b, `","key":`...)
	b = appendString(b, c.Key)
	b = append(b, `,"sig":"`...)
	b = base64url.AppendEncode(b, c.Signature)
	return append(b, `"}`...)
}

// ParseCheckpoint reads what Text writes, and nothing else. It does not check
// the signature.
func ParseCheckpoint(text []byte) (Checkpoint, error) {
	var j checkpointJSON
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %s", ErrCheckpoint, position(err, d.InputOffset()))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Checkpoint{}, fmt.Errorf("%w: text after its end", ErrCheckpoint)
	}
	if j.Version != 1 {
		return Checkpoint{}, fmt.Errorf("%w: version %d", ErrCheckpoint, j.Version)
	}
	c := Checkpoint{Chain: j.Chain, Seq: j.Seq, Time: j.Time.UTC(), Key: j.Key}
	hash, err := base64url.DecodeString(j.Hash)
	if err != nil || len(hash) != len(c.Hash) {
		return Checkpoint{}, fmt.Errorf("%w: its hash is malformed", ErrCheckpoint)
	}
	copy(c.Hash[:], hash)
	if c.Signature, err = base64url.DecodeString(j.Signature); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: its signature is malformed", ErrCheckpoint)
	}
	if !bytes.Equal(c.Text(), text) {
		return Checkpoint{}, fmt.Errorf("%w: not as it is written", ErrCheckpoint)
	}
	return c, nil
}
