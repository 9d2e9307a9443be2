package ruletest

import (
	"net/textproto"

	"chaperone/rules/yamlfile"
)

// OutcomeRefused is the outcome of a request that nothing was sent for.
const OutcomeRefused = "refused"

// notCalled is written in place of what is expected of a call.
const notCalled = "not_called"

func (r *reader) expect(n yamlfile.Node) Expect {
	x := Expect{At: n.Position()}
	if !n.Written() {
		return x
	}
	m := n.Map()
	if s := m.Get("status"); s.Written() {
		x.Status, x.StatusAt = int(s.Whole()), s.Position()
	}
	x.Outcome = r.word(m.Get("outcome"))
	x.Code = r.word(m.Get("code"))
	x.Legs = r.perLeg(m.Get("legs"), r.text)
	x.Later = r.perLeg(m.Get("later"), r.word)
	x.Calls = r.calls(m.Get("calls"))
	if a := m.Get("answer"); a.Written() {
		x.Answer = r.message(a, false)
	}
	if d := m.Get("decisions"); d.Written() {
		for _, item := range d.Items() {
			x.Decisions = append(x.Decisions, r.decision(item))
		}
	}
	m.Done(yamlfile.Hint{Key: "body", Text: "write answer: {body: …} for the answer, calls: {NAME: {body: …}} for a call"})
	if m.Present() && len(m.Entries()) == 0 {
		n.Fail("expects_nothing", n.Name()+" is empty", "say what must come of it: status, calls, answer, decisions")
	}
	return x
}

// perLeg reads what is expected of each leg.
func (r *reader) perLeg(n yamlfile.Node, read func(yamlfile.Node) Text) []Field {
	if !n.Written() {
		return nil
	}
	var all []Field
	for _, e := range n.Map().Entries() {
		if text := read(e.Value); text.Written() {
			all = append(all, Field{e.Key, text})
		}
	}
	return all
}

func (r *reader) calls(n yamlfile.Node) []CallExpect {
	if !n.Written() {
		return nil
	}
	var all []CallExpect
	for _, e := range n.Map().Entries() {
		c := CallExpect{To: e.Key, At: e.At}
		if e.Value.Kind() == yamlfile.Scalar {
			_, c.NotCalled = e.Value.Word()
		} else if m := r.message(e.Value, true); m != nil {
			c.Message = *m
		}
		all = append(all, c)
	}
	return all
}

// message reads what is expected of a call, or of the answer.
func (r *reader) message(n yamlfile.Node, call bool) *MessageExpect {
	x := new(MessageExpect)
	m := n.Map()
	if call {
		x.Method, x.Path = r.text(m.Get("method")), r.text(m.Get("path"))
	}
	body, file, exact := m.Get("body"), m.Get("body_file"), m.Get("exact")
	if body.Written() {
		x.Body, _ = valueOf(body)
	}
	if file.Written() {
		if body.Written() {
			file.Fail("body_twice", n.Name()+" expects more than one body", "keep one of body and body_file")
		}
		x.Body = r.expectedFile(file)
	}
	if exact.Written() {
		if text, _, ok := exact.Raw(); ok {
			x.Exact = &Body{exact.Position(), []byte(text)}
		}
	}
	x.Has = r.places(m.Get("has"), false)
	x.Lacks = r.places(m.Get("lacks"), true)
	if h := m.Get("headers"); h.Written() {
		for _, e := range h.Map().Entries() {
			v, ok := valueOf(e.Value)
			if ok && (v.Kind == Array || v.Kind == Object) {
				e.Value.Fail("wrong_type", e.Value.Name()+" must be a single value", "")
			}
			if ok {
				x.Headers = append(x.Headers, PlaceExpect{Name: textproto.CanonicalMIMEHeaderKey(e.Key), Value: v, At: e.At})
			}
		}
	}
	m.Done()
	return x
}

// expectedFile reads an expected body from a file.
func (r *reader) expectedFile(n yamlfile.Node) *Value {
	b := r.file(n)
	if b == nil {
		return nil
	}
	v, err := ParseJSON(b.Text)
	if err != nil {
		n.Fail("bad_json", n.Name()+" is not JSON", "write one JSON value into the file")
		return nil
	}
	return v.at(n.Position())
}

// places reads what has, or lacks, is about: a map of paths and values, or a
// list of paths; of lacks also of values that must be nowhere.
func (r *reader) places(n yamlfile.Node, lacks bool) []PlaceExpect {
	if !n.Written() {
		return nil
	}
	var all []PlaceExpect
	if n.Kind() == yamlfile.Mapping {
		for _, e := range n.Map().Entries() {
			p, ok := r.path(e.Key, e.At)
			v, read := valueOf(e.Value)
			if ok && read {
				all = append(all, PlaceExpect{Path: &p, Value: v, At: e.At})
			}
		}
		return all
	}
	for _, item := range n.OneOrMore() {
		if item.Kind() == yamlfile.Mapping {
			all = append(all, r.nowhere(item, lacks)...)
			continue
		}
		if text, ok := item.Text(); ok {
			if p, ok := r.path(text, item.Position()); ok {
				all = append(all, PlaceExpect{Path: &p, At: item.Position()})
			}
		}
	}
	return all
}

// nowhere reads {value: …}: what must stand nowhere.
func (r *reader) nowhere(n yamlfile.Node, lacks bool) []PlaceExpect {
	if !lacks {
		n.Fail("wrong_type", n.Name()+" must be a path", "write paths with their values: {items.0.sku: SK-1}")
		return nil
	}
	m := n.Map()
	at := m.Require("value", "write - value: and what must stand nowhere in it, or a path")
	m.Done()
	if !at.Present() {
		return nil
	}
	kind, text, ok := at.JSONScalar()
	if !ok {
		return nil
	}
	if kind == yamlfile.JSONNull || text == "" {
		at.Fail("value_missing", at.Name()+" is empty", "write the text or number that must not be there")
		return nil
	}
	return []PlaceExpect{{Value: &Value{Kind: String, Text: text, At: at.Position()}, At: at.Position()}}
}

func (r *reader) decision(n yamlfile.Node) DecisionExpect {
	m := n.Map()
	d := DecisionExpect{At: n.Position()}
	d.To, d.Path = r.text(m.Get("to")).Text, r.text(m.Get("path")).Text
	d.Label, d.Class = r.text(m.Get("label")).Text, r.text(m.Get("class")).Text
	d.Rule = r.text(m.Get("rule")).Text
	d.Form = r.word(m.Get("form")).Text
	if c := m.Get("count"); c.Written() {
		d.Count = int(c.Whole())
	}
	m.Done()
	if m.Present() && len(m.Entries()) == 0 {
		n.Fail("expects_nothing", n.Name()+" is empty", "say which decision must be on record: {to: …, path: …, form: …}")
	}
	return d
}
