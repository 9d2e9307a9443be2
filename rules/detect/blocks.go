package detect

import "bytes"

const (
	// blockSize is how many bytes firstRun looks at together, and blockStep by
	// how many it goes on: what begins in those is seen as a whole.
	blockSize = 64
	blockStep = 48
)

// suspiciousBlocks is suspiciousWords for machines that look at blocks. Few
// bodies have a run at all, or a digit before an e: those are examined.
//
// A run is what a card number would have to be, from its first digit to its
// last: as many bytes as it has digits at least, each of which may stand within
// one (it is at most '9', but neither quote nor comma, or it is an underscore,
// or beyond ASCII, or a backslash or one of the five bytes behind it, as escapes
// have them) and is no further than three bytes from the next that may be part
// of a digit or of a separator beyond ASCII, since no more than maxGap plain
// characters stand between two digits. What an escape spells holds digits, or is
// one character.
func suspiciousBlocks(b []byte) bool { return suspiciousRuns(b, withExponents) }

// What firstRun is to look for.
const (
	withExponents = ^uint64(0)
	noExponents   = uint64(0) // there are none in the text of a string
)

// suspiciousRuns is suspiciousBlocks, with exponents or without.
func suspiciousRuns(b []byte, exponents uint64) bool {
	for from := 0; ; {
		at := from + nextRun(b[from:], exponents)
		if at >= len(b) {
			return false
		}
		var found bool
		if from, found = examine(b, from, at); found {
			return true
		}
	}
}

// nextRun returns the offset of the first byte of b at which a run begins, or an
// exponent where those are asked for; len(b) where none does.
func nextRun(b []byte, exponents uint64) int {
	from := 0
	if len(b) >= blockSize {
		at := firstRun(b, exponents)
		if at >= 0 {
			return at
		}
		from = ^at
	}
	var tail [blockStep + blockSize]byte // with nothing behind what is left
	copy(tail[:], b[from:])
	if at := firstRun(tail[:], exponents); at >= 0 {
		return from + at
	}
	return len(b)
}

// examine looks closer at the run that b[at] is part of and at the exponents in
// it. No card number that is not found yet begins before from. It returns where
// the run ends: no card number spans that place, and none is left before it.
func examine(b []byte, from, at int) (end int, found bool) {
	start := at
	for start > from && (withinRun[b[start-1]] || ofEscape(b, start-1)) {
		start--
	}
	digits := 0
	for end = start; end < len(b); end++ {
		c := b[end]
		if !withinRun[c] && end > at && !ofEscape(b, end) {
			break
		}
		if c-'0' <= 9 || c >= 0xC0 {
			digits++
		} else if c|0x20 == 'e' && exponentNumber(b, end) {
			return end, true
		}
	}
	if end < len(b) && b[end]|0x20 == 'e' && exponentNumber(b, end) {
		return end, true
	}
	if digits < minDigits {
		return end, false
	}
	if d, ok := readDigits(b[start:end]); ok { // mostly a token
		return end, d.card()
	}
	return end, suspiciousChain(b, max(from, start-1), end)
}

// withinRun marks what may be part of a card number: see suspiciousBlocks.
var withinRun = func() (t [256]bool) {
	for c := range t {
		t[c] = c <= '9' && c != '"' && c != ',' || c == '_' || c == '\\' || c >= 0x80
	}
	return t
}()

// ofEscape reports whether b[i] may be part of an escape.
func ofEscape(b []byte, i int) bool {
	return bytes.IndexByte(b[max(0, i-maxEscape):i], '\\') >= 0
}

// maxEscape is how far from its backslash, or from the last of several, an escape
// goes on.
const maxEscape = len(`u0034`)
