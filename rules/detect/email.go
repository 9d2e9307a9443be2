package detect

import (
	"unicode"
	"unicode/utf8"
)

// The bounds of an address (RFC 5321, 4.5.3.1).
const (
	maxLocal  = 64
	maxDomain = 255
)

// email looks at the at sign at i, and adds the address around it: a local part
// of the characters of RFC 5321's Dot-string, or in quotes, and a domain of two
// labels at least, the last of which has no digits but in an IDN's ASCII form.
// Letters and digits of any script count (RFC 6531).
func (f *Seeker) email(i int) {
	start := f.local(i)
	if start == i {
		return
	}
	end := f.domain(i + 1)
	if end == 0 || scaled(f.text[i+1:end]) {
		return
	}
	f.add(Identifier{Start: start, End: end, Found: Email.Set()})
}

// local returns where the local part before the at sign at i begins, i where
// there is none.
func (f *Seeker) local(i int) int {
	start := i
	if i > 1 && f.text[i-1] == '"' {
		for k := i - 2; k >= 0 && i-k <= maxLocal; k-- {
			f.steps++
			if f.text[k] == '"' {
				return k
			}
		}
		return i
	}
	for start > 0 {
		c, size := f.text[start-1], 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeLastRune(f.text[:start]); !unicode.In(r, unicode.L, unicode.Nd, unicode.M) {
				break
			}
		} else if !localByte[c] {
			break
		}
		f.steps += size
		if i-start+size > maxLocal {
			break
		}
		start -= size
	}
	for start < i && (f.text[start] == '.' || f.text[start] == '\'' || f.text[start] == '=') {
		start++ // of the sentence, rather
	}
	if start < i && f.text[i-1] == '.' {
		return i
	}
	return start
}

// localByte marks the characters of RFC 5321's Atom, and the dot.
var localByte = func() (t [utf8.RuneSelf]bool) {
	for c := range t {
		t[c] = alnum(byte(c))
	}
	for _, c := range "!#$%&'*+-/=?^_`{|}~." {
		t[c] = true
	}
	return t
}()

// domain returns where the domain that begins at i ends, zero where there is
// none.
func (f *Seeker) domain(i int) (end int) {
	labels, from, digits := 0, i, false
	limit := min(len(f.text), i+maxDomain)
	for at := i; ; {
		var c byte
		size := 1
		if at < limit {
			c = f.text[at]
		}
		f.steps++
		switch {
		case at < limit && (letter(c) || c == '-' && at > from):
		case at < limit && c-'0' <= 9:
			digits = true
		case at < limit && c >= utf8.RuneSelf && f.wordFrom(at):
			_, size = utf8.DecodeRune(f.text[at:])
		default: // a label ends
			for at > from && f.text[at-1] == '-' {
				at--
			}
			if at == from {
				return end
			}
			if labels++; labels > 1 && at-from > 1 && (!digits || punycode(f.text[from:at])) {
				end = at
			}
			if at >= limit || f.text[at] != '.' {
				return end
			}
			from, digits = at+1, false
		}
		at += size
	}
}

// punycode reports whether a label is an IDN's ASCII form.
func punycode(label []byte) bool {
	return len(label) > 4 && label[0]|0x20 == 'x' && label[1]|0x20 == 'n' && label[2] == '-' && label[3] == '-'
}

// scaled reports whether a domain is the rest of a picture's name, as
// icon@2x.png has it.
func scaled(domain []byte) bool {
	return len(domain) > 2 && domain[0]-'0' <= 9 && domain[1]|0x20 == 'x' && domain[2] == '.'
}
