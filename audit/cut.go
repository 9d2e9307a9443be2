package audit

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"
)

// Cut is a signed statement that the entries of a chain up to To are in
// segments, the last of which holds those from From on. It stands in the
// register {chain}:cut, signed and not sealed: who verifies a log needs it, and
// needs no keyring to read it; it holds ids and hashes of ours alone.
type Cut struct {
	Chain string
	From  uint64 // the first entry of the last segment
	To    uint64 // the last entry that was archived
	Hash  Hash   // of the chain at To
	File  Hash   // SHA-256 of the last segment's file
	Time  time.Time

	Key       string // KeyID of the signer
	Signature []byte
}

// ErrCut is wrapped by every error about a cut's form or signature.
var ErrCut = errors.New("not a cut of this log")

func (c *Cut) statement() *statement {
	return newStatement("cut 1").text(c.Chain).number(c.From).number(c.To).hash(&c.Hash).hash(&c.File).time(c.Time)
}

// Sign signs the cut.
func (c *Cut) Sign(s Signer) {
	c.Time = c.Time.UTC().Truncate(time.Millisecond)
	c.Key = KeyID(s.Public())
	c.Signature = s.Sign(c.statement().b)
}

// Check returns nil if the cut was signed with key, else an error that wraps
// ErrCut.
func (c *Cut) Check(key ed25519.PublicKey) error {
	if err := c.statement().check(key, c.Key, c.Signature); err != nil {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	return nil
}

// Text returns the cut as compact JSON on one line, without line feed.
func (c *Cut) Text() []byte {
	w := newSignedObject()
	w.string("chain", c.Chain)
	w.unsigned("from", c.From)
	w.unsigned("to", c.To)
	w.bytes("hash", c.Hash[:])
	w.bytes("file", c.File[:])
	w.time("time", c.Time)
	w.string("key", c.Key)
	w.bytes("sig", c.Signature)
	return w.end()
}

// ParseCut reads what Text writes, and nothing else. It does not check the
// signature.
func ParseCut(text []byte) (Cut, error) {
	var j struct {
		Version   int       `json:"v"`
		Chain     string    `json:"chain"`
		From      uint64    `json:"from"`
		To        uint64    `json:"to"`
		Hash      string    `json:"hash"`
		File      string    `json:"file"`
		Time      time.Time `json:"time"`
		Key       string    `json:"key"`
		Signature string    `json:"sig"`
	}
	if err := parseSigned(text, &j); err != nil {
		return Cut{}, fmt.Errorf("%w: %w", ErrCut, err)
	}
	c := Cut{Chain: j.Chain, From: j.From, To: j.To, Time: j.Time.UTC(), Key: j.Key}
	var hash, file, sig error
	c.Hash, hash = parseHash(j.Hash)
	c.File, file = parseHash(j.File)
	c.Signature, sig = base64url.DecodeString(j.Signature)
	if err := cmp.Or(hash, file, sig); err != nil {
		return Cut{}, fmt.Errorf("%w: %w", ErrCut, err)
	}
	// The comparison holds the version, too.
	if !bytes.Equal(c.Text(), text) {
		return Cut{}, fmt.Errorf("%w: not as it is written", ErrCut)
	}
	return c, nil
}
