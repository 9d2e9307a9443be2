package rules

import (
	"fmt"
	"net/textproto"
	"path/filepath"
	"slices"
	"time"

	"chaperone/rules/yamlfile"
)

// The bounds of a destination's settings.
const (
	minTimeout, maxTimeout = 10 * time.Millisecond, 10 * time.Minute
	maxConnections         = 10_000
)

// destinationNodes are the places of a destination in the file.
type destinationNodes struct {
	url, expires yamlfile.Node
	sees         map[LabelID]yamlfile.Node
	response     yamlfile.Node
}

func (l *loader) readDestinations(n yamlfile.Node) {
	entries := n.Map().Entries()
	if n.Kind() == yamlfile.Mapping && len(entries) == 0 {
		n.Fail("value_missing", "the policy names no destination", "name at least one system that requests go to")
	}
	for _, e := range entries {
		l.checkName(e.At, "destination", e.Key)
		l.destination(e)
	}
}

func (l *loader) destinationNames() []string {
	var names []string
	for _, d := range l.plan.Destinations {
		names = append(names, d.Name)
	}
	return names
}

func (l *loader) destination(e yamlfile.Entry) {
	m := e.Value.Map()
	d := Destination{Name: e.Key, Position: e.At}
	nodes := destinationNodes{
		url:      m.Require("url", "write where it is, as in url: https://api.example"),
		response: m.Get("response"),
	}
	d.URL = l.url(nodes.url)
	if a := m.Get("agreement"); a.Written() {
		d.Agreement, nodes.expires = l.agreement(a)
	}
	d.Sees, nodes.sees = l.clearance(m.Get("sees"), aDestination)
	for id, form := range d.Sees {
		d.SeesPHI = d.SeesPHI || l.plan.inFamily(LabelID(id), labelPHI) && form < Drop
	}
	if v := m.Get("idempotent"); v.Written() {
		d.Idempotent = v.Bool()
	}
	d.Headers = l.headers(m.Get("headers"))
	if v := m.Get("ca_file"); v.Written() {
		d.CAFile = l.fileName(v)
	}
	if v := m.Get("timeout"); v.Written() {
		d.Timeout = v.Span()
	}
	if v := m.Get("max_connections"); v.Written() {
		d.MaxConns = int(v.Whole())
	}
	d.Response = l.response(nodes.response)
	m.Done()
	l.plan.Destinations = append(l.plan.Destinations, d)
	l.destinations = append(l.destinations, nodes)
}

// fileName reads the name of a file, and returns it as seen from where the
// program runs: names in a policy are relative to the policy's own folder.
func (l *loader) fileName(n yamlfile.Node) string {
	name, ok := n.Text()
	if !ok {
		return ""
	}
	return resolve(filepath.Dir(l.file), name)
}

// agreement reads the contract. It holds through the day that it names.
func (l *loader) agreement(n yamlfile.Node) (*Agreement, yamlfile.Node) {
	m := n.Map()
	a := new(Agreement)
	a.Kind, _ = m.Require("kind", "write what it is, as in BAA or DPA").Text()
	a.Reference, _ = m.Require("reference", "write how the signed paper is found").Text()
	expires := m.Require("expires", "write the last day on which it holds, as in 2027-03-31")
	if day, ok := expires.Date(); ok {
		a.Expires = day.AddDate(0, 0, 1)
	}
	m.Done()
	return a, expires
}

// headers reads what every call to a destination carries.
func (l *loader) headers(n yamlfile.Node) []HeaderValue {
	var headers []HeaderValue
	seen := map[string]bool{}
	for _, e := range n.Map().Entries() {
		h := HeaderValue{Name: textproto.CanonicalMIMEHeaderKey(e.Key), Position: e.At}
		if problem := headerProblem(e.Key); problem != "" {
			l.failAt(e.At, "bad_header", fmt.Sprintf("the header %q %s", e.Key, problem), "remove it")
			continue
		}
		if seen[h.Name] {
			l.failAt(e.At, "duplicate_key", fmt.Sprintf("the header %s is set twice", h.Name), "header names do not tell case apart; keep one")
			continue
		}
		seen[h.Name] = true
		if e.Value.Kind() == yamlfile.Mapping {
			l.headerFile(&h, e.Value.Map())
		} else {
			l.headerText(&h, e.Value)
		}
		headers = append(headers, h)
	}
	return headers
}

func (l *loader) headerFile(h *HeaderValue, m *yamlfile.Map) {
	h.File = l.fileName(m.Require("file", "name the file that holds the value"))
	if prefix := m.Get("prefix"); prefix.Written() {
		h.Prefix, _, _ = prefix.Raw()
		if !validHeaderValue(h.Prefix + "x") {
			prefix.Fail("bad_header_value", "the prefix holds what no header may hold", "use visible ASCII characters and blanks")
		}
	}
	m.Done()
}

func (l *loader) headerText(h *HeaderValue, n yamlfile.Node) {
	var ok bool
	if h.Value, ok = n.Text(); !ok {
		return
	}
	if !validHeaderValue(h.Value) {
		n.Fail("bad_header_value", fmt.Sprintf("the value of %s holds what no header may hold", h.Name), "use visible ASCII characters and blanks")
	}
	if secretHeader(h.Name) {
		n.Warn("literal_secret", fmt.Sprintf("the value of %s looks like a secret written into the policy", h.Name), `keep it in a file of its own: {file: NAME, prefix: "Bearer "}`)
	}
}

// response reads what a destination's answers hold.
func (l *loader) response(n yamlfile.Node) Response {
	if !n.Written() {
		return Response{KeepAll: true}
	}
	m := n.Map()
	var r Response
	for _, e := range m.Get("labels").Map().Entries() {
		id := l.plan.Label(e.Key)
		if id == NoLabel {
			l.undefinedAt(e.At, "undefined_label", "label", e.Key, l.plan.labelNames())
			continue
		}
		for _, p := range l.paths(e.Value.OneOrMore()) {
			r.Labels = append(r.Labels, ResponseLabel{Label: id, Path: p})
		}
	}
	r.KeepAll, r.Keep = true, nil
	if keep := m.Get("keep"); keep.Written() {
		r.KeepAll, r.Keep = l.keep(keep)
	}
	if headers := m.Get("headers"); headers.Written() {
		r.Headers = l.headerNames(headers.OneOrMore(), l.credentials())
	}
	m.Done()
	return r
}

// keep reads an allow-list, or the word all.
func (l *loader) keep(n yamlfile.Node) (all bool, paths []Path) {
	if text, _, ok := scalarText(n); ok {
		if text == "all" {
			return true, nil
		}
		return false, l.paths([]yamlfile.Node{n})
	}
	return false, l.paths(n.Items())
}

// scalarText is the text of a node that is one, without a word about others.
func scalarText(n yamlfile.Node) (text string, quoted, ok bool) {
	if n.Kind() != yamlfile.Scalar {
		return "", false, false
	}
	return n.Raw()
}

// headerNames reads a list of header names, canonical. Refused says what is
// wrong with some more of them.
func (l *loader) headerNames(nodes []yamlfile.Node, refused map[string]string) []string {
	var names []string
	for _, n := range nodes {
		text, ok := n.Text()
		if !ok {
			continue
		}
		name := textproto.CanonicalMIMEHeaderKey(text)
		problem := headerProblem(text)
		if problem == "" {
			problem = refused[name]
		}
		switch {
		case problem != "":
			n.Fail("bad_header", fmt.Sprintf("the header %q %s", text, problem), "remove it")
		case slices.Contains(names, name):
			n.Warn("header_twice", fmt.Sprintf("the header %s is listed twice", name), "remove one of them")
		default:
			names = append(names, name)
		}
	}
	return names
}

// credentials are the headers that show who calls, and why they are never
// passed on.
func (l *loader) credentials() map[string]string {
	refused := map[string]string{"Authorization": "is the caller's own credential and goes nowhere"}
	for _, name := range l.plan.Identify.Headers {
		refused[name] = refused["Authorization"]
	}
	return refused
}
