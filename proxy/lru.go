package proxy

import (
	"container/list"
	"sync"
)

// lru is a bounded map of texts that forgets what was not used for longest.
// What it holds can be doubted as a whole, until it is put again. It is safe for
// concurrent use.
type lru struct {
	mu    sync.Mutex
	max   int
	doubt uint64     // how often all was doubted
	order *list.List // of *lruEntry, the newest first
	byKey map[string]*list.Element
}

type lruEntry struct {
	key, value string
	doubt      uint64 // of lru, when it was put
}

func newLRU(max int) *lru {
	return &lru{max: max, order: list.New(), byKey: make(map[string]*list.Element)}
}

// get gives what was put under a key; sure says that it was not doubted since.
// It is empty where nothing was.
func (l *lru) get(key string) (value string, sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[key]
	if !ok {
		return "", false
	}
	l.order.MoveToFront(e)
	entry := e.Value.(*lruEntry)
	return entry.value, entry.doubt == l.doubt
}

// doubtAll makes everything that was put until now unsure.
func (l *lru) doubtAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubt++
}

func (l *lru) put(key, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byKey[key]; ok {
		*e.Value.(*lruEntry) = lruEntry{key, value, l.doubt}
		l.order.MoveToFront(e)
		return
	}
	l.byKey[key] = l.order.PushFront(&lruEntry{key, value, l.doubt})
	if l.order.Len() > l.max {
		oldest := l.order.Back()
		l.order.Remove(oldest)
		delete(l.byKey, oldest.Value.(*lruEntry).key)
	}
}
