package proxy

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"sync"

	"chaperone/proxy/framing"
	"chaperone/rules"
)

// noCaller is the index of a caller that is not known.
const noCaller = -1

// callers knows who sends a request. It is immutable.
type callers struct {
	open    bool // the policy has no callers: everybody is anonymous
	anon    int
	headers []string
	hashes  [][32]byte
	owner   []int // hashes[i] is a key of Plan.Callers[owner[i]]
}

func newCallers(p *rules.Plan) *callers {
	c := &callers{open: !p.HasCallers, anon: len(p.Callers) - 1, headers: p.Identify.Headers}
	for i := range p.Callers {
		for _, h := range p.Callers[i].KeyHashes {
			c.hashes, c.owner = append(c.hashes, h), append(c.owner, i)
		}
	}
	return c
}

// identify returns the index of the caller that the head's key belongs to, or
// noCaller. The key is compared, by its hash, with every key of every caller,
// whichever matches: how long it takes says nothing.
func (c *callers) identify(h *framing.Head) int {
	if c.open {
		return c.anon
	}
	key, ok := c.key(h)
	if !ok {
		return noCaller
	}
	d := digests.Get().(*digest)
	defer digests.Put(d)
	sum := d.of(key)
	found := noCaller
	for i := range c.hashes {
		same := subtle.ConstantTimeCompare(sum[:], c.hashes[i][:])
		found = subtle.ConstantTimeSelect(same, c.owner[i], found)
	}
	return found
}

// digest computes hashes of keys without an allocation, whatever the compiler
// inlines.
type digest struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

var digests = sync.Pool{New: func() any { return &digest{hash: sha256.New()} }}

// of returns the SHA-256 of a key, of which d keeps nothing.
func (d *digest) of(key []byte) [sha256.Size]byte {
	d.hash.Reset()
	d.hash.Write(key)
	d.hash.Sum(d.sum[:0])
	// Reset leaves the last bytes in the hash's block.
	d.hash.Reset()
	d.hash.Write(blank[:])
	return d.sum
}

// blank fills the block of a SHA-256 but for a byte, which is when it is kept.
var blank [sha256.BlockSize - 1]byte

// key returns the one key that the head shows: Authorization: Bearer, else the
// first of the policy's headers that is there. A header that stands there
// twice shows none.
func (c *callers) key(h *framing.Head) ([]byte, bool) {
	if auth := h.Get(framing.Authorization); len(auth) > 0 {
		scheme, key, _ := bytes.Cut(auth, []byte{' '})
		key = bytes.Trim(key, " ")
		return key, len(key) > 0 && bytes.EqualFold(scheme, []byte("Bearer"))
	}
	for _, name := range c.headers {
		var shown []byte
		n := 0
		for value := range h.All(name) {
			shown = value
			n++
		}
		if n > 0 {
			return shown, n == 1 && len(shown) > 0
		}
	}
	return nil, false
}

// allowed reports whether a caller may use a route.
func allowed(p *rules.Plan, caller, route int) bool {
	c := &p.Callers[caller]
	if c.AllRoutes || (!p.HasCallers && caller == len(p.Callers)-1) {
		return true
	}
	for _, r := range c.Routes {
		if r == route {
			return true
		}
	}
	return false
}
