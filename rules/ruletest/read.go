package ruletest

import (
	"fmt"
	"net/textproto"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chaperone/rules"
	"chaperone/rules/diag"
	"chaperone/rules/yamlfile"
)

// Read reads a test file. Files that it names are read by readFile, by their
// names as seen from the file's own folder. With an error among the diagnostics
// the File is not to be run.
func Read(name string, src []byte, readFile func(name string) ([]byte, error)) (*File, diag.Diagnostics) {
	var ds diag.Diagnostics
	r := &reader{dir: filepath.Dir(name), readFile: readFile, diags: &ds}
	f := &File{Name: name}
	root := yamlfile.Parse(name, src, &ds).Shaped(fileShape)
	if !root.Present() {
		return f, ds
	}
	m := root.Map()
	f.Rules = r.text(m.Get("rules"))
	now := r.now(m.Get("now"))
	answers := r.answers(m.Get("answers"))
	tests := m.Require("tests", "write at least one test: what comes in, and what is expected")
	m.Done()
	if tests.Present() {
		for _, n := range tests.Items() {
			f.Tests = append(f.Tests, r.test(n, now, answers))
		}
		if tests.Kind() == yamlfile.List && len(f.Tests) == 0 {
			tests.Fail("list_empty", "tests is an empty list", "write at least one test")
		}
	}
	r.order(f)
	return f, ds
}

// reader reads the nodes of one file.
type reader struct {
	dir      string
	readFile func(name string) ([]byte, error)
	diags    *diag.Diagnostics
}

func (r *reader) text(n yamlfile.Node) Text {
	if !n.Written() {
		return Text{}
	}
	text, ok := n.Text()
	if !ok {
		return Text{}
	}
	return Text{text, n.Position()}
}

func (r *reader) word(n yamlfile.Node) Text {
	if !n.Written() {
		return Text{}
	}
	text, ok := n.Word()
	if !ok {
		return Text{}
	}
	return Text{text, n.Position()}
}

// now reads a moment: RFC 3339, or a day for its first instant in UTC.
func (r *reader) now(n yamlfile.Node) time.Time {
	text := r.text(n)
	if !text.Written() {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text.Text); err == nil {
			return t
		}
	}
	n.Fail("bad_date", n.Name()+" is not a moment", "write it as in 2027-03-31, or 2027-03-31T09:30:00Z")
	return time.Time{}
}

func (r *reader) test(n yamlfile.Node, now time.Time, answers []Answer) *Test {
	t := &Test{At: n.Position(), Now: now}
	m := n.Map()
	t.Name = r.text(m.Require("name", "say in a few words what must hold")).Text
	if after := m.Get("after"); after.Written() {
		for _, item := range after.OneOrMore() {
			t.After = append(t.After, r.text(item))
		}
	}
	if at := r.now(m.Get("now")); !at.IsZero() {
		t.Now = at
	}
	t.Request = r.request(m.Require("request", "say what comes in: a route, and a body"))
	t.Answers = append(r.answers(m.Get("answers")), answers...)
	t.Expect = r.expect(m.Require("expect", "say what must come of it: status, calls, answer, decisions"))
	m.Done()
	return t
}

func (r *reader) request(n yamlfile.Node) Request {
	q := Request{At: n.Position()}
	if !n.Written() {
		return q
	}
	m := n.Map()
	q.Route = r.text(m.Get("route"))
	q.Method = r.text(m.Get("method"))
	q.Path = r.text(m.Get("path"))
	q.Caller = r.text(m.Get("caller"))
	q.Headers = r.fields(m.Get("headers"), textproto.CanonicalMIMEHeaderKey)
	q.Query = r.fields(m.Get("query"), func(s string) string { return s })
	q.Body = r.body(m)
	m.Done(bodyHints...)
	switch {
	case !m.Present():
	case !q.Route.Written() && !(q.Method.Written() && q.Path.Written()):
		n.Fail("request_incomplete", n.Name()+" does not say what is asked for", "name the route, or write method and path")
	case q.Route.Written() && q.Method.Written():
		m.Get("method").Fail("request_twofold", "the route has its method already", "remove method, or route")
	}
	return q
}

// bodyHints answer what people may write for a body.
var bodyHints = []yamlfile.Hint{
	{Key: "json", Text: "write body: and the JSON, or YAML, below it"},
	{Key: "file", Text: "write body_file: and the file's name"},
	{Key: "set", Text: "write with: and paths with their values"},
}

// fields reads names with one value each, or several.
func (r *reader) fields(n yamlfile.Node, canonical func(string) string) []Field {
	if !n.Written() {
		return nil
	}
	var all []Field
	for _, e := range n.Map().Entries() {
		values := []yamlfile.Node{e.Value}
		if e.Value.Kind() == yamlfile.List {
			values = e.Value.Items()
		}
		for _, v := range values {
			if text, _, ok := v.Raw(); ok {
				all = append(all, Field{canonical(e.Key), Text{text, v.Position()}})
			}
		}
	}
	return all
}

// body reads the body of a request or an answer: as a value, as text or from a
// file, with changes. The map's other keys are the caller's.
func (r *reader) body(m *yamlfile.Map) *Body {
	inline, text, file := m.Get("body"), m.Get("body_text"), m.Get("body_file")
	with, without := m.Get("with"), m.Get("without")
	written := 0
	for _, n := range []yamlfile.Node{inline, text, file} {
		if n.Written() {
			if written++; written == 2 {
				n.Fail("body_twice", m.Node().Name()+" has more than one body", "keep one of body, body_text and body_file")
			}
		}
	}
	var b *Body
	switch {
	case inline.Written():
		if json, ok := inline.JSON(); ok {
			b = &Body{inline.Position(), json}
		}
	case text.Written():
		if t, _, ok := text.Raw(); ok {
			b = &Body{text.Position(), []byte(t)}
		}
	case file.Written():
		b = r.file(file)
	case with.Written() || without.Written():
		m.Node().Fail("body_missing", m.Node().Name()+" changes a body that is not there", "write body_file: and the body that is to be changed")
	}
	if b != nil && (with.Written() || without.Written()) {
		r.change(b, with, without)
	}
	return b
}

// file reads a file that a node names.
func (r *reader) file(n yamlfile.Node) *Body {
	name, ok := n.Text()
	if !ok {
		return nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.dir, name)
	}
	text, err := r.readFile(name)
	if err != nil {
		n.Fail("file_unreadable", fmt.Sprintf("%s cannot be read", n.Name()), "names are those seen from the folder of the test file")
		return nil
	}
	return &Body{n.Position(), text}
}

// change sets and removes members of a body.
func (r *reader) change(b *Body, with, without yamlfile.Node) {
	v, err := ParseJSON(b.Text)
	if err != nil {
		r.diags.Add(diag.Diagnostic{Position: b.At, Code: "bad_json", Message: "the body is not JSON, so nothing in it can be changed", Hint: "remove with and without, or mend the body"})
		return
	}
	if with.Written() {
		for _, e := range with.Map().Entries() {
			p, ok := r.path(e.Key, e.At)
			to, read := valueOf(e.Value)
			switch {
			case !ok || !read:
			case !p.Exact():
				r.fail(e.At, "path_not_exact", fmt.Sprintf("%q is a pattern, and one place is to be set", e.Key), "write the path without #, * and **, with the index of an element")
			case !v.set(p.Steps, to):
				r.fail(e.At, "path_absent", fmt.Sprintf("%q leads through something that is no object", e.Key), "look at the body once more")
			}
		}
	}
	if without.Written() {
		for _, n := range without.OneOrMore() {
			text, ok := n.Text()
			if !ok {
				continue
			}
			switch p, ok := r.path(text, n.Position()); {
			case !ok:
			case p.Steps[0].Kind == rules.StepDeep:
				n.Fail("path_not_exact", fmt.Sprintf("%q does not say where", text), "write the path without **")
			case !v.remove(p.Steps):
				n.Fail("path_absent", fmt.Sprintf("the body has nothing at %q", text), "look at the body once more")
			}
		}
	}
	b.Text = v.JSON()
}

func (r *reader) fail(at diag.Position, code, message, hint string) {
	r.diags.Add(diag.Diagnostic{Position: at, Code: code, Message: message, Hint: hint})
}

func (r *reader) path(text string, at diag.Position) (rules.Path, bool) {
	p, err := rules.ParsePath(text)
	if err != nil {
		r.fail(at, "bad_path", fmt.Sprintf("%q is not a path: %s", text, err), "write member names with dots between, # for every element, * for every member, **. in front for any depth")
		return p, false
	}
	return p, true
}

// answers reads what stand-ins do.
func (r *reader) answers(n yamlfile.Node) []Answer {
	if !n.Written() {
		return nil
	}
	var all []Answer
	for _, e := range n.Map().Entries() {
		a := Answer{To: e.Key, At: e.At, Status: 200}
		if e.Value.Kind() == yamlfile.Scalar {
			a.Fault, _ = e.Value.Word()
			all = append(all, a)
			continue
		}
		m := e.Value.Map()
		if s := m.Get("status"); s.Written() {
			a.Status = int(s.Whole())
		}
		a.Headers = r.fields(m.Get("headers"), textproto.CanonicalMIMEHeaderKey)
		a.Body = r.body(m)
		m.Done(bodyHints...)
		all = append(all, a)
	}
	return all
}

// order looks at the tests among themselves: names, and who comes after whom.
func (r *reader) order(f *File) {
	index := map[string]int{}
	var names []string
	for i, t := range f.Tests {
		if t.Name == "" {
			continue
		}
		if first, again := index[t.Name]; again {
			r.fail(t.At, "duplicate_test", fmt.Sprintf("there are two tests %q", t.Name), fmt.Sprintf("the first one is in line %d; each needs a name of its own", f.Tests[first].At.Line))
			continue
		}
		index[t.Name] = i
		names = append(names, t.Name)
	}
	for i, t := range f.Tests {
		for _, a := range t.After {
			at, known := index[a.Text]
			switch {
			case !known && a.Written():
				hint := yamlfile.Suggest(a.Text, names)
				if hint == "" {
					hint = "name a test of this file"
				}
				r.fail(a.At, "unknown_test", fmt.Sprintf("there is no test %q", a.Text), hint)
			case known && at >= i:
				r.fail(a.At, "test_order", fmt.Sprintf("%q does not come before this test", a.Text), "a test follows tests above it")
			}
		}
	}
}

// Before lists the tests whose requests come before that of a test, in their
// order; each once.
func (f *File) Before(t *Test) []*Test {
	var all []*Test
	for _, a := range t.After {
		for _, other := range f.Tests {
			if other.Name != a.Text {
				continue
			}
			for _, b := range append(f.Before(other), other) {
				if !slices.Contains(all, b) {
					all = append(all, b)
				}
			}
		}
	}
	return all
}

// IsTestFile reports whether a file is one of tests, by its name.
func IsTestFile(name string) bool {
	return strings.HasSuffix(name, "_test.yaml") || strings.HasSuffix(name, "_test.yml")
}
