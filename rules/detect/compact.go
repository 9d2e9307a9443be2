package detect

// CompactDigits appends to dst the digits, as ASCII, of a whole value that is
// only digits and the separators that FindPANs knows, also around it, and
// returns it. It returns false, and dst as it was, where the value holds
// anything else or no digit. The value may be any length: a caller that looks
// for a card checks the number of digits.
func CompactDigits(dst, text []byte) ([]byte, bool) {
	out := dst
	for i := 0; i < len(text); {
		if text[i]-'0' <= 9 {
			out = append(out, text[i])
			i++
			continue
		}
		c, size, d := classify(text[i:])
		switch c {
		case classDigit:
			out = append(out, '0'+d)
		case classOther:
			return dst, false
		}
		i += size
	}
	return out, len(out) > len(dst)
}
