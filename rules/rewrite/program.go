package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/basket"
	"chaperone/rules/rewrite/automaton"
)

// The slots: places of a body whose value the engine itself needs. Those of a
// line item are relative to the item that is being read.
const (
	slotItems = iota
	slotKey
	slotSubject
	slotOrder
	slotFollows
	slotAmount
	slotCurrency
	slotSubtotal
	slotTax
	slotTip
	slotDiscount
	slotTotal
	slotLineQuantity
	slotLineUnitPrice
	slotLineAmount
	slotLineDiscount
	slotLineTax
	slotField // and following: the classifier's fields
)

// lineSlots is the number of amounts that a line item may have.
const lineSlots = slotField - slotLineQuantity

// Flags of automaton states.
const (
	flagUnlink = 1 << iota // each destination gets its own alias
	flagIgnore             // idempotency passes it over
)

// maxParties is the number of legs that keep and cut masks have bits for.
const maxParties = 64

// program is what one route knows of the bodies of one direction. It is
// immutable.
type program struct {
	number      uint64 // which no other program has
	engine      *Engine
	route       *rules.Route
	request     bool
	destination int // whose answer it is; -1 for a request
	table       *automaton.Table
	origins     []string // by pattern of the automaton: as the policy has it
	parties     []party  // legs; for an answer: anonymous, then the callers
	stride      int      // forms of one class in a party's table

	basket     *rules.Basket      // nil: bodies have no line items
	classifier *basket.Classifier // nil likewise
	fields     int                // its fields, in slots from slotField on
	panSets    []rules.LabelID    // by set: its label of token format pan, or NoLabel
	sadSets    []bool             // by set: it has a label of the family sad
	unrepeated []bool             // by automaton state: see unrepeatable
	detectPAN  bool               // some label asks for card numbers
	strict     bool               // the route has item legs
	splits     bool               // a basket's totals are split over its items
	slots      int                // all of them
	tokenSlot  int                // first of answer.set's tokens, in a request
	whereSlot  int                // first of success.where's values, in an answer

	asks       bool         // an expression of a leg asks something of the request
	formulas   []*formula   // all of them
	conditions []*formula   // by leg; nil: it has none
	computed   [][]*formula // by leg, by member that is set; nil: a constant

	releaseSlot, cancelSlot int // first of the values of follows.release and cancel, in a request
	pendingSlot             int // first of pending.where's values, in an answer
}

// party is one receiver's view of the automaton's states.
type party struct {
	sees        rules.Clearance
	destination int    // -1 for a caller
	bit         uint64 // in keep and cut masks
	keepAll     bool
	forms       []rules.Form // by class × stride + set × 2 + sad
	actions     []action     // by class × states + automaton state
	states      int
	pan         rules.Form // of a detected card number
	panLabel    rules.LabelID
	ids         []idForm // by detector; nil where the policy has none of identifiers
	set         []setMember
	leg         *rules.Leg // nil for a caller
	choices     *choices   // as they were asked for
}

// detects says which detectors the plan's labels ask for.
func detectsPAN(l *rules.Label) bool {
	for _, d := range l.Detect {
		if d == "pan" {
			return true
		}
	}
	return false
}

// form returns what a party's clearance makes of a set of labels, a class and
// the sad flag together: the strictest.
func (e *Engine) form(sees rules.Clearance, set []automaton.LabelRef, class rules.ClassID, sad bool) rules.Form {
	form := rules.Plain
	for _, ref := range set {
		form = max(form, sees.Of(rules.LabelID(ref.Label)))
	}
	if l := e.classLabel(class); l != rules.NoLabel {
		form = max(form, sees.Of(l))
	}
	if sad {
		form = max(form, sees.Of(e.sad))
	}
	return form
}

// classLabel returns the label of a class, NoLabel for none.
func (e *Engine) classLabel(class rules.ClassID) rules.LabelID {
	if class == rules.NoClass || e.plan.Basket == nil {
		return rules.NoLabel
	}
	return e.plan.Basket.Classes[class-1].Label
}

// newParty bakes a clearance into a table over the automaton's label sets.
func (p *program) newParty(sees rules.Clearance) party {
	classes := 1
	if p.basket != nil {
		classes += len(p.basket.Classes)
	}
	out := party{sees: sees, destination: -1, bit: 1, panLabel: rules.NoLabel, choices: new(choices), forms: make([]rules.Form, classes*p.stride)}
	for c := range classes {
		for s, set := range p.table.Sets {
			at := c*p.stride + s*2
			out.forms[at] = p.engine.form(sees, set, rules.ClassID(c), false)
			out.forms[at+1] = p.engine.form(sees, set, rules.ClassID(c), true)
		}
	}
	for _, l := range p.engine.panLabels {
		if f := sees.Of(l); out.panLabel == rules.NoLabel || f > out.pan {
			out.pan, out.panLabel = f, l
		}
	}
	out.ids = p.engine.idForms(sees)
	return out
}

// action is what a walk does with a value of some automaton state, in an item
// of some class, if the scan noted nothing about it. It says of most values all
// that View.leaf would.
type action uint8

const (
	actKeep   action = 0      // it stays as it is
	actCut    action = 1 << 0 // it goes
	actAsk    action = 1 << 1 // edits, tokens or totals may concern it
	actCount  action = 1 << 2 // of a leaf: it is labelled, which is to be recorded
	actUnkept action = 1 << 3 // likewise: it goes because the leg does not list it
	actWhole  action = 1 << 4 // all that may be under it stays with it, or goes with it
	actQuiet  action = 1 << 5 // and nothing of it is to be recorded
)

// bake fills a party's actions, when all else of it is known.
func (p *program) bake(out *party) {
	states := p.table.States
	out.states = len(states)
	out.actions = make([]action, 0, len(out.forms)/p.stride*len(states))
	for first := 0; first < len(out.forms); first += p.stride {
		from := len(out.actions)
		for i := range states {
			out.actions = append(out.actions, p.action(out, first, &states[i]))
		}
		p.settle(out.actions[from:])
	}
}

// settle adds actWhole and actQuiet to the actions in items of one class.
func (p *program) settle(actions []action) {
	ok := make([]bool, len(actions))
	within := func(mask, want, add action) {
		for i, a := range actions {
			ok[i] = a&mask == want
		}
		p.table.Within(ok)
		for i := range actions {
			if ok[i] {
				actions[i] |= add
			}
		}
	}
	within(actAsk|actCut, actCut, actWhole)
	within(actAsk|actCut, actKeep, actWhole)
	within(actAsk|actCount, 0, actQuiet)
}

// action returns what to do in the class whose forms begin at first.
func (p *program) action(out *party, first int, st *automaton.State) action {
	if st.Cut&out.bit != 0 {
		return actCut
	}
	for _, slot := range p.table.Slots[st.Slots] {
		if out.leg != nil && (slot == slotItems || slot == slotAmount || out.leg.Recompute && slot >= slotSubtotal && slot <= slotTotal) {
			return actAsk
		}
	}
	count := actKeep
	if st.Set != 0 {
		count = actCount
	}
	form := out.forms[first+int(st.Set<<1)]
	switch {
	case !out.keepAll && st.Keep&out.bit == 0:
		return actCut | count | count<<1 // actUnkept, where it counts
	case st.Flags&flagUnlink != 0 || p.panSets[st.Set] != rules.NoLabel:
		return actAsk
	case form == rules.Plain:
		return actKeep | count
	case form == rules.Drop:
		return actCut | count
	}
	return actAsk
}

// actionsOf returns the actions in an item of a class, by automaton state.
func (p *party) actionsOf(class rules.ClassID) []action {
	return p.actions[int(class)*p.states:][:p.states]
}

// needsItems reports whether a leg asks for line items of a class.
func needsItems(l *rules.Leg) bool { return l.Items == rules.ItemsClass || l.Recompute }
