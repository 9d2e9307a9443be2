package rewrite

import (
	"slices"

	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite/automaton"
)

type states = []automaton.State

// walk goes over the tape once and gathers the edits. A container survives if
// one of its children does, and a removed child takes one comma with it: the
// one before it where an earlier sibling is left, else the one behind it.
func (v *View) walk() (alive bool, fault *reason.Error) {
	tape := v.m.tape
	cur := v.push()
	cur.end, cur.item, cur.virtual, cur.ask, cur.actions = uint32(len(tape)), -1, true, v.unalias, v.party.actionsOf(rules.NoClass)
	for i := uint32(0); i < uint32(len(tape)); {
		n := &tape[i]
		switch a := cur.actions[n.state.automaton()]; {
		case a&actAsk != 0 || cur.ask || n.state&noted != 0 || n.next > i+1 && a&actWhole == 0:
			in, err := v.ask(cur, i, n)
			if err != nil {
				return false, err
			}
			if in != nil {
				cur = in
				i++
				continue
			}
		case a&actCut != 0:
			if a&actQuiet == 0 {
				v.tallyAll(cur.actions, cur.class, i, n)
			}
			if cur.alive {
				v.cut(cur.last, n.end)
			}
			cur.some, cur.last = true, n.end
		default:
			if a&actQuiet == 0 {
				v.tallyAll(cur.actions, cur.class, i, n)
			}
			if cur.some && !cur.alive {
				v.cut(v.firstChild(cur), v.nextChild(cur))
			}
			cur.some, cur.alive, cur.last = true, true, n.end
		}
		for i = n.next; i == cur.end && !cur.virtual; {
			cur = v.leave(cur)
		}
	}
	v.frames = v.frames[:0]
	return cur.alive, nil
}

// ask decides the child of cur at node i where its action does not say it all.
// It returns the frame of a container that has been entered, nil for any other
// child. Cur is not to be used any more where there is one.
func (v *View) ask(cur *visit, i uint32, n *node) (in *visit, fault *reason.Error) {
	mark := len(v.edits)
	if cur.some && !cur.alive {
		v.cut(v.firstChild(cur), v.nextChild(cur))
	}
	st := &v.states[n.state.automaton()]
	alive := false
	if n.next > i+1 {
		enters, err := v.enter(cur, i, n, st)
		if enters && cur.items && v.item(i, n) {
			enters, alive = false, v.party.actionsOf(v.m.items[v.itemAt].class)[n.state.automaton()]&actCut == 0
		}
		if enters {
			return v.visit(i, n, st, mark), nil
		}
		fault = err
	} else {
		alive, fault = v.leaf(cur, i, n, st)
	}
	v.after(cur, n, mark, alive)
	return nil, fault
}

// leave ends the container of cur, whose last child has been walked. It returns
// the frame of the container around it.
func (v *View) leave(cur *visit) *visit {
	if v.rootLast = cur.last; cur.item >= 0 {
		v.tallyItem(cur.item, cur.alive)
	}
	v.frames = v.frames[:len(v.frames)-1]
	outer := &v.frames[len(v.frames)-1]
	v.after(outer, &v.m.tape[cur.node], cur.mark, cur.alive)
	return outer
}

// push returns a new frame, zero, on top of the others. Those may have moved.
func (v *View) push() *visit {
	if len(v.frames) == cap(v.frames) {
		v.frames = slices.Grow(v.frames, max(16, len(v.frames)))
	}
	v.frames = v.frames[:len(v.frames)+1]
	in := &v.frames[len(v.frames)-1]
	*in = visit{}
	return in
}

// visit returns the frame of a container that is being entered.
func (v *View) visit(i uint32, n *node, st *automaton.State, mark int) *visit {
	in := v.push()
	outer := &v.frames[len(v.frames)-2]
	in.node, in.end, in.mark, in.item, in.ask = i, n.next, mark, -1, v.unalias
	if outer.items {
		in.item = v.itemOf(i)
		in.class = v.m.items[in.item].class
		in.actions = v.party.actionsOf(in.class)
	} else {
		in.class, in.actions = outer.class, outer.actions
	}
	if st.Slots != 0 && v.m.slots[slotItems] == i+1 && v.m.body[n.start] == '[' {
		in.items, in.ask = true, true
	}
	return in
}

// item decides the line item at node i without a walk, if all of it stays or
// goes. It reports whether it did.
func (v *View) item(i uint32, n *node) bool {
	item := v.itemOf(i)
	class := v.m.items[item].class
	actions := v.party.actionsOf(class)
	a := actions[n.state.automaton()]
	if a&(actWhole|actAsk) != actWhole || n.state&noted != 0 || v.unalias {
		return false
	}
	if a&actQuiet == 0 {
		v.tallyAll(actions, class, i, n)
	}
	v.tallyItem(item, a&actCut == 0)
	return true
}

// itemOf returns the index of the line item at node i. The walk asks in order.
func (v *View) itemOf(i uint32) int {
	for v.m.items[v.itemAt].node < i {
		v.itemAt++
	}
	return v.itemAt
}

// after notes that a child of cur has been walked, and removes it where it is
// not alive.
func (v *View) after(cur *visit, n *node, mark int, alive bool) {
	if alive {
		cur.alive = true
	} else {
		v.edits = v.edits[:mark]
		if cur.alive {
			v.cut(cur.last, n.end)
		}
	}
	cur.some, cur.last = true, n.end
}

// firstChild returns the offset at which the container's first child begins. It
// is looked for once: whitespace may be most of a body, and many children may
// be asked about before the first that stays.
func (v *View) firstChild(cur *visit) uint32 {
	if cur.first == 0 {
		cur.first = uint32(skip(v.m.body, int(v.m.tape[cur.node].start)+1))
	}
	return cur.first
}

// nextChild returns the offset at which the container's next child begins: a
// member's at its name.
func (v *View) nextChild(cur *visit) uint32 {
	i := skip(v.m.body, int(cur.last))
	return uint32(skip(v.m.body, i+1)) // behind the comma
}

// enter decides whether the container at node i is walked. Where not, it is
// removed whole.
func (v *View) enter(cur *visit, i uint32, n *node, st *automaton.State) (bool, *reason.Error) {
	if st.Cut&v.party.bit != 0 {
		return false, nil
	}
	if leg := v.party.leg; leg != nil {
		if leg.Items == rules.ItemsNone && st.Slots != 0 && v.m.slots[slotItems] == i+1 && v.m.body[n.start] == '[' {
			for at := range v.m.items {
				v.tallyItem(at, false)
			}
			return false, nil
		}
		if cur.items && leg.Items == rules.ItemsClass {
			at := v.itemOf(i)
			if v.m.items[at].class != leg.Class {
				v.tallyItem(at, false)
				return false, nil
			}
		}
	}
	if n.state&stateSpans != 0 {
		if spans := v.spansOf(i); len(spans) > 0 {
			return v.name(cur.class, spans, v.kept(st))
		}
	}
	return true, nil
}

func (v *View) kept(st *automaton.State) bool {
	return v.party.keepAll || st.Keep&v.party.bit != 0
}

// spansOf returns the spans of node i: those of its member name first. The
// walk asks in order.
func (v *View) spansOf(i uint32) []span {
	spans := v.m.spans
	for v.spanAt < len(spans) && spans[v.spanAt].node < i {
		v.spanAt++
	}
	end := v.spanAt
	for end < len(spans) && spans[end].node == i {
		end++
	}
	return spans[v.spanAt:end]
}

// spanForm returns what the party may see of a span, and under which label.
func (v *View) spanForm(s *span) (rules.Form, rules.LabelID, *reason.Error) {
	if s.kind == spanPAN && s.found == 0 {
		return v.party.pan, v.party.panLabel, nil
	}
	if s.found != 0 {
		form, label := v.party.identified(s)
		return form, label, nil
	}
	if s.label != rules.NoLabel {
		return v.party.sees.Of(s.label), s.label, nil
	}
	if v.m.prog.request {
		return rules.Drop, rules.NoLabel, refuse(reason.TokenUnknown, int(s.start), "no label of the policy is named by it")
	}
	return rules.Plain, rules.NoLabel, nil // somebody else's, in an answer
}

// name applies the forms of what a member name holds. It reports whether the
// member stays.
func (v *View) name(class rules.ClassID, spans []span, kept bool) (bool, *reason.Error) {
	for i := range spans {
		if !spans[i].name {
			break
		}
		form, label, err := v.spanForm(&spans[i])
		if err != nil {
			return false, err
		}
		if form == rules.Block && !kept {
			form = rules.Drop // it does not go there anyway
		}
		form = v.coarserPart(&spans[i], form, label, class)
		v.tallySpan(&spans[i], rules.NoLabel, class, form)
		if form == rules.Block {
			return false, v.blocked(label, "", int(spans[i].start))
		}
		if form == rules.Drop {
			return false, nil
		}
		v.part(&spans[i], form, label, class)
	}
	return true, nil
}

func (v *View) blocked(label rules.LabelID, pattern string, offset int) *reason.Error {
	err := &reason.Error{Code: reason.Blocked, Pattern: pattern, Offset: offset}
	if label != rules.NoLabel {
		err.Rule = "labels." + v.m.prog.engine.plan.Labels[label].Name
	}
	return err
}
