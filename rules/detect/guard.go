package detect

import (
	"bytes"
	"unicode/utf8"
)

// stackText is the length up to which an escaped text is resolved without an
// allocation.
const stackText = 1024

// GuardJSON is the check of the last moment: it reports the offset of a card
// number in the final bytes of a JSON text, without a look at how they were
// made. It sees what FindPANs finds in any string or member name once its
// escapes are resolved (\u0034, \u00a0, …), what PANNumber says of any number,
// and also what would be found if JSON text that is carried inside a string
// were decoded, at any depth. It expects, but does not check, well-formed
// JSON; on other bytes it looks at what it takes for strings and numbers.
func GuardJSON(b []byte) (offset int, found bool) {
	if !suspicious(b) {
		return 0, false
	}
	return guardJSON(b)
}

// guardJSON walks from string to string and number to number.
func guardJSON(b []byte) (offset int, found bool) {
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			end, escaped := stringEnd(b, i+1)
			if at, ok := guardString(b[i+1:end], escaped); ok {
				return i + 1 + at, true
			}
			i = end + 1
		case c-'0' <= 9:
			end := numberEnd(b, i)
			var buf [maxDigits]byte
			if _, ok := PANNumber(buf[:0], b[i:end]); ok {
				return i, true
			}
			i = end
		default:
			i++
		}
	}
	return 0, false
}

// numberEnd returns the end of the bytes of a number that begins at i.
func numberEnd(b []byte, i int) int {
	for i < len(b) && numberByte[b[i]] {
		i++
	}
	return i
}

// numberByte marks the bytes of a number.
var numberByte = func() (t [256]bool) {
	for _, c := range "0123456789+-.eE" {
		t[c] = true
	}
	return t
}()

// stringEnd returns the offset of the quote that ends the string whose text
// begins at i, and whether there is an escape in it.
func stringEnd(b []byte, i int) (end int, escaped bool) {
	start := i
	for {
		k := bytes.IndexByte(b[i:], '"')
		if k < 0 {
			return len(b), bytes.IndexByte(b[start:], '\\') >= 0
		}
		i += k
		slashes := i
		for slashes > start && b[slashes-1] == '\\' {
			slashes--
		}
		if (i-slashes)&1 == 0 {
			return i, escaped || i > slashes || bytes.IndexByte(b[start:i], '\\') >= 0
		}
		escaped = true
		i++
	}
}

// guardString looks at the raw text of a string.
func guardString(raw []byte, escaped bool) (offset int, found bool) {
	if !Candidate(raw) {
		return 0, false
	}
	if !escaped {
		return HasPAN(raw)
	}
	for _, deep := range [...]bool{false, true} {
		if deep && !bytes.Contains(raw, []byte(`\\`)) {
			break
		}
		var buf [stackText]byte
		text := buf[:0]
		for i := 0; i < len(raw); {
			var size int
			text, size = unescape(text, raw[i:], deep)
			i += size
		}
		if at, ok := HasPAN(text); ok {
			return rawOffset(raw, at, deep), true
		}
	}
	return 0, false
}

// rawOffset returns where in the raw text the decoded byte at stands.
func rawOffset(raw []byte, at int, deep bool) int {
	decoded := 0
	for i := 0; i < len(raw); {
		var buf [2 * utf8.UTFMax]byte
		out, size := unescape(buf[:0], raw[i:], deep)
		if decoded += len(out); decoded > at {
			return i
		}
		i += size
	}
	return 0
}

// unescape appends the first character of a raw JSON text to dst and returns
// the bytes that it took. deep passes over the backslashes that each level of
// JSON within a string adds. A broken escape stands for itself.
func unescape(dst, raw []byte, deep bool) ([]byte, int) {
	if raw[0] != '\\' || len(raw) < 2 {
		return append(dst, raw[0]), 1
	}
	i := 1
	for deep && i < len(raw)-1 && raw[i] == '\\' {
		i++
	}
	switch c := raw[i]; c {
	case 'n', 'r', 'f':
		return append(dst, '\n'), i + 1
	case 't':
		return append(dst, '\t'), i + 1
	case 'b':
		return append(dst, '\b'), i + 1
	case 'u':
		r, ok := hex4(raw[i+1:])
		if !ok {
			return append(dst, 'u'), i + 1
		}
		size := i + 5
		if r >= 0xD800 && r < 0xDC00 {
			if low, next, ok := lowSurrogate(raw[size:], deep); ok {
				r = (r-0xD800)<<10 + (low - 0xDC00) + 0x10000
				size += next
			}
		}
		return utf8.AppendRune(dst, r), size
	default:
		return append(dst, c), i + 1
	}
}

// lowSurrogate reads the second half of a character beyond the basic plane.
func lowSurrogate(raw []byte, deep bool) (r rune, size int, ok bool) {
	i := 0
	for i < len(raw) && raw[i] == '\\' && (i == 0 || deep) {
		i++
	}
	if i == 0 || i >= len(raw) || raw[i] != 'u' {
		return 0, 0, false
	}
	r, ok = hex4(raw[i+1:])
	return r, i + 5, ok && r >= 0xDC00 && r < 0xE000
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c-'0' <= 9:
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// GuardText is GuardJSON for what leaves beside the body: a URL or a header's
// value. It looks at the text as it is, and at what is left of it when
// percent-encoding is resolved, again and again while there is any, and a plus
// sign between digits is a blank. The offset is that in b.
func GuardText(b []byte) (offset int, found bool) {
	if !Candidate(b) {
		return 0, false
	}
	if at, ok := HasPAN(b); ok {
		return at, true
	}
	if bytes.IndexByte(b, '%') < 0 && bytes.IndexByte(b, '+') < 0 {
		return 0, false
	}
	var buf [stackText]byte
	text := append(buf[:0], b...)
	for range maxPercentDepth {
		n := unpercent(text)
		if _, ok := HasPAN(text[:n]); ok {
			return percentOffset(b), true
		}
		if n == len(text) {
			break
		}
		text = text[:n]
	}
	return 0, false
}

// maxPercentDepth is how often percent-encoding is resolved: more than any
// chain of redirects and gateways adds.
const maxPercentDepth = 4

// unpercent resolves percent-encoding in place and returns the new length.
func unpercent(b []byte) int {
	n := 0
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '%' && i+2 < len(b):
			high, ok1 := hexDigit(b[i+1])
			low, ok2 := hexDigit(b[i+2])
			if ok1 && ok2 {
				c = high<<4 | low
				i += 2
			}
		case c == '+' && n > 0 && b[n-1]-'0' <= 9:
			c = ' '
		}
		b[n] = c
		n++
	}
	return n
}

// percentOffset returns the offset of the first percent or plus sign, where
// the part of b begins that is not what it looks like.
func percentOffset(b []byte) int { return max(0, bytes.IndexAny(b, "%+")) }
