package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"sync/atomic"
)

const (
	xaesKeySize   = 32
	xaesNonceSize = 24
	gcmTagSize    = 16
	// perPrefix is how many messages share the first half of a nonce; see the
	// package's doc comment.
	perPrefix = 1 << 16
)

// xaes is XAES-256-GCM as C2SP specifies it, under one key. It is safe for
// concurrent use.
type xaes struct {
	block   cipher.Block
	k1      [aes.BlockSize]byte
	current atomic.Pointer[derived]
	// recent are keys derived for opening, by the first byte of the nonce:
	// what one process sealed tends to be opened together.
	recent [256]atomic.Pointer[derived]
}

// derived is the AES-GCM of one first half of a nonce.
type derived struct {
	prefix [12]byte
	aead   cipher.AEAD
	used   atomic.Uint32
}

func newXAES(key []byte) (*xaes, error) {
	if len(key) != xaesKeySize {
		return nil, fmt.Errorf("%w: XAES key of %d bytes", ErrMalformed, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	x := &xaes{block: block}
	// K1 of CMAC: the encryption of zero, doubled in GF(2^128).
	block.Encrypt(x.k1[:], x.k1[:])
	msb := x.k1[0] >> 7
	for i := range x.k1[:15] {
		x.k1[i] = x.k1[i]<<1 | x.k1[i+1]>>7
	}
	x.k1[15] = x.k1[15]<<1 ^ 0x87*msb
	return x, nil
}

// derive returns the AES-GCM of a first half: its key is two CMAC blocks over
// it, with a counter, as in SP 800-108.
func (x *xaes) derive(prefix [12]byte) *derived {
	var key [xaesKeySize]byte
	for i := range 2 {
		half := key[i*16 : i*16+16]
		half[1], half[2] = byte(i+1), 'X'
		copy(half[4:], prefix[:])
		for j := range half {
			half[j] ^= x.k1[j]
		}
		x.block.Encrypt(half, half)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	clear(key[:])
	// The second half of the nonce is drawn inside the cryptographic module, as
	// FIPS 140-3 asks of GCM with random nonces, and stands before the
	// ciphertext: just where XAES has it.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the block size that GCM asks for
	}
	return &derived{prefix: prefix, aead: aead}
}

// seal appends nonce, ciphertext and tag to dst. It allocates only where dst
// has no room, and once in 2^16 calls.
func (x *xaes) seal(dst, plaintext, ad []byte) []byte {
	d := x.current.Load()
	if d == nil || d.used.Add(1) > perPrefix {
		d = x.next()
	}
	return d.aead.Seal(append(dst, d.prefix[:]...), nil, plaintext, ad)
}

// next draws another first half for what is sealed from now on, and counts one
// message of it.
func (x *xaes) next() *derived {
	var prefix [12]byte
	_, _ = rand.Read(prefix[:]) // never fails: crypto/rand ends the process instead
	d := x.derive(prefix)
	d.used.Store(1)
	x.current.Store(d)
	return d
}

// open appends the plaintext of what seal made. On failure dst is returned as
// it was, its spare capacity cleared of what was tried.
func (x *xaes) open(dst, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < xaesNonceSize+gcmTagSize {
		return dst, ErrForged
	}
	prefix := [12]byte(sealed)
	d := x.current.Load()
	if d == nil || d.prefix != prefix {
		slot := &x.recent[prefix[0]]
		if d = slot.Load(); d == nil || d.prefix != prefix {
			d = x.derive(prefix)
			slot.Store(d)
		}
	}
	out, err := d.aead.Open(dst, nil, sealed[len(prefix):], ad)
	if err != nil {
		return dst, ErrForged
	}
	return out, nil
}
