package detect

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestReadDigits holds words of digits to a digit at a time.
func TestReadDigits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range maxDigits + 3 {
		for range 3000 {
			b := make([]byte, n)
			for i := range b {
				b[i] = '0' + byte(rnd.IntN(10))
			}
			d, ok := readDigits(b)
			if want := n > 0 && n <= maxDigits; ok != want {
				t.Fatalf("%s: %v", b, ok)
			} else if !want {
				continue
			}
			value, err := strconv.ParseUint(string(b), 10, 64)
			if err != nil || d.value != value || d.n != n || d.luhn != Luhn(append([]byte{'0'}, b...)) {
				t.Fatalf("%s: %+v", b, d)
			}
		}
	}
}

// TestReadDigitsOnly: a byte that is no digit is seen wherever it stands.
func TestReadDigitsOnly(t *testing.T) {
	for n := 1; n <= maxDigits; n++ {
		for at := range n {
			for c := range 256 {
				b := bytes.Repeat([]byte{'9'}, n)
				b[at] = byte(c)
				if _, ok := readDigits(b); ok != (c >= '0' && c <= '9') {
					t.Fatalf("%q: %v", b, ok)
				}
			}
		}
	}
}
