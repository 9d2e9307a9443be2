package ruletest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chaperone/rules/diag"
)

// Observed is what came of a test's request.
type Observed struct {
	Route, Caller string
	Status        int
	Headers       [][2]string
	Body          []byte
	Code          string // of a refusal, or of what is wrong with the outcome
	Rule          string // that refused
	Detail        string // of a refusal
	Outcome       string // OutcomeRefused where nothing was sent
	Legs          []ObservedLeg
	Calls         []ObservedCall
	Decisions     []Decision
	Items         []ObservedItem
}

// ObservedLeg is where a leg stood in the answer, and what became of it later.
type ObservedLeg struct{ Name, State, Later string }

// ObservedCall is what a destination was sent.
type ObservedCall struct {
	Leg, To        string
	Method, Target string
	Headers        [][2]string
	Body           []byte // nil: none
}

// ObservedItem is the class of a line item, by its index in the policy plus
// one, and the alternative that made it one, -1 for none.
type ObservedItem struct{ Class, Rule int }

// Decision is one recorded choice.
type Decision struct {
	To, Path, Label, Form, Class, Rule string
	Count                              int
}

// Mismatch is one expectation that does not hold. Want and Got are masked, for
// people.
type Mismatch struct {
	At        diag.Position
	Where     string // what it is about: status, calls.ehr.body …
	Path      string // in a body
	Want, Got string
}

// Judge holds what came of a test against what it expects. The error is one of
// a reference that could not be made.
func Judge(t *Test, o *Observed, m *Matcher, mask *Masker, maker Maker) ([]Mismatch, error) {
	j := &judge{o: o, m: m, mask: mask, maker: maker}
	x := &t.Expect
	if x.Status != 0 && x.Status != o.Status {
		j.add(x.StatusAt, "status", "", strconv.Itoa(x.Status), strconv.Itoa(o.Status))
	}
	j.word(x.Outcome, "outcome", o.Outcome)
	j.word(x.Code, "code", o.Code)
	if o.Outcome == OutcomeRefused && x.Status == 0 && !x.Code.Written() && !x.Outcome.Written() {
		j.add(x.At, "request", "", "not refused", j.refusal())
	}
	if route := t.Request.Route; route.Written() && o.Route != "" && o.Route != route.Text {
		j.add(route.At, "route", "", route.Text, o.Route+" takes the request before it")
	}
	j.legs(x)
	for i := range x.Calls {
		j.call(&x.Calls[i])
	}
	if x.Answer != nil {
		j.message("answer", x.Answer, "", "", o.Headers, o.Body)
	}
	j.decisions(x.Decisions)
	return j.all, j.err
}

// judge gathers what does not hold.
type judge struct {
	o     *Observed
	m     *Matcher
	mask  *Masker
	maker Maker
	all   []Mismatch
	err   error
}

func (j *judge) add(at diag.Position, where, path, want, got string) {
	j.all = append(j.all, Mismatch{at, where, path, MaskCards(want), MaskCards(got)})
}

func (j *judge) word(want Text, where, got string) {
	if want.Written() && want.Text != got {
		j.add(want.At, where, "", want.Text, orNone(got))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// refusal says why the request was refused.
func (j *judge) refusal() string {
	text := "refused: " + j.o.Code
	if j.o.Rule != "" {
		text += " by " + j.o.Rule
	}
	return text
}

func (j *judge) legs(x *Expect) {
	leg := func(name string) *ObservedLeg {
		for i := range j.o.Legs {
			if j.o.Legs[i].Name == name {
				return &j.o.Legs[i]
			}
		}
		return &ObservedLeg{Name: name, State: "skipped"}
	}
	for _, want := range x.Legs {
		if got := leg(want.Name).State; got != want.Text.Text {
			j.add(want.At, "legs."+want.Name, "", want.Text.Text, got)
		}
	}
	for _, want := range x.Later {
		if got := leg(want.Name).Later; got != want.Text.Text {
			j.add(want.At, "later."+want.Name, "", want.Text.Text, orNone(got))
		}
	}
}

// call looks at the call to a destination, or of a leg.
func (j *judge) call(x *CallExpect) {
	where := "calls." + x.To
	var calls []*ObservedCall
	for i := range j.o.Calls {
		if c := &j.o.Calls[i]; c.Leg == x.To || c.To == x.To && !j.isLeg(x.To) {
			calls = append(calls, c)
		}
	}
	switch {
	case x.NotCalled && len(calls) > 0:
		j.add(x.At, where, "", "not called", "called: "+calls[0].Method+" "+calls[0].Target)
	case x.NotCalled:
	case len(calls) == 0:
		got := "not called"
		if j.o.Outcome == OutcomeRefused {
			got += "; " + j.refusal()
		}
		j.add(x.At, where, "", "a call", got)
	}
	if x.NotCalled {
		return
	}
	for _, c := range calls {
		j.message(where, &x.Message, c.Method, c.Target, c.Headers, c.Body)
	}
}

// isLeg reports whether a call was made for a leg of that name.
func (j *judge) isLeg(name string) bool {
	return slices.ContainsFunc(j.o.Calls, func(c ObservedCall) bool { return c.Leg == name })
}

// message looks at a call, or at the answer.
func (j *judge) message(where string, x *MessageExpect, method, target string, headers [][2]string, body []byte) {
	j.word(x.Method, where+".method", method)
	if x.Path.Written() && !j.m.Text(j.expanded(x.Path.Text), target) {
		j.add(x.Path.At, where+".path", "", x.Path.Text, target)
	}
	for _, h := range x.Headers {
		j.header(where, h, headers)
	}
	if x.Exact != nil {
		if want := j.expanded(string(x.Exact.Text)); !j.m.Text(want, string(body)) {
			j.add(x.Exact.At, where+".exact", "", strconv.Quote(want), strconv.Quote(string(body)))
		}
	}
	if x.Body == nil && len(x.Has) == 0 && len(x.Lacks) == 0 {
		return
	}
	var got *Value
	if len(body) > 0 {
		v, err := ParseJSON(body)
		if err != nil {
			v = &Value{Kind: String, Text: string(body)}
		}
		got = v
	}
	if x.Body != nil && !(x.Body.Kind == Null && got == nil) {
		for _, d := range j.m.compare("", j.made(x.Body), got, x.Body.At) {
			j.differs(where+".body", d)
		}
	}
	if got == nil {
		got = &Value{Kind: Null, Text: "null"}
	}
	for _, p := range x.Has {
		j.has(where, p, got)
	}
	for _, p := range x.Lacks {
		j.lacks(where, p, got, target, headers)
	}
}

func (j *judge) expanded(text string) string {
	out, err := Expand(text, j.maker)
	if err != nil {
		j.err = err
	}
	return out
}

func (j *judge) made(v *Value) *Value {
	out, err := v.expand(j.maker)
	if err != nil {
		j.err = err
		return v
	}
	return out
}

func (j *judge) differs(where string, d Difference) {
	want := j.mask.Show(d.Path, d.Want)
	if d.Want != nil && d.Want.Kind == String {
		if bound := j.m.Bound(d.Want.Text); bound != "" {
			want += " (" + bound + ")"
		}
	}
	got := j.mask.Show(d.Path, d.Got)
	if got == want && got == sadMark {
		got = "another one"
	}
	j.add(d.At, where, d.Path, want, got)
}

func (j *judge) header(where string, h PlaceExpect, headers [][2]string) {
	where += ".headers." + h.Name
	var values []string
	for _, f := range headers {
		if strings.EqualFold(f[0], h.Name) {
			values = append(values, f[1])
		}
	}
	got := orNone(strings.Join(values, ", "))
	if h.Value.Kind == Null {
		if len(values) > 0 {
			j.add(h.At, where, "", "none", got)
		}
		return
	}
	want := j.expanded(h.Value.Text)
	if !slices.ContainsFunc(values, func(v string) bool { return j.m.Text(want, v) }) {
		j.add(h.At, where, "", want, got)
	}
}

// has looks for a value at a path: one of those that are there must be it.
func (j *judge) has(where string, p PlaceExpect, body *Value) {
	found := body.find(p.Path.Steps)
	switch {
	case len(found) == 0:
		want := "something"
		if p.Value != nil {
			want = j.mask.Show(p.Path.Source, p.Value)
		}
		j.add(p.At, where+".has", p.Path.Source, want, "nothing")
		return
	case p.Value == nil:
		return
	}
	want := j.made(p.Value)
	var first []Difference
	for i, v := range found {
		differences := j.m.compare(p.Path.Source, want, v, p.Value.At)
		if len(differences) == 0 {
			return
		}
		if i == 0 {
			first = differences
		}
	}
	if len(found) == 1 {
		for _, d := range first {
			j.differs(where+".has", d)
		}
		return
	}
	var texts []string
	for _, v := range found {
		texts = append(texts, j.mask.Show(p.Path.Source, v))
	}
	j.add(p.At, where+".has", p.Path.Source, j.mask.Show(p.Path.Source, p.Value), "none of them: "+strings.Join(texts, ", "))
}

// lacks looks for what must not be there.
func (j *judge) lacks(where string, p PlaceExpect, body *Value, target string, headers [][2]string) {
	where += ".lacks"
	if p.Path == nil {
		text := j.expanded(p.Value.Text)
		if path, at := body.holds(text, ""); at != nil {
			j.add(p.At, where, path, fmt.Sprintf("%s nowhere", strconv.Quote(text)), j.mask.Show(path, at))
		}
		if strings.Contains(target, text) {
			j.add(p.At, where, "", fmt.Sprintf("%s nowhere", strconv.Quote(text)), "in the path: "+target)
		}
		for _, h := range headers {
			if strings.Contains(h[1], text) {
				j.add(p.At, where, "", fmt.Sprintf("%s nowhere", strconv.Quote(text)), "in the header "+h[0])
			}
		}
		return
	}
	for _, v := range body.find(p.Path.Steps) {
		if p.Value == nil {
			j.add(p.At, where, p.Path.Source, "nothing", j.mask.Show(p.Path.Source, v))
			return
		}
		quiet := &Matcher{Is: j.m.Is}
		if len(quiet.compare("", j.made(p.Value), v, p.At)) == 0 {
			j.add(p.At, where, p.Path.Source, "not "+j.mask.Show(p.Path.Source, p.Value), j.mask.Show(p.Path.Source, v))
			return
		}
	}
}

// holds finds a text in the values and member names below a value.
func (v *Value) holds(text, path string) (string, *Value) {
	if v.Kind != Array && v.Kind != Object {
		if strings.Contains(v.Text, text) {
			return path, v
		}
		return "", nil
	}
	for i, item := range v.Items {
		step := strconv.Itoa(i)
		if v.Kind == Object {
			if step = v.Names[i]; strings.Contains(step, text) {
				return join(path, step), item
			}
		}
		if at, found := item.holds(text, join(path, step)); found != nil {
			return at, found
		}
	}
	return "", nil
}

// decisions looks for each that must be on record.
func (j *judge) decisions(want []DecisionExpect) {
	for i := range want {
		x := &want[i]
		if slices.ContainsFunc(j.o.Decisions, x.takes) {
			continue
		}
		near := "no such decision"
		for _, d := range j.o.Decisions {
			if d.To == x.To && (x.Path != "" && d.Path == x.Path || x.Path == "" && x.Label != "" && d.Label == x.Label) {
				near = d.String()
			}
		}
		j.add(x.At, "decisions", "", x.String(), near)
	}
}

func (x *DecisionExpect) takes(d Decision) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(x.To, d.To) && is(x.Path, d.Path) && is(x.Label, d.Label) && is(x.Form, d.Form) && is(x.Class, d.Class) && is(x.Rule, d.Rule) &&
		(x.Count == 0 || x.Count == d.Count)
}

// String is the decision as a test writes it.
func (x *DecisionExpect) String() string {
	return Decision{x.To, x.Path, x.Label, x.Form, x.Class, x.Rule, x.Count}.String()
}

// String is the decision as a test writes it.
func (d Decision) String() string {
	var parts []string
	for _, p := range [...][2]string{{"to", d.To}, {"path", d.Path}, {"label", d.Label}, {"form", d.Form}, {"class", d.Class}, {"rule", d.Rule}} {
		if p[1] != "" {
			parts = append(parts, p[0]+": "+p[1])
		}
	}
	if d.Count > 0 {
		parts = append(parts, "count: "+strconv.Itoa(d.Count))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
