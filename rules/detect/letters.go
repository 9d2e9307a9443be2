package detect

// longText is from how many bytes on a text is looked at in blocks, where the
// machine can. In a short one their beginning and their end take too long.
const longText = 256

// MayHoldPAN reports whether a decoded text is worth FindPANs: false where that
// finds nothing, and for most texts of which that is so. It takes a third of a
// nanosecond for a byte, in the base64 of a photo too.
func MayHoldPAN(text []byte) bool {
	if blocks && len(text) >= longText {
		return suspiciousRuns(text, noExponents)
	}
	return letterless(text)
}

// letterless reports whether a text has a run of bytes without letters that is
// long enough for a card number and has digits enough. It looks at every twelfth
// byte of text that is all letters.
func letterless(text []byte) bool {
	from := 0 // a letter stands before it, or nothing
	for i := minDigits - 1; i < len(text); {
		if letter(text[i]) {
			from = i + 1
			i += minDigits
			continue
		}
		start := i
		for start > from && !letter(text[start-1]) {
			start--
		}
		digits, end := 0, start
		for ; end < len(text) && !letter(text[end]); end++ {
			if c := text[end]; c-'0' <= 9 || c >= 0x80 {
				digits++
			}
		}
		if digits >= minDigits {
			return true
		}
		from = end
		i = end + minDigits
	}
	return false
}
