package keys

import "slices"

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
	dst = slices.Grow(dst, Overhead+len(plaintext))
	dst = append(dst, algXAES, k.current)
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
	generation [maxGeneration + 1]*siv
}

func (k *sivKeys) seal(dst, plaintext, ad []byte) []byte {
	dst = slices.Grow(dst, JoinOverhead+len(plaintext))
	dst = append(dst, algSIV, k.current)
	return k.generation[k.current].seal(dst, plaintext, ad)
}

// open takes what has a head of algSIV.
func (k *sivKeys) open(dst, sealed, ad []byte) ([]byte, error) {
	s := k.generation[sealed[1]]
	if s == nil {
		return dst, ErrGeneration
	}
	return s.open(dst, sealed[headSize:], ad)
}
