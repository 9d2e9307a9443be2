package audit

import (
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	e := samples()["decision"]
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = e.Append(dst[:0])
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkParse(b *testing.B) {
	e := samples()["decision"]
	text := e.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is the cost of one entry.
func BenchmarkVerify(b *testing.B) {
	m := newMemory()
	m.chain("a", 1000)
	o := verifyOptions("")
	for b.Loop() {
		if r, err := Verify(b.Context(), m, o); err != nil || !r.OK() {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/entry")
}
