package detect

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

// mayHold are the ways in which MayHoldPAN looks at a text.
var mayHold = map[string]func([]byte) bool{
	"letterless": letterless,
	"blocks":     func(text []byte) bool { return !blocks || suspiciousRuns(text, noExponents) },
}

// checkMayHold reports whether a text holds a card, which none of them may miss.
func checkMayHold(t *testing.T, text []byte) bool {
	t.Helper()
	if len(FindPANs(nil, text)) == 0 {
		return false
	}
	for name, f := range mayHold {
		if !f(text) {
			t.Fatalf("%s missed it in %q", name, text)
		}
	}
	return true
}

// TestMayHoldPANMissesNothing: wherever the detector finds a card number, the
// quick look before it said that there may be one.
func TestMayHoldPANMissesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"4111111111111111", "5555 5555 5555 4444", "3782-822463-10005", "a", "bc", "number", " ", "-", "é", ".", "4", "1234", "tok_", "２", "4111\u00a01111\u00a01111\u00a01111"}
	found := 0
	for range 20_000 {
		var b strings.Builder
		b.WriteString(strings.Repeat("letters ", rng.IntN(2)*rng.IntN(40)))
		for range rng.IntN(7) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
			if rng.IntN(2) == 0 {
				b.WriteString(strings.Repeat("x", rng.IntN(16)))
			}
		}
		text := []byte(b.String())
		if checkMayHold(t, text) {
			found++
		}
	}
	if found < 1000 {
		t.Errorf("only %d texts held a card", found)
	}
	for _, text := range []string{"", "a rather long text without any digits in it at all", "2026-03-14T10:22:33Z", "+44 20 7946"} {
		for _, text := range []string{text, strings.Repeat("x", longText) + text} {
			if MayHoldPAN([]byte(text)) {
				t.Errorf("%q may hold none", text)
			}
		}
	}
}

func FuzzMayHoldPAN(f *testing.F) {
	for _, text := range runTexts {
		f.Add([]byte(text))
		f.Add([]byte(strings.Repeat("x", 27) + text + strings.Repeat(" ", 64)))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkMayHold(t, text) })
}

func BenchmarkMayHoldPAN(b *testing.B) {
	picture := make([]byte, 750_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(picture)
	text := []byte(base64.StdEncoding.EncodeToString(picture))
	for name, f := range mayHold {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if f(text) {
					b.Fatal("a card")
				}
			}
		})
	}
}
