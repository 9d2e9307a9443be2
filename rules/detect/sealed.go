package detect

import "bytes"

// The shape of a sealed token: the prefix, a tag of four letters and at least
// the letters of its synthetic IV. It holds nothing but letters after the
// prefix, so that no part of it can look like a card number.
const (
	sealedPrefix     = "tok_"
	minSealedLetters = 24
)

// FindSealed appends to dst the parts of a decoded text that have the shape of
// a sealed token, and returns it. Whether they are tokens of ours only their
// keys can tell. A longest run of ASCII letters follows the prefix; where a
// digit, an underscore or a hyphen follows that, it is somebody else's token.
func FindSealed(dst []Span, text []byte) []Span {
	for at := 0; len(text)-at >= len(sealedPrefix)+minSealedLetters; {
		k := bytes.Index(text[at:], []byte(sealedPrefix))
		if k < 0 {
			break
		}
		start := at + k
		end := start + len(sealedPrefix)
		for end < len(text) && letter(text[end]) {
			end++
		}
		at = start + len(sealedPrefix)
		if end-start < len(sealedPrefix)+minSealedLetters || end < len(text) && joins(text[end]) {
			continue
		}
		at = end
		dst = append(dst, Span{Start: start, End: end, Kind: SealedToken})
	}
	return dst
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func joins(c byte) bool { return c == '_' || c == '-' || c >= '0' && c <= '9' }
