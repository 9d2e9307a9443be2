package basket

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// fold appends text to dst with its case folded.
func fold(dst, text []byte) []byte {
	start := len(dst)
	dst = append(dst, text...)
	for i, c := range dst[start:] {
		if c >= utf8.RuneSelf {
			return foldWide(dst[:start+i], text[i:])
		}
		dst[start+i] = lower[c]
	}
	return dst
}

func foldWide(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			dst = append(dst, lower[c])
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		dst = utf8.AppendRune(dst, foldRune(r))
		i += size
	}
	return dst
}

// lower folds the case of ASCII.
var lower = func() (t [256]byte) {
	for c := range t {
		t[c] = byte(c)
		if c >= 'A' && c <= 'Z' {
			t[c] += 'a' - 'A'
		}
	}
	return t
}()

// foldRune maps all letters that differ only in case to one of them: upper and
// lower case once do that also for those with two lower cases (ſ, ς, the
// Kelvin sign).
func foldRune(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }

// glob is a folded pattern: * for any run of characters, ? for one.
type glob struct {
	head   string // what stands before the first * or ?
	rest   []rune
	prefix bool   // the rest is a * and no more
	word   uint64 // the head's first bytes as a short has them
	mask   uint64 // of those bytes
}

func newGlob(pattern string) glob {
	wild := strings.IndexAny(pattern, "*?")
	if wild < 0 {
		wild = len(pattern)
	}
	g := glob{head: pattern[:wild], rest: []rune(pattern[wild:]), prefix: pattern[wild:] == "*"}
	for i := range min(len(g.head), 8) {
		g.word |= uint64(g.head[i]) << (8 * i)
		g.mask |= 0xFF << (8 * i)
	}
	return g
}

// match reports whether the pattern matches all of a folded text. Its time is
// at most the product of both lengths.
func (g *glob) match(text []byte) bool {
	if len(text) < len(g.head) || string(text[:len(g.head)]) != g.head {
		return false
	}
	if g.prefix {
		return true
	}
	return matchRest(g.rest, text[len(g.head):])
}

func matchRest(g []rune, text []byte) bool {
	p, i := 0, 0
	star, resume := -1, 0 // the last * and where its run ends so far
	for i < len(text) {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case p < len(g) && g[p] == '*':
			star, resume = p, i
			p++
		case p < len(g) && (g[p] == '?' || g[p] == r):
			p++
			i += size
		case star >= 0:
			_, size := utf8.DecodeRune(text[resume:])
			resume += size
			p, i = star+1, resume
		default:
			return false
		}
	}
	for p < len(g) && g[p] == '*' {
		p++
	}
	return p == len(g)
}
