package automaton

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// context is what a state has from its ancestors and from itself.
type context struct {
	wins      []win // sorted by family, label, pattern
	keep, cut uint64
	flags     uint8
}

// win is a label that holds in its family.
type win struct{ family, label, pattern int }

func compareWins(a, b win) int {
	return cmp.Or(cmp.Compare(a.family, b.family), cmp.Compare(a.label, b.label), cmp.Compare(a.pattern, b.pattern))
}

// enter returns the context of a value below parent at which these positions
// arrive.
func (b *builder) enter(parent int32, own []position) int32 {
	c := b.contexts[parent]
	var here []win
	for _, p := range own {
		if _, pending := b.stepAt(p); pending {
			continue
		}
		i := int(b.pattern[p])
		pat := &b.patterns[i]
		c.keep |= pat.Keep
		c.cut |= pat.Cut
		c.flags |= pat.Flags
		if pat.Label != None {
			if !b.apart {
				i = None
			}
			here = append(here, win{b.labels[pat.Label].Family, pat.Label, i})
		}
	}
	c.wins = b.decide(c.wins, here)
	return b.contextOf(c)
}

// decide lets the labels given here replace those of their families from
// above. A label that holds already keeps the pattern that gave it first, which
// spares states and says the same.
func (b *builder) decide(above, here []win) []win {
	if len(here) == 0 {
		return above
	}
	slices.SortFunc(here, compareWins)
	var wins []win
	for from := 0; from < len(here); {
		to, depth := from, 0
		for ; to < len(here) && here[to].family == here[from].family; to++ {
			depth = max(depth, b.labels[here[to].label].Depth)
		}
		var won []win
		for _, w := range here[from:to] {
			if b.labels[w.label].Depth == depth && (len(won) == 0 || won[len(won)-1].label != w.label) {
				won = append(won, w)
			}
		}
		old := familyOf(above, here[from].family)
		if slices.EqualFunc(old, won, func(a, b win) bool { return a.label == b.label }) {
			won = old
		}
		wins = append(wins, won...)
		from = to
	}
	for _, w := range above {
		if len(familyOf(here, w.family)) == 0 {
			wins = append(wins, w)
		}
	}
	slices.SortFunc(wins, compareWins)
	return wins
}

// familyOf returns the part of sorted wins that one family has.
func familyOf(wins []win, family int) []win {
	from := 0
	for from < len(wins) && wins[from].family != family {
		from++
	}
	to := from
	for to < len(wins) && wins[to].family == family {
		to++
	}
	return wins[from:to]
}

func (b *builder) contextOf(c context) int32 {
	key := binary.LittleEndian.AppendUint64(nil, c.keep)
	key = binary.LittleEndian.AppendUint64(key, c.cut)
	key = append(key, c.flags)
	for _, w := range c.wins {
		key = binary.AppendVarint(key, int64(w.label))
		key = binary.AppendVarint(key, int64(w.pattern))
	}
	if i, ok := b.contextByKey[string(key)]; ok {
		return i
	}
	i := int32(len(b.contexts))
	b.contextByKey[string(key)] = i
	b.contexts = append(b.contexts, c)
	return i
}

// table turns the construction into its compact form.
func (b *builder) table(mark func(name []byte) bool) *Table {
	t := &Table{Sets: [][]LabelRef{nil}, Slots: [][]uint16{nil}}
	sets, slots := map[string]uint32{"": 0}, map[string]uint16{"": 0}
	setOf := make([]uint32, len(b.contexts))
	for i := range b.contexts {
		setOf[i] = t.set(sets, b.contexts[i].wins)
	}
	for i := range b.states {
		s, c := &b.states[i], &b.contexts[b.states[i].context]
		t.States = append(t.States, State{
			Keep: c.keep, Cut: c.cut, Flags: c.flags, Set: setOf[s.context],
			Slots: b.slotsOf(t, slots, s.own),
		})
	}
	for i := range b.states {
		s := &b.states[i]
		t.names = append(t.names, Names{
			fallback: s.fallback, deep: s.fallback != uint32(i), Other: t.arrival(s.member), element: t.arrival(s.element),
		})
	}
	t.join(b.edges, mark)
	return t
}

func (t *Table) set(sets map[string]uint32, wins []win) uint32 {
	var key []byte
	for _, w := range wins {
		key = binary.AppendVarint(key, int64(w.label))
		key = binary.AppendVarint(key, int64(w.pattern))
	}
	if i, ok := sets[string(key)]; ok {
		return i
	}
	refs := make([]LabelRef, 0, len(wins))
	for _, w := range wins {
		refs = append(refs, LabelRef{Label: w.label, Pattern: w.pattern})
	}
	slices.SortFunc(refs, func(a, b LabelRef) int { return cmp.Compare(a.Label, b.Label) })
	i := uint32(len(t.Sets))
	sets[string(key)] = i
	t.Sets = append(t.Sets, refs)
	return i
}

func (b *builder) slotsOf(t *Table, slots map[string]uint16, own []position) uint16 {
	var list []uint16
	var key []byte
	for _, p := range own {
		if _, pending := b.stepAt(p); pending {
			continue
		}
		if slot := b.patterns[b.pattern[p]].Slot; slot != None {
			list = append(list, uint16(slot))
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	for _, slot := range list {
		key = append(key, byte(slot), byte(slot>>8))
	}
	if i, ok := slots[string(key)]; ok {
		return i
	}
	i := uint16(len(t.Slots))
	slots[string(key)] = i
	t.Slots = append(t.Slots, list)
	return i
}
