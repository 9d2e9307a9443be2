package admin

import "sync/atomic"

// other is the label value of what is not in a table.
const other = "other"

// counters holds the counters of a vector whose label values are all known
// beforehand, found by indexes in place of texts. A counter is made at its
// first use, so that the many combinations that never occur cost no series.
type counters struct {
	vec    *tallies
	values [][]string // by label; the last of each is other
	slots  []atomic.Pointer[tally]
}

func newCounters(vec *tallies, values ...[]string) *counters {
	c := &counters{vec: vec}
	n := 1
	for _, v := range values {
		v = append(v[:len(v):len(v)], other)
		c.values = append(c.values, v)
		n *= len(v)
	}
	c.slots = make([]atomic.Pointer[tally], n)
	return c
}

// fill makes all counters but those of other, at zero: a rate over a counter
// that appears with its first event would miss that event.
func (c *counters) fill() *counters {
	indexes := make([]int, len(c.values))
	for {
		c.at(indexes...)
		i := len(indexes) - 1
		for i >= 0 {
			if indexes[i]++; indexes[i] < len(c.values[i])-1 {
				break
			}
			indexes[i] = 0
			i--
		}
		if i < 0 {
			return c
		}
	}
}

// at returns the counter of one index for each label; an index out of range is
// other's.
func (c *counters) at(indexes ...int) *tally {
	slot := 0
	for i, v := range c.values {
		slot = slot*len(v) + clamp(indexes[i], len(v))
	}
	if known := c.slots[slot].Load(); known != nil {
		return known
	}
	return c.make(slot)
}

func (c *counters) make(slot int) *tally {
	texts := make([]string, len(c.values))
	rest := slot
	for i := len(c.values) - 1; i >= 0; i-- {
		texts[i] = c.values[i][rest%len(c.values[i])]
		rest /= len(c.values[i])
	}
	// Two who come here at once get the same counter from the vector.
	counter := c.vec.of(texts...)
	c.slots[slot].Store(counter)
	return counter
}

// clamp returns index, or that of other, the last of n.
func clamp(index, n int) int {
	if index < 0 || index >= n {
		return n - 1
	}
	return index
}
