// Package letters writes bytes as letters only, five bits a letter.
//
// Every id and token of Chaperone that is text uses it, because text without a
// digit can never look like a card number, to our own egress guard or to
// anybody else's scanner. The letters are URL-safe and leave out those that
// are easily taken for others (l, o, and most capitals).
//
// An encoding is canonical: exactly one text stands for given bytes.
package letters

import (
	"crypto/rand"
	"errors"
	"slices"
)

// Alphabet is the letters in the order of their values, 0 to 31.
const Alphabet = "abcdefghijkmnpqrstuvwxyzACDEFHJK"

// ErrMalformed says that a text is not an encoding: a character outside of
// Alphabet, a length that none has, or bits set that are no part of a byte.
var ErrMalformed = errors.New("letters: malformed")

// bad marks characters outside of Alphabet.
const bad = 0xff

var values = func() (v [256]byte) {
	for i := range v {
		v[i] = bad
	}
	for i := range len(Alphabet) {
		v[Alphabet[i]] = byte(i)
	}
	return v
}()

// EncodedLen returns the number of letters for n bytes.
func EncodedLen(n int) int { return n/5*8 + (n%5*8+4)/5 }

// DecodedLen returns the number of bytes in n letters. Not every n is the
// length of an encoding; Decode refuses the others.
func DecodedLen(n int) int { return n/8*5 + n%8*5/8 }

// Encode appends the letters of src to dst, which must not overlap. It does
// not allocate where dst has room.
func Encode(dst, src []byte) []byte {
	for len(src) >= 5 {
		v := uint64(src[0])<<32 | uint64(src[1])<<24 | uint64(src[2])<<16 | uint64(src[3])<<8 | uint64(src[4])
		dst = append(dst,
			Alphabet[v>>35&31], Alphabet[v>>30&31], Alphabet[v>>25&31], Alphabet[v>>20&31],
			Alphabet[v>>15&31], Alphabet[v>>10&31], Alphabet[v>>5&31], Alphabet[v&31])
		src = src[5:]
	}
	var v uint64
	bits := 0
	for _, b := range src {
		v, bits = v<<8|uint64(b), bits+8
	}
	for ; bits > 0; bits -= 5 {
		if bits >= 5 {
			dst = append(dst, Alphabet[v>>(bits-5)&31])
		} else {
			dst = append(dst, Alphabet[v<<(5-bits)&31])
		}
	}
	return dst
}

// Decode appends the bytes of the letters in src to dst, which must not
// overlap. It does not allocate where dst has room. A text that Encode never
// makes is ErrMalformed, and dst is then returned as it was.
func Decode(dst, src []byte) ([]byte, error) {
	out := dst
	for len(src) >= 8 {
		var v uint64
		var or byte
		for _, c := range src[:8] {
			x := values[c]
			or |= x
			v = v<<5 | uint64(x&31)
		}
		if or > 31 {
			return dst, ErrMalformed
		}
		out = append(out, byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
		src = src[8:]
	}
	var v uint64
	bits := 0
	for _, c := range src {
		x := values[c]
		if x == bad {
			return dst, ErrMalformed
		}
		v, bits = v<<5|uint64(x), bits+5
	}
	// One, three and six letters end in more bits than the padding of a byte.
	if spare := bits % 8; spare >= 5 || v&(1<<spare-1) != 0 {
		return dst, ErrMalformed
	}
	for bits >= 8 {
		bits -= 8
		out = append(out, byte(v>>bits))
	}
	return out, nil
}

// Valid says whether every character of text is of Alphabet. It says nothing
// about the length.
func Valid(text []byte) bool {
	for _, c := range text {
		if values[c] == bad {
			return false
		}
	}
	return true
}

// Random returns n random letters, each worth five bits, from the system's
// generator.
func Random(n int) string { return string(AppendRandom(make([]byte, 0, n), n)) }

// AppendRandom appends n letters as Random gives them. It does not allocate
// where dst has room.
func AppendRandom(dst []byte, n int) []byte {
	from := len(dst)
	dst = slices.Grow(dst, n)[:from+n]
	b := dst[from:]
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	for i, c := range b {
		b[i] = Alphabet[c&31]
	}
	return dst
}
