package rewrite

import (
	"bytes"

	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite/automaton"
)

// value is one leaf, or a text outside of the body, that a form is applied to.
type value struct {
	raw     []byte // the JSON literal; outside of a body the text
	start   uint32 // what is replaced
	end     uint32
	kind    byte   // first byte of the literal; 0 outside of a body
	outside bool   // it is no part of a body
	node    *node  // nil where raw is not what stands in the body
	set     uint32 // of labels, with the sad flag; outside, index of Engine.texts
	class   rules.ClassID
	pan     rules.LabelID // the label of token format pan that its place has, or NoLabel
	spans   []span        // of the value alone
	form    rules.Form    // by its place
	unlink  bool
}

func (x *value) number() bool { return x.kind == '-' || x.kind-'0' <= 9 }

// style is how an operation's result stands for the whole value.
func (x *value) style() style {
	switch {
	case x.outside:
		return styleText
	case x.number():
		return styleNumber
	}
	return styleString
}

// leaf decides a leaf or an empty container. It reports whether it stays.
func (v *View) leaf(cur *visit, i uint32, n *node, st *automaton.State) (bool, *reason.Error) {
	p, prog := v.party, v.m.prog
	class, item := cur.class, -1
	if cur.items {
		item = v.itemOf(i)
		class = v.m.items[item].class
	}
	var spans []span
	if n.state&stateSpans != 0 {
		spans = v.spansOf(i)
	}
	alive, err := false, (*reason.Error)(nil)
	set := n.state.set(st)
	switch {
	case st.Cut&p.bit != 0:
	case item >= 0 && p.leg != nil && p.leg.Items == rules.ItemsClass && class != p.leg.Class:
	case p.leg != nil && p.leg.Items == rules.ItemsNone && st.Slots != 0 && v.m.slots[slotItems] == i+1 && v.m.body[n.start] == '[':
	case !v.kept(st):
		v.tallyKeep(set, class, spans)
	default:
		if alive, err = v.name(class, spans, true); err != nil || !alive {
			break
		}
		for len(spans) > 0 && spans[0].name {
			spans = spans[1:]
		}
		x := value{
			raw: v.m.raw(n), start: n.start, end: n.end, kind: v.m.body[n.start], node: n,
			set: set, class: class, pan: prog.panSets[st.Set], spans: spans,
			form: p.forms[uint32(class)*uint32(prog.stride)+set], unlink: st.Flags&flagUnlink != 0,
		}
		if v.amounts != 0 && st.Slots != 0 && x.form == rules.Plain && !x.unlink {
			if done, stays := v.ownAmount(i, n); done {
				if alive = stays; !stays {
					x.form = rules.Drop
				}
				v.tallyPlace(&x, x.form)
				break
			}
		}
		alive, err = v.value(&x)
	}
	if item >= 0 && err == nil {
		v.tallyItem(item, alive)
	}
	return alive, err
}

// value applies forms to a value, in this order: what its place says, what an
// arriving token says, what the detectors found.
func (v *View) value(x *value) (bool, *reason.Error) {
	if x.unlink {
		x.form = max(x.form, rules.Alias)
	}
	switch x.kind {
	case '{', '[', 'n': // empty, or null: there is nothing to hide but that it is there
		v.tallyPlace(x, x.form)
		return x.form < rules.Drop, nil
	}
	if v.unalias && bytes.HasPrefix(x.raw, []byte(`"al_`)) {
		if done, alive, err := v.unaliased(x); done {
			return alive, err
		}
	}
	if x.pan != rules.NoLabel {
		if token := v.panToken(x); token != nil {
			return v.arrived(x, token, v.m.prog.engine.plan.Labels[x.pan].Format, x.pan)
		}
	}
	if len(x.spans) == 1 && x.spans[0].token() && x.spans[0].whole {
		s := &x.spans[0]
		form, label, err := v.spanForm(s)
		if err != nil {
			return false, err
		}
		if label != rules.NoLabel {
			if x.form = max(x.form, form); x.form == rules.Generalize {
				x.form = rules.Drop
			}
			v.tallySpan(s, x.pan, x.class, x.form)
			return v.arrived(x, s.text, s.format(), label)
		}
	}
	return v.ordinary(x)
}

// ordinary decides a value that is no token.
func (v *View) ordinary(x *value) (bool, *reason.Error) {
	if x.form == rules.Plain && !(x.number() && len(x.spans) > 0) {
		v.tallyPlace(x, rules.Plain)
		for i := range x.spans {
			s := &x.spans[i]
			form, label, err := v.spanForm(s)
			if err != nil {
				return false, err
			}
			form = v.coarserPart(s, form, label, x.class)
			v.tallySpan(s, x.pan, x.class, form)
			if form == rules.Block {
				return false, v.blocked(label, "", int(s.start))
			}
			v.part(s, form, label, x.class)
		}
		return true, nil
	}
	form, label := x.form, v.deciding(x)
	for i := range x.spans {
		f, l, err := v.spanForm(&x.spans[i])
		if err != nil {
			return false, err
		}
		if f > form || label == rules.NoLabel && f == form && !x.unlink {
			form, label = f, l
		}
	}
	coarser := form == rules.Generalize && v.coarser(x)
	if form == rules.Generalize && !coarser {
		form = rules.Drop
	}
	x.form = form
	v.tallyPlace(x, form)
	for i := range x.spans {
		v.tallySpan(&x.spans[i], x.pan, x.class, form)
	}
	if coarser {
		return true, nil
	}
	return v.whole(x, label)
}

// deciding returns the label whose form the value has by its place: the first
// of its set, then authentication data, then the class. It is NoLabel where
// none of them but unlink decides.
func (v *View) deciding(x *value) rules.LabelID {
	p, e := v.party, v.m.prog.engine
	refs := v.m.prog.table.Sets[x.set>>1]
	if x.outside {
		refs = e.texts[x.set].refs
	}
	for _, ref := range refs {
		if l := rules.LabelID(ref.Label); p.sees.Of(l) == x.form {
			return l
		}
	}
	if x.outside {
		return rules.NoLabel
	}
	if state(x.set)&stateSAD != 0 && p.sees.Of(e.sad) == x.form {
		return e.sad
	}
	if l := e.classLabel(x.class); l != rules.NoLabel && p.sees.Of(l) == x.form {
		return l
	}
	return rules.NoLabel
}

// whole applies a form to a whole value under a label.
func (v *View) whole(x *value, label rules.LabelID) (bool, *reason.Error) {
	m := v.m
	switch x.form {
	case rules.Plain:
		return true, nil
	case rules.Alias:
		if v.party.destination < 0 {
			return true, nil // a caller has no aliases of its own
		}
		v.putOp(x.start, x.end, m.op(TokenOp{
			Kind: Alias, Format: rules.FormatAlias, Label: label, Destination: v.party.destination,
			Raw: m.valueText(x), literal: x.raw, card: holdsCard(x.spans), found: foundBy(x.spans),
		}), x.alwaysString())
		return true, nil
	case rules.Token:
		v.putOp(x.start, x.end, m.op(m.mint(x, label)), x.style())
		return true, nil
	case rules.Mask:
		v.mask(x, label)
		return true, nil
	case rules.Block:
		return false, v.blocked(label, v.pattern(x, label), int(x.start))
	}
	return false, nil
}

func (x *value) alwaysString() style {
	if x.outside {
		return styleText
	}
	return styleString
}

func holdsCard(spans []span) bool {
	for i := range spans {
		if spans[i].hasCard() {
			return true
		}
	}
	return false
}

// mint returns the operation for the token of a value: of format pan for a
// card number that the format can carry, of digits for one whose vaulted token
// is of digits, else an id.
func (m *Message) mint(x *value, label rules.LabelID) TokenOp {
	op := TokenOp{Kind: Mint, Format: rules.FormatSealed, Label: label, Destination: -1, Raw: x.raw, Fragment: x.outside}
	if label == rules.NoLabel {
		return op
	}
	l := &m.prog.engine.plan.Labels[label]
	switch l.Format {
	case rules.FormatPAN:
		if digits := m.cardDigits(x); mintable(digits, x.foundCard()) {
			op.Format, op.Raw, op.Fragment = rules.FormatPAN, m.arena.copy(digits), false
		}
	case rules.FormatVaulted:
		op.Format = rules.FormatVaulted
		if l.Vaulted.Keep == rules.KeepNothing {
			break
		}
		if digits := m.cardDigits(x); detect.IsPAN(digits) {
			op.Card, op.Raw, op.Fragment = true, m.arena.copy(digits), false
		}
	}
	return op
}

// mintable reports whether digits are a card number that a token of format pan
// can stand for. Those of other first digits are sealed, and so are those that
// fail Luhn (some of UnionPay's, which begin with 62): the format makes the Luhn
// digit anew when it reveals, and cannot carry a wrong one. found says that a
// detector took the digits for a card number.
func mintable(digits []byte, found bool) bool {
	if len(digits) < minSpan || digits[0] < '2' || digits[0] > '6' {
		return false
	}
	return found && !bytes.HasPrefix(digits, []byte("62")) || detect.IsLuhnPAN(digits)
}

// foundCard reports whether the whole value is a card number by a detector.
func (x *value) foundCard() bool {
	return len(x.spans) == 1 && x.spans[0].kind == spanPAN && x.spans[0].whole
}

// cardDigits returns the digits of a value that is nothing but a number as
// cards have them, valid until the next call; nil for any other value.
func (m *Message) cardDigits(x *value) []byte {
	ok := false
	switch {
	case x.kind == '"' && x.foundCard():
		return x.spans[0].text // what the detector read already
	case x.kind == '"':
		m.digits, ok = detect.CompactDigits(m.digits[:0], m.valueText(x))
	case x.outside:
		m.digits, ok = detect.CompactDigits(m.digits[:0], x.raw)
	case x.number():
		m.digits, ok = integer(m.digits[:0], x.raw)
	}
	if !ok {
		return nil
	}
	return m.digits
}

// valueText returns the decoded text of a string, and the literal of any other
// value.
func (m *Message) valueText(x *value) []byte {
	if x.kind == '"' && x.node != nil {
		return m.textOf(x.node)
	}
	return x.raw
}

// panToken returns the digits of a token that stands where cards do. They are
// valid until the next call of cardDigits. It is nil where the value is none.
func (v *View) panToken(x *value) []byte {
	if len(x.raw) < minSpan {
		return nil
	}
	if digits := v.m.cardDigits(x); v.m.prog.engine.digitToken(x.pan, digits) {
		return digits
	}
	return nil
}

// digitToken reports whether digits have the shape of a token of a label. The
// store knows which of them are tokens; whatever has the shape of one and is
// none refuses the request, so the shape is as narrow as the format allows. A
// label whose tokens are vaulted may have had the format pan before.
func (e *Engine) digitToken(label rules.LabelID, digits []byte) bool {
	l := &e.plan.Labels[label]
	if isPANToken(digits) {
		return true
	}
	if l.Format != rules.FormatVaulted || len(digits) < minSpan || len(digits) > 19 {
		return false
	}
	switch {
	case l.Vaulted.Keep == rules.KeepNothing:
		return false
	case l.Vaulted.Luhn:
		return bytes.HasPrefix(digits, []byte(nobodysPrefix)) && detect.Luhn(digits)
	}
	return l.Vaulted.Keep == rules.KeepBIN6Last4 && !detect.Luhn(digits) && !detect.IsPAN(digits)
}

// nobodysPrefix begins the vaulted tokens that satisfy Luhn: telecommunications
// (89) of a country code that is given to nobody (999). package vault has the
// same.
const nobodysPrefix = "89999"

func isPANToken(digits []byte) bool {
	if len(digits) < 12 || len(digits) > 19 {
		return false
	}
	c := digits[0]
	return (c == '1' || c == '7' || c == '8') && !detect.Luhn(digits)
}

// arrived decides a value that is a token already, under the form that its
// place and its own label have.
func (v *View) arrived(x *value, token []byte, format rules.TokenFormat, label rules.LabelID) (bool, *reason.Error) {
	m := v.m
	if x.form == rules.Generalize {
		x.form = rules.Drop // what it stands for is not known here
	}
	v.tallyPlace(x, x.form)
	op := TokenOp{Kind: Reveal, Format: format, Label: label, Destination: -1}
	switch x.form {
	case rules.Plain:
		op.Raw = m.arena.copy(token)
		v.putOp(x.start, x.end, m.op(op), x.style())
		return true, nil
	case rules.Token:
		if m.prog.request {
			op.Kind, op.Raw = Known, m.arena.copy(token)
			v.uses = append(v.uses, m.op(op))
		}
		return true, nil
	case rules.Mask:
		if format == rules.FormatPAN || format == rules.FormatVaulted && token[0]-'0' <= 9 {
			v.putMask(x, token)
			return true, nil
		}
	}
	if l := v.deciding(x); l != rules.NoLabel {
		label = l
	}
	return v.whole(x, label)
}

// mask replaces a value: a card number by all but its last four digits, what
// is not one but stands where cards do by eight stars, anything else by four.
func (v *View) mask(x *value, label rules.LabelID) {
	if label == rules.NoLabel || !v.m.prog.engine.forCards(label) {
		v.putStars(x, 4)
		return
	}
	if digits := v.m.cardDigits(x); detect.IsPAN(digits) {
		v.putMask(x, digits)
		return
	}
	v.putStars(x, 8)
}

func (v *View) putStars(x *value, n int) {
	from := v.quote(x)
	for range n {
		v.text = append(v.text, '*')
	}
	v.unquote(x, from)
}

func (v *View) putMask(x *value, digits []byte) {
	from := v.quote(x)
	v.text = appendMask(v.text, digits)
	v.unquote(x, from)
}

func (v *View) quote(x *value) (from int) {
	from = len(v.text)
	if !x.outside {
		v.text = append(v.text, '"')
	}
	return from
}

func (v *View) unquote(x *value, from int) {
	if !x.outside {
		v.text = append(v.text, '"')
	}
	v.put(x.start, x.end, from)
}

// appendMask appends a card number with stars for all but its last four digits
// (PCI DSS 3.4.1).
func appendMask(dst, digits []byte) []byte {
	hidden := max(0, len(digits)-4)
	for range hidden {
		dst = append(dst, '*')
	}
	return append(dst, digits[hidden:]...)
}

// part applies a form to a span within a string or a name.
func (v *View) part(s *span, form rules.Form, label rules.LabelID, class rules.ClassID) {
	m := v.m
	switch form {
	case rules.Generalize:
		from := len(v.text)
		v.appendPart(s, label, class)
		v.put(s.start, s.end, from)
	case rules.Plain:
		if s.token() && label != rules.NoLabel {
			v.putOp(s.start, s.end, m.op(TokenOp{Kind: Reveal, Format: s.format(), Label: label, Destination: -1, Raw: s.text}), stylePart)
		}
	case rules.Alias:
		v.putOp(s.start, s.end, m.op(TokenOp{
			Kind: Alias, Format: rules.FormatAlias, Label: label, Destination: v.party.destination, Raw: s.text, card: s.hasCard(), found: s.found,
		}), stylePart)
	case rules.Token:
		v.partToken(s, label)
	case rules.Mask:
		from := len(v.text)
		if s.kind == spanPAN && label == v.party.panLabel {
			v.text = appendMask(v.text, s.text)
		} else {
			v.text = append(v.text, "****"...)
		}
		v.put(s.start, s.end, from)
	default:
		from := len(v.text)
		v.text = append(v.text, v.marker(s, label)...)
		v.put(s.start, s.end, from)
	}
}

func (v *View) partToken(s *span, label rules.LabelID) {
	m := v.m
	if s.token() {
		if m.prog.request {
			v.uses = append(v.uses, m.op(TokenOp{Kind: Known, Format: s.format(), Label: label, Destination: -1, Raw: s.text}))
		}
		return
	}
	op := TokenOp{Kind: Mint, Format: rules.FormatSealed, Label: label, Destination: -1, Raw: s.text, Fragment: true}
	switch format := m.prog.engine.plan.Labels[label].Format; {
	case format == rules.FormatPAN && mintable(s.text, true):
		op.Format, op.Fragment = rules.FormatPAN, false
	case format == rules.FormatVaulted:
		// Always an id: digits in the midst of a text are not found again.
		op.Format = rules.FormatVaulted
	}
	v.putOp(s.start, s.end, m.op(op), stylePart)
}
