package keys

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

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
