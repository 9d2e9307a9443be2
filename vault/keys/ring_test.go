package keys

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

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

func TestRotate(t *testing.T) {
	r := ephemeral(t)
	old := r.Seal(nil, []byte("old"), nil)
	info, err := r.Rotate(t.Context(), UseStore)
	if err != nil || info.Generation != 2 || !info.Current || info.State != Active {
		t.Fatalf("Rotate = %+v, %v", info, err)
	}
	sealed := r.Seal(nil, []byte("new"), nil)
	if old[1] != 1 || sealed[1] != 2 {
		t.Errorf("generations %d, %d", old[1], sealed[1])
	}
	for want, b := range map[string][]byte{"old": old, "new": sealed} {
		if got, err := r.Open(nil, b, nil); err != nil || string(got) != want {
			t.Errorf("%s opens to %q, %v", want, got, err)
		}
	}
	for name, err := range map[string]error{
		"retire the current":  r.Retire(t.Context(), UseStore, 2),
		"destroy the current": r.Destroy(t.Context(), UseStore, 2),
		"destroy derive":      r.Destroy(t.Context(), UseDerive, 1),
	} {
		if !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Destroy(t.Context(), UseStore, 9); !errors.Is(err, ErrMissing) {
		t.Errorf("destroy what is not there: %v", err)
	}
	if err := r.Retire(t.Context(), UseStore, 1); err != nil {
		t.Fatal(err)
	}
	if err := r.Retire(t.Context(), UseStore, 1); !errors.Is(err, ErrState) {
		t.Errorf("retire twice: %v", err)
	}
	if _, err := r.Open(nil, old, nil); err != nil {
		t.Errorf("a retired generation does not open: %v", err)
	}
	if err := r.Destroy(t.Context(), UseStore, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(nil, old, nil); !errors.Is(err, ErrGeneration) {
		t.Errorf("a destroyed generation: %v", err)
	}
	for _, use := range []Use{UseDerive, "nonsense"} {
		if _, err := r.Rotate(t.Context(), use); !errors.Is(err, ErrState) {
			t.Errorf("rotate %s: %v", use, err)
		}
	}
}

// TestSlots goes past the fifth generation of pan keys.
func TestSlots(t *testing.T) {
	r := ephemeral(t)
	for g := 2; g <= PANSlots; g++ {
		if info, err := r.Rotate(t.Context(), UsePAN); err != nil || info.Generation != g {
			t.Fatalf("generation %d: %+v, %v", g, info, err)
		}
	}
	if _, err := r.Rotate(t.Context(), UsePAN); !errors.Is(err, ErrSlots) {
		t.Fatalf("a sixth live generation: %v", err)
	}
	for slot, k := range r.PAN().Slots {
		if k.Generation != slot+1 || k.Cipher == nil {
			t.Errorf("slot %d has generation %d", slot, k.Generation)
		}
	}
	if err := r.Destroy(t.Context(), UsePAN, 1); err != nil {
		t.Fatal(err)
	}
	if k := r.PAN().Slots[0]; k.Cipher != nil || k.Generation != 0 {
		t.Errorf("slot 0 still has generation %d", k.Generation)
	}
	info, err := r.Rotate(t.Context(), UsePAN)
	if err != nil || info.Generation != 6 {
		t.Fatalf("%+v, %v", info, err)
	}
	if p := r.PAN(); p.Current != 0 || p.Slots[0].Generation != 6 {
		t.Errorf("current slot %d, generation %d", p.Current, p.Slots[p.Current].Generation)
	}
}

func TestLastGeneration(t *testing.T) {
	now := time.Now()
	ks := newKeyset(now)
	for g := 2; g <= maxGeneration; g++ {
		if _, err := ks.rotate(UseStore, now, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ks.rotate(UseStore, now, now); !errors.Is(err, ErrState) {
		t.Errorf("generation 256: %v", err)
	}
	if err := ks.check(); err != nil {
		t.Error(err)
	}
}

func TestList(t *testing.T) {
	r := ephemeral(t)
	if _, err := r.Rotate(t.Context(), UsePAN); err != nil {
		t.Fatal(err)
	}
	list := r.List()
	var names []Use
	for _, i := range list {
		names = append(names, i.Use)
		if i.Algorithm == "" || i.Created.IsZero() || i.State != Active {
			t.Errorf("%+v", i)
		}
	}
	if want := []Use{UsePAN, UsePAN, UseSealed, UseJoin, UseStore, UseDerive}; !slices.Equal(names, want) {
		t.Errorf("uses %v, want %v", names, want)
	}
	if list[0].Current || !list[1].Current {
		t.Errorf("current: %t, %t", list[0].Current, list[1].Current)
	}
}

func TestID(t *testing.T) {
	a, b := ephemeral(t), ephemeral(t)
	if len(a.ID()) != idLetters || !letters.Valid([]byte(a.ID())) || a.ID() == b.ID() {
		t.Errorf("ids %q, %q", a.ID(), b.ID())
	}
}

// TestConflict has two rings on one keyset rotate in turn: the one that is
// behind learns of the other's change first.
func TestConflict(t *testing.T) {
	b := new(memory)
	ks := newKeyset(time.Now())
	b.kept = ks.clone()
	one, err := newRing(ks.clone(), b, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	two, err := newRing(ks, b, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.Rotate(t.Context(), UseStore); err != nil {
		t.Fatal(err)
	}
	info, err := two.Rotate(t.Context(), UseStore)
	if err != nil || info.Generation != 3 {
		t.Fatalf("%+v, %v", info, err)
	}
	if got := one.List()[4]; got.Use != UseStore || got.Generation != 2 {
		t.Errorf("before a refresh: %+v", got)
	}
	if err := one.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	sealed := two.Seal(nil, []byte("x"), nil)
	if got, err := one.Open(nil, sealed, nil); err != nil || string(got) != "x" {
		t.Errorf("the other's newest generation: %q, %v", got, err)
	}
}

// failing fails a save, before or after it took effect.
type failing struct {
	*memory
	persist bool
}

var errSave = errors.New("save failed")

func (f *failing) save(ctx context.Context, next *keyset) error {
	if f.persist {
		if err := f.memory.save(ctx, next); err != nil {
			return err
		}
	}
	return errSave
}

func TestSaveFails(t *testing.T) {
	for name, persist := range map[string]bool{"failed": false, "failed but persisted": true} {
		t.Run(name, func(t *testing.T) {
			b := &failing{memory: new(memory), persist: persist}
			ks := newKeyset(time.Now())
			b.kept = ks.clone()
			r, err := newRing(ks, b, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := r.Rotate(t.Context(), UseStore); !errors.Is(err, errSave) {
				t.Fatalf("Rotate: %v", err)
			}
			if sealed := r.Seal(nil, nil, nil); sealed[1] != 1 {
				t.Errorf("generation %d makes, although it may not be kept", sealed[1])
			}
			if err := r.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := byte(1)
			if persist {
				want = 2
			}
			if sealed := r.Seal(nil, nil, nil); sealed[1] != want {
				t.Errorf("after a refresh generation %d makes, want %d", sealed[1], want)
			}
		})
	}
}

// TestForeignKeyset keeps a ring from taking up a keyset that is not its own,
// or an older one.
func TestForeignKeyset(t *testing.T) {
	for name, replace := range map[string]func(b *memory, before *keyset){
		"another": func(b *memory, _ *keyset) { b.kept = newKeyset(time.Now()); b.kept.Revision = 9 },
		"older":   func(b *memory, before *keyset) { b.kept = before },
	} {
		t.Run(name, func(t *testing.T) {
			b := new(memory)
			ks := newKeyset(time.Now())
			b.kept = ks.clone()
			before := ks.clone()
			r, err := newRing(ks, b, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := r.Rotate(t.Context(), UseStore); err != nil {
				t.Fatal(err)
			}
			sealed := r.Seal(nil, []byte("x"), nil)
			replace(b, before)
			if err := r.Refresh(t.Context()); !errors.Is(err, ErrConflict) {
				t.Errorf("Refresh: %v", err)
			}
			if _, err := r.Open(nil, sealed, nil); err != nil {
				t.Errorf("the keys in memory no longer work: %v", err)
			}
		})
	}
}

// later is a backend whose new generations wait.
type later struct {
	*memory
	wait time.Duration
}

func (l *later) settle() time.Duration { return l.wait }

// TestSettle checks that a new generation opens at once but makes only when its
// time has come, and then by itself.
func TestSettle(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	b := &later{memory: new(memory), wait: time.Hour}
	ks := newKeyset(now)
	b.kept = ks.clone()
	r, err := newRing(ks, b, clock)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	info, err := r.Rotate(t.Context(), UseStore)
	if err != nil || info.Current || !info.From.After(now) {
		t.Fatalf("Rotate = %+v, %v", info, err)
	}
	if sealed := r.Seal(nil, nil, nil); sealed[1] != 1 {
		t.Errorf("generation %d makes before its time", sealed[1])
	}
	if err := r.Destroy(t.Context(), UseStore, 2); !errors.Is(err, ErrState) {
		t.Errorf("destroy the next one: %v", err)
	}
	mu.Lock()
	now = now.Add(2 * time.Hour)
	mu.Unlock()
	r.promote() // what the timer calls
	if sealed := r.Seal(nil, nil, nil); sealed[1] != 2 {
		t.Errorf("generation %d makes after its time", sealed[1])
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
	if err := r.Refresh(t.Context()); err != nil {
		t.Error(err)
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
			head := append(append([]byte{algXAES, 1}, d.prefix[:]...), make([]byte, 12)...)
			other[i] = d.aead.Seal(head, make([]byte, 12), plaintext, ad)
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
