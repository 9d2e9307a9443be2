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

// ErrSealed is wrapped where an entry does not open: it was edited, belongs to
// another chain, or the keyring is another one.
var ErrSealed = errors.New("entry does not open")

// AssociatedData returns what binds a sealed entry to its use and its chain.
func AssociatedData(chain string) []byte {
	return append([]byte("chaperone log entry\x00"), chain...)
}

// Sealing seals and opens the entries of one chain. Safe for concurrent use.
type Sealing struct {
	sealer  Sealer
	ad      []byte
	scratch sync.Pool // of *[]byte: texts of entries
}

// NewSealing returns the Sealing of a chain.
func NewSealing(s Sealer, chain string) *Sealing {
	return &Sealing{sealer: s, ad: AssociatedData(chain)}
}

// Seal appends the sealed entry to dst. The entry is not kept.
func (s *Sealing) Seal(dst []byte, e *Entry) []byte {
	text, ok := s.scratch.Get().(*[]byte)
	if !ok {
		text = new([]byte)
	}
	*text = e.Append((*text)[:0])
	dst = s.sealer.Seal(dst, *text, s.ad)
	s.scratch.Put(text)
	return dst
}

// Open opens and parses a sealed entry. The error wraps ErrSealed or
// ErrFormat.
func (s *Sealing) Open(sealed []byte) (Entry, error) {
	text, err := s.sealer.Open(nil, sealed, s.ad)
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
