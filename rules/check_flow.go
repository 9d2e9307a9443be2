package rules

import (
	"fmt"
	"slices"

	"chaperone/rules/detect"
	"chaperone/rules/expression"
)

// An expression is a way for labelled values to flow: a computed value carries
// what it was computed from, and a condition one bit of it. So a computed value
// may be set only where the destination sees all that flows into it in plain,
// and a leg may depend only on what its destination may see at all. That it has
// items of its own class the leg shows by being there.

// flow is an expression and where its result goes.
type flow struct {
	x      *Expression
	reads  []expression.Read
	where  []Position // of the reads
	route  *Route
	leg    *Leg
	member string // the path of a computed value; empty: a condition
}

// input is one thing that flows into an expression.
type input struct {
	label LabelID
	what  string // for messages
}

// checkFlow holds what an expression reads against what the leg's destination
// may see, and notes the labels.
func (l *loader) checkFlow(f *flow) {
	x, where, leg, member := f.x, f.where, f.leg, f.member
	told := map[input]bool{}
	for i := range f.reads {
		if l.readsSAD(f, i) {
			l.failAt(where[i], "sad_expression", "sensitive authentication data is read by no expression", "name another value")
			continue
		}
		if member != "" && x.Paths[i] != nil && f.route.unlinks(x.Paths[i]) {
			l.failAt(where[i], "expression_not_seen", fmt.Sprintf("every destination gets an alias of its own of %s, and the value would show it as it is", x.Paths[i].Source), "name another value, or remove the path from unlink")
			continue
		}
		for _, in := range l.inputs(f, i) {
			if !slices.Contains(x.Labels, in.label) {
				x.Labels = append(x.Labels, in.label)
			}
			if leg.Destination < 0 || told[in] {
				continue
			}
			told[in] = true
			d, label := &l.plan.Destinations[leg.Destination], l.plan.Labels[in.label].Name
			switch form := d.Sees.Of(in.label); {
			case member != "" && form != Plain:
				l.failAt(where[i], "expression_not_seen", fmt.Sprintf("the value at %q depends on %s, which is %s, and %s sees that as %s", member, in.what, label, d.Name, form), fmt.Sprintf("let %s see %s as plain, or compute it without", d.Name, label))
			case member == "" && form >= Drop:
				l.failAt(where[i], "expression_not_seen", fmt.Sprintf("whether the leg %s is sent depends on %s, which is %s, and %s may not see that", leg.Name, in.what, label, d.Name), fmt.Sprintf("let %s see %s, or decide by something else", d.Name, label))
			}
		}
	}
}

// readsSAD reports whether a read looks at sensitive authentication data.
func (l *loader) readsSAD(f *flow, i int) bool {
	switch r := f.reads[i]; r.Kind {
	case expression.HeaderText, expression.HeaderPresent, expression.QueryText, expression.QueryPresent:
		return detect.SAD([]byte(r.Name)) || slices.ContainsFunc(l.headLabels(r), func(id LabelID) bool { return l.plan.inFamily(id, labelSAD) })
	}
	p := f.x.Paths[i]
	return p != nil && l.isSAD(*p)
}

// inputs lists what flows in by one read. Whether a leg's own class is there is
// shown by the leg itself, but not how many there are.
func (l *loader) inputs(f *flow, i int) (all []input) {
	add := func(id LabelID, what string) {
		if id != NoLabel {
			all = append(all, input{id, what})
		}
	}
	r, class := f.reads[i], f.x.Classes[i]
	if p := f.x.Paths[i]; p != nil {
		for _, id := range l.plan.labelsAt(*p) {
			add(id, p.Source)
		}
	}
	switch r.Kind {
	case expression.HeaderText, expression.HeaderPresent:
		for _, id := range l.headLabels(r) {
			add(id, "the header "+r.Name)
		}
	case expression.QueryText, expression.QueryPresent:
		for _, id := range l.headLabels(r) {
			add(id, "the query member "+r.Name)
		}
	case expression.Items:
		for _, c := range l.plan.Basket.Classes {
			add(c.Label, "how many items there are, "+c.Name+" ones among them")
		}
	case expression.ClassTotal:
		for _, p := range l.amountPaths(r.Name) {
			for _, id := range l.labelsOver(p) {
				add(id, p.Source)
			}
		}
		fallthrough
	case expression.ClassPresent, expression.ClassItems, expression.ClassAmount:
		own := f.member == "" && f.leg.Items == ItemsClass && f.leg.Class == class
		if !own {
			add(l.plan.Basket.Classes[class-1].Label, "the "+r.Class+" items")
		}
	}
	return all
}

// headLabels returns the labels of what a read looks at in the request's head.
func (l *loader) headLabels(r expression.Read) (all []LabelID) {
	source := SourceQuery
	if r.Kind == expression.HeaderText || r.Kind == expression.HeaderPresent {
		source = SourceHeader
	}
	for id, label := range l.plan.Labels {
		if slices.ContainsFunc(label.Paths, func(p LabelPath) bool { return p.Source == source && p.Name == r.Name }) {
			all = append(all, LabelID(id))
		}
	}
	return all
}

// amountPaths are the places from which a class's part of a total is computed:
// the total, and the items' own amounts.
func (l *loader) amountPaths(total string) (all []Path) {
	b := l.plan.Basket
	if p := b.TotalPath(total); p != nil {
		all = append(all, *p)
	}
	for _, p := range []*Path{b.Line.Quantity, b.Line.UnitPrice, b.Line.Amount, b.Line.Discount, b.Line.Tax} {
		if p == nil {
			continue
		}
		steps := append(slices.Clone(b.Items.Steps), Step{Kind: StepElement})
		all = append(all, Path{Source: b.Items.Source + ".#." + p.Source, Steps: append(steps, p.Steps...)})
	}
	return all
}

// labelsOver returns the labels that a value at a path may bear, whose elements
// stand for any.
func (l *loader) labelsOver(p Path) (all []LabelID) {
	for id, label := range l.plan.Labels {
		for _, lp := range label.Paths {
			if lp.Source == SourceBody && over(lp.Path.Steps, p.Steps) {
				all = append(all, LabelID(id))
				break
			}
		}
	}
	return all
}

// over reports whether a pattern may take a place at or above another, in which
// # stands for any element.
func over(pattern, at []Step) bool {
	if len(pattern) > 0 && pattern[0].Kind == StepDeep {
		for skip := range len(at) {
			if over(pattern[1:], at[skip:]) {
				return true
			}
		}
		return false
	}
	if len(pattern) > len(at) {
		return false
	}
	for i, s := range pattern {
		_, index := s.Index()
		if at[i].Kind == StepElement && s.Kind != StepElement && s.Kind != StepMember && !index || at[i].Kind != StepElement && !s.takes(at[i]) {
			return false
		}
	}
	return true
}
