package keys

import (
	"bytes"
	"errors"
	"testing"

	"chaperone/vault/letters"
)

func ephemeral(tb testing.TB) *Ring {
	tb.Helper()
	r := Ephemeral()
	tb.Cleanup(r.Close)
	return r
}

func TestSealOpen(t *testing.T) {
	r := ephemeral(t)
	for _, n := range []int{0, 1, 16, 1000, 1 << 20} {
		plaintext := bytes.Repeat([]byte("x"), n)
		sealed := r.Seal([]byte("head"), plaintext, []byte("ad"))
		if len(sealed) != 4+n+Overhead {
			t.Errorf("%d bytes sealed are %d", n, len(sealed)-4)
		}
		got, err := r.Open([]byte("kept"), sealed[4:], []byte("ad"))
		if err != nil || !bytes.Equal(got, append([]byte("kept"), plaintext...)) {
			t.Errorf("%d bytes: open gives %d bytes, %v", n, len(got), err)
		}
	}
	a, b := r.Seal(nil, []byte("x"), nil), r.Seal(nil, []byte("x"), nil)
	if bytes.Equal(a, b) {
		t.Error("equal plaintexts seal to equal bytes")
	}
}

func TestOpenRefuses(t *testing.T) {
	r, other := ephemeral(t), ephemeral(t)
	good := r.Seal(nil, []byte("plaintext"), []byte("ad"))
	token := r.SealToken(nil, []byte("plaintext"), []byte("ad"), false)
	join := r.SealToken(nil, []byte("plaintext"), []byte("ad"), true)
	mark := func(b []byte, i int, v byte) []byte { b = bytes.Clone(b); b[i] = v; return b }
	for _, tt := range []struct {
		name   string
		open   func(dst, sealed, ad []byte) ([]byte, error)
		sealed []byte
		ad     string
		want   error
	}{
		{"empty", r.Open, nil, "ad", ErrForged},
		{"one byte", r.Open, good[:1], "ad", ErrForged},
		{"head only", r.Open, good[:2], "ad", ErrForged},
		{"other associated data", r.Open, good, "da", ErrForged},
		{"other ring", other.Open, good, "ad", ErrForged},
		{"unknown algorithm", r.Open, mark(good, 0, 9), "ad", ErrForged},
		{"unknown generation", r.Open, mark(good, 1, 2), "ad", ErrGeneration},
		{"generation zero", r.Open, mark(good, 1, 0), "ad", ErrGeneration},
		{"a token is not of the store", r.Open, token, "ad", ErrForged},
		{"deterministic is not of the store", r.Open, join, "ad", ErrForged},
		{"of the store is no token", r.OpenToken, good, "ad", ErrForged},
		{"token, other associated data", r.OpenToken, token, "da", ErrForged},
		{"token, other ring", other.OpenToken, token, "ad", ErrForged},
		{"token, empty", r.OpenToken, nil, "ad", ErrForged},
		{"token, unknown algorithm", r.OpenToken, mark(token, 0, 3), "ad", ErrForged},
		{"token as deterministic", r.OpenToken, mark(token, 0, algSIV), "ad", ErrForged},
		{"deterministic as random", r.OpenToken, mark(join, 0, algXAES), "ad", ErrForged},
		{"deterministic, other associated data", r.OpenToken, join, "da", ErrForged},
		{"deterministic, unknown generation", r.OpenToken, mark(join, 1, 7), "ad", ErrGeneration},
		{"deterministic, head only", r.OpenToken, join[:2], "ad", ErrForged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.open([]byte("kept"), tt.sealed, []byte(tt.ad))
			if !errors.Is(err, tt.want) || string(got) != "kept" {
				t.Errorf("got %q, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestSealToken(t *testing.T) {
	r := ephemeral(t)
	for _, deterministic := range []bool{false, true} {
		a := r.SealToken(nil, []byte("value"), []byte("ad"), deterministic)
		b := r.SealToken(nil, []byte("value"), []byte("ad"), deterministic)
		if bytes.Equal(a, b) != deterministic {
			t.Errorf("deterministic %t: equal %t", deterministic, bytes.Equal(a, b))
		}
		want := len("value") + Overhead
		if deterministic {
			want = len("value") + JoinOverhead
		}
		if len(a) != want {
			t.Errorf("deterministic %t: %d bytes, want %d", deterministic, len(a), want)
		}
		got, err := r.OpenToken(nil, a, []byte("ad"))
		if err != nil || string(got) != "value" {
			t.Errorf("deterministic %t: opens to %q, %v", deterministic, got, err)
		}
	}
}

func TestMAC(t *testing.T) {
	r, other := ephemeral(t), ephemeral(t)
	base := r.MAC([]byte("head"), "purpose", []byte("ab"), []byte("c"))
	if len(base) != 4+32 || string(base[:4]) != "head" {
		t.Fatalf("%d bytes", len(base))
	}
	base = base[4:]
	if again := r.MAC(nil, "purpose", []byte("ab"), []byte("c")); !bytes.Equal(again, base) {
		t.Error("not the same the second time")
	}
	for name, mac := range map[string][]byte{
		"other cut":     r.MAC(nil, "purpose", []byte("a"), []byte("bc")),
		"one part":      r.MAC(nil, "purpose", []byte("abc")),
		"an empty part": r.MAC(nil, "purpose", []byte("ab"), []byte("c"), nil),
		"other purpose": r.MAC(nil, "other", []byte("ab"), []byte("c")),
		"other ring":    other.MAC(nil, "purpose", []byte("ab"), []byte("c")),
		"no part":       r.MAC(nil, "purpose"),
	} {
		if bytes.Equal(mac, base) {
			t.Errorf("%s: the same MAC", name)
		}
	}
	for _, u := range []Use{UsePAN, UseSealed, UseJoin, UseStore} {
		if _, err := r.Rotate(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	if again := r.MAC(nil, "purpose", []byte("ab"), []byte("c")); !bytes.Equal(again, base) {
		t.Error("not the same after rotations")
	}
}

// TestMACFrozen pins the construction: every idempotency key and index entry
// ever written depends on it.
func TestMACFrozen(t *testing.T) {
	master := make([]byte, 32)
	for i := range master {
		master[i] = byte(i)
	}
	got := newMACs(master).append(nil, "index", []byte("scope"), []byte("token"))
	want := unhex(t, frozenMAC)
	if !bytes.Equal(got, want) {
		t.Errorf("MAC = %x, want %x", got, want)
	}
}

func TestNoAllocation(t *testing.T) {
	r := ephemeral(t)
	plaintext, ad := []byte("4111111111111111"), []byte("scope and label")
	sealed, opened, mac := make([]byte, 0, 256), make([]byte, 0, 256), make([]byte, 0, 64)
	if n := testing.AllocsPerRun(1000, func() {
		sealed = r.Seal(sealed[:0], plaintext, ad)
		opened, _ = r.Open(opened[:0], sealed, ad)
		sealed = r.SealToken(sealed[:0], plaintext, ad, false)
		opened, _ = r.OpenToken(opened[:0], sealed, ad)
		mac = r.MAC(mac[:0], "purpose", plaintext, ad)
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations, want 0", n)
	}
	if n := testing.AllocsPerRun(1000, func() { r.Seal(nil, plaintext, ad) }); n > 1 && !raceEnabled {
		t.Errorf("%v allocations without room, want one", n)
	}
}

func TestID(t *testing.T) {
	a, b := ephemeral(t), ephemeral(t)
	if len(a.ID()) != idLetters || !letters.Valid([]byte(a.ID())) || a.ID() == b.ID() {
		t.Errorf("ids %q, %q", a.ID(), b.ID())
	}
}

func TestClose(t *testing.T) {
	r := Ephemeral()
	material := r.live.Load().doc.Keys[0].Material
	r.Close()
	r.Close()
	if !bytes.Equal(material, make([]byte, len(material))) {
		t.Error("the key bytes are still there")
	}
	sealed := []byte{algXAES, 1}
	_, open := r.Open(nil, sealed, nil)
	_, openToken := r.OpenToken(nil, sealed, nil)
	_, rotate := r.Rotate(t.Context(), UseStore)
	_, rotateAfter := r.RotateAfter(t.Context(), map[Use]int{UseStore: 1})
	for name, err := range map[string]error{
		"Open": open, "OpenToken": openToken, "Rotate": rotate, "RotateAfter": rotateAfter,
		"Refresh": r.Refresh(t.Context()), "Retire": r.Retire(t.Context(), UseStore, 1), "Destroy": r.Destroy(t.Context(), UseStore, 1),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if list := r.List(); list != nil {
		t.Errorf("List after Close: %v", list)
	}
	if s := r.Status(t.Context()); s.Revision != 0 {
		t.Errorf("%+v", s)
	}
	defer func() {
		if recover() == nil {
			t.Error("Seal after Close did not panic")
		}
	}()
	r.Seal(nil, nil, nil)
}

func BenchmarkRing(b *testing.B) {
	r := ephemeral(b)
	plaintext, ad := []byte("4111111111111111"), []byte("scope and label")
	buf, out := make([]byte, 0, 256), make([]byte, 0, 256)
	b.Run("Seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = r.Seal(buf[:0], plaintext, ad)
		}
	})
	b.Run("Open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out, _ = r.Open(out[:0], buf, ad)
		}
	})
	b.Run("OpenOtherPrefix", func(b *testing.B) { // two that share a place in the cache
		x := r.material().store.generation[1]
		var other [2][]byte
		for i := range other {
			d := x.derive([12]byte{1, byte(i)})
			other[i] = d.aead.Seal(append([]byte{algXAES, 1}, d.prefix[:]...), nil, plaintext, ad)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var err error
			if out, err = r.Open(out[:0], other[i&1], ad); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("SealJoin", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = r.SealToken(buf[:0], plaintext, ad, true)
		}
	})
	b.Run("OpenJoin", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out, _ = r.OpenToken(out[:0], buf, ad)
		}
	})
	b.Run("MAC", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out = r.MAC(out[:0], "purpose", plaintext, ad)
		}
	})
}

// frozenMAC is HMAC-SHA-256 under HKDF-Expand(bytes 0 to 31,
// "chaperone/mac/1/index") over both parts with their lengths, computed apart
// from this code.
const frozenMAC = "17f1ccb1f2ca804f991c854c2dc4825c3bdb735749a7060aae86c478536eff2b"
