package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
)

// siv is AES-SIV (RFC 5297) with one associated data. It is safe for concurrent
// use, keeps no reference to its key and does not allocate in the steady state,
// which is why it is here: the one in Tink expands a key and allocates at each
// call. The tests hold it to that one and to third-party vectors.
type siv struct {
	mac, ctr cipher.Block
	k1, k2   [aes.BlockSize]byte // subkeys of CMAC
	d0       [aes.BlockSize]byte // dbl(CMAC(zero)), where S2V begins
}

// sivScratch is the room that a call works in: what is handed to an interface
// escapes, and would be an allocation if it were on the stack.
type sivScratch struct {
	x, d, q, stream [aes.BlockSize]byte
	tail            [2 * aes.BlockSize]byte
}

var sivScratches = sync.Pool{New: func() any { return new(sivScratch) }}

func (w *sivScratch) release() {
	*w = sivScratch{}
	sivScratches.Put(w)
}

// newSIV takes 32, 48 or 64 bytes: the key of CMAC and that of CTR.
func newSIV(key []byte) (*siv, error) {
	s := new(siv)
	var err error
	if s.mac, err = aes.NewCipher(key[:len(key)/2]); err == nil {
		s.ctr, err = aes.NewCipher(key[len(key)/2:])
	}
	if err != nil {
		return nil, fmt.Errorf("%w: AES-SIV key of %d bytes", ErrMalformed, len(key))
	}
	s.mac.Encrypt(s.k1[:], s.k1[:])
	double(&s.k1)
	s.k2 = s.k1
	double(&s.k2)
	w := sivScratches.Get().(*sivScratch)
	defer w.release()
	s.cmac(w, s.d0[:], nil)
	s.d0 = w.x
	double(&s.d0)
	return s, nil
}

// seal appends the synthetic IV and the ciphertext. plaintext must not overlap
// the room behind dst.
func (s *siv) seal(dst, plaintext, ad []byte) []byte {
	w := sivScratches.Get().(*sivScratch)
	defer w.release()
	s.s2v(w, plaintext, ad)
	dst = slices.Grow(dst, sivSize+len(plaintext))
	dst = append(append(dst, w.x[:]...), plaintext...)
	s.crypt(w, dst[len(dst)-len(plaintext):])
	return dst
}

// open appends the plaintext of what seal made. On failure dst is returned as
// it was, its spare capacity cleared of what was tried.
func (s *siv) open(dst, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < sivSize {
		return dst, ErrForged
	}
	w := sivScratches.Get().(*sivScratch)
	defer w.release()
	copy(w.x[:], sealed)
	out := append(dst, sealed[sivSize:]...)
	plaintext := out[len(dst):]
	s.crypt(w, plaintext)
	s.s2v(w, plaintext, ad)
	if subtle.ConstantTimeCompare(w.x[:], sealed[:sivSize]) != 1 {
		clear(plaintext)
		return dst, ErrForged
	}
	return out, nil
}

// s2v leaves the synthetic IV in w.x (RFC 5297, 2.4).
func (s *siv) s2v(w *sivScratch, plaintext, ad []byte) {
	s.cmac(w, ad, nil)
	subtle.XORBytes(w.d[:], w.x[:], s.d0[:])
	if len(plaintext) >= aes.BlockSize {
		s.cmac(w, plaintext, w.d[:])
		return
	}
	double(&w.d)
	subtle.XORBytes(w.d[:], w.d[:], plaintext)
	w.d[len(plaintext)] ^= 0x80
	s.cmac(w, w.d[:], nil)
}

// cmac leaves the CMAC (RFC 4493) of a message in w.x. Where end is given, the
// last sixteen bytes of the message, which it then has, are XORed with it first.
func (s *siv) cmac(w *sivScratch, message, end []byte) {
	const size = aes.BlockSize
	clear(w.x[:])
	for ; len(message) >= 2*size; message = message[size:] {
		subtle.XORBytes(w.x[:], w.x[:], message[:size])
		s.mac.Encrypt(w.x[:], w.x[:])
	}
	tail := w.tail[:copy(w.tail[:], message)]
	if end != nil {
		last := tail[len(tail)-size:]
		subtle.XORBytes(last, last, end)
	}
	if len(tail) > size {
		subtle.XORBytes(w.x[:], w.x[:], tail[:size])
		s.mac.Encrypt(w.x[:], w.x[:])
		tail = tail[size:]
	}
	subtle.XORBytes(w.x[:], w.x[:], tail)
	if len(tail) == size {
		subtle.XORBytes(w.x[:], w.x[:], s.k1[:])
	} else {
		w.x[len(tail)] ^= 0x80
		subtle.XORBytes(w.x[:], w.x[:], s.k2[:])
	}
	s.mac.Encrypt(w.x[:], w.x[:])
}

// crypt is CTR over data in place, from the synthetic IV in w.x with the two
// bits cleared that keep a 32-bit and a 64-bit counter from overflowing.
func (s *siv) crypt(w *sivScratch, data []byte) {
	w.q = w.x
	w.q[8] &= 0x7f
	w.q[12] &= 0x7f
	for len(data) > 0 {
		s.ctr.Encrypt(w.stream[:], w.q[:])
		n := subtle.XORBytes(data, data, w.stream[:])
		data = data[n:]
		// The cleared bits leave room for 2^63 blocks in the lower half.
		binary.BigEndian.PutUint64(w.q[8:], binary.BigEndian.Uint64(w.q[8:])+1)
	}
}

// double multiplies by x in GF(2^128), in constant time.
func double(b *[aes.BlockSize]byte) {
	high := binary.BigEndian.Uint64(b[:8])
	low := binary.BigEndian.Uint64(b[8:])
	carry := high >> 63
	binary.BigEndian.PutUint64(b[:8], high<<1|low>>63)
	binary.BigEndian.PutUint64(b[8:], low<<1^0x87*carry)
}
