package keys

import (
	"fmt"
	"time"

	"chaperone/vault/ff1"
)

// material is a keyset made ready for use. It is immutable once installed; a
// change installs another.
type material struct {
	doc    *keyset // owned
	pan    PANKeys
	sealed xaesKeys
	store  xaesKeys
	join   sivKeys
}

// PANKeys are the live generations of pan keys, for one message. They never
// change; take them anew for the next message.
type PANKeys struct {
	Current int // the slot that makes
	Slots   [PANSlots]PANKey
}

// PANKey is one live generation. Cipher is nil where the slot is empty.
type PANKey struct {
	Generation int
	Cipher     *ff1.Cipher
}

// compile makes the material of a keyset, which it then owns, as of a time.
func compile(ks *keyset, now time.Time) (*material, error) {
	m := &material{doc: ks}
	for i := range ks.Keys {
		k := &ks.Keys[i]
		if k.State == Destroyed {
			continue
		}
		var err error
		switch k.Use {
		case UsePAN:
			slot := &m.pan.Slots[slotOf(k.Generation)]
			slot.Generation = k.Generation
			slot.Cipher, err = ff1.New(k.Material)
		case UseSealed:
			m.sealed.generation[k.Generation], err = newXAES(k.Material)
		case UseStore:
			m.store.generation[k.Generation], err = newXAES(k.Material)
		case UseJoin:
			err = m.join.add(k.Generation, k.Material)
		case UseDerive: // the ring makes subkeys of it, once, by purpose
		}
		if err != nil {
			return nil, fmt.Errorf("keys: %s generation %d: %w", k.Use, k.Generation, err)
		}
	}
	m.pan.Current = slotOf(ks.Keys[ks.current(UsePAN, now)].Generation)
	m.sealed.current = byte(ks.Keys[ks.current(UseSealed, now)].Generation)
	m.store.current = byte(ks.Keys[ks.current(UseStore, now)].Generation)
	m.join.current = byte(ks.Keys[ks.current(UseJoin, now)].Generation)
	return m, nil
}

// zero clears the key bytes. Tink works on the very bytes that it was given, so
// those are cleared only when nobody can be using them any more.
func (m *material) zero(unused bool) {
	m.doc.zero()
	if unused {
		m.join.zero()
	}
}

// info lists every generation, by use and number.
func (m *material) info(now time.Time) []Info {
	var list []Info
	for _, u := range uses {
		current := m.doc.current(u.use, now)
		for i := range m.doc.Keys {
			if k := &m.doc.Keys[i]; k.Use == u.use {
				list = append(list, Info{
					Use: k.Use, Algorithm: k.Algorithm, Generation: k.Generation, State: k.State,
					Current: i == current, Created: k.Created, From: k.From, Changed: k.Changed,
				})
			}
		}
	}
	return list
}
