package automaton

import (
	"cmp"
	"math/bits"
	"slices"
)

// join gives the states their edges: short names in a table for each state,
// what is rare in maps for all of them.
func (t *Table) join(edges []namedEdge, mark func(name []byte) bool) {
	t.odd, t.indexes = map[oddName]Edge{}, map[index]Arrival{}
	slices.SortStableFunc(edges, func(a, b namedEdge) int { return cmp.Compare(a.state, b.state) })
	none := newTable(2) // of all states without short names
	for i := range t.names {
		t.names[i].edges, t.names[i].mask = none, 1
	}
	var here []Edge
	for from := 0; from < len(edges); {
		s, to := edges[from].state, from
		here = here[:0]
		for ; to < len(edges) && edges[to].state == s; to++ {
			if e := &edges[to]; e.index != None {
				t.indexes[index{s, uint32(e.index)}] = t.arrival(e.target)
				t.names[s].indexed = true
			} else if edge := t.edge(e, mark); short([]byte(e.name)) {
				here = append(here, edge)
			} else {
				t.odd[oddName{s, e.name}] = edge
				t.names[s].Odd = true
			}
		}
		if len(here) > 0 {
			t.names[s].hash(here)
		}
		from = to
	}
	for i := range t.names {
		n := &t.names[i]
		n.Odd = n.Odd || t.names[n.fallback].Odd
	}
}

func (t *Table) edge(e *namedEdge, mark func(name []byte) bool) Edge {
	out := Edge{To: t.arrival(e.target)}
	out.W0, out.W1 = words([]byte(e.name))
	if e.once != 0 {
		out.Once = 1 << (e.once - 1)
	}
	if mark([]byte(e.name)) {
		out.To |= Marked
	}
	return out
}

// perfectNames is up to how many names a table is made perfect, and perfectTries
// with how many seeds that is tried at each size.
const perfectNames, perfectTries = 32, 64

// hash puts edges into a table of the state's own, in which each is at its Slot
// if they are few, and which is at most half full.
func (n *Names) hash(edges []Edge) {
	size := 1 << bits.Len(uint(2*len(edges)-1))
	for ; len(edges) <= perfectNames && size <= 8*len(edges); size *= 2 {
		for try := range uint64(perfectTries) {
			n.seed = seeds * (2*try + 1)
			if n.place(newTable(size), edges) {
				return
			}
		}
	}
	n.seed = seeds
	n.place(newTable(size), edges)
}

const seeds = 0xD6E8FEB86659FD93

// place fills a table, and reports whether each edge is at its Slot.
func (n *Names) place(table []Edge, edges []Edge) (perfect bool) {
	n.edges, n.mask, perfect = table, uint32(len(table)-1), true
	for _, e := range edges {
		high, low := bits.Mul64(e.W0^hashWord, e.W1^n.seed)
		at := uint32(high ^ low)
		for ; n.edges[at&n.mask].W0 != freeWord; at++ {
			n.edges[at&n.mask].more, perfect = true, false
		}
		n.edges[at&n.mask] = e
	}
	return perfect
}

func newTable(size int) []Edge { return slices.Repeat([]Edge{{W0: freeWord}}, size) }

// withinPasses bounds the work of Within. States are numbered from the root
// down, so two passes are enough for most automata.
const withinPasses = 16

// Within clears ok, which is by state, wherever a state that is not ok can be
// arrived at further down, and may clear more.
func (t *Table) Within(ok []bool) {
	for range withinPasses {
		changed := false
		for s := len(ok) - 1; s >= 0; s-- {
			if ok[s] && !t.names[s].within(ok) {
				ok[s], changed = false, true
			}
		}
		for from, e := range t.odd {
			if ok[from.state] && !ok[e.To.State()] {
				ok[from.state], changed = false, true
			}
		}
		for from, to := range t.indexes {
			if ok[from.state] && !ok[to.State()] {
				ok[from.state], changed = false, true
			}
		}
		if !changed {
			return
		}
	}
	clear(ok)
}

// within reports whether all states that one step leads to are ok.
func (n *Names) within(ok []bool) bool {
	if !ok[n.Other.State()] || !ok[n.element.State()] || n.deep && !ok[n.fallback] {
		return false
	}
	for i := range n.edges {
		if e := &n.edges[i]; e.W0 != freeWord && !ok[e.To.State()] {
			return false
		}
	}
	return true
}
