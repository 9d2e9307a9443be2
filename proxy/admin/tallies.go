package admin

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// tallies are the counters of one metric, by the values of its labels. They hold
// whole numbers, and those that are made one after another stand side by side: a
// request counts a dozen things, and each counter of the client library would be
// two lines of the cache to fetch, from the other processors mostly. Safe for
// concurrent use.
type tallies struct {
	desc   *prometheus.Desc
	labels int
	room   *tallyRoom

	mu       sync.Mutex
	byValues map[string]tallySeries
}

// tally is one counter.
type tally struct{ n atomic.Uint64 }

// tallySeries is what a tally is shown as.
type tallySeries struct {
	values []string
	tally  *tally
}

// tallyRoom is where tallies stand, whichever metric's. Its mutex is the lock of
// what is left.
type tallyRoom struct {
	mu   sync.Mutex
	left []tally
}

// tallyPage is how many tallies are made room for at once: eight lines.
const tallyPage = 64

func (r *tallyRoom) take() *tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.left) == 0 {
		r.left = make([]tally, tallyPage)
	}
	t := &r.left[0]
	r.left = r.left[1:]
	return t
}

func newTallies(room *tallyRoom, name, help string, labels ...string) *tallies {
	return &tallies{desc: prometheus.NewDesc(namespace+"_"+name, help, labels, nil), labels: len(labels), room: room, byValues: map[string]tallySeries{}}
}

// of returns the counter of one value for each label, which is shown from now on.
func (t *tallies) of(values ...string) *tally {
	if len(values) != t.labels {
		panic("admin: another number of label values than of labels")
	}
	key := strings.Join(values, "\x00")
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.byValues[key]
	if !ok {
		one = tallySeries{append([]string(nil), values...), t.room.take()}
		t.byValues[key] = one
	}
	return one.tally
}

// Describe implements prometheus.Collector.
func (t *tallies) Describe(to chan<- *prometheus.Desc) { to <- t.desc }

// Collect implements prometheus.Collector.
func (t *tallies) Collect(to chan<- prometheus.Metric) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.byValues {
		to <- prometheus.MustNewConstMetric(t.desc, prometheus.CounterValue, float64(s.tally.n.Load()), s.values...)
	}
}

// inc counts one more.
func (t *tally) inc() { t.n.Add(1) }

// add counts n more; a negative n is none.
func (t *tally) add(n int) { t.n.Add(uint64(max(0, n))) }
