package rewrite

import (
	"unicode/utf8"

	"chaperone/rules"
	"chaperone/rules/reason"
)

// Text is a decided text outside of the body. Its zero value is a dropped one.
type Text struct {
	keep     bool
	text     []byte
	from, to int // of View.texts
}

// Dropped reports that the party does not get the text at all.
func (t Text) Dropped() bool { return !t.keep }

// DecideText decides what v's party may see of a query member, header (name in
// canonical MIME form) or path capture, after DecideLeg. The text is the
// decoded one. Labels by @query, @header and @path count, the detectors run,
// and tokens are recognized, as in a string of the body. The result is valid
// until v's next DecideLeg. The error is as DecideLeg's, or head_malformed
// where the text is not UTF-8.
func (v *View) DecideText(src rules.Source, name string, text []byte) (Text, *reason.Error) {
	if !utf8.Valid(text) {
		return Text{}, refuse(reason.HeadMalformed, -1, "a text is not UTF-8")
	}
	m := v.m
	e := m.prog.engine
	text = m.arena.copy(text)
	at := e.text(src, name)
	x := value{raw: text, end: uint32(len(text)), outside: true, set: at, pan: e.texts[at].pan}
	for _, ref := range e.texts[at].refs {
		x.form = max(x.form, v.party.sees.Of(rules.LabelID(ref.Label)))
	}
	spans := m.detectText(name, text)
	x.spans = m.spans[spans:]
	mark := len(v.edits)
	alive, err := v.value(&x)
	out := Text{keep: alive && err == nil, text: text, from: len(v.texts)}
	if out.keep {
		v.texts = append(v.texts, v.edits[mark:]...)
	}
	out.to = len(v.texts)
	v.edits = v.edits[:mark]
	clear(m.spans[spans:])
	m.spans = m.spans[:spans]
	return out, err
}

// detectText runs the detectors over a text outside of the body. What they find
// are the message's spans from the returned index on, which the caller removes.
func (m *Message) detectText(name string, text []byte) (from int) {
	e := m.prog.engine
	from = len(m.spans)
	m.find(text, len(e.panLabels) > 0, true)
	for i := range m.found {
		s := m.newSpan(&m.found[i], text)
		s.start, s.end = uint32(m.found[i].Start), uint32(m.found[i].End)
		m.spans = append(m.spans, s)
	}
	if e.detectors != 0 {
		m.identifyText(name, text, from)
	}
	return from
}

// AppendText appends the decided text to dst, unescaped, when the operations
// are resolved. The error is as Render's.
func (v *View) AppendText(dst []byte, t Text) ([]byte, *reason.Error) {
	if !t.keep {
		return dst, nil
	}
	edits := v.texts[t.from:t.to]
	if err := v.resolved(edits); err != nil {
		return dst, err
	}
	return v.splice(dst, t.text, edits), nil
}
