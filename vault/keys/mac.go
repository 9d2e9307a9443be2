package keys

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"sync"
	"sync/atomic"
)

// macs are the HMACs under the subkeys of derive, by purpose. Purposes are
// constants of the code, so there are few of them and none is ever removed.
type macs struct {
	pools atomic.Pointer[[]macPool] // never changed, nil when closed

	mu     sync.Mutex // over what follows, and the exchange of pools
	master []byte     // the key derive; a copy of its own
}

// macPool is the HMACs of a purpose. A list of them is quicker to search than a
// map is: purposes are few, nearly all of another length, and a constant is most
// often the very same bytes.
type macPool struct {
	purpose string
	pool    *sync.Pool // of *mac
}

// mac is one HMAC, and the room in which its input is gathered: many short
// parts become one write, and none of them has to be handed to an interface,
// which would make every caller's an allocation.
type mac struct {
	h   hash.Hash
	n   int // of in
	in  [8 * sha256.BlockSize]byte
	sum [sha256.Size]byte
}

func newMACs(master []byte) *macs {
	m := &macs{master: append([]byte(nil), master...)}
	m.pools.Store(new([]macPool))
	return m
}

func (m *macs) pool(purpose string) *sync.Pool {
	if p := find(m.live(), purpose); p != nil {
		return p
	}
	return m.add(purpose)
}

func (m *macs) live() []macPool {
	pools := m.pools.Load()
	if pools == nil {
		panic("keys: the ring is closed")
	}
	return *pools
}

func find(pools []macPool, purpose string) *sync.Pool {
	for i := range pools {
		if p := &pools[i]; p.purpose == purpose {
			return p.pool
		}
	}
	return nil
}

// add makes the pool of a purpose that is asked for for the first time.
func (m *macs) add(purpose string) *sync.Pool {
	m.mu.Lock()
	defer m.mu.Unlock()
	pools := m.live()
	if p := find(pools, purpose); p != nil {
		return p
	}
	subkey, err := hkdf.Expand(sha256.New, m.master, "chaperone/mac/1/"+purpose, sha256.Size)
	if err != nil {
		panic(err) // it fails only for lengths beyond 255 hashes
	}
	p := &sync.Pool{New: func() any { return &mac{h: hmac.New(sha256.New, subkey)} }}
	more := append(slices.Clip(pools), macPool{purpose, p})
	m.pools.Store(&more)
	return p
}

// append appends the MAC of parts. Every part is preceded by its length, so
// that parts cannot be cut differently and give the same MAC. It is one call for
// all who ask, so that its code is in the cache when the next one does.
//
//go:noinline
func (m *macs) append(dst []byte, purpose string, parts ...[]byte) []byte {
	p := m.pool(purpose)
	s := p.Get().(*mac)
	for _, part := range parts {
		if len(s.in)-s.n < 8 {
			s.flush()
		}
		binary.BigEndian.PutUint64(s.in[s.n:], uint64(len(part)))
		s.n += 8
		for {
			n := copy(s.in[s.n:], part)
			s.n += n
			if part = part[n:]; len(part) == 0 {
				break
			}
			s.flush()
		}
	}
	s.flush()
	dst = append(dst, s.h.Sum(s.sum[:0])...)
	s.h.Reset()
	p.Put(s)
	return dst
}

// flush writes what was gathered, and leaves nothing of it behind.
func (s *mac) flush() {
	s.h.Write(s.in[:s.n])
	clear(s.in[:s.n])
	s.n = 0
}

func (m *macs) zero() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.master)
	m.pools.Store(nil)
}
