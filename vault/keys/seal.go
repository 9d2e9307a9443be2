package keys

import (
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/daead/subtle"
)

// Overheads of what is sealed, in bytes over the plaintext.
const (
	Overhead     = headSize + xaesNonceSize + gcmTagSize // Seal, and SealToken that is not deterministic
	JoinOverhead = headSize + sivSize                    // SealToken that is deterministic
)

// The head of what is sealed: the algorithm and the generation.
const (
	headSize = 2
	algXAES  = 1
	algSIV   = 2
	sivSize  = 16
)

// xaesKeys are the generations of one use.
type xaesKeys struct {
	current    byte
	generation [maxGeneration + 1]*xaes // nil where there is no key
}

func (k *xaesKeys) seal(dst, plaintext, ad []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, Overhead+len(plaintext))[:n+headSize]
	dst[n], dst[n+1] = algXAES, k.current
	return k.generation[k.current].seal(dst, plaintext, ad)
}

// open takes what has a head of algXAES.
func (k *xaesKeys) open(dst, sealed, ad []byte) ([]byte, error) {
	x := k.generation[sealed[1]]
	if x == nil {
		return dst, ErrGeneration
	}
	return x.open(dst, sealed[headSize:], ad)
}

// sivKeys are the generations of AES-SIV.
type sivKeys struct {
	current    byte
	generation [maxGeneration + 1]*subtle.AESSIV
	bytes      [][]byte // what Tink holds on to
}

func (k *sivKeys) add(generation int, key []byte) (err error) {
	own := slices.Clone(key)
	k.bytes = append(k.bytes, own)
	k.generation[generation], err = subtle.NewAESSIV(own)
	return err
}

func (k *sivKeys) zero() {
	for _, b := range k.bytes {
		clear(b)
	}
}

func (k *sivKeys) seal(dst, plaintext, ad []byte) []byte {
	ct, err := k.generation[k.current].EncryptDeterministically(plaintext, ad)
	if err != nil {
		panic(fmt.Sprintf("keys: AES-SIV of %d bytes: %v", len(plaintext), err)) // only beyond what an int can count
	}
	return append(append(dst, algSIV, k.current), ct...)
}

// open takes what has a head of algSIV.
func (k *sivKeys) open(dst, sealed, ad []byte) ([]byte, error) {
	s := k.generation[sealed[1]]
	if s == nil {
		return dst, ErrGeneration
	}
	plaintext, err := s.DecryptDeterministically(sealed[headSize:], ad)
	if err != nil {
		return dst, ErrForged
	}
	dst = append(dst, plaintext...)
	clear(plaintext)
	return dst, nil
}
