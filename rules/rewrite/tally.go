package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/rewrite/automaton"
)

// tally counts what is decided.
type tally struct {
	chosen []Chosen // in the order in which the body first asked for them
	places []int32  // by the place of a choice: its index in chosen plus one, zero for none
	last   tallyKey // of the one choice at index at; noKey for none
	at     int
}

// tallyKey says what decided, of which class, and into which form. The choices
// of a party are found by it.
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
	tallyText  // an index of Engine.texts
	tallyFound // a detector of identifiers
	tallyFoundUnkept
	tallyComputed // an index of program.formulas
)

func newTallyKey(kind tallyKind, class rules.ClassID, form rules.Form, number uint32) tallyKey {
	return tallyKey(kind)<<48 | tallyKey(class)<<40 | tallyKey(form)<<32 | tallyKey(number)
}

func (k tallyKey) kind() tallyKind      { return tallyKind(k >> 48) }
func (k tallyKey) class() rules.ClassID { return rules.ClassID(k >> 40) }
func (k tallyKey) form() rules.Form     { return rules.Form(uint8(k >> 32)) }
func (k tallyKey) number() uint32       { return uint32(k) }

func (t *tally) reset() {
	for i := range t.chosen {
		t.places[t.chosen[i].place] = 0
	}
	t.chosen, t.last = t.chosen[:0], noKey
}

// noKey is none of any decision.
const noKey = ^tallyKey(0)

// count counts a decision. Many are made several times in a row.
func (v *View) count(k tallyKey) {
	t := &v.tally
	if k == t.last {
		t.chosen[t.at].Count++
		return
	}
	v.countOther(k)
}

// countOther counts a decision that is another one than before, or of several
// labels.
func (v *View) countOther(k tallyKey) {
	t := &v.tally
	known := v.party.choices.find(k)
	if known == nil {
		known = v.party.choices.add(v.m.prog.engine, k, v.expand(k))
	}
	if known.one != nil {
		t.at, t.last = t.add(known.one), k
		return
	}
	for _, c := range known.of {
		t.add(c)
	}
	t.last = noKey
}

// add counts a choice, and returns its index.
func (t *tally) add(c *Choice) int {
	if c.place >= len(t.places) {
		t.places = append(t.places, make([]int32, max(32, c.place+1))...)
	}
	at := &t.places[c.place]
	if *at == 0 {
		t.chosen = append(t.chosen, Chosen{Choice: c})
		*at = int32(len(t.chosen))
	}
	t.chosen[*at-1].Count++
	return int(*at - 1)
}

// tallyPlace counts a value that is labelled by its place.
func (v *View) tallyPlace(x *value, form rules.Form) {
	switch {
	case x.outside:
		if len(v.m.prog.engine.texts[x.set].refs) > 0 {
			v.count(newTallyKey(tallyText, 0, form, x.set))
		}
	case x.set != 0:
		v.count(newTallyKey(tallyLabels, x.class, form, x.set))
	}
	if x.unlink && form == rules.Alias {
		v.count(newTallyKey(tallyUnlink, x.class, form, 0))
	}
}

// tallySpan counts what a detector found, at a place that gives the label pan
// or NoLabel. A whole value there is counted by its path already.
func (v *View) tallySpan(s *span, pan rules.LabelID, class rules.ClassID, form rules.Form) {
	if s.found != 0 {
		v.tallyFound(tallyFound, s, class, form)
	}
	switch {
	case s.kind == spanPAN && s.whole && !s.name && pan == v.party.panLabel:
	case s.hasCard():
		v.count(newTallyKey(tallyPAN, class, form, 0))
	case s.label != rules.NoLabel:
		v.count(newTallyKey(tallySealed, class, form, uint32(s.label)))
	}
}

// tallyKeep counts a value that the leg does not list, if it is labelled.
func (v *View) tallyKeep(set uint32, class rules.ClassID, spans []span) {
	if set != 0 {
		v.count(newTallyKey(tallyUnkept, class, rules.Drop, set))
	}
	for i := range spans {
		if spans[i].found != 0 {
			v.tallyFound(tallyFoundUnkept, &spans[i], class, rules.Drop)
		}
		switch s := &spans[i]; {
		case s.kind == spanPAN && s.whole && !s.name && v.m.prog.panSets[set>>1] == v.party.panLabel:
		case s.hasCard():
			v.count(newTallyKey(tallyPANUnkept, class, rules.Drop, 0))
		case s.label != rules.NoLabel:
			v.count(newTallyKey(tallySealedUnkept, class, rules.Drop, uint32(s.label)))
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
		v.count(newTallyKey(kind, class, form, v.states[s].Set<<1))
	}
}

// tallyItem counts a line item: in the form of its class's label, or dropped.
func (v *View) tallyItem(item int, alive bool) {
	class, form := v.m.items[item].class, rules.Drop
	if alive {
		form = rules.Plain
		if l := v.m.prog.engine.classLabel(class); l != rules.NoLabel {
			form = v.party.sees.Of(l)
		}
	}
	v.count(newTallyKey(tallyClass, class, form, 0))
}

// Chosen returns what was decided, in the order in which the body first asked
// for it. It is valid until the View's next use or Reset; the choices stay.
func (v *View) Chosen() []Chosen { return v.tally.chosen }

// Decisions returns what Chosen does in another form, for those who show it.
func (v *View) Decisions() []Decision {
	var list []Decision
	for _, c := range v.tally.chosen {
		list = append(list, Decision{Rule: c.Rule, Pattern: c.Pattern, Label: c.Label, Class: c.Class, Form: c.Form, Count: c.Count})
	}
	return list
}

// expand turns a key into choices, one for each of its labels.
func (v *View) expand(k tallyKey) []Choice {
	p := v.m.prog
	e := p.engine
	names := &e.fixed
	d := Choice{Class: names.class(k.class()), Form: k.form()}
	switch k.kind() {
	case tallyLabels, tallyUnkept:
		return v.expandSet(d, k)
	case tallyPAN:
		d.Rule, d.Label = "detect.pan", e.labelName(v.party.panLabel)
	case tallyPANUnkept:
		d.Rule, d.Label = ruleKeep, e.labelName(v.party.panLabel)
	case tallyFound:
		d.Rule, d.Label = names.detects[k.number()], e.labelName(v.party.ids[k.number()].label)
	case tallyFoundUnkept:
		d.Rule, d.Label = ruleKeep, e.labelName(v.party.ids[k.number()].label)
	case tallySealed:
		d.Rule, d.Label = names.tokens[k.number()], e.plan.Labels[k.number()].Name
	case tallySealedUnkept:
		d.Rule, d.Label = ruleKeep, e.plan.Labels[k.number()].Name
	case tallyClass:
		d.Rule, d.Pattern = names.classes[k.class()], names.items
		d.Label = e.labelName(e.classLabel(k.class()))
	case tallyUnlink:
		d.Rule = "unlink"
	case tallyComputed:
		f := p.formulas[k.number()]
		var list []Choice
		for _, l := range f.x.Labels {
			d.Rule, d.Label = f.rule, e.plan.Labels[l].Name
			list = append(list, d)
		}
		return list
	case tallyText:
		t := &e.texts[k.number()]
		var list []Choice
		for _, ref := range t.refs {
			d.Rule, d.Pattern, d.Label = names.labels[ref.Label], t.pattern, e.plan.Labels[ref.Label].Name
			list = append(list, d)
		}
		return list
	}
	return []Choice{d}
}

const ruleKeep = "keep"

func (v *View) expandSet(d Choice, k tallyKey) (list []Choice) {
	p := v.m.prog
	e := p.engine
	for _, ref := range p.table.Sets[k.number()>>1] {
		d.Rule, d.Label, d.Pattern = e.fixed.labels[ref.Label], e.plan.Labels[ref.Label].Name, p.patternOf(ref)
		if k.kind() == tallyUnkept {
			d.Rule = ruleKeep
		}
		list = append(list, d)
	}
	if state(k.number())&stateSAD != 0 && !p.sadSets[k.number()>>1] {
		d.Rule, d.Label, d.Pattern = "detect.sad", e.labelName(e.sad), ""
		if k.kind() == tallyUnkept {
			d.Rule = ruleKeep
		}
		list = append(list, d)
	}
	return list
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
