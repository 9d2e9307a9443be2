package store

import (
	"bytes"
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// mirror is what a process remembers of registers that its own acknowledged
// units wrote or found, so that it can refuse its own repeats while the store
// is away. It is bounded in bytes and in age, and forgets the oldest first; a
// register that it does not know may be in the store all the same.
//
// It holds generations, the newest first. In the steady state their memory is
// used again and again, so that remembering allocates nothing.
type mirror struct {
	mu    sync.Mutex
	seed  maphash.Seed
	each  int           // bytes of a generation
	age   time.Duration // of a generation, from its first register to its end
	parts [mirrorParts]mirrorPart
}

// mirrorParts is the number of generations: what is forgotten at once is one
// of them.
const mirrorParts = 4

// mirrorPart is one generation.
type mirrorPart struct {
	since time.Time
	text  []byte // keys and values, one after the other
	at    map[uint64]mirrored
}

// mirrored is one register. Its key stands before its value.
type mirrored struct {
	from, key, value uint32
	ends             int64 // Unix milliseconds; 0: it stays
	gone             bool  // it was deleted
}

func newMirror(size int, age time.Duration) *mirror {
	return &mirror{seed: maphash.MakeSeed(), each: size / mirrorParts, age: age / mirrorParts}
}

// minded tells whether a register is one that a repeat of a request asks for:
// claims, outcomes and what else says how an attempt stands, and sales.
func minded(key string) bool {
	if !strings.HasPrefix(key, "{r.") {
		return false
	}
	end := strings.IndexByte(key, '}')
	if end < 0 || end+2 >= len(key) {
		return false
	}
	switch key[end+2] {
	case 'c', 'u', 'o', 'p', 'r', 's':
		return true
	}
	return false
}

// learn takes what acknowledged commands tell. Their memory is not kept.
func (m *mirror) learn(groups [][]Command, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(0, now)
	for _, g := range groups {
		for i := range g {
			if c := &g[i]; c.Err == nil && c.Kind.register() && minded(c.Key) {
				m.take(c, now)
			}
		}
	}
}

// take takes what one command tells.
func (m *mirror) take(c *Command, now time.Time) {
	switch c.Kind {
	case SetOnce, SetUnless:
		switch {
		case c.Won:
			m.put(c.Key, c.Value, ends(now, c.TTL), now)
		case c.Kind == SetOnce: // else it may be the other register's
			m.put(c.Key, c.Prior, 0, now)
		}
	case Set:
		m.put(c.Key, c.Value, ends(now, c.TTL), now)
	case Delete, Expire, Persist:
		h := maphash.String(m.seed, c.Key)
		if p := m.part(h, c.Key); p != nil {
			r := p.at[h]
			r.gone, r.ends = r.gone || c.Kind == Delete, ends(now, c.TTL)
			p.at[h] = r
		}
	}
}

func ends(now time.Time, ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	return now.Add(ttl).UnixMilli()
}

// put remembers a register.
func (m *mirror) put(key string, value []byte, ends int64, now time.Time) {
	size := len(key) + len(value)
	if size > m.each {
		return
	}
	m.turn(size, now)
	p := &m.parts[0]
	if p.at == nil {
		p.at = make(map[uint64]mirrored)
	}
	if len(p.at) == 0 {
		p.since = now
	}
	r := mirrored{from: uint32(len(p.text)), key: uint32(len(key)), value: uint32(len(value)), ends: ends}
	p.text = append(append(p.text, key...), value...)
	p.at[maphash.String(m.seed, key)] = r
}

// turn makes room for size bytes, and forgets what is too old.
func (m *mirror) turn(size int, now time.Time) {
	p := &m.parts[0]
	if len(p.at) == 0 || (len(p.text)+size <= m.each && now.Sub(p.since) < m.age) {
		return
	}
	last := m.parts[mirrorParts-1]
	copy(m.parts[1:], m.parts[:mirrorParts-1])
	clear(last.at)
	m.parts[0] = mirrorPart{text: last.text[:0], at: last.at}
}

// part finds the newest generation that has a register; nil: none.
func (m *mirror) part(h uint64, key string) *mirrorPart {
	for i := range m.parts {
		p := &m.parts[i]
		if r, ok := p.at[h]; ok && string(p.text[r.from:r.from+r.key]) == key {
			return p
		}
	}
	return nil
}

// get gives a copy of what a register held when it was last heard of.
func (m *mirror) get(key string, now time.Time) (value []byte, found bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := maphash.String(m.seed, key)
	p := m.part(h, key)
	if p == nil {
		return nil, false
	}
	r := p.at[h]
	if r.gone || (r.ends != 0 && now.UnixMilli() >= r.ends) {
		return nil, false
	}
	from := r.from + r.key
	return bytes.Clone(p.text[from : from+r.value]), true
}

// overlay holds the registers of units that are on local disk and not in the
// store yet. Nothing of it is ever forgotten before its unit is stored. It is
// guarded by the committer's lock.
type overlay map[string]overlaid

// overlaid is one register, by the last unit that touched it.
type overlaid struct {
	value []byte // the unit's own
	ends  int64  // Unix milliseconds; 0: it stays
	gone  bool
	by    *Unit
}

// leave takes out what a unit wrote last.
func (o overlay) leave(u *Unit) {
	for i := range u.Commands {
		if r, ok := o[u.Commands[i].Key]; ok && r.by == u {
			delete(o, u.Commands[i].Key)
		}
	}
}
