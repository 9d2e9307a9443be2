package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"
)

// statement gathers what a signature is over: lines, the first of which says
// what is signed and in which version, each ended by a line feed. No part holds
// a line feed, so that no two statements have one text.
type statement struct{ b []byte }

func newStatement(what string) *statement {
	return &statement{b: append([]byte("chaperone "+what), '\n')}
}

func (s *statement) text(t string) *statement {
	s.b = append(append(s.b, t...), '\n')
	return s
}

func (s *statement) number(n uint64) *statement {
	s.b = append(strconv.AppendUint(s.b, n, 10), '\n')
	return s
}

func (s *statement) hash(h *Hash) *statement {
	s.b = append(base64url.AppendEncode(s.b, h[:]), '\n')
	return s
}

func (s *statement) time(t time.Time) *statement {
	s.b = append(appendTime(s.b, t), '\n')
	return s
}

// The faults of what was signed.
var (
	errOtherKey  = errors.New("signed with another key")
	errSignature = errors.New("the signature is wrong")
)

// check returns nil if the statement was signed with key, which id names.
func (s *statement) check(key ed25519.PublicKey, id string, signature []byte) error {
	if id != KeyID(key) {
		return errOtherKey
	}
	if !ed25519.Verify(key, s.b, signature) {
		return errSignature
	}
	return nil
}

// parseSigned decodes the text of a signed document into v. Errors hold nothing
// of the text.
func parseSigned(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errors.New(position(err, d.InputOffset()))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after its end")
	}
	return nil
}

var errHash = errors.New("malformed hash")

func parseHash(text string) (h Hash, err error) {
	b, err := base64url.DecodeString(text)
	if err != nil || len(b) != len(h) {
		return h, errHash
	}
	copy(h[:], b)
	return h, nil
}

// signedObject writes the members of a signed document.
type signedObject struct{ object }

func newSignedObject() *signedObject {
	return &signedObject{object{b: []byte(`{"v":1`)}}
}

func (w *signedObject) string(name, text string) {
	w.member(name)
	w.b = appendString(w.b, text)
}

func (w *signedObject) unsigned(name string, n uint64) {
	w.member(name)
	w.b = strconv.AppendUint(w.b, n, 10)
}

func (w *signedObject) bytes(name string, b []byte) {
	w.member(name)
	w.b = append(w.b, '"')
	w.b = base64url.AppendEncode(w.b, b)
	w.b = append(w.b, '"')
}

func (w *signedObject) time(name string, t time.Time) {
	w.member(name)
	w.b = append(w.b, '"')
	w.b = appendTime(w.b, t)
	w.b = append(w.b, '"')
}

func (w *signedObject) end() []byte { return append(w.b, '}') }
