package letters

import (
	"bytes"
	"errors"
	"testing"
)

func TestAlphabet(t *testing.T) {
	if len(Alphabet) != 32 {
		t.Fatalf("%d letters, want 32", len(Alphabet))
	}
	seen := map[rune]bool{}
	for _, c := range Alphabet {
		if seen[c] {
			t.Errorf("%q twice", c)
		}
		seen[c] = true
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			t.Errorf("%q is not a letter", c)
		}
	}
}

func TestEncode(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want string
	}{
		{"empty", nil, ""},
		{"one byte", []byte{0xff}, "KF"},
		{"zero", []byte{0}, "aa"},
		{"five bytes", []byte{0x00, 0x44, 0x32, 0x14, 0xc7}, "abcdefgh"},
		{"five bytes of ones", []byte{0xff, 0xff, 0xff, 0xff, 0xff}, "KKKKKKKK"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(Encode(nil, tt.in)); got != tt.want {
				t.Errorf("Encode(%x) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	src := make([]byte, 64)
	for i := range src {
		src[i] = byte(i*37 + 11)
	}
	for n := range len(src) + 1 {
		text := Encode([]byte("x"), src[:n])
		if len(text)-1 != EncodedLen(n) {
			t.Errorf("EncodedLen(%d) = %d, but %d letters came", n, EncodedLen(n), len(text)-1)
		}
		if DecodedLen(len(text)-1) != n {
			t.Errorf("DecodedLen(%d) = %d, want %d", len(text)-1, DecodedLen(len(text)-1), n)
		}
		if !Valid(text[1:]) {
			t.Errorf("%q is not valid", text)
		}
		got, err := Decode([]byte("y"), text[1:])
		if err != nil || !bytes.Equal(got, append([]byte("y"), src[:n]...)) {
			t.Errorf("n = %d: Decode = %x, %v", n, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"one letter":             "a",
		"three letters":          "aaa",
		"six letters":            "aaaaaa",
		"eight and one":          "aaaaaaaaa",
		"a digit":                "a1",
		"a digit in a block":     "aaaaaaa1",
		"a left-out letter":      "al",
		"bits beyond the byte":   "ab",
		"bits beyond two bytes":  "aaab",
		"bits beyond three":      "aaaab",
		"bits beyond four bytes": "aaaaaab",
		"not ASCII":              "a\xff",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte("kept"), []byte(text))
			if !errors.Is(err, ErrMalformed) || string(got) != "kept" {
				t.Errorf("Decode(%q) = %q, %v", text, got, err)
			}
		})
	}
}

func TestRandom(t *testing.T) {
	a, b := Random(20), Random(20)
	if len(a) != 20 || !Valid([]byte(a)) || a == b {
		t.Errorf("Random(20) = %q, then %q", a, b)
	}
}

func TestNoAllocation(t *testing.T) {
	src := make([]byte, 57)
	text, back := make([]byte, 0, 128), make([]byte, 0, 128)
	if n := testing.AllocsPerRun(100, func() {
		text = Encode(text[:0], src)
		back, _ = Decode(back[:0], text)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// FuzzDecode holds the encoding to be canonical: what decodes encodes to the
// very same text.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "aa", "KF", "abcdefgh", "abcdefghaa", "a1", "aaa"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := Decode(nil, text)
		if err != nil {
			return
		}
		if again := Encode(nil, b); !bytes.Equal(again, text) {
			t.Errorf("%q decodes and encodes to %q", text, again)
		}
	})
}
