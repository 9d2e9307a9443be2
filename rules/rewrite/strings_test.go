package rewrite

import (
	"bytes"
	"testing"
)

// wholePlainEnd goes on where plainEnd has left a very long string.
func wholePlainEnd(b []byte, i int) int {
	for i = plainEnd(b, i); i < len(b) && plain[b[i]]; i = plainEnd(b, i) {
		i += plainBlocks(b[i:])
	}
	return i
}

// TestPlainEnd puts each byte alone among plain ones, at each place of what is
// looked at together.
func TestPlainEnd(t *testing.T) {
	const most = longString + 3*64
	for c := range 256 {
		for _, around := range []byte("x !#[]~\x7f") {
			b := bytes.Repeat([]byte{around}, most)
			for at := range b {
				b[at] = byte(c)
				want := at
				if plain[c] {
					want = most
				}
				if got := wholePlainEnd(b, 0); got != want {
					t.Fatalf("%#x at %d among %q: %d, want %d", c, at, around, got, want)
				}
				if got := wholePlainEnd(b[:at+1], at/2); got != min(want, at+1) {
					t.Fatalf("%#x at the end, %d, among %q: %d", c, at, around, got)
				}
				b[at] = around
			}
		}
	}
}

func BenchmarkPlainEnd(b *testing.B) {
	text := bytes.Repeat([]byte("iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4"), 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if wholePlainEnd(text, 0) != len(text) {
			b.Fatal("it is plain")
		}
	}
}
