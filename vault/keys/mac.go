package keys

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// macs are the HMACs under the subkeys of derive, by purpose. Purposes are
// constants of the code, so there are few of them and none is ever removed.
type macs struct {
	master []byte // the key derive; a copy of its own

	mu     sync.RWMutex
	pools  map[string]*sync.Pool // of *mac
	closed bool
}

// mac is one HMAC and the room it works in: what is handed to an interface
// escapes, and would be an allocation if it were on the stack.
type mac struct {
	h   hash.Hash
	len [8]byte
	sum [sha256.Size]byte
}

func newMACs(master []byte) *macs {
	return &macs{master: append([]byte(nil), master...), pools: make(map[string]*sync.Pool)}
}

func (m *macs) pool(purpose string) *sync.Pool {
	m.mu.RLock()
	p := m.pools[purpose]
	m.mu.RUnlock()
	if p != nil {
		return p
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		panic("keys: the ring is closed")
	}
	if p = m.pools[purpose]; p != nil {
		return p
	}
	subkey, err := hkdf.Expand(sha256.New, m.master, "chaperone/mac/1/"+purpose, sha256.Size)
	if err != nil {
		panic(err) // it fails only for lengths beyond 255 hashes
	}
	p = &sync.Pool{New: func() any { return &mac{h: hmac.New(sha256.New, subkey)} }}
	m.pools[purpose] = p
	return p
}

// append appends the MAC of parts. Every part is preceded by its length, so
// that parts cannot be cut differently and give the same MAC.
func (m *macs) append(dst []byte, purpose string, parts ...[]byte) []byte {
	p := m.pool(purpose)
	s := p.Get().(*mac)
	for _, part := range parts {
		binary.BigEndian.PutUint64(s.len[:], uint64(len(part)))
		s.h.Write(s.len[:])
		s.h.Write(part)
	}
	dst = append(dst, s.h.Sum(s.sum[:0])...)
	s.h.Reset()
	p.Put(s)
	return dst
}

func (m *macs) zero() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.master)
	clear(m.pools)
	m.closed = true
}
