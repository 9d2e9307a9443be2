package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite/automaton"
)

type states = []automaton.State

// walk goes over the tape once and gathers the edits. A container survives if
// one of its children does, and a removed child takes one comma with it: the
// one before it where an earlier sibling is left, else the one behind it.
func (v *View) walk() (alive bool, fault *reason.Error) {
	tape, p := v.m.tape, v.party
	cur := visit{end: uint32(len(tape)), item: -1, virtual: true}
	all := uint64(0)
	if p.keepAll {
		all = 1
	}
	for i := uint32(0); i < uint32(len(tape)); {
		n := &tape[i]
		mark := len(v.edits)
		if cur.some && !cur.alive {
			v.cut(v.firstChild(&cur), v.nextChild(&cur, n))
		}
		st := &v.states[n.state.automaton()]
		alive := true
		if n.next > i+1 {
			open, err := v.enter(&cur, i, n, st)
			if err != nil {
				return false, err
			}
			if open {
				v.frames = append(v.frames, cur)
				cur = v.visit(&cur, i, n, st, mark)
				i++
				continue
			}
			alive = false
		} else if !p.simple[uint32(cur.class)*uint32(v.m.prog.stride)+n.state.set(st)] || (st.Keep&p.bit)|all == 0 || cur.items ||
			n.state&stateSpans != 0 || st.Flags&flagUnlink != 0 || st.Slots != 0 || st.Cut&p.bit != 0 || v.unalias {
			var err *reason.Error
			if alive, err = v.leaf(&cur, i, n, st); err != nil {
				return false, err
			}
		}
		v.after(&cur, n, mark, alive)
		for i = n.next; i == cur.end && !cur.virtual; {
			n, mark, alive = &tape[cur.node], cur.mark, cur.alive
			if cur.item >= 0 {
				v.tallyItem(cur.item, alive)
			}
			done := cur
			cur = v.frames[len(v.frames)-1]
			v.frames = v.frames[:len(v.frames)-1]
			v.rootLast = done.last
			v.after(&cur, n, mark, alive)
		}
	}
	return cur.alive, nil
}

// visit returns the frame of a container that is being entered.
func (v *View) visit(outer *visit, i uint32, n *node, st *automaton.State, mark int) visit {
	in := visit{node: i, end: n.next, mark: mark, item: -1, class: outer.class}
	if outer.items {
		in.item = v.itemOf(i)
		in.class = v.m.items[in.item].class
	}
	if st.Slots != 0 && v.m.slots[slotItems] == i+1 {
		in.items = v.m.body[n.start] == '['
	}
	return in
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

// firstChild returns the offset at which the container's first child begins.
func (v *View) firstChild(cur *visit) uint32 {
	return uint32(skip(v.m.body, int(v.m.tape[cur.node].start)+1))
}

// nextChild returns the offset at which the child with node n begins: a
// member's at its name.
func (v *View) nextChild(cur *visit, n *node) uint32 {
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
	if s.kind == spanPAN {
		return v.party.pan, v.party.panLabel, nil
	}
	if s.label != rules.NoLabel {
		return seen(v.party.sees, s.label), s.label, nil
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
		v.tallySpan(&spans[i], rules.NoLabel, class, form)
		if form == rules.Block {
			return false, v.blocked(label, "", int(spans[i].start))
		}
		if form == rules.Drop {
			return false, nil
		}
		v.part(&spans[i], form, label)
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
