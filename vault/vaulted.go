package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"

	"chaperone/vault/letters"
)

// A vaulted token is random, and the store holds what it stands for:
//
//	opaque id     vt_, 4 letters of the label's tag, 32 random letters (160 bits)
//	last four     8, random digits, the last four; Luhn remainder 8 or 9, which
//	              no pan token has, so that the two are never taken for another
//	BIN, last four  the first six and last four digits, random ones between;
//	              never a valid Luhn digit
//	Luhn          89999, random digits, the last four; a valid Luhn digit. 89 is
//	              telecommunications, 999 a country code that is given to nobody,
//	              so no issuer has that prefix
//
// All of them are safe as JSON numbers, as pan tokens are.

// Shape is what a vaulted token looks like. Its values are part of the stored
// format.
type Shape uint8

// The shapes.
const (
	Opaque Shape = iota
	Last4
	BIN6Last4
	LuhnLast4
)

const (
	vaultedPrefix  = "vt_"
	vaultedBytes   = 20 // of randomness
	vaultedLetters = 32
	vaultedHead    = len(vaultedPrefix) + tagLetters

	// nobodysPrefix begins the tokens that satisfy Luhn; package rewrite has
	// the same.
	nobodysPrefix = "89999"
)

// ErrShape says that digits are no card that a token of digits can stand for.
var ErrShape = errors.New("vault: no card number of 12 to 19 digits")

// VaultedTag returns the tag of a text that has the shape of a vaulted token's
// opaque id.
func VaultedTag(token []byte) (tag [4]byte, ok bool) {
	if len(token) != vaultedHead+vaultedLetters || !bytes.HasPrefix(token, []byte(vaultedPrefix)) ||
		!letters.Valid(token[len(vaultedPrefix):]) {
		return tag, false
	}
	return [4]byte(token[len(vaultedPrefix):vaultedHead]), true
}

// candidate appends a random token to dst. Digits are those of the card, for
// every shape but Opaque. Cards of UnionPay keep no BIN: whatever begins with
// 62 may be a card of theirs, to our own guard too, with a valid Luhn digit or
// without.
func candidate(dst []byte, shape Shape, tag [4]byte, digits []byte) ([]byte, error) {
	if shape == Opaque {
		var random [vaultedBytes]byte
		_, _ = rand.Read(random[:]) // never fails
		dst = append(append(dst, vaultedPrefix...), tag[:]...)
		return letters.Encode(dst, random[:]), nil
	}
	n := len(digits)
	if n < minPAN || n > maxPAN {
		return dst, ErrShape
	}
	if _, ok := luhn(digits); !ok {
		return dst, ErrShape
	}
	head, remainders := []byte{'8'}, []int{8, 9}
	switch {
	case shape == LuhnLast4:
		head, remainders = []byte(nobodysPrefix), []int{0}
	case shape == BIN6Last4 && (digits[0] != '6' || digits[1] != '2'):
		head, remainders = digits[:6], []int{1, 2, 3, 4, 5, 6, 7, 8, 9}
	}
	from := len(dst)
	dst = append(dst, head...)
	for len(dst)-from < n-last-1 {
		dst = append(dst, '0'+randomBelow(10))
	}
	dst = append(append(dst, '0'), digits[n-last:]...)
	setRemainder(dst[from:], remainders[randomBelow(byte(len(remainders)))])
	return dst, nil
}

// randomBelow returns a number from 0 to n-1, each as likely as the others.
func randomBelow(n byte) byte {
	limit := 255 - 255%n
	for {
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails
		if b[0] < limit {
			return b[0] % n
		}
	}
}

// Record is what the store says of a token, without its value.
type Record struct {
	Label    string
	Format   string // pan, sealed or vaulted
	Shape    Shape
	Card     bool // the value is a card's digits
	Fragment bool // the value is text, and no JSON literal
	Created  time.Time
	Expires  time.Time // zero: never
	Revoked  time.Time // zero: it is not
	Last4    string    // of the card, where the token shows them
	// Fingerprint is the F of the value's register, in letters; empty where it
	// has none.
	Fingerprint string
}

// errRecord says that a register holds no record of this keyring.
var errRecord = errors.New("vault: a token's register does not open")

const (
	recordVersion = 1

	recordCard     = 1
	recordFragment = 2
)

func (r *Record) append(dst []byte) []byte {
	var flags byte
	if r.Card {
		flags |= recordCard
	}
	if r.Fragment {
		flags |= recordFragment
	}
	dst = append(dst, recordVersion, byte(r.Shape), flags)
	for _, t := range []time.Time{r.Created, r.Expires, r.Revoked} {
		ms := uint64(0)
		if !t.IsZero() {
			ms = uint64(t.UnixMilli())
		}
		dst = binary.BigEndian.AppendUint64(dst, ms)
	}
	for _, s := range []string{r.Label, r.Format, r.Last4, r.Fingerprint} {
		dst = append(dst, byte(len(s)))
		dst = append(dst, s...)
	}
	return dst
}

func (r *Record) parse(b []byte) error {
	if len(b) < 3+3*8 || b[0] != recordVersion {
		return errRecord
	}
	r.Shape, r.Card, r.Fragment = Shape(b[1]), b[2]&recordCard != 0, b[2]&recordFragment != 0
	b = b[3:]
	for _, t := range []*time.Time{&r.Created, &r.Expires, &r.Revoked} {
		if ms := binary.BigEndian.Uint64(b); ms != 0 {
			*t = time.UnixMilli(int64(ms)).UTC()
		}
		b = b[8:]
	}
	for _, s := range []*string{&r.Label, &r.Format, &r.Last4, &r.Fingerprint} {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return errRecord
		}
		*s, b = string(b[1:1+b[0]]), b[1+b[0]:]
	}
	if len(b) != 0 {
		return errRecord
	}
	return nil
}

// A vaulted token's register: the length of the sealed record (2 bytes), the
// record, the sealed value. Each is sealed with the register's name, and the
// value with the sealed record too, so that no part can be put elsewhere, and
// who lists tokens decrypts no value.

// sealVaulted seals a record and its value for the register key.
func (t *Tokens) sealVaulted(key string, r *Record, value []byte) []byte {
	meta := t.ring.Seal(nil, r.append(nil), []byte(key))
	out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(meta)+len(value)+64), uint16(len(meta)))
	out = append(out, meta...)
	return t.ring.Seal(out, value, append([]byte(key), meta...))
}

func splitVaulted(sealed []byte) (meta, value []byte, ok bool) {
	if len(sealed) < 2 {
		return nil, nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(sealed))
	if len(sealed) < n {
		return nil, nil, false
	}
	return sealed[2:n], sealed[n:], true
}

// OpenRecord reads the record in the register key of a vaulted token, and not
// its value.
func (t *Tokens) OpenRecord(key string, sealed []byte) (Record, error) {
	var r Record
	meta, _, ok := splitVaulted(sealed)
	if !ok {
		return r, errRecord
	}
	plain, err := t.ring.Open(nil, meta, []byte(key))
	if err != nil {
		return r, errRecord
	}
	return r, r.parse(plain)
}

// OpenVaulted appends the value in the register key of a vaulted token to dst.
// ErrUnknown says that it is not one of label, or has expired.
func (t *Tokens) OpenVaulted(dst []byte, key, label string, sealed []byte, now time.Time) ([]byte, Record, error) {
	r, err := t.OpenRecord(key, sealed)
	if err != nil {
		return dst, r, err
	}
	if r.Label != label || !r.Expires.IsZero() && !now.Before(r.Expires) {
		return dst, r, ErrUnknown
	}
	meta, value, _ := splitVaulted(sealed)
	out, err := t.ring.Open(dst, value, append([]byte(key), meta...))
	if err != nil {
		return dst, r, errRecord
	}
	return out, r, nil
}

// The marks of the register t:S:H: what is known of a pan token, and that a
// token of any format is revoked. A state is followed by the sealed record, or
// by nothing in stores of the first version.
const (
	markKnown   = 1
	markRevoked = 2
)

// Mark is the content of the register key t:S:H for a token that is known, or
// revoked where the record says so.
func (t *Tokens) Mark(key string, r *Record) []byte {
	state := byte(markKnown)
	if !r.Revoked.IsZero() {
		state = markRevoked
	}
	return t.ring.Seal([]byte{state}, r.append(nil), append([]byte(key), state))
}

// Revoked reports whether a mark says that its token is revoked.
func Revoked(mark []byte) bool { return len(mark) > 0 && mark[0] == markRevoked }

// Known reports whether a mark says that its pan token is known, and not
// revoked.
func Known(mark []byte) bool { return len(mark) > 0 && mark[0] == markKnown }

// OpenMark reads the record of a mark. One of the first version has none but
// its state.
func (t *Tokens) OpenMark(key string, mark []byte) (Record, error) {
	var r Record
	switch {
	case len(mark) == 1 && mark[0] == markKnown:
		return r, nil
	case len(mark) < 2:
		return r, errRecord
	}
	plain, err := t.ring.Open(nil, mark[1:], append([]byte(key), mark[0]))
	if err != nil {
		return r, errRecord
	}
	return r, r.parse(plain)
}
