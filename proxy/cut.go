package proxy

import (
	"errors"
	"sync"
	"time"
)

// cutter ends calls that last longer than a process that stops can wait: their
// connections, not the pool's, so that nobody else's call ends. Safe for
// concurrent use.
type cutter struct {
	mu    sync.Mutex
	over  bool
	conns map[*upConn]struct{}
}

// errCut says that this process ends, and has cut the call or not begun it.
var errCut = errors.New("proxy: the process ends")

// hold takes a connection under the cutter, until release. It is false after
// the cut.
func (k *cutter) hold(c *upConn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return false
	}
	if k.conns == nil {
		k.conns = map[*upConn]struct{}{}
	}
	k.conns[c] = struct{}{}
	return true
}

func (k *cutter) release(c *upConn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.conns, c)
}

// cut ends what is held, and all that comes.
func (k *cutter) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = true
	for c := range k.conns {
		// An error is that of a connection which is closed already.
		_ = c.Conn.SetDeadline(time.Unix(1, 0))
	}
}

// isOver reports whether the cut has come.
func (k *cutter) isOver() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.over
}
