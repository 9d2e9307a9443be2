package basket

import "encoding/binary"

// short is a folded ASCII text of 1 to maxShort bytes as two words: two of them
// are equal if and only if the texts are. Most values that say what an item is
// are short.
type short struct {
	w0 uint64 // its first bytes, filled up with zeros
	w1 uint64 // its last eight bytes, zero where it has fewer
	n  int    // its length; zero for a text that has no short
}

// maxShort is the length of two words.
const maxShort = 16

// set folds a text. n is zero where the text is empty, too long or not ASCII.
func (s *short) set(text []byte) {
	const highs = 0x8080808080808080
	n, w0, w1 := len(text), uint64(0), uint64(0)
	switch {
	case n == 0 || n > maxShort:
		s.n = 0
		return
	case n >= 8:
		w0, w1 = binary.LittleEndian.Uint64(text), binary.LittleEndian.Uint64(text[n-8:])
	case n >= 4:
		w0 = uint64(binary.LittleEndian.Uint32(text)) | uint64(binary.LittleEndian.Uint32(text[n-4:]))<<(8*(n-4))
	default:
		w0 = uint64(text[0]) | uint64(text[n/2])<<(8*(n/2)) | uint64(text[n-1])<<(8*(n-1))
	}
	if (w0|w1)&highs != 0 {
		n = 0
	}
	s.w0, s.w1, s.n = foldWord(w0), foldWord(w1), n
}

// foldWord folds the case of eight ASCII bytes.
func foldWord(x uint64) uint64 {
	const ones = 0x0101010101010101
	fromA, beyondZ := x+(0x80-'A')*ones, x+(0x80-'Z'-1)*ones
	return x | (fromA&^beyondZ)>>2&(0x20*ones)
}
