package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/rewrite/automaton"
)

// tally counts decisions by a key: what decided, of which class, into which
// form.
type tally struct {
	keys   []tallyKey
	counts []int
	slots  []int32 // index plus one, open addressing
	last   tallyKey
	at     int // of last in keys
}

type tallyKey uint64

// tallyKind says what the number of a tallyKey is.
type tallyKind uint8

const (
	tallyLabels tallyKind = iota // a label set with the sad flag: by path
	tallyUnkept                  // likewise, but the leg does not list the value
	tallyPAN                     // nothing: the detector
	tallyPANUnkept
	tallySealed // a label: a sealed token's own
	tallySealedUnkept
	tallyClass // nothing: a line item
	tallyUnlink
	tallyText // an index of Engine.texts
)

func newTallyKey(kind tallyKind, class rules.ClassID, form rules.Form, number uint32) tallyKey {
	return tallyKey(kind)<<48 | tallyKey(class)<<40 | tallyKey(form)<<32 | tallyKey(number)
}

func (k tallyKey) kind() tallyKind      { return tallyKind(k >> 48) }
func (k tallyKey) class() rules.ClassID { return rules.ClassID(k >> 40) }
func (k tallyKey) form() rules.Form     { return rules.Form(uint8(k >> 32)) }
func (k tallyKey) number() uint32       { return uint32(k) }

func (t *tally) reset() {
	t.keys, t.counts = t.keys[:0], t.counts[:0]
	clear(t.slots)
	t.last, t.at = noKey, 0
}

// noKey is none of any decision.
const noKey = ^tallyKey(0)

// add counts a decision. Many are made several times in a row.
func (t *tally) add(k tallyKey) {
	if k != t.last {
		t.last, t.at = k, t.index(k)
	}
	t.counts[t.at]++
}

// index returns the index of a key, a new one if need be.
func (t *tally) index(k tallyKey) int {
	if 2*(len(t.keys)+1) > len(t.slots) {
		t.slots = make([]int32, max(32, 2*len(t.slots)))
		for i := range t.keys {
			*t.place(t.keys[i]) = int32(i + 1)
		}
	}
	slot := t.place(k)
	if *slot == 0 {
		t.keys, t.counts = append(t.keys, k), append(t.counts, 0)
		*slot = int32(len(t.keys))
	}
	return int(*slot - 1)
}

func (t *tally) place(k tallyKey) *int32 {
	mask := uint64(len(t.slots) - 1)
	for at := uint64(k) * 0x9E3779B97F4A7C15 >> 40; ; at++ {
		slot := &t.slots[at&mask]
		if *slot == 0 || t.keys[*slot-1] == k {
			return slot
		}
	}
}

// tallyPlace counts a value that is labelled by its place.
func (v *View) tallyPlace(x *value, form rules.Form) {
	switch {
	case x.outside:
		if len(v.m.prog.engine.texts[x.set].refs) > 0 {
			v.tally.add(newTallyKey(tallyText, 0, form, x.set))
		}
	case x.set != 0:
		v.tally.add(newTallyKey(tallyLabels, x.class, form, x.set))
	}
	if x.unlink && form == rules.Alias {
		v.tally.add(newTallyKey(tallyUnlink, x.class, form, 0))
	}
}

// tallySpan counts what a detector found, at a place that gives the label pan
// or NoLabel. A whole value there is counted by its path already.
func (v *View) tallySpan(s *span, pan rules.LabelID, class rules.ClassID, form rules.Form) {
	switch {
	case s.kind == spanPAN && s.whole && !s.name && pan == v.party.panLabel:
	case s.kind == spanPAN:
		v.tally.add(newTallyKey(tallyPAN, class, form, 0))
	case s.label != rules.NoLabel:
		v.tally.add(newTallyKey(tallySealed, class, form, uint32(s.label)))
	}
}

// tallyKeep counts a value that the leg does not list, if it is labelled.
func (v *View) tallyKeep(set uint32, class rules.ClassID, spans []span) {
	if set != 0 {
		v.tally.add(newTallyKey(tallyUnkept, class, rules.Drop, set))
	}
	for i := range spans {
		switch s := &spans[i]; {
		case s.kind == spanPAN && s.whole && !s.name && v.m.prog.panSets[set>>1] == v.party.panLabel:
		case s.kind == spanPAN:
			v.tally.add(newTallyKey(tallyPANUnkept, class, rules.Drop, 0))
		case s.label != rules.NoLabel:
			v.tally.add(newTallyKey(tallySealedUnkept, class, rules.Drop, uint32(s.label)))
		}
	}
}

// tallyAll counts the labelled leaves of node i, which stays or goes as a whole,
// by what their actions say.
func (v *View) tallyAll(actions []action, class rules.ClassID, i uint32, n *node) {
	tape := v.m.tape[:n.next]
	for ; i < uint32(len(tape)); i++ {
		n := &tape[i]
		s := n.state.automaton()
		a := actions[s]
		if a&actCount == 0 || n.next > i+1 {
			continue
		}
		kind, form := tallyLabels, rules.Plain
		if a&actCut != 0 {
			form = rules.Drop
		}
		if a&actUnkept != 0 {
			kind = tallyUnkept
		}
		v.tally.add(newTallyKey(kind, class, form, v.states[s].Set<<1))
	}
}

// tallyItem counts a line item: in the form of its class's label, or dropped.
func (v *View) tallyItem(item int, alive bool) {
	class, form := v.m.items[item].class, rules.Drop
	if alive {
		form = rules.Plain
		if l := v.m.prog.engine.classLabel(class); l != rules.NoLabel {
			form = seen(v.party.sees, l)
		}
	}
	v.tally.add(newTallyKey(tallyClass, class, form, 0))
}

// Decisions returns what was decided, in the order in which the body first
// asked for it. It is valid until the View's next use.
func (v *View) Decisions() []Decision {
	v.decisions = v.decisions[:0]
	for i, k := range v.tally.keys {
		v.expand(k, v.tally.counts[i])
	}
	return v.decisions
}

// expand turns a key into decisions, one for each of its labels.
func (v *View) expand(k tallyKey, count int) {
	p := v.m.prog
	e := p.engine
	names := &e.fixed
	d := Decision{Class: names.class(k.class()), Form: k.form(), Count: count}
	switch k.kind() {
	case tallyLabels, tallyUnkept:
		v.expandSet(d, k)
	case tallyPAN:
		d.Rule, d.Label = "detect.pan", e.labelName(v.party.panLabel)
		v.decided(d)
	case tallyPANUnkept:
		d.Rule, d.Label = ruleKeep, e.labelName(v.party.panLabel)
		v.decided(d)
	case tallySealed:
		d.Rule, d.Label = names.tokens[k.number()], e.plan.Labels[k.number()].Name
		v.decided(d)
	case tallySealedUnkept:
		d.Rule, d.Label = ruleKeep, e.plan.Labels[k.number()].Name
		v.decided(d)
	case tallyClass:
		d.Rule, d.Pattern = names.classes[k.class()], names.items
		d.Label = e.labelName(e.classLabel(k.class()))
		v.decided(d)
	case tallyUnlink:
		d.Rule = "unlink"
		v.decided(d)
	case tallyText:
		t := &e.texts[k.number()]
		for _, ref := range t.refs {
			d.Rule, d.Pattern, d.Label = names.labels[ref.Label], t.pattern, e.plan.Labels[ref.Label].Name
			v.decided(d)
		}
	}
}

const ruleKeep = "keep"

func (v *View) expandSet(d Decision, k tallyKey) {
	p := v.m.prog
	e := p.engine
	for _, ref := range p.table.Sets[k.number()>>1] {
		d.Rule, d.Label, d.Pattern = e.fixed.labels[ref.Label], e.plan.Labels[ref.Label].Name, p.patternOf(ref)
		if k.kind() == tallyUnkept {
			d.Rule = ruleKeep
		}
		v.decided(d)
	}
	if state(k.number())&stateSAD != 0 && !p.sadSets[k.number()>>1] {
		d.Rule, d.Label, d.Pattern = "detect.sad", e.labelName(e.sad), ""
		if k.kind() == tallyUnkept {
			d.Rule = ruleKeep
		}
		v.decided(d)
	}
}

func (p *program) patternOf(ref automaton.LabelRef) string {
	if ref.Pattern == automaton.None {
		return ""
	}
	return p.origins[ref.Pattern]
}

// pattern returns the path pattern that gave a value the label, if one did.
func (v *View) pattern(x *value, label rules.LabelID) string {
	if x.outside {
		return v.m.prog.engine.texts[x.set].pattern
	}
	for _, ref := range v.m.prog.table.Sets[x.set>>1] {
		if rules.LabelID(ref.Label) == label {
			return v.m.prog.patternOf(ref)
		}
	}
	return ""
}

// decided adds a decision to the list, or its count to that of an equal one.
func (v *View) decided(d Decision) {
	for i := range v.decisions {
		o := &v.decisions[i]
		if o.Form == d.Form && o.Pattern == d.Pattern && o.Label == d.Label && o.Class == d.Class && o.Rule == d.Rule {
			o.Count += d.Count
			return
		}
	}
	v.decisions = append(v.decisions, d)
}
