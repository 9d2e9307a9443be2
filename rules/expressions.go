package rules

import (
	"fmt"
	"slices"

	"chaperone/rules/expression"
	"chaperone/rules/yamlfile"
)

// Expression is a condition or a computed value, compiled.
type Expression struct {
	Program *expression.Program
	// Paths are those of the Program's reads that look into the body, by their
	// index; nil for the others. All are exact.
	Paths []*Path
	// Classes are the classes of the reads that name one, likewise.
	Classes []ClassID
	// Labels are those of all values that may flow into the result, each once.
	Labels   []LabelID
	Position Position
}

// String returns the expression as it was written, on one line.
func (x *Expression) String() string { return x.Program.String() }

// computeKey is the key of a computed value in set.
const computeKey = "compute"

// computeOf recognizes {compute: EXPRESSION}.
func computeOf(n yamlfile.Node) (yamlfile.Node, bool) {
	if n.Kind() != yamlfile.Mapping {
		return yamlfile.Node{}, false
	}
	m := n.Map()
	compute := m.Get(computeKey)
	return compute, compute.Written() && len(m.Entries()) == 1
}

// readExpressions compiles the expressions of all legs, now that all names are
// known that they may use.
func (l *loader) readExpressions() {
	for i := range l.plan.Routes {
		r, nodes := &l.plan.Routes[i], &l.routes[i]
		for j := range r.Legs {
			leg, ln := &r.Legs[j], &nodes.legs[j]
			words := l.vocabulary(r, nodes, leg)
			if ln.when.Written() {
				leg.When = l.condition(ln.when, r, leg, words)
			}
			for k, sn := range ln.set {
				if sn.compute.Written() {
					leg.Set[k].Compute = l.computed(sn.compute, r, leg, k, words)
				}
			}
		}
	}
}

// vocabulary is the names that an expression of a leg may use.
func (l *loader) vocabulary(r *Route, nodes *routeNodes, leg *Leg) *expression.Words {
	w := &expression.Words{Method: r.Method, Route: r.Name, Headers: leg.ForwardHeaders, Query: leg.ForwardQuery, Suggest: yamlfile.Suggest}
	for i := range l.plan.Callers {
		w.Callers = append(w.Callers, l.plan.Callers[i].Name)
	}
	w.Amount = r.Follows != nil && nodes.follows.amount.Written()
	b := l.plan.Basket
	if b == nil {
		return w
	}
	w.Basket, w.Classes, w.Minor = true, l.classNames(), b.Units == UnitsMinor
	w.Currency, w.Fixed, w.Shares = b.Currency != nil, b.Fixed, l.basket.line.Written()
	for i, name := range expression.TotalNames {
		if b.Totals.all()[i] != nil {
			w.Totals = append(w.Totals, name)
		}
	}
	return w
}

// all returns the paths in the order of expression.TotalNames.
func (t *TotalPaths) all() [5]*Path {
	return [5]*Path{t.Subtotal, t.Tax, t.Tip, t.Discount, t.Total}
}

// TotalPath returns the path of a basket's total by its name in expressions.
func (b *Basket) TotalPath(name string) *Path {
	return b.Totals.all()[slices.Index(expression.TotalNames, name)]
}

// condition reads when.
func (l *loader) condition(n yamlfile.Node, r *Route, leg *Leg, words *expression.Words) *Expression {
	if leg.Primary {
		n.Fail("when_on_primary", "the primary is always called: its answer decides the request, and is the caller's", "write the condition on another leg, or a route of its own for such requests")
		return nil
	}
	x := l.expression(n, []expression.Type{expression.Flag}, words, &flow{route: r, leg: leg})
	if x == nil {
		return nil
	}
	if x.Program.Constant() {
		n.Warn("expression_constant", "the condition looks at nothing of the request, so it is always the same", "remove it, or remove the leg")
	}
	return x
}

// computed reads {compute: …}.
func (l *loader) computed(n yamlfile.Node, r *Route, leg *Leg, member int, words *expression.Words) *Expression {
	x := l.expression(n, []expression.Type{expression.Text, expression.Number, expression.Money, expression.Flag}, words, &flow{route: r, leg: leg, member: leg.Set[member].Path.Source})
	if x == nil {
		return nil
	}
	if x.Program.Constant() {
		n.Warn("expression_constant", "the value looks at nothing of the request, so it is always the same", "write it as a constant")
	}
	whole := slices.ContainsFunc(x.Program.Reads, func(r expression.Read) bool { return r.Kind == expression.Total })
	if whole && leg.Items == ItemsClass {
		n.Warn("totals_not_recomputed", "the leg carries some of the items, and the value is computed from the totals of all", `name the class, as in total("retail")`)
	}
	return x
}

// expression compiles a text, and holds what it reads against what the leg's
// destination may see.
func (l *loader) expression(n yamlfile.Node, wants []expression.Type, words *expression.Words, to *flow) *Expression {
	text, ok := n.Text()
	if !ok {
		return nil
	}
	program, reads, problems := expression.Compile(text, wants, words)
	for _, p := range problems {
		l.failAt(n.PositionIn(p.At), p.Code, p.Message, p.Hint)
	}
	x := &Expression{Program: program, Position: n.Position(), Paths: make([]*Path, len(reads)), Classes: make([]ClassID, len(reads))}
	to.x, to.reads = x, reads
	good := program != nil
	for i, r := range reads {
		at := n.PositionIn(r.At)
		to.where = append(to.where, at)
		x.Classes[i] = ClassID(slices.Index(words.Classes, r.Class) + 1)
		switch b := l.plan.Basket; r.Kind {
		case expression.Total:
			x.Paths[i] = b.TotalPath(r.Name)
		case expression.Currency:
			if b != nil {
				x.Paths[i] = b.Currency
			}
		case expression.Amount:
			if f := to.route.Follows; f != nil {
				x.Paths[i] = f.Amount
			}
		default:
			if r.Kind.OfBody() {
				x.Paths[i] = l.expressionPath(at, r.Name)
				good = good && x.Paths[i] != nil
			}
		}
	}
	l.checkFlow(to)
	if !good {
		return nil
	}
	return x
}

// expressionPath reads a path within an expression. It names one place of the
// body, outside of the line items.
func (l *loader) expressionPath(at Position, text string) *Path {
	p, err := ParsePath(text)
	switch b := l.plan.Basket; {
	case err != nil:
		l.failAt(at, "bad_path", fmt.Sprintf("%q is not a path: %s", text, err), "write member names with dots between, as in payment.method")
		return nil
	case !p.Exact():
		l.failAt(at, "path_not_exact", fmt.Sprintf("an expression reads one place, and %q is a pattern", text), "write the path without #, * and **")
		return nil
	case b != nil && b.Items.Source != "":
		if _, under := matchExact(b.Items.Steps, p.Steps); under {
			l.failAt(at, "expression_items", fmt.Sprintf("%q lies in the line items, which an expression counts and does not read", text), `write count("…"), total("…") or "…" in classes, and let the classes say which items are meant`)
			return nil
		}
	}
	return &p
}
