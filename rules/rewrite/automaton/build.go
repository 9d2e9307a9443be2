package automaton

import (
	"errors"
	"fmt"
	"slices"

	"chaperone/rules"
)

// Pattern is a path and what it says of the values that it addresses.
type Pattern struct {
	Path  rules.Path
	Label int    // of the value and all under it; None for none
	Keep  uint64 // bits of the value and all under it
	Cut   uint64 // likewise
	Flags uint8  // likewise
	Slot  int    // of the value itself; None for none
	// Decides says that a duplicate of a named member on the way is
	// ambiguous. It has no effect on what a wildcard matches.
	Decides bool
}

// Label places a label among the others. Of the labels of one family that
// patterns give to a value, those of the pattern that ends deepest win; at one
// place, those of the greatest Depth.
type Label struct{ Family, Depth int }

// Limits of one automaton. The larger ones bound the memory to some tens of
// megabytes; within the smaller ones it also tells the patterns of one label
// apart.
const (
	maxStates, maxEdges           = 1 << 16, 1 << 18
	maxStatesApart, maxEdgesApart = 1 << 13, 1 << 15
)

// maxOnce is the number of deciding members that one object may have.
const maxOnce = 64

// ErrTooManyDeciding says that more than 64 members of one object decide
// something.
var ErrTooManyDeciding = errors.New("more than 64 members of one object decide something")

// BlowupError says that a pattern's wildcards need too many states.
type BlowupError struct {
	Pattern int // the one that most states wait for
	States  int // how many there were when Build gave up
}

// Error says how many states there were.
func (e *BlowupError) Error() string {
	return fmt.Sprintf("wildcards need more than %d automaton states", e.States)
}

// Build makes the automaton of the patterns. labels is indexed by
// Pattern.Label. mark is asked about each name of the patterns, so that a walk
// need not ask again. The error is a *BlowupError or ErrTooManyDeciding.
func Build(patterns []Pattern, labels []Label, mark func(name []byte) bool) (*Table, error) {
	b := newBuilder(patterns, labels, true)
	if err := b.run(maxStatesApart, maxEdgesApart); err != nil {
		var blowup *BlowupError
		if !errors.As(err, &blowup) {
			return nil, err
		}
		b = newBuilder(patterns, labels, false)
		if err := b.run(maxStates, maxEdges); err != nil {
			return nil, err
		}
	}
	return b.table(mark), nil
}

// position is a place in a pattern: the steps before it are matched.
type position int32

// builder holds the subset construction.
type builder struct {
	patterns []Pattern
	labels   []Label
	apart    bool // patterns of one label are told apart

	base    []position // of the patterns
	pattern []int32    // by position
	step    []int32    // by position: index into the pattern's steps
	start   []position

	// What the patterns with a leading ** wait for in every state.
	deepNames   []string
	deepByName  map[string][]position
	deepMember  []position
	deepElement []position

	states []subset
	byKey  map[string]uint32
	edges  []namedEdge

	contexts     []context
	contextByKey map[string]int32
	scratch      []position
	key          []byte
}

// subset is a state under construction.
type subset struct {
	own      []position // pending and completed, without those of **
	context  int32
	member   uint32
	element  uint32
	fallback uint32
}

type namedEdge struct {
	state, target uint32
	name          string
	index         int // of an element; None for a name
	once          uint8
}

func newBuilder(patterns []Pattern, labels []Label, apart bool) *builder {
	b := &builder{
		patterns: patterns, labels: labels, apart: apart,
		deepByName: map[string][]position{},
		byKey:      map[string]uint32{}, contextByKey: map[string]int32{},
	}
	for i := range patterns {
		first := position(len(b.pattern))
		b.base = append(b.base, first)
		steps := patterns[i].Path.Steps
		for s := 0; s <= len(steps); s++ {
			b.pattern = append(b.pattern, int32(i))
			b.step = append(b.step, int32(s))
		}
		if len(steps) == 0 || steps[0].Kind != rules.StepDeep {
			b.start = append(b.start, first)
			continue
		}
		switch next := first + 2; steps[1].Kind {
		case rules.StepMember:
			b.deepMember = append(b.deepMember, next)
		case rules.StepElement:
			b.deepElement = append(b.deepElement, next)
		default:
			name := steps[1].Name
			if _, ok := b.deepByName[name]; !ok {
				b.deepNames = append(b.deepNames, name)
			}
			b.deepByName[name] = append(b.deepByName[name], next)
		}
	}
	return b
}

// stepAt returns the step that the position waits for; ok is false for a
// completed pattern.
func (b *builder) stepAt(p position) (rules.Step, bool) {
	steps := b.patterns[b.pattern[p]].Path.Steps
	if int(b.step[p]) == len(steps) {
		return rules.Step{}, false
	}
	return steps[b.step[p]], true
}

func (b *builder) run(states, edges int) error {
	b.add(b.start, b.contextOf(context{}), true)
	for at := 0; at < len(b.states); at++ {
		if err := b.expand(uint32(at)); err != nil {
			return err
		}
		if len(b.states) > states || len(b.edges) > edges {
			return &BlowupError{Pattern: b.widest(), States: states}
		}
	}
	return nil
}

// add returns the state with these positions, whose parent's context is given.
// arrive is false for a fallback, at which no value arrives.
func (b *builder) add(own []position, parent int32, arrive bool) uint32 {
	own = append(b.scratch[:0], own...)
	slices.Sort(own)
	own = slices.Compact(own)
	b.scratch = own
	ctx := parent
	if arrive {
		ctx = b.enter(parent, own)
	}
	own = b.prune(own, ctx)
	key := b.key[:0]
	for _, p := range own {
		key = append(key, byte(p), byte(p>>8), byte(p>>16), byte(p>>24))
	}
	key = append(key, byte(ctx), byte(ctx>>8), byte(ctx>>16), byte(ctx>>24))
	b.key = key
	if s, ok := b.byKey[string(key)]; ok {
		return s
	}
	s := uint32(len(b.states))
	b.byKey[string(key)] = s
	b.states = append(b.states, subset{own: slices.Clone(own), context: ctx})
	return s
}

// prune drops, in place, what can say nothing new under the context.
func (b *builder) prune(own []position, ctx int32) []position {
	c := &b.contexts[ctx]
	out := own[:0]
	for _, p := range own {
		pat := &b.patterns[b.pattern[p]]
		news := pat.Label != None || pat.Decides ||
			pat.Keep&^c.keep != 0 || pat.Cut&^c.cut != 0 || pat.Flags&^c.flags != 0
		if _, pending := b.stepAt(p); !pending {
			news = false // it is in the context
		}
		if news || pat.Slot != None {
			out = append(out, p)
		}
	}
	return out
}

// widest returns the pattern with wildcards for which most states wait.
func (b *builder) widest() int {
	count := make([]int, len(b.patterns))
	for i := range b.states {
		for _, p := range b.states[i].own {
			count[b.pattern[p]]++
		}
	}
	best, most := 0, -1
	for i, n := range count {
		if n > most && !b.patterns[i].Path.Exact() {
			best, most = i, n
		}
	}
	return best
}
