package rewrite

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"chaperone/rules/reason"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stops sets the high bit of the first byte of x that ends a run of plain
// string bytes: a quote, a backslash, a control character or a byte beyond
// ASCII. Bits above the first may be wrong. Exclusive or with two swaps the
// quote with the blank and leaves the control characters among themselves, so
// that one comparison finds both.
func stops(x uint64) uint64 {
	quoteOrControl, backslash := (x^2*ones)-'!'*ones, (x^'\\'*ones)-ones
	return (quoteOrControl | backslash | x) & highs
}

// scanString reads a string whose first byte after the quote is b[i]. It
// returns the offset of the closing quote and whether there are escapes on the
// way, or where the string is at fault and why.
func scanString(b []byte, i int) (end int, escaped bool, fault reason.Code) {
	for {
		if i = plainEnd(b, i); i >= len(b) {
			return i, false, reason.BodyMalformed
		}
		switch c := b[i]; {
		case c == '"':
			return i, escaped, reason.None
		case c == '\\':
			escaped = true
			if i, fault = scanEscape(b, i); fault != reason.None {
				return i, false, fault
			}
		case c < ' ':
			return i, false, reason.BodyMalformed
		case c < utf8.RuneSelf:
			i += plainBlocks(b[i:])
		default:
			next := scanUTF8(b, i)
			if next < 0 {
				return i, false, reason.BodyNotUTF8
			}
			i = next
		}
	}
}

// plainEnd passes over plain string bytes from b[i] on, a word at a time, and
// four where a string is long. It returns the offset of the first byte that is
// none, or len(b); of a plain one where a string is so long that the rest is
// plainBlocks'.
func plainEnd(b []byte, i int) int {
	rest := b[i:]
	for len(rest) >= 8 {
		if stop := stops(binary.LittleEndian.Uint64(rest)); stop != 0 {
			return len(b) - len(rest) + bits.TrailingZeros64(stop)>>3
		}
		for rest = rest[8:]; len(rest) >= 32; rest = rest[32:] {
			x, y := binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[8:])
			if stops(x) != 0 {
				break
			}
			z, w := binary.LittleEndian.Uint64(rest[16:]), binary.LittleEndian.Uint64(rest[24:])
			if stops(y)|stops(z)|stops(w) != 0 {
				break
			}
			if blocks && len(b)-len(rest)-i > longString {
				return len(b) - len(rest)
			}
		}
	}
	for k, c := range rest {
		if !plain[c] {
			return len(b) - len(rest) + k
		}
	}
	return len(b)
}

// longString is how many plain bytes promise many more.
const longString = 256

// below is a mask of the bytes below the first of the stops, of all bytes if
// there is none.
func below(stop uint64) uint64 { return stop&-stop>>7 - 1 }

// plain marks the bytes that stand for themselves in a string.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// scanUTF8 reads the characters beyond ASCII that begin at b[i]. It returns
// the offset after them, or -1 where one is not UTF-8 as RFC 3629 has it.
func scanUTF8(b []byte, i int) int {
	for i < len(b) && b[i] >= utf8.RuneSelf {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return -1
		}
		i += size
	}
	return i
}

// scanEscape reads the escape that begins at b[i] and returns the offset after
// it. Half a surrogate pair is refused: some receivers read it as U+FFFD, some
// as three bytes that are not UTF-8.
func scanEscape(b []byte, i int) (int, reason.Code) {
	if i+1 >= len(b) {
		return i, reason.BodyMalformed
	}
	if b[i+1] != 'u' {
		if unescaped[b[i+1]] == 0 {
			return i, reason.BodyMalformed
		}
		return i + 2, reason.None
	}
	r := hex4(b, i+2)
	switch {
	case r < 0:
		return i, reason.BodyMalformed
	case r >= 0xD800 && r <= 0xDBFF:
		if i+7 >= len(b) || b[i+6] != '\\' || b[i+7] != 'u' {
			return i, reason.BodyNotUTF8
		}
		low := hex4(b, i+8)
		if low < 0 {
			return i + 6, reason.BodyMalformed
		}
		if low < 0xDC00 || low > 0xDFFF {
			return i, reason.BodyNotUTF8
		}
		return i + 12, reason.None
	case r >= 0xDC00 && r <= 0xDFFF:
		return i, reason.BodyNotUTF8
	}
	return i + 6, reason.None
}

// unescaped is the character that a short escape stands for, zero for none.
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// hex4 reads four hexadecimal digits, -1 where there are none.
func hex4(b []byte, i int) rune {
	if i+4 > len(b) {
		return -1
	}
	r := rune(0)
	for _, c := range b[i : i+4] {
		d := hexDigit[c]
		if d == 0 {
			return -1
		}
		r = r<<4 | rune(d-1)
	}
	return r
}

// hexDigit is the value of a hexadecimal digit plus one, zero for none.
var hexDigit = func() (t [256]uint8) {
	for i := range 10 {
		t['0'+i] = uint8(i + 1)
	}
	for i := range 6 {
		t['a'+i], t['A'+i] = uint8(i+11), uint8(i+11)
	}
	return t
}()

// decode writes the text of a scanned string's content to dst, which is as
// long as the content at least, and returns its length.
func decode(dst, content []byte) int {
	n := 0
	for i := 0; i < len(content); {
		if content[i] != '\\' {
			dst[n] = content[i]
			n++
			i++
			continue
		}
		r, size := decodeEscape(content[i:])
		n += utf8.EncodeRune(dst[n:n+size], r)
		i += size
	}
	return n
}

// decodeEscape returns the character of a scanned escape and its length.
func decodeEscape(b []byte) (rune, int) {
	if b[1] != 'u' {
		return rune(unescaped[b[1]]), 2
	}
	r := hex4(b, 2)
	if r >= 0xD800 && r <= 0xDBFF {
		return (r-0xD800)<<10 + (hex4(b, 8) - 0xDC00) + 0x10000, 12
	}
	return r, 6
}

// rawOffsets translates offsets in the decoded text of content, ascending,
// into offsets in content. Each must be the beginning of a character or the
// end.
type rawOffsets struct {
	content      []byte
	raw, decoded int
}

func (o *rawOffsets) at(decoded int) int {
	for o.decoded < decoded {
		if o.content[o.raw] != '\\' {
			o.raw++
			o.decoded++
			continue
		}
		r, size := decodeEscape(o.content[o.raw:])
		o.raw += size
		o.decoded += utf8.RuneLen(r)
	}
	return o.raw
}

// appendQuoted appends text as the content of a JSON string.
func appendQuoted(dst, text []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
