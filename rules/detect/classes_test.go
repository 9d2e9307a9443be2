package detect

import (
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestByteClass asks about every character there is: a byte that begins one which
// may be a digit or stand between two is of classWide, and no other is. A later
// Unicode may have digits that begin with another byte.
func TestByteClass(t *testing.T) {
	var wide [256]bool
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if _, digit := decimal(r); digit != unicode.IsDigit(r) {
			t.Errorf("%U: a digit: %v", r, digit)
		} else if digit || wideClass(r) != classOther {
			wide[string(r)[0]] = true
		}
	}
	for c := utf8.RuneSelf; c < 256; c++ {
		if got := byteClass[c] == classWide; got != wide[c] || !got && byteClass[c] != classOther {
			t.Errorf("%#x: %v, want %v", c, byteClass[c], wide[c])
		}
	}
}
