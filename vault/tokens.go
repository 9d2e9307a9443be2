// Package vault mints and reveals tokens (DESIGN, section 4). The first three
// are stateless: a token holds everything that is needed to turn it back, but
// for the keys, which are a keys.Ring's.
//
//	pan      as many digits as the card number; see pan.go
//	sealed   tok_ and letters: any value, authenticated; see sealed.go
//	alias    al_ and letters: one way, per destination
//	vaulted  random digits, or vt_ and letters: the store holds what it stands
//	         for; see vaulted.go for what it looks like, stored.go for how one is
//	         made
//
// A pan token has no room for a signature. Whoever mints one stores a Mark under
// its IndexKey, and reveals it only while that is in the store. A token of any
// format is revoked by a Mark that says so.
package vault

import (
	"crypto/sha256"
	"errors"
	"sync"

	"chaperone/vault/keys"
	"chaperone/vault/letters"
)

// The errors. None holds any part of what was given.
var (
	// ErrNotPAN says that a value is not a card number that a pan token can
	// stand for; the caller seals it instead.
	ErrNotPAN = errors.New("vault: no card number of 12 to 19 digits that begins with 2 to 6")
	// ErrUnknown says that a token cannot be turned back: it is malformed,
	// forged, of another scope or label, or its generation is destroyed.
	ErrUnknown = errors.New("vault: unknown token")
)

// Tokens mints and reveals the tokens of one scope. It is safe for concurrent
// use. It does not own its ring, which must outlive it.
type Tokens struct {
	ring  *keys.Ring
	scope []byte
	tweak [scopeTweak]byte // the scope in the tweak of FF1
}

// The purposes of MACs. They are part of the stored format.
const (
	purposeIndex = "token index"
	purposeAlias = "alias"
)

// New returns the Tokens of a scope: the same value has another token in every
// scope, and a token does not resolve outside of its own.
func New(ring *keys.Ring, scope string) *Tokens {
	t := &Tokens{ring: ring, scope: []byte(scope)}
	sum := sha256.Sum256([]byte("chaperone/scope/1 " + scope))
	copy(t.tweak[:], sum[:])
	return t
}

// Scope returns the name of the scope.
func (t *Tokens) Scope() string { return string(t.scope) }

// scratch is room for what is handed to interfaces of the cryptography, and
// would be an allocation if it were on the stack.
type scratch struct {
	blob, ad, text []byte
	mac            [sha256.Size]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// release gives a scratch back, unless one great value has made it great.
func (s *scratch) release() {
	const most = 64 << 10
	if cap(s.blob) <= most && cap(s.text) <= most {
		scratches.Put(s)
	}
}

const (
	// indexBytes of the MAC are in an index key: a forger has to find one of
	// 2^160, however many tokens there are.
	indexBytes = 20
	// IndexKeyLen is the length of an index key.
	IndexKeyLen = 32

	aliasPrefix  = "al_"
	aliasLetters = 20 // 100 bits: two values share one after about 2^50
)

// IndexKey appends the key of a pan token in the known-token index, IndexKeyLen
// letters, to dst: a MAC of scope, generation and token. It is not secret, and
// tells nothing about the card. The generation is the live one that the token
// names, so that the keys of a destroyed one's tokens are never asked for
// again, also when its place has been taken by another. Any text has a key:
// vaulted tokens are stored under theirs, and revoked ones of every format are
// marked under it.
func (t *Tokens) IndexKey(dst, token []byte) []byte {
	generation := 0
	if _, slot, ok := symbolOf(token); ok {
		generation = t.ring.PAN().Slots[slot].Generation
	}
	return t.indexKey(dst, token, generation)
}

// indexKey is IndexKey for a generation; zero stands for none.
func (t *Tokens) indexKey(dst, token []byte, generation int) []byte {
	var sum [sha256.Size]byte
	mac := t.ring.MAC(sum[:0], purposeIndex, t.scope, []byte{byte(generation)}, token)
	return letters.Encode(dst, mac[:indexBytes])
}

// Alias appends the pseudonym of a value for one destination to dst: al_ and 20
// letters. It is the same for as long as the keyring exists, another one for
// every destination and scope, and cannot be turned back by anybody: who needs
// that keeps what it stands for.
func (t *Tokens) Alias(dst []byte, destination string, value []byte) []byte {
	s := scratches.Get().(*scratch)
	s.text = append(s.text[:0], destination...)
	mac := t.ring.MAC(s.mac[:0], purposeAlias, t.scope, s.text, value)
	dst = append(dst, aliasPrefix...)
	end := len(dst) + aliasLetters
	dst = letters.Encode(dst, mac[:(aliasLetters*5+7)/8])[:end]
	s.release()
	return dst
}
