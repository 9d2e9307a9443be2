package detect

import "bytes"

// The shapes of tokens that are recognized anywhere: a prefix, a tag of four
// letters, and at least the letters of a synthetic IV (sealed), or just those
// of 160 random bits (vaulted). They hold nothing but letters after the
// prefix, so that no part of one can look like a card number.
const (
	sealedPrefix     = "tok_"
	vaultedPrefix    = "vt_"
	minSealedLetters = 24
	vaultedLetters   = 36
)

// FindSealed appends to dst the parts of a decoded text that have the shape of
// a sealed token, or of the opaque id of a vaulted one, and returns it. Whether
// they are tokens of ours only their keys, or the store, can tell. A longest
// run of ASCII letters follows the prefix; where a digit, an underscore or a
// hyphen follows that, it is somebody else's token.
func FindSealed(dst []Span, text []byte) []Span {
	for at := 0; len(text)-at >= len(sealedPrefix)+minSealedLetters; {
		k := bytes.IndexByte(text[at:], '_')
		if k < 0 {
			break
		}
		body := at + k + 1
		kind, start := tokenPrefix(text, at, body)
		if start < 0 {
			at = body
			continue
		}
		end := body
		for end < len(text) && letter(text[end]) {
			end++
		}
		at = body
		n := end - body
		if kind == SealedToken && n < minSealedLetters || kind == VaultedToken && n != vaultedLetters || end < len(text) && joins(text[end]) {
			continue
		}
		at = end
		dst = append(dst, Span{Start: start, End: end, Kind: kind})
	}
	return dst
}

// tokenPrefix tells which prefix, not before from, ends at body, and where it
// begins; -1 for none.
func tokenPrefix(text []byte, from, body int) (Kind, int) {
	head := text[from:body]
	switch {
	case bytes.HasSuffix(head, []byte(sealedPrefix)):
		return SealedToken, body - len(sealedPrefix)
	case bytes.HasSuffix(head, []byte(vaultedPrefix)):
		return VaultedToken, body - len(vaultedPrefix)
	}
	return 0, -1
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func joins(c byte) bool { return c == '_' || c == '-' || c >= '0' && c <= '9' }
