package admin

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// histograms are those of one metric, by the value of its label, if it has one.
// A request goes into five of them: two atomic additions each are what that
// costs, where those of the client library take a loop and six. Safe for
// concurrent use.
type histograms struct {
	desc   *prometheus.Desc
	per    float64 // how many of what is observed are 1
	bounds []int64
	uppers []float64 // bounds, in the metric's own unit

	mu      sync.Mutex
	byValue map[string]*histogram
}

// histogram counts whole numbers of a unit, nanoseconds or bytes.
type histogram struct {
	bounds []int64
	// The sum of all (as a counter it may begin anew, after centuries of
	// nanoseconds), in the cache line of the counts that are needed most; then the
	// counts, not cumulative, the last of what is above all bounds.
	cells []atomic.Uint64
}

func newHistogram(bounds []int64) *histogram {
	return &histogram{bounds: bounds, cells: make([]atomic.Uint64, 1+len(bounds)+1)}
}

func (h *histogram) sum() uint64             { return h.cells[0].Load() }
func (h *histogram) count(bucket int) uint64 { return h.cells[1+bucket].Load() }

// nanoseconds are what durations are observed in, seconds what is shown.
const nanoseconds = 1e9

func newHistograms(name, help string, uppers []float64, per float64, labels ...string) *histograms {
	h := &histograms{desc: prometheus.NewDesc(namespace+"_"+name, help, labels, nil), per: per, uppers: uppers, byValue: map[string]*histogram{}}
	for _, u := range uppers {
		h.bounds = append(h.bounds, int64(math.Round(u*per)))
	}
	return h
}

// of returns the histogram of a label's value, "" where there is no label.
func (h *histograms) of(value string) *histogram {
	h.mu.Lock()
	defer h.mu.Unlock()
	one := h.byValue[value]
	if one == nil {
		one = newHistogram(h.bounds)
		h.byValue[value] = one
	}
	return one
}

// all returns the histograms of a label's values; the last is that of other.
func (h *histograms) all(values []string) []*histogram {
	list := make([]*histogram, 0, len(values)+1)
	for _, v := range values {
		list = append(list, h.of(v))
	}
	return append(list, h.of(other))
}

// observe counts n, which is 0 where it is less.
func (h *histogram) observe(n int64) {
	n = max(0, n)
	i := 0
	for i < len(h.bounds) && n > h.bounds[i] {
		i++
	}
	h.cells[0].Add(uint64(n))
	h.cells[1+i].Add(1)
}

// observe counts n in one of a list by all; an index out of range is other's.
func observe(list []*histogram, index int, n int64) { list[clamp(index, len(list))].observe(n) }

// Describe implements prometheus.Collector.
func (h *histograms) Describe(to chan<- *prometheus.Desc) { to <- h.desc }

// Collect implements prometheus.Collector.
func (h *histograms) Collect(to chan<- prometheus.Metric) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for value, one := range h.byValue {
		labels := []string{value}
		if value == "" {
			labels = nil
		}
		sum := float64(one.sum()) / h.per
		buckets, count := make(map[float64]uint64, len(h.uppers)), uint64(0)
		for i, upper := range h.uppers {
			count += one.count(i)
			buckets[upper] = count
		}
		count += one.count(len(h.uppers))
		to <- prometheus.MustNewConstHistogram(h.desc, count, sum, buckets, labels...)
	}
}
