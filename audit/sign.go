package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// Signer signs checkpoints (Ed25519). Safe for concurrent use.
type Signer interface {
	// Sign returns the signature of message, 64 bytes.
	Sign(message []byte) []byte
	// Public returns the public key, 32 bytes, which the caller leaves as it is.
	Public() ed25519.PublicKey
}

// MAC is keys.Ring.MAC: HMAC-SHA256 under a key that never rotates, one for
// each purpose, appended to dst.
type MAC func(dst []byte, purpose string, parts ...[]byte) []byte

// NewSigner returns the signer of a keyring. Its key is derived from the
// keyring's key for the purpose "log-sign", which rotation leaves alone: a
// checkpoint can be checked for as long as the keyring lives.
func NewSigner(mac MAC) Signer {
	seed := mac(nil, "log-sign")
	defer clear(seed)
	return signer{ed25519.NewKeyFromSeed(seed[:ed25519.SeedSize])}
}

type signer struct{ key ed25519.PrivateKey }

func (s signer) Sign(message []byte) []byte { return ed25519.Sign(s.key, message) }
func (s signer) Public() ed25519.PublicKey  { return s.key.Public().(ed25519.PublicKey) }

// KeyID names a public key: 26 letters and digits from its SHA-256.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}
