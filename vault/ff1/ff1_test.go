package ff1

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

func testCipher(tb testing.TB) *Cipher {
	tb.Helper()
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	c, err := New(key)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// TestSamples holds two samples of SP 800-38G here, so that the package is
// tested without the vectors' folder.
func TestSamples(t *testing.T) {
	key := unhex(t, "2B7E151628AED2A6ABF7158809CF4F3C")
	judge(t, 1, key, nil, "0123456789", "2433477484")
	judge(t, 2, key, unhex(t, "39383736353433323130"), "0123456789", "6124200773")
}

func TestRefuses(t *testing.T) {
	c := testCipher(t)
	for _, tt := range []struct {
		name, digits string
		want         error
	}{
		{"empty", "", ErrDomain},
		{"five digits", "12345", ErrDomain},
		{"a letter", "12345a", ErrDigits},
		{"above nine", "12345:", ErrDigits},
		{"below zero", "12345/", ErrDigits},
		{"not ASCII", "12345\xff", ErrDigits},
		{"long, a letter", "1234567890123456789012345678901234567890x", ErrDigits},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, f := range map[string]func(a, b, c []byte) ([]byte, error){"Encrypt": c.Encrypt, "Decrypt": c.Decrypt} {
				got, err := f([]byte("kept"), nil, []byte(tt.digits))
				if !errors.Is(err, tt.want) || string(got) != "kept" {
					t.Errorf("%s = %q, %v, want %v", name, got, err, tt.want)
				}
			}
		})
	}
	if _, err := New(make([]byte, 20)); err == nil {
		t.Error("a key of 20 bytes was accepted")
	}
}

// TestNarrowIsWide compares the two implementations over every narrow length
// and many lengths of tweak, at the ends of the domain and in between.
func TestNarrowIsWide(t *testing.T) {
	c := testCipher(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for n := MinDigits; n <= maxNarrow; n++ {
		for tweakLen := range 40 {
			tweak := make([]byte, tweakLen)
			for i := range tweak {
				tweak[i] = byte(rng.Uint32())
			}
			for _, fill := range []func() byte{
				func() byte { return '0' },
				func() byte { return '9' },
				func() byte { return byte('0' + rng.IntN(10)) },
			} {
				digits := make([]byte, n)
				for i := range digits {
					digits[i] = fill()
				}
				enc := c.narrow(nil, tweak, digits, true)
				if want := c.wide(nil, tweak, digits, true); !bytes.Equal(enc, want) {
					t.Fatalf("n = %d, tweak of %d: narrow %s, wide %s", n, tweakLen, enc, want)
				}
				if dec := c.narrow(nil, tweak, enc, false); !bytes.Equal(dec, digits) {
					t.Fatalf("n = %d, tweak of %d: round trip of %s gives %s", n, tweakLen, digits, dec)
				}
			}
		}
	}
}

// TestPermutation goes through the whole smallest domain: every output occurs
// exactly once.
func TestPermutation(t *testing.T) {
	c := testCipher(t)
	seen := make([]bool, pow10[MinDigits])
	var in, out [MinDigits]byte
	stride := 1
	if raceEnabled {
		stride = 13
	}
	for i := 0; i < len(seen); i += stride {
		format(in[:0], uint64(i), MinDigits)
		enc, err := c.Encrypt(out[:0], []byte("tweak"), in[:])
		if err != nil {
			t.Fatal(err)
		}
		v := parse(enc)
		if seen[v] {
			t.Fatalf("%06d occurs twice", v)
		}
		seen[v] = true
	}
}

// TestRemainder holds the remainder by multiplication to the division.
func TestRemainder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for k := 1; k < len(pow10); k++ {
		m := pow10[k]
		for range 20_000 {
			x := rng.Uint64() >> rng.IntN(64)
			for _, x := range []uint64{x, x / m * m, x/m*m - 1, x/m*m + m - 1, math.MaxUint64, math.MaxUint64 - x%m} {
				if got := remainder(x, m, inverse10[k]); got != x%m {
					t.Fatalf("%d mod %d = %d, want %d", x, m, got, x%m)
				}
			}
		}
	}
}

func TestOverlap(t *testing.T) {
	c := testCipher(t)
	for _, n := range []int{16, 40} {
		digits := bytes.Repeat([]byte("7"), n)
		want, err := c.Encrypt(nil, nil, digits)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Encrypt(digits[:0], nil, digits)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("n = %d: in place %s, %v, want %s", n, got, err, want)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	c := testCipher(t)
	digits, tweak, dst := []byte("1234567890123456"), make([]byte, 23), make([]byte, 0, 64)
	if n := testing.AllocsPerRun(1000, func() {
		dst, _ = c.Encrypt(dst[:0], tweak, digits)
		dst, _ = c.Decrypt(dst[:0], tweak, digits)
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzRoundTrip(f *testing.F) {
	c := testCipher(f)
	f.Add([]byte(""), []byte("123456"))
	f.Add([]byte("tweak"), []byte("00000000000000000000000000000000000000"))
	f.Add(bytes.Repeat([]byte{0xff}, 33), bytes.Repeat([]byte("9"), 41))
	f.Fuzz(func(t *testing.T, tweak, digits []byte) {
		enc, err := c.Encrypt(nil, tweak, digits)
		if err != nil {
			return
		}
		if len(enc) != len(digits) {
			t.Fatalf("%d digits became %d", len(digits), len(enc))
		}
		if dec, err := c.Decrypt(nil, tweak, enc); err != nil || !bytes.Equal(dec, digits) {
			t.Errorf("round trip gives %q, %v", dec, err)
		}
	})
}

func BenchmarkEncrypt(b *testing.B) {
	c := testCipher(b)
	tweak := make([]byte, 23)
	for _, digits := range []string{"123456", "1234567890", "1234567890123"} {
		b.Run(digits, func(b *testing.B) {
			in, dst := []byte(digits), make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = c.Encrypt(dst[:0], tweak, in)
			}
		})
	}
}
