package vault

import (
	"bytes"
	"encoding/binary"

	"chaperone/vault/keys"
	"chaperone/vault/letters"
)

// A sealed token is, in letters without a digit:
//
//	tok_          the prefix
//	4 letters     the tag of the label
//	the rest      one byte of flags, and what keys.Ring.SealToken made
//
// The associated data are flags, scope, label and tag: a token that was
// altered, or that belongs to another scope or label, does not open.
const (
	sealedPrefix = "tok_"
	tagLetters   = 4
	sealedHead   = len(sealedPrefix) + tagLetters

	flagFragment = 1 // the plaintext is a span of text, not a JSON literal

	sealedAD = "chaperone/sealed/1"
)

// shortestSealed is the least number of bytes in a token: an empty value,
// sealed deterministically.
const shortestSealed = 1 + keys.JoinOverhead

// Seal appends the token of any value to dst, which must not overlap it. The
// token bears tag, which says whose label it is, and opens only as a token of
// label in this scope. fragment is handed back by Unseal. Equal values have
// equal tokens where deterministic is set, until the keys rotate. It does not
// allocate where dst has room, but for deterministic tokens.
func (t *Tokens) Seal(dst []byte, label string, tag [4]byte, plaintext []byte, fragment, deterministic bool) []byte {
	s := scratches.Get().(*scratch)
	var flags byte
	if fragment {
		flags |= flagFragment
	}
	s.ad = t.sealedAD(s.ad[:0], flags, label, tag)
	s.blob = t.ring.SealToken(append(s.blob[:0], flags), plaintext, s.ad, deterministic)
	dst = append(append(dst, sealedPrefix...), tag[:]...)
	dst = letters.Encode(dst, s.blob)
	s.release()
	return dst
}

// Unseal appends the value of a token of label to dst, which must not overlap
// it, with the fragment that Seal was given. ErrUnknown says that the token is
// not one of this scope and label; dst is then returned as it was. It does not
// allocate where dst has room, but for deterministic tokens.
func (t *Tokens) Unseal(dst []byte, label string, token []byte) (plaintext []byte, fragment bool, err error) {
	tag, ok := SealedTag(token)
	if !ok {
		return dst, false, ErrUnknown
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	s.blob, err = letters.Decode(s.blob[:0], token[sealedHead:])
	if err != nil {
		return dst, false, ErrUnknown
	}
	flags := s.blob[0]
	if flags&^flagFragment != 0 {
		return dst, false, ErrUnknown
	}
	s.ad = t.sealedAD(s.ad[:0], flags, label, tag)
	out, err := t.ring.OpenToken(dst, s.blob[1:], s.ad)
	if err != nil {
		return dst, false, ErrUnknown
	}
	return out, flags&flagFragment != 0, nil
}

func (t *Tokens) sealedAD(ad []byte, flags byte, label string, tag [4]byte) []byte {
	ad = append(append(ad, sealedAD...), flags)
	ad = append(binary.BigEndian.AppendUint32(ad, uint32(len(t.scope))), t.scope...)
	ad = append(binary.BigEndian.AppendUint32(ad, uint32(len(label))), label...)
	return append(ad, tag[:]...)
}

// SealedTag returns the tag of a text that has the shape of a sealed token:
// the prefix, and letters of our alphabet, as many as some token has. Whether
// it is a token only Unseal can tell.
func SealedTag(token []byte) (tag [4]byte, ok bool) {
	if len(token) < sealedHead+letters.EncodedLen(shortestSealed) || !bytes.HasPrefix(token, []byte(sealedPrefix)) ||
		!letters.Valid(token[len(sealedPrefix):]) {
		return tag, false
	}
	body := len(token) - sealedHead
	if letters.EncodedLen(letters.DecodedLen(body)) != body {
		return tag, false
	}
	return [4]byte(token[len(sealedPrefix):sealedHead]), true
}
