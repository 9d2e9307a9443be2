package proxy

import (
	"runtime/debug"
	"sync"
	"time"
)

// A body is large when a buffer for it is not kept by the exchange that used
// it. Large ones are held to a sum, and their buffers go from one request to
// the next: left to the collector, several generations of them would be in
// memory at once.

// room is how many bytes of large bodies may be in memory at once, with what
// is made of them. It is safe for concurrent use.
type room struct {
	mu      sync.Mutex
	all     int
	used    int
	waiting []*guest // in the order in which they came
}

type guest struct {
	n  int
	in chan struct{} // closed when it has its room
}

// cost is what a body of n bytes takes with so many legs: as it came, as it is
// hashed, and what each leg makes of it. What is more than there is costs all.
func (r *room) cost(n, legs int) int { return min(n*(2+legs), r.all) }

// enter waits for n bytes, which is at most all of it; false: they were not
// there in time.
func (r *room) enter(n int, most time.Duration) bool {
	r.mu.Lock()
	if len(r.waiting) == 0 && r.used+n <= r.all {
		r.used += n
		r.mu.Unlock()
		return true
	}
	g := &guest{n: n, in: make(chan struct{})}
	r.waiting = append(r.waiting, g)
	r.mu.Unlock()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-g.in:
		return true
	case <-timer.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, other := range r.waiting {
		if other == g {
			r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
			r.admit() // it may have stood before smaller ones
			return false
		}
	}
	return true // let in just now
}

// leave gives n bytes back.
func (r *room) leave(n int) {
	if n == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= n
	r.admit()
}

// admit lets in those who wait, as far as there is room. The lock is held.
func (r *room) admit() {
	for len(r.waiting) > 0 && r.used+r.waiting[0].n <= r.all {
		r.used += r.waiting[0].n
		close(r.waiting[0].in)
		r.waiting[0] = nil
		r.waiting = r.waiting[1:]
	}
}

// The bounds of the buffers that wait for a large body.
const (
	keepSpares  = 64 << 20         // bytes
	spareTime   = 10 * time.Second // since one was used last
	spareUnit   = 16 << 10
	fewestBytes = 4 << 20 // worth giving back to the system
)

// spares are large buffers that no request uses. All are zeroed. It is safe
// for concurrent use.
type spares struct {
	mu     sync.Mutex
	free   [][]byte
	bytes  int
	timer  *time.Timer
	closed bool
}

// take returns an empty buffer for n bytes.
func (s *spares) take(n int) []byte {
	// A new one has room for what edits add, so that what held a body as it
	// came can hold another as it leaves.
	ample := n + n/64 + spareUnit
	s.mu.Lock()
	defer s.mu.Unlock()
	best := -1
	for i, b := range s.free {
		if cap(b) >= n && cap(b) <= 2*ample && (best < 0 || cap(b) < cap(s.free[best])) {
			best = i
		}
	}
	if best < 0 {
		return make([]byte, 0, ample)
	}
	b, end := s.free[best], len(s.free)-1
	s.bytes -= cap(b)
	s.free[best] = s.free[end]
	s.free[end] = nil
	s.free = s.free[:end]
	return b
}

// give takes back a large buffer, which is zeroed up to its capacity; another
// it leaves to the collector.
func (s *spares) give(b []byte) {
	if cap(b) <= keepBuffer {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.bytes+cap(b) > keepSpares {
		return
	}
	s.free = append(s.free, b[:0])
	s.bytes += cap(b)
	if s.timer == nil {
		s.timer = time.AfterFunc(spareTime, s.release)
	} else {
		s.timer.Reset(spareTime)
	}
}

// release lets all go, and has the system take what they stood in: a collector
// that is asked for little more would be late.
func (s *spares) release() {
	s.mu.Lock()
	much := s.bytes >= fewestBytes
	s.free, s.bytes = nil, 0
	s.mu.Unlock()
	if much {
		debug.FreeOSMemory()
	}
}

// close ends the waiting for release.
func (s *spares) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.free, s.bytes = true, nil, 0
	if s.timer != nil {
		s.timer.Stop()
	}
}
