package keys

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"chaperone/vault/letters"
)

const (
	keysetFormat  = "chaperone-keyset"
	keysetVersion = 1
	idLetters     = 20
)

// keyset is the document that is wrapped and kept. A keyset in use is never
// changed: a change works on a clone.
type keyset struct {
	FileType string `json:"format"`
	Version  int    `json:"version"`
	ID       string `json:"id"`
	Revision uint64 `json:"revision"`
	Keys     []key  `json:"keys"`
}

// key is one generation. Material is nil once it is destroyed.
type key struct {
	Use        Use       `json:"use"`
	Generation int       `json:"generation"`
	Algorithm  string    `json:"algorithm"`
	State      State     `json:"state"`
	Created    time.Time `json:"created"`
	From       time.Time `json:"from"`
	Changed    time.Time `json:"changed,omitzero"`
	Material   []byte    `json:"key,omitempty"`
}

// newKeyset has the first generation of every use.
func newKeyset(now time.Time) *keyset {
	ks := &keyset{FileType: keysetFormat, Version: keysetVersion, ID: letters.Random(idLetters), Revision: 1}
	for _, u := range uses {
		ks.add(u.use, 1, now, now)
	}
	return ks
}

// add appends a fresh key.
func (ks *keyset) add(use Use, generation int, now, from time.Time) {
	for _, u := range uses {
		if u.use != use {
			continue
		}
		material := make([]byte, u.size)
		_, _ = rand.Read(material) // never fails: crypto/rand ends the process instead
		ks.Keys = append(ks.Keys, key{
			Use: use, Generation: generation, Algorithm: u.algorithm, State: Active,
			Created: now.UTC().Truncate(time.Second), From: from.UTC().Truncate(time.Second), Material: material,
		})
	}
}

// current returns the index of the generation that makes at a time: the newest
// active one whose time has come, or the oldest active one where the times of
// all lie ahead (a clock that went back). A valid keyset always has one, because
// the current one cannot be retired.
func (ks *keyset) current(use Use, now time.Time) int {
	newest, oldest := -1, -1
	for i := range ks.Keys {
		k := &ks.Keys[i]
		if k.Use != use || k.State != Active {
			continue
		}
		if oldest < 0 || k.Generation < ks.Keys[oldest].Generation {
			oldest = i
		}
		if !k.From.After(now) && (newest < 0 || k.Generation > ks.Keys[newest].Generation) {
			newest = i
		}
	}
	if newest >= 0 {
		return newest
	}
	return oldest
}

// due returns the first time after now at which a generation starts to make,
// zero if there is none.
func (ks *keyset) due(now time.Time) (next time.Time) {
	for i := range ks.Keys {
		k := &ks.Keys[i]
		if k.State == Active && k.From.After(now) && (next.IsZero() || k.From.Before(next)) {
			next = k.From
		}
	}
	return next
}

// rotate adds the next generation of a use, which makes from a time on.
func (ks *keyset) rotate(use Use, now, from time.Time) (int, error) {
	last := 0
	for i := range ks.Keys {
		if ks.Keys[i].Use == use {
			last = max(last, ks.Keys[i].Generation)
		}
	}
	switch {
	case use == UseDerive:
		return 0, fmt.Errorf("%w: the key derive never rotates", ErrState)
	case last == 0:
		return 0, fmt.Errorf("%w: unknown use %q", ErrState, use)
	case last == maxGeneration:
		return 0, fmt.Errorf("%w: generation %d is the last", ErrState, maxGeneration)
	}
	next := last + 1
	for i := range ks.Keys {
		k := &ks.Keys[i]
		if use == UsePAN && k.Use == UsePAN && k.State != Destroyed && slotOf(k.Generation) == slotOf(next) {
			return 0, ErrSlots
		}
	}
	ks.add(use, next, now, from)
	return next, nil
}

// setState retires or destroys a generation that is not the current one.
func (ks *keyset) setState(use Use, generation int, to State, now time.Time) error {
	current := ks.current(use, now)
	for i := range ks.Keys {
		k := &ks.Keys[i]
		if k.Use != use || k.Generation != generation {
			continue
		}
		if i == current || k.Generation > ks.Keys[current].Generation {
			return fmt.Errorf("%w: %s generation %d makes, or is about to; rotate first", ErrState, use, generation)
		}
		if k.State == Destroyed || k.State == to {
			return fmt.Errorf("%w: %s generation %d is already %s", ErrState, use, generation, k.State)
		}
		k.State, k.Changed = to, now.UTC().Truncate(time.Second)
		if to == Destroyed {
			clear(k.Material)
			k.Material = nil
		}
		return nil
	}
	return fmt.Errorf("%w: %s generation %d", ErrMissing, use, generation)
}

func slotOf(generation int) int { return (generation - 1) % PANSlots }

// clone shares nothing with ks.
func (ks *keyset) clone() *keyset {
	c := *ks
	c.Keys = slices.Clone(ks.Keys)
	for i := range c.Keys {
		c.Keys[i].Material = slices.Clone(c.Keys[i].Material)
	}
	return &c
}

// zero clears the keys. The keyset cannot be used any more.
func (ks *keyset) zero() {
	for i := range ks.Keys {
		clear(ks.Keys[i].Material)
	}
}

// marshal returns the JSON, which holds the keys: the caller zeroes it.
func (ks *keyset) marshal() ([]byte, error) {
	b, err := json.Marshal(ks)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return b, nil
}

// parseKeyset reads what marshal wrote and checks it whole. b is not kept.
func parseKeyset(b []byte) (*keyset, error) {
	ks := new(keyset)
	// The text of a JSON error can quote the input: it is not passed on.
	if json.Unmarshal(b, ks) != nil {
		return nil, fmt.Errorf("%w: the keyset is not JSON of its format", ErrMalformed)
	}
	if err := ks.check(); err != nil {
		ks.zero()
		return nil, err
	}
	return ks, nil
}

func (ks *keyset) check() error {
	if ks.FileType != keysetFormat || ks.Version != keysetVersion {
		return fmt.Errorf("%w: not a %s of version %d", ErrMalformed, keysetFormat, keysetVersion)
	}
	if len(ks.ID) != idLetters || !letters.Valid([]byte(ks.ID)) || ks.Revision == 0 {
		return fmt.Errorf("%w: id or revision", ErrMalformed)
	}
	type name struct {
		use        Use
		generation int
	}
	seen := make(map[name]bool)
	active := make(map[Use]bool)
	slots := make(map[int]bool)
	for i := range ks.Keys {
		k := &ks.Keys[i]
		if err := k.check(); err != nil {
			return err
		}
		if n := (name{k.Use, k.Generation}); seen[n] {
			return fmt.Errorf("%w: %s generation %d twice", ErrMalformed, k.Use, k.Generation)
		} else {
			seen[n] = true
		}
		if k.Use == UsePAN && k.State != Destroyed {
			if slots[slotOf(k.Generation)] {
				return fmt.Errorf("%w: two live generations of pan in one slot", ErrMalformed)
			}
			slots[slotOf(k.Generation)] = true
		}
		active[k.Use] = active[k.Use] || k.State == Active
	}
	for _, u := range uses {
		if !active[u.use] {
			return fmt.Errorf("%w: no active key for %s", ErrMalformed, u.use)
		}
	}
	return nil
}

func (k *key) check() error {
	for _, u := range uses {
		if u.use != k.Use {
			continue
		}
		switch {
		case k.Algorithm != u.algorithm,
			k.Generation < 1 || k.Generation > maxGeneration,
			k.State != Active && k.State != Retired && k.State != Destroyed,
			k.State == Destroyed && len(k.Material) != 0,
			k.State != Destroyed && len(k.Material) != u.size:
			return fmt.Errorf("%w: %s generation %d", ErrMalformed, k.Use, k.Generation)
		}
		return nil
	}
	return fmt.Errorf("%w: a key of unknown use", ErrMalformed)
}

// wrapAD is the associated data under which a keyset is wrapped: a keyset
// cannot be passed off as another one's, or as another revision of itself.
func wrapAD(id string, revision uint64) []byte {
	return strconv.AppendUint([]byte(keysetFormat+"/1 "+id+" "), revision, 10)
}
