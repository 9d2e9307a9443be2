package automaton

import (
	"slices"

	"chaperone/rules"
)

// moves sorts what one state waits for by the kind of step.
type moves struct {
	names    []string // distinct, in order of first appearance
	byName   map[string][]position
	decides  map[string]bool
	member   []position
	element  []position
	starOnly []position // the state's own positions that wait for *
}

func (b *builder) movesOf(own []position) moves {
	m := moves{byName: map[string][]position{}, decides: map[string]bool{}}
	for _, p := range own {
		step, ok := b.stepAt(p)
		if !ok {
			continue
		}
		switch step.Kind {
		case rules.StepMember:
			m.member = append(m.member, p+1)
			m.starOnly = append(m.starOnly, p)
		case rules.StepElement:
			m.element = append(m.element, p+1)
		default:
			if _, ok := m.byName[step.Name]; !ok {
				m.names = append(m.names, step.Name)
			}
			m.byName[step.Name] = append(m.byName[step.Name], p+1)
			if b.patterns[b.pattern[p]].Decides {
				m.decides[step.Name] = true
			}
		}
	}
	return m
}

// expand adds the targets and edges of a state.
func (b *builder) expand(s uint32) error {
	own, ctx := b.states[s].own, b.states[s].context
	m := b.movesOf(own)
	star := slices.Concat(m.member, b.deepMember)
	hash := slices.Concat(m.element, b.deepElement)
	b.states[s].member = b.add(star, ctx, true)
	b.states[s].element = b.add(hash, ctx, true)

	once := uint8(0)
	for _, name := range m.names {
		number := uint8(0)
		if m.decides[name] {
			if once == maxOnce {
				return ErrTooManyDeciding
			}
			once++
			number = once
		}
		target := b.add(slices.Concat(m.byName[name], b.deepByName[name], star), ctx, true)
		b.edges = append(b.edges, namedEdge{s, target, name, None, number})
		b.index(s, name, slices.Concat(m.byName[name], b.deepByName[name], hash))
	}
	b.expandDeep(s, &m, star, hash)
	return nil
}

// expandDeep adds what the patterns with a leading ** wait for: by edges where
// the state waits for nothing else by name or index, else through a fallback
// that all states of the same context share. A name for which the state has no
// edge of its own leads from both to the same state.
func (b *builder) expandDeep(s uint32, m *moves, star, hash []position) {
	b.states[s].fallback = s
	ctx := b.states[s].context
	if len(b.states[s].own) != len(m.starOnly) && len(b.deepNames) > 0 {
		b.states[s].fallback = b.add(m.starOnly, ctx, false)
	}
	for _, name := range b.deepNames {
		if _, ok := m.byName[name]; ok {
			continue
		}
		if b.states[s].fallback == s {
			target := b.add(slices.Concat(b.deepByName[name], star), ctx, true)
			b.edges = append(b.edges, namedEdge{s, target, name, None, 0})
		}
		b.index(s, name, slices.Concat(b.deepByName[name], hash))
	}
}

// index adds the edge of the array element that a name counts, if it is one.
func (b *builder) index(s uint32, name string, next []position) {
	i, ok := rules.Step{Kind: rules.StepName, Name: name}.Index()
	if !ok {
		return
	}
	target := b.add(next, b.states[s].context, true)
	b.edges = append(b.edges, namedEdge{s, target, "", i, 0})
}
