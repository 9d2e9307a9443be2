package rewrite

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"chaperone/rules"
	"chaperone/rules/basket"
	"chaperone/rules/detect"
	"chaperone/rules/rewrite/automaton"
)

// Compile builds the engine of a plan. The diagnostics speak of what only
// compiling can find: label paths whose wildcards need too many automaton
// states (wildcard_blowup, at the path's position), and routes with more
// deciding members or legs than a mask has bits for (route_too_large). The
// engine is nil if and only if one of them is an error.
func Compile(p *rules.Plan) (*Engine, rules.Diagnostics) {
	e := &Engine{plan: p, sad: p.Label("sad"), year: thisYear}
	for i := range p.Labels {
		if detectsPAN(&p.Labels[i]) {
			e.panLabels = append(e.panLabels, rules.LabelID(i))
		}
		for _, name := range p.Labels[i].Detect {
			if d, ok := detect.ParseDetector(name); ok {
				e.detectors |= d.Set()
				e.identified[d] = append(e.identified[d], rules.LabelID(i))
			}
		}
	}
	if p.Basket != nil {
		e.classifier = basket.NewClassifier(p.Basket)
	}
	e.fixed, e.texts = newFixedTexts(p), e.newTexts()
	c := compiler{engine: e, seen: map[rules.Diagnostic]bool{}}
	for _, one := range compileRoutes(e) {
		for _, d := range one.diagnostics {
			c.report(d.Position, d.Code, d.Message, d.Hint)
		}
		e.requests, e.answers = append(e.requests, one.programs[0]), append(e.answers, one.programs[1])
	}
	if c.diagnostics.HasErrors() {
		return nil, c.diagnostics
	}
	return e, c.diagnostics
}

// compiled are the two programs of a route, of its requests and of their
// answers, and what there is to say about it.
type compiled struct {
	programs    [2]*program
	diagnostics rules.Diagnostics
}

// compileRoutes compiles every route of the engine's plan, on all processors:
// their automata are most of what a start takes.
func compileRoutes(e *Engine) []compiled {
	all := make([]compiled, len(e.plan.Routes))
	said := make([][2]rules.Diagnostics, len(all))
	var group sync.WaitGroup
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range all {
		r := &e.plan.Routes[i]
		if len(r.Legs) > maxParties {
			c := compiler{seen: map[rules.Diagnostic]bool{}}
			c.report(r.Position, "route_too_large", fmt.Sprintf("route %q has more than %d legs", r.Name, maxParties), "split the route")
			all[i].diagnostics = c.diagnostics
			continue
		}
		for half, compile := range [2]func(*compiler, *rules.Route) *program{(*compiler).request, (*compiler).answer} {
			group.Go(func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				c := compiler{engine: e, seen: map[rules.Diagnostic]bool{}}
				all[i].programs[half] = compile(&c, r)
				said[i][half] = c.diagnostics
			})
		}
	}
	group.Wait()
	for i := range all {
		all[i].diagnostics = append(append(all[i].diagnostics, said[i][0]...), said[i][1]...)
	}
	return all
}

// compiler gathers the diagnostics of all routes; each is reported once.
type compiler struct {
	engine      *Engine
	diagnostics rules.Diagnostics
	seen        map[rules.Diagnostic]bool
}

func (c *compiler) report(at rules.Position, code, message, hint string) {
	d := rules.Diagnostic{Position: at, Severity: rules.Error, Code: code, Message: message, Hint: hint}
	if !c.seen[d] {
		c.seen[d] = true
		c.diagnostics = append(c.diagnostics, d)
	}
}

// patternSet is the input of one automaton, with where each pattern came from.
type patternSet struct {
	patterns  []automaton.Pattern
	origins   []string
	positions []rules.Position
}

func (s *patternSet) add(p automaton.Pattern, at rules.Position) {
	s.patterns = append(s.patterns, p)
	s.origins = append(s.origins, p.Path.Source)
	s.positions = append(s.positions, at)
}

// slot adds a place whose value the engine needs. A nil path adds nothing.
func (s *patternSet) slot(path *rules.Path, slot int, decides bool) {
	if path != nil {
		s.add(automaton.Pattern{Path: *path, Label: automaton.None, Slot: slot, Decides: decides}, rules.Position{})
	}
}

func (s *patternSet) mask(path rules.Path, keep, cut uint64, flags uint8, at rules.Position) {
	s.add(automaton.Pattern{Path: path, Label: automaton.None, Slot: automaton.None, Keep: keep, Cut: cut, Flags: flags}, at)
}

func (s *patternSet) label(l rules.LabelID, path rules.Path, at rules.Position) {
	s.add(automaton.Pattern{Path: path, Label: int(l), Slot: automaton.None}, at)
}

func (s *patternSet) labels(p *rules.Plan) {
	for i := range p.Labels {
		l := &p.Labels[i]
		for _, lp := range l.Paths {
			if lp.Source == rules.SourceBody {
				s.label(rules.LabelID(i), lp.Path, lp.Position)
			}
		}
	}
}

// items adds the places of a basket's items, lines and classifier fields. The
// members of a line are amounts, which decide only where totals are split.
func (s *patternSet) items(p *program) {
	b := p.basket
	if b == nil {
		return
	}
	s.slot(&b.Items, slotItems, true)
	for i, f := range p.classifier.Fields() {
		path := inItem(b, f)
		s.slot(&path, slotField+i, true)
	}
	if !p.splits {
		return
	}
	line := [lineSlots]*rules.Path{b.Line.Quantity, b.Line.UnitPrice, b.Line.Amount, b.Line.Discount, b.Line.Tax}
	for i, path := range line {
		if path != nil {
			full := inItem(b, *path)
			s.slot(&full, slotLineQuantity+i, true)
		}
	}
	s.slot(b.Currency, slotCurrency, true)
	s.slot(b.Totals.Subtotal, slotSubtotal, true)
	s.slot(b.Totals.Tax, slotTax, true)
	s.slot(b.Totals.Tip, slotTip, true)
	s.slot(b.Totals.Discount, slotDiscount, true)
	s.slot(b.Totals.Total, slotTotal, true)
}

// wheres adds the places that conditions look at, and returns the first of
// their slots.
func (s *patternSet) wheres(p *program, where []rules.Where) (first int) {
	first = p.slots
	for i := range where {
		s.slot(&where[i].Path, first+i, true)
	}
	p.slots += len(where)
	return first
}

// follows adds what a request says of the sale that it follows.
func (s *patternSet) follows(p *program, f *rules.Follows) {
	if f == nil {
		return
	}
	s.slot(&f.Key, slotFollows, true)
	if p.basket != nil {
		s.slot(f.Amount, slotAmount, true)
	}
	if f.Release != nil {
		p.releaseSlot = s.wheres(p, f.Release.Where)
	}
	if f.Cancel != nil {
		p.cancelSlot = s.wheres(p, f.Cancel.Where)
	}
}

// inItem returns a path relative to an item as a path of the body.
func inItem(b *rules.Basket, relative rules.Path) rules.Path {
	steps := append([]rules.Step(nil), b.Items.Steps...)
	steps = append(steps, rules.Step{Kind: rules.StepElement})
	return rules.Path{
		Source: b.Items.Source + ".#." + relative.Source,
		Steps:  append(steps, relative.Steps...),
	}
}

func (c *compiler) program(r *rules.Route, request bool) *program {
	e := c.engine
	p := &program{number: programs.Add(1), engine: e, route: r, request: request, destination: -1, basket: e.plan.Basket, classifier: e.classifier, slots: slotField, detectPAN: len(e.panLabels) > 0}
	if p.classifier != nil {
		p.fields = len(p.classifier.Fields())
		p.slots += p.fields
	}
	return p
}

// request compiles the bodies that come in on a route.
func (c *compiler) request(r *rules.Route) *program {
	p := c.program(r, true)
	for i := range r.Legs {
		p.strict = p.strict || needsItems(&r.Legs[i])
		p.splits = p.splits || r.Legs[i].Recompute && r.Legs[i].Items == rules.ItemsClass
	}
	p.splits = p.splits || p.sharesKept() || p.basket != nil && sharesAsked(r) || r.Follows != nil && r.Follows.Amount != nil && p.basket != nil
	var s patternSet
	s.labels(c.engine.plan)
	for i := range r.Legs {
		leg := &r.Legs[i]
		for _, path := range leg.Keep {
			s.mask(path, 1<<i, 0, 0, leg.Position)
		}
		for _, m := range leg.Set {
			s.mask(m.Path, 0, 1<<i, 0, m.Position)
		}
	}
	s.items(p)
	if r.Idempotency != nil {
		s.slot(r.Idempotency.Key, slotKey, true)
		for _, path := range r.Idempotency.Ignore {
			s.mask(path, 0, 0, flagIgnore, r.Position)
		}
	}
	s.slot(r.Subject, slotSubject, true)
	s.slot(r.Order, slotOrder, true)
	s.follows(p, r.Follows)
	for _, path := range r.Unlink {
		s.add(automaton.Pattern{Path: path, Label: automaton.None, Slot: automaton.None, Flags: flagUnlink, Decides: path.Exact()}, r.Position)
	}
	p.tokenSlot = p.slots
	for i := range r.Answer.Set {
		s.slot(r.Answer.Set[i].Token, p.slots+i, false)
	}
	p.slots += len(r.Answer.Set)
	s.formulas(p)
	c.build(p, &s)
	if p.table == nil {
		return p
	}
	for i := range r.Legs {
		leg := &r.Legs[i]
		party := p.newParty(c.engine.plan.Destinations[leg.Destination].Sees)
		party.destination, party.bit, party.keepAll, party.leg = leg.Destination, 1<<i, leg.KeepAll, leg
		party.setMembers(leg.Set)
		for j, f := range p.computed[i] {
			party.set[j].formula = f
		}
		p.bake(&party)
		p.parties = append(p.parties, party)
	}
	return p
}

// answer compiles the bodies that the route's primary answers.
func (c *compiler) answer(r *rules.Route) *program {
	e := c.engine
	p := c.program(r, false)
	primary := &r.Legs[r.Primary]
	p.destination = primary.Destination
	d := &e.plan.Destinations[primary.Destination]
	var s patternSet
	s.labels(e.plan)
	for _, l := range d.Response.Labels {
		s.label(l.Label, l.Path, d.Position)
	}
	for _, path := range d.Response.Keep {
		s.mask(path, 1, 0, 0, d.Position)
	}
	for _, m := range r.Answer.Set {
		s.mask(m.Path, 0, 1, 0, m.Position)
	}
	s.items(p)
	if primary.Success != nil {
		p.whereSlot = s.wheres(p, primary.Success.Where)
	}
	if primary.Pending != nil {
		p.pendingSlot = s.wheres(p, primary.Pending.Where)
	}
	c.build(p, &s)
	if p.table == nil {
		return p
	}
	add := func(sees rules.Clearance) {
		party := p.newParty(sees)
		party.keepAll = d.Response.KeepAll
		party.setMembers(r.Answer.Set)
		p.bake(&party)
		p.parties = append(p.parties, party)
	}
	add(nil)
	for i := range e.plan.Callers {
		add(e.plan.Callers[i].Sees)
	}
	return p
}

// forCards reports whether a label is for card numbers, and its tokens may be
// of digits.
func (e *Engine) forCards(label rules.LabelID) bool {
	l := &e.plan.Labels[label]
	return l.Format == rules.FormatPAN || l.Format == rules.FormatVaulted && l.Vaulted.Keep != rules.KeepNothing
}

// panOf returns the label of a set whose tokens may be digits.
func (e *Engine) panOf(set []automaton.LabelRef) rules.LabelID {
	for _, ref := range set {
		if e.forCards(rules.LabelID(ref.Label)) {
			return rules.LabelID(ref.Label)
		}
	}
	return rules.NoLabel
}

// isSAD reports whether a set has a label of the family sad.
func (e *Engine) isSAD(set []automaton.LabelRef) bool {
	for _, ref := range set {
		if e.plan.Labels[ref.Label].Family == e.sad {
			return true
		}
	}
	return false
}

// build makes the automaton, or reports why there is none.
func (c *compiler) build(p *program, s *patternSet) {
	labels := make([]automaton.Label, len(c.engine.plan.Labels))
	for i := range labels {
		l := &c.engine.plan.Labels[i]
		labels[i] = automaton.Label{Family: int(l.Family), Depth: l.Depth}
	}
	table, err := automaton.Build(s.patterns, labels, detect.SAD)
	var blowup *automaton.BlowupError
	switch {
	case errors.As(err, &blowup):
		at := s.positions[blowup.Pattern]
		path := s.patterns[blowup.Pattern].Path.Source
		c.report(at, "wildcard_blowup", fmt.Sprintf("the wildcards of %q need more than %d automaton states", path, blowup.States),
			"name the members instead of * between ** and the last step")
	case err != nil:
		c.report(p.route.Position, "route_too_large", fmt.Sprintf("route %q: %v", p.route.Name, err), "name fewer members in class rules, expressions, unlink, follows, success.where and pending.where")
	default:
		p.table, p.origins, p.stride = table, s.origins, 2*len(table.Sets)
		for _, set := range table.Sets {
			p.panSets = append(p.panSets, c.engine.panOf(set))
			p.sadSets = append(p.sadSets, c.engine.isSAD(set))
		}
		p.unrepeated = p.unrepeatable()
	}
}
