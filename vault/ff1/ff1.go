// Package ff1 is the format-preserving encryption FF1 of NIST SP 800-38G over
// decimal digits: n digits in, n digits out, a different permutation for every
// key and tweak.
//
// Up to 38 digits each half of the Feistel network fits in 64 bits, and a call
// costs ten AES blocks, one for the head and one for each further 16 bytes of
// tweak, without an allocation. Longer numbers go through math/big.
//
// A domain under one million (fewer than six digits) is refused, as the
// revision of SP 800-38G asks: FF1 on a small domain can be broken by
// collecting pairs. FF1 authenticates nothing: any digits decrypt to some
// digits.
package ff1

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync"
)

// MinDigits is the shortest input: the domain is then 10^6.
const MinDigits = 6

// maxNarrow is the longest input whose halves fit in 64 bits (10^19 < 2^64).
const maxNarrow = 38

// The errors. None holds a digit of what was given.
var (
	ErrDomain = errors.New("ff1: fewer than six digits: the domain is under 10^6")
	ErrDigits = errors.New("ff1: not decimal digits")
)

const (
	radix  = 10
	rounds = 10
)

// pow10 is 10^0 to 10^19.
var pow10 = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * radix
	}
	return p
}()

// Cipher encrypts under one key. It is safe for concurrent use.
type Cipher struct {
	block cipher.Block
}

// New returns the Cipher of an AES key of 16, 24 or 32 bytes. It keeps no
// reference to key.
func New(key []byte) (*Cipher, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("ff1: %w", err)
	}
	return &Cipher{block: block}, nil
}

// Encrypt appends the encryption of digits ('0' to '9') under tweak to dst, as
// many digits as it was given, and returns it. dst may overlap digits. The
// errors are ErrDomain and ErrDigits; dst is then returned as it was.
func (c *Cipher) Encrypt(dst, tweak, digits []byte) ([]byte, error) {
	return c.crypt(dst, tweak, digits, true)
}

// Decrypt undoes Encrypt. It cannot tell whether digits were ever encrypted.
func (c *Cipher) Decrypt(dst, tweak, digits []byte) ([]byte, error) {
	return c.crypt(dst, tweak, digits, false)
}

func (c *Cipher) crypt(dst, tweak, digits []byte, encrypt bool) ([]byte, error) {
	if len(digits) < MinDigits {
		return dst, ErrDomain
	}
	for _, d := range digits {
		if d-'0' > 9 {
			return dst, ErrDigits
		}
	}
	if len(digits) > maxNarrow {
		return c.wide(dst, tweak, digits, encrypt), nil
	}
	return c.narrow(dst, tweak, digits, encrypt), nil
}

// scratch is what is handed to AES. It is pooled because a slice handed to an
// interface escapes to the heap.
type scratch struct {
	b [aes.BlockSize]byte
	start
}

// start is the state of the CBC-MAC after P and the first block of a tweak. It
// is the same for all numbers of one length whose tweaks begin alike, and says
// nothing of them.
type start struct {
	of         *Cipher
	n, tweak   int // lengths
	head, then [aes.BlockSize]byte
}

var pool = sync.Pool{New: func() any { return new(scratch) }}

// narrow is FF1 for up to 38 digits; the names are those of SP 800-38G,
// algorithms 7 and 8. Every block of the MAC but the last is the same in all
// rounds (the round and the half stand in its last nine bytes at most), so the
// chain up to there is computed once.
func (c *Cipher) narrow(dst, tweak, digits []byte, encrypt bool) []byte {
	n := len(digits)
	u := n / 2
	v := n - u
	a, b := parse(digits[:u]), parse(digits[u:])
	byteLen := (bits.Len64(pow10[v]-1) + 7) / 8 // b of the standard

	s := pool.Get().(*scratch)
	last0, last1 := c.prefix(s, tweak, n, byteLen)
	mods := [2]uint64{pow10[u], pow10[v]}
	inverses := [2]uint64{inverse10[u], inverse10[v]}
	for i := range rounds {
		half := b
		if !encrypt {
			i, half = rounds-1-i, a
		}
		x0, x1 := last0, last1^half
		if byteLen < 8 {
			x1 ^= uint64(i) << (8 * byteLen)
		} else {
			x0 ^= uint64(i)
		}
		binary.BigEndian.PutUint64(s.b[:8], x0)
		binary.BigEndian.PutUint64(s.b[8:], x1)
		c.block.Encrypt(s.b[:], s.b[:])
		m, y := mods[i&1], uint64(0)
		if byteLen <= 4 { // d = 8
			y = remainder(binary.BigEndian.Uint64(s.b[:8]), m, inverses[i&1])
		} else { // d = 12
			y = bits.Rem64(uint64(binary.BigEndian.Uint32(s.b[:4])), binary.BigEndian.Uint64(s.b[4:12]), m)
		}
		if encrypt {
			a, b = b, add(a, y, m)
		} else {
			a, b = add(b, m-y, m), a
		}
	}
	s.b = [aes.BlockSize]byte{}
	pool.Put(s)
	return format(format(dst, a, u), b, v)
}

// inverse10 are 2^64 by the powers of ten, rounded down.
var inverse10 = func() (p [len(pow10)]uint64) {
	for i := range p {
		p[i] = math.MaxUint64 / pow10[i]
	}
	return p
}()

// remainder returns x mod m, which is a power of ten above one, by 2^64/m
// rounded down: the quotient comes out right, or too small by one. A division
// takes as long as a block of AES.
func remainder(x, m, inverse uint64) uint64 {
	q, _ := bits.Mul64(x, inverse)
	r := x - q*m
	if r >= m {
		r -= m
	}
	return r
}

// prefix returns the state of the CBC-MAC over P and all blocks of Q but the
// last, with the round-independent bytes of that last block (the end of the
// tweak and the padding) already added to it.
func (c *Cipher) prefix(s *scratch, tweak []byte, n, byteLen int) (last0, last1 uint64) {
	// Q is the tweak, zeros, one byte of round and byteLen of a half, in whole
	// blocks: every block but the last holds nothing but tweak and zeros.
	blocks := (len(tweak) + byteLen + aes.BlockSize) / aes.BlockSize
	if len(tweak) < aes.BlockSize {
		c.begin(s, n, len(tweak))
	} else {
		if s.of != c || s.n != n || s.tweak != len(tweak) || s.head != [aes.BlockSize]byte(tweak) {
			c.begin(s, n, len(tweak))
			s.start = start{of: c, n: n, tweak: len(tweak), head: [aes.BlockSize]byte(tweak)}
			c.chain(s, tweak[:aes.BlockSize])
			s.then = s.b
		}
		s.b = s.then
		tweak, blocks = tweak[aes.BlockSize:], blocks-1
	}
	for ; blocks > 1; blocks-- {
		k := min(len(tweak), aes.BlockSize)
		c.chain(s, tweak[:k])
		tweak = tweak[k:]
	}
	for i, t := range tweak {
		s.b[i] ^= t
	}
	return binary.BigEndian.Uint64(s.b[:8]), binary.BigEndian.Uint64(s.b[8:])
}

// begin sets the state of the CBC-MAC to that after P.
func (c *Cipher) begin(s *scratch, n, tweak int) {
	s.b = [aes.BlockSize]byte{1, 2, 1, 0, 0, radix, rounds, byte(n / 2)}
	binary.BigEndian.PutUint32(s.b[8:], uint32(n))
	binary.BigEndian.PutUint32(s.b[12:], uint32(tweak))
	c.block.Encrypt(s.b[:], s.b[:])
}

// chain takes a block, or one that ends in zeros, into the CBC-MAC.
func (c *Cipher) chain(s *scratch, block []byte) {
	for i, t := range block {
		s.b[i] ^= t
	}
	c.block.Encrypt(s.b[:], s.b[:])
}

// add returns x + y mod m, for x < m and y ≤ m. The sum may pass 2^64, because
// m may be 10^19.
func add(x, y, m uint64) uint64 {
	sum, carry := bits.Add64(x, y, 0)
	if carry != 0 || sum >= m {
		sum -= m
	}
	return sum
}

func parse(digits []byte) (v uint64) {
	for _, d := range digits {
		v = v*radix + uint64(d-'0')
	}
	return v
}

// format appends v as exactly n digits.
func format(dst []byte, v uint64, n int) []byte {
	end := len(dst) + n
	for range n {
		dst = append(dst, '0')
	}
	for i := end - 1; v > 0; i-- {
		dst[i] = byte('0' + v%radix)
		v /= radix
	}
	return dst
}
