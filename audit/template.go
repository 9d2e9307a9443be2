package audit

// Template is a decision as a policy makes it, however often: what is to be
// known of it to write it in an entry is looked up once. It is never changed:
// safe for concurrent use.
type Template struct {
	decision Decision
	names    *Names // among which all of its names are; nil: not all
	spread   uint64 // a hash of it

	// If names is not nil:
	head                            byte // all but what depends on the decision before
	form                            byte
	rule, label, class, to, pattern int // symbols; noSymbol: none, or the rule follows
}

// Prepared is a decision of an entry that is about to be written.
type Prepared struct {
	Template *Template
	Count    int
}

// Template returns the template of a decision, whose count is not looked at. It
// serves entries that are written with other names as well, at a higher price.
func (n *Names) Template(d Decision) *Template {
	d.Count = 0
	t := &Template{decision: d, form: formOf(d.Form)}
	for _, text := range [...]Name{d.Rule, d.Pattern, d.Label, d.Class, d.Form, d.To} {
		t.spread = (t.spread ^ spread(text)) * much
	}
	all := true
	symbol := func(text Name, bit byte) int {
		if text == "" {
			return noSymbol
		}
		s := n.find(text)
		all = all && s != noSymbol
		t.head |= bit
		return s
	}
	t.label, t.class, t.to = symbol(d.Label, labelSame), symbol(d.Class, classSame), symbol(d.To, 0)
	t.pattern, t.rule = symbol(d.Pattern, patternHas), noSymbol
	rule := ruleOf(d.Rule, &decided{label: found{text: d.Label}, class: found{text: d.Class}})
	if t.head |= rule; rule == ruleName {
		t.rule = symbol(d.Rule, 0)
	}
	if all && t.to != noSymbol && t.form != formName && (rule != ruleName || t.rule != noSymbol) {
		t.names = n
	}
	return t
}

// Decision returns the decision of a template, without a count.
func (t *Template) Decision() Decision { return t.decision }

// To returns whom the decision is about.
func (t *Template) To() Name { return t.decision.To }

// prepared is decision for a template whose names are the encoder's.
func (w *encoder) prepared(t *Template, count int, before *decided) {
	d, head := &t.decision, t.head
	if before.label.replaced(t.label, d.Label) && d.Label != "" {
		head ^= labelSame | labelName
	}
	if before.class.replaced(t.class, d.Class) && d.Class != "" {
		head ^= classSame | className
	}
	if before.to.replaced(t.to, d.To) {
		head |= toName
	}
	w.b = append(w.b, head, t.form|countOf(count)<<countShift)
	if t.rule != noSymbol {
		w.put(found{symbol: t.rule})
	}
	w.named(head, before)
	if t.pattern != noSymbol {
		w.put(found{symbol: t.pattern})
	}
	w.countMore(count)
}

// replaced takes a name in place of the one before, and reports whether it is
// another one.
func (f *found) replaced(symbol int, text Name) bool {
	if symbol == f.symbol && symbol != noSymbol || text == f.text {
		return false
	}
	*f = found{text, symbol}
	return true
}
