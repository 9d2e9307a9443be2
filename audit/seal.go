package audit

import (
	"errors"
	"fmt"
	"sync"
)

// Sealer is the authenticated encryption of what is stored (keys.Ring). Both
// methods append to dst and are safe for concurrent use.
type Sealer interface {
	Seal(dst, plaintext, ad []byte) []byte
	Open(dst, sealed, ad []byte) ([]byte, error)
}

// ErrSealed is wrapped where an entry does not open: it was edited, or the
// keyring is another one.
var ErrSealed = errors.New("entry does not open")

// associatedData binds a sealed text to its use. The chain is not part of it:
// an entry that waited on local disk while its process died is stored in the
// chain of the next one. What ties an entry to its place is the chain's hash;
// what ties it to its process is Entry.Chain.
var associatedData = []byte("chaperone log entry")

// Sealing seals and opens entries. Safe for concurrent use.
type Sealing struct {
	sealer  Sealer
	chain   ID
	coded   []byte        // its stored form
	names   func() *Names // nil: none
	scratch sync.Pool     // of *scratch
}

// scratch is what Seal uses again.
type scratch struct {
	encoder
	text []byte
}

// NewSealing returns the Sealing of a process that writes a chain. To read, any
// chain will do.
func NewSealing(s Sealer, chain string) *Sealing {
	sealing := &Sealing{sealer: s, chain: ID(chain)}
	if chain != "" {
		sealing.coded = appendID(nil, sealing.chain)
	}
	return sealing
}

// Use makes Seal look names up among those of the policy in force. An entry
// may bear any other, at a higher price. It is called before the first Seal.
func (s *Sealing) Use(names func() *Names) { s.names = names }

// Seal sets e.Chain and appends the sealed entry, in its stored form, to dst.
// The entry is not kept.
func (s *Sealing) Seal(dst []byte, e *Entry) []byte { return s.SealSame(dst, e, nil) }

// SealSame is Seal for an entry that may have its request in common with the
// one that the same Same was handed in with before, and is cheaper then. The
// result is the same.
func (s *Sealing) SealSame(dst []byte, e *Entry, same *Same) []byte {
	e.Chain = s.chain
	with, ok := s.scratch.Get().(*scratch)
	if !ok {
		with = &scratch{encoder: encoder{chain: s.chain, chainCoded: s.coded}}
	}
	var names *Names
	if s.names != nil {
		names = s.names()
	}
	with.text = with.append(with.text[:0], e, names, same)
	dst = s.sealer.Seal(dst, with.text, associatedData)
	s.scratch.Put(with)
	return dst
}

// Open opens and parses a sealed entry. The error wraps ErrSealed or
// ErrFormat.
func (s *Sealing) Open(sealed []byte) (Entry, error) {
	text, err := s.sealer.Open(nil, sealed, associatedData)
	if err != nil {
		// The cause is left out: all that an AEAD can say is no.
		return Entry{}, ErrSealed
	}
	e, err := Parse(text)
	if err != nil {
		return Entry{}, fmt.Errorf("audit: opened: %w", err)
	}
	return e, nil
}
