package automaton

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"chaperone/rules"
)

func parse(t testing.TB, source string) rules.Path {
	t.Helper()
	p, err := rules.ParsePath(source)
	if err != nil {
		t.Fatalf("path %q: %v", source, err)
	}
	return p
}

// isCard is the mark of the tests.
func isCard(name []byte) bool { return string(name) == "card" }

func TestMarks(t *testing.T) {
	tab, err := Build([]Pattern{
		{Path: parse(t, "a.b"), Label: 0, Slot: None},
		{Path: parse(t, "**.card"), Label: 0, Slot: None},
	}, []Label{{0, 0}}, isCard)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct{ known, marked bool }{"a": {true, false}, "card": {true, true}, "x": {false, false}} {
		if to, _, known := tab.Member(0, []byte(name)); known != want.known || to&Marked != 0 != want.marked {
			t.Errorf("%s: known %v, arrival %b, want %v", name, known, to, want)
		}
	}
}

// place is a value's way from the root: a member by name, or an element by
// index where name is empty and element is set.
type hop struct {
	name    string
	element bool
	index   int
}

func (h hop) matches(s rules.Step) bool {
	switch s.Kind {
	case rules.StepMember:
		return !h.element
	case rules.StepElement:
		return h.element
	}
	if h.element {
		i, ok := s.Index()
		return ok && i == h.index
	}
	return h.name == s.Name
}

// matchesPath is the slow model of a path pattern.
func matchesPath(steps []rules.Step, place []hop) bool {
	if len(steps) > 0 && steps[0].Kind == rules.StepDeep {
		for i := range place {
			if matchesPath(steps[1:], place[i:]) {
				return true
			}
		}
		return false
	}
	if len(steps) != len(place) {
		return false
	}
	for i := range steps {
		if !place[i].matches(steps[i]) {
			return false
		}
	}
	return true
}

// model is the slow reference of what a state says.
type model struct {
	keep, cut uint64
	flags     uint8
	labels    map[int]bool
	slots     map[int]bool
}

func slowly(patterns []Pattern, labels []Label, place []hop) model {
	m := model{labels: map[int]bool{}, slots: map[int]bool{}}
	for depth := 0; depth <= len(place); depth++ {
		best := map[int]int{} // family → depth of label
		var here []int
		for i := range patterns {
			p := &patterns[i]
			if !matchesPath(p.Path.Steps, place[:depth]) {
				continue
			}
			m.keep |= p.Keep
			m.cut |= p.Cut
			m.flags |= p.Flags
			if p.Slot != None && depth == len(place) {
				m.slots[p.Slot] = true
			}
			if p.Label != None {
				here = append(here, p.Label)
				if d, ok := best[labels[p.Label].Family]; !ok || labels[p.Label].Depth > d {
					best[labels[p.Label].Family] = labels[p.Label].Depth
				}
			}
		}
		for l := range m.labels {
			if _, replaced := best[labels[l].Family]; replaced {
				delete(m.labels, l)
			}
		}
		for _, l := range here {
			if labels[l].Depth == best[labels[l].Family] {
				m.labels[l] = true
			}
		}
	}
	return m
}

func walk(t *Table, place []hop) uint32 {
	s := uint32(0)
	for _, h := range place {
		if h.element {
			s = t.Element(s, uint32(h.index)).State()
		} else {
			to, _, _ := t.Member(s, []byte(h.name))
			s = to.State()
		}
	}
	return s
}

func checkPlace(t *testing.T, tab *Table, patterns []Pattern, labels []Label, place []hop) {
	t.Helper()
	want := slowly(patterns, labels, place)
	got := tab.States[walk(tab, place)]
	if got.Keep != want.keep || got.Cut != want.cut || got.Flags != want.flags {
		t.Fatalf("place %v: keep %b cut %b flags %b, want %b %b %b", place, got.Keep, got.Cut, got.Flags, want.keep, want.cut, want.flags)
	}
	gotLabels := map[int]bool{}
	for _, ref := range tab.Sets[got.Set] {
		gotLabels[ref.Label] = true
		if ref.Pattern != None && patterns[ref.Pattern].Label != ref.Label {
			t.Fatalf("place %v: label %d is said to come from pattern %d", place, ref.Label, ref.Pattern)
		}
	}
	gotSlots := map[int]bool{}
	for _, s := range tab.Slots[got.Slots] {
		gotSlots[int(s)] = true
	}
	if fmt.Sprint(gotLabels) != fmt.Sprint(want.labels) || fmt.Sprint(gotSlots) != fmt.Sprint(want.slots) {
		t.Fatalf("place %v: labels %v slots %v, want %v %v", place, gotLabels, gotSlots, want.labels, want.slots)
	}
}

// TestAgainstSlowModel holds random automata to the slow model at random
// places, both with patterns told apart and without.
func TestAgainstSlowModel(t *testing.T) {
	names := []string{"a", "b", "card", "0", "1", "a_name_of_24_characters_x", "a_name_of_24_characters_y", "nine_char", ""}
	labels := []Label{{0, 0}, {0, 1}, {0, 1}, {3, 0}, {3, 1}, {5, 0}}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 120 {
		var patterns []Pattern
		for range 1 + rng.IntN(12) {
			patterns = append(patterns, randomPattern(t, rng, names, len(labels)))
		}
		for _, apart := range []bool{true, false} {
			b := newBuilder(patterns, labels, apart)
			if err := b.run(maxStates, maxEdges); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			tab := b.table(isCard)
			for range 200 {
				var place []hop
				for range rng.IntN(7) {
					if rng.IntN(3) == 0 {
						place = append(place, hop{element: true, index: rng.IntN(3)})
					} else {
						place = append(place, hop{name: append(names, "other")[rng.IntN(len(names)+1)]})
					}
				}
				checkPlace(t, tab, patterns, labels, place)
			}
		}
	}
}

func randomPattern(t *testing.T, rng *rand.Rand, names []string, labels int) Pattern {
	var steps []string
	if rng.IntN(3) == 0 {
		steps = append(steps, "**")
	}
	for range 1 + rng.IntN(4) {
		switch rng.IntN(5) {
		case 0:
			steps = append(steps, "*")
		case 1:
			steps = append(steps, "#")
		default:
			if name := names[rng.IntN(len(names))]; name != "" {
				steps = append(steps, name)
			} else {
				steps = append(steps, "a")
			}
		}
	}
	p := Pattern{Path: parse(t, strings.Join(steps, ".")), Label: None, Slot: None}
	switch rng.IntN(5) {
	case 0, 1:
		p.Label = rng.IntN(labels)
	case 2:
		p.Keep = 1 << rng.IntN(4)
	case 3:
		p.Slot = rng.IntN(9)
		p.Decides = true
	default:
		p.Cut, p.Flags = 1<<rng.IntN(4), 1<<rng.IntN(3)
	}
	return p
}

func TestOnceNumbersDecidingMembers(t *testing.T) {
	patterns := []Pattern{
		{Path: parse(t, "items.#.sku"), Label: None, Slot: 1, Decides: true},
		{Path: parse(t, "items"), Label: None, Slot: 2, Decides: true},
		{Path: parse(t, "totals.tax"), Label: None, Slot: 3, Decides: true},
		{Path: parse(t, "note"), Label: 0, Slot: None},
		{Path: parse(t, "**.sku"), Label: 0, Slot: None},
	}
	tab, err := Build(patterns, []Label{{0, 0}}, isCard)
	if err != nil {
		t.Fatal(err)
	}
	items, itemsOnce, _ := tab.Member(0, []byte("items"))
	totals, totalsOnce, _ := tab.Member(0, []byte("totals"))
	_, noteOnce, _ := tab.Member(0, []byte("note"))
	_, deepOnce, _ := tab.Member(0, []byte("sku"))
	if itemsOnce == 0 || totalsOnce == 0 || itemsOnce == totalsOnce || noteOnce != 0 || deepOnce != 0 {
		t.Errorf("root: items %d, totals %d, note %d, sku %d", itemsOnce, totalsOnce, noteOnce, deepOnce)
	}
	if _, once, _ := tab.Member(tab.Element(items.State(), 7).State(), []byte("sku")); once == 0 {
		t.Error("items.#.sku has no number")
	}
	if _, once, _ := tab.Member(totals.State(), []byte("tax")); once == 0 {
		t.Error("totals.tax has no number")
	}
	patterns = patterns[:0]
	for i := range maxOnce + 1 {
		patterns = append(patterns, Pattern{Path: parse(t, "m"+strconv.Itoa(i)), Label: None, Slot: i, Decides: true})
	}
	if _, err := Build(patterns, nil, isCard); !errors.Is(err, ErrTooManyDeciding) {
		t.Errorf("65 deciding members: %v", err)
	}
}

func TestThousandPatternsStaySmall(t *testing.T) {
	tests := map[string]func(i int) string{
		"exact":          func(i int) string { return fmt.Sprintf("a%d.b%d.c%d", i%10, i%100, i) },
		"any depth":      func(i int) string { return fmt.Sprintf("**.name%d", i) },
		"depth and path": func(i int) string { return fmt.Sprintf("**.name%d.value", i) },
		"half and half": func(i int) string {
			if i%2 == 0 {
				return fmt.Sprintf("**.name%d", i)
			}
			return fmt.Sprintf("a.b%d.#.c", i)
		},
	}
	for name, path := range tests {
		t.Run(name, func(t *testing.T) {
			var patterns []Pattern
			for i := range 1000 {
				patterns = append(patterns, Pattern{Path: parse(t, path(i)), Label: i % 3, Slot: None})
			}
			tab, err := Build(patterns, []Label{{0, 0}, {0, 1}, {2, 0}}, isCard)
			if err != nil {
				t.Fatal(err)
			}
			if len(tab.States) > 10_000 || places(tab) > 1<<17 {
				t.Errorf("%d states, %d places for edges", len(tab.States), places(tab))
			}
		})
	}
}

// places counts the slots of all tables, the one that many states share once.
func places(t *Table) int {
	n := len(t.odd) + len(t.indexes)
	seen := map[*Edge]bool{}
	for i := range t.names {
		if edges := t.names[i].edges; !seen[&edges[0]] {
			seen[&edges[0]] = true
			n += len(edges)
		}
	}
	return n
}

// TestLookupsStayShort: what makes a thousand names as fast to look up as ten.
// It counts the slots that are looked at for names that are there, and from
// every slot for those that are not.
func TestLookupsStayShort(t *testing.T) {
	for _, n := range []int{10, 1000, 10_000} {
		var patterns []Pattern
		for i := range n {
			patterns = append(patterns, Pattern{Path: parse(t, fmt.Sprintf("field_%d", i)), Label: 0, Slot: None})
		}
		tab, err := Build(patterns, []Label{{0, 0}}, isCard)
		if err != nil {
			t.Fatal(err)
		}
		st := tab.Names(0)
		hits, misses, longest := 0, 0, 0
		for slot := range st.edges {
			if e := &st.edges[slot]; e.W0 != freeWord {
				for at := st.Slot(e.W0, e.W1); at != e; at = &st.edges[(place(st, at)+1)&int(st.mask)] {
					hits++
				}
				hits++
			}
			looked := 1
			for at := slot; st.edges[at&int(st.mask)].more; at++ {
				looked++
			}
			misses += looked
			longest = max(longest, looked)
		}
		if hits > 2*n || misses > 3*len(st.edges) || longest > 100 {
			t.Errorf("%d names: %d slots for all of them, %d for as many others as there are slots (%d), %d at most", n, hits, misses, len(st.edges), longest)
		}
		if n <= perfectNames && (hits != n || longest != 1) {
			t.Errorf("%d names: the table is not perfect", n)
		}
	}
}

// place returns the number of a slot.
func place(n *Names, e *Edge) int {
	for i := range n.edges {
		if &n.edges[i] == e {
			return i
		}
	}
	return -1
}

// TestNamesOfAllKinds: those that do not fit two words, or would be taken for
// others there, have edges all the same.
func TestNamesOfAllKinds(t *testing.T) {
	names := []string{"a", "a\x00", "\x01", "exactly_sixteen_", "exactly_sixteen_\x00", "seventeen_letters", "seventeen_letterz", "über", "12345678", "123456781"}
	var patterns []Pattern
	for i, name := range names {
		steps := []rules.Step{{Kind: rules.StepName, Name: name}}
		if i%2 == 1 {
			steps = append([]rules.Step{{Kind: rules.StepDeep}}, steps...)
		}
		patterns = append(patterns, Pattern{Path: rules.Path{Steps: steps}, Label: None, Slot: i, Decides: true})
	}
	tab, err := Build(patterns, nil, isCard)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		to, once, known := tab.Member(0, []byte(name))
		if slots := tab.Slots[tab.States[to.State()].Slots]; !known || to&Slotted == 0 || len(slots) != 1 || int(slots[0]) != i || (once != 0) != (i%2 == 0) {
			t.Errorf("%q: known %v, slots %v, once %b", name, known, slots, once)
		}
	}
	for _, name := range []string{"", "b", "a\x00\x00", "\x01\x00", "exactly_sixteen", "seventeen_letter"} {
		if to, _, known := tab.Member(0, []byte(name)); known || to != tab.Names(0).Other {
			t.Errorf("%q has an edge", name)
		}
	}
}

func TestBlowupIsBoundedAndNamed(t *testing.T) {
	patterns := []Pattern{
		{Path: parse(t, "a.b"), Label: 0, Slot: None},
		{Path: parse(t, "**.a"+strings.Repeat(".*", 24)+".b"), Label: 0, Slot: None},
		{Path: parse(t, "**.c"), Label: 0, Slot: None},
	}
	_, err := Build(patterns, []Label{{0, 0}}, isCard)
	var blowup *BlowupError
	if !errors.As(err, &blowup) {
		t.Fatalf("error %v, want a blow-up", err)
	}
	if blowup.Pattern != 1 {
		t.Errorf("it names pattern %d, want 1", blowup.Pattern)
	}
	if !strings.Contains(err.Error(), "automaton states") {
		t.Errorf("error text %q", err)
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	tab, err := Build([]Pattern{{Path: parse(t, "a.#.a_rather_long_member_name"), Label: 0, Slot: None}}, []Label{{0, 0}}, isCard)
	if err != nil {
		t.Fatal(err)
	}
	long := []byte("a_rather_long_member_name")
	if n := testing.AllocsPerRun(100, func() {
		to, _, _ := tab.Member(0, []byte("a"))
		to, _, _ = tab.Member(tab.Element(to.State(), 3).State(), long)
		if tab.States[to.State()].Set == 0 {
			t.Fatal("no label at the end")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
