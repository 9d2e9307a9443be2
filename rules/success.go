package rules

import (
	"fmt"
	"strconv"

	"chaperone/rules/yamlfile"
)

// success reads which answers of the primary mean that it happened: the word
// http for any 2xx, or a map of status and where.
func (l *loader) success(n yamlfile.Node) *Success {
	if n.Kind() == yamlfile.Scalar {
		n.Word()
		return &Success{HTTP: true}
	}
	m := n.Map()
	s := new(Success)
	status, where := m.Get("status"), m.Get("where")
	m.Done()
	if m.Present() && !status.Written() && !where.Written() {
		n.Fail("missing_key", "success needs status, where, or both", "write success: http to mean any 2xx")
	}
	if status.Written() {
		for _, item := range status.OneOrMore() {
			if r, ok := statusRange(item); ok {
				s.Status = append(s.Status, r)
			}
		}
	} else {
		s.Status = []StatusRange{{200, 299}}
	}
	s.Where = l.wheres(where, ofAnswer)
	return s
}

// statusRange reads 2xx, or one status from 200 to 299: what is no 2xx is
// never a success.
func statusRange(n yamlfile.Node) (StatusRange, bool) {
	text, ok := n.Text()
	if !ok {
		return StatusRange{}, false
	}
	if text == "2xx" {
		return StatusRange{200, 299}, true
	}
	code, err := strconv.Atoi(text)
	if err != nil || code < 200 || code > 299 {
		n.Fail("bad_status", fmt.Sprintf("%q cannot mean success", text), "write 2xx, or one status from 200 to 299")
		return StatusRange{}, false
	}
	return StatusRange{code, code}, true
}

// pending reads which answers of the primary leave the sale open.
func (l *loader) pending(n yamlfile.Node) *Pending {
	m := n.Map()
	p := &Pending{Within: defaultPending}
	status, where, within := m.Get("status"), m.Get("where"), m.Get("within")
	m.Done()
	if m.Present() && !status.Written() && !where.Written() {
		n.Fail("missing_key", "pending needs status, where, or both", "write which answers leave the sale open, as in pending: {where: {status: [requires_action]}}")
	}
	if status.Written() {
		for _, item := range status.OneOrMore() {
			if r, ok := pendingRange(item); ok {
				p.Status = append(p.Status, r)
			}
		}
	} else if where.Written() {
		p.Status = []StatusRange{{200, 299}}
	}
	p.Where = l.wheres(where, ofAnswer)
	if within.Written() {
		p.Within = within.Span()
	}
	return p
}

// pendingRange reads 2xx, 4xx, or one status of these. Those after which
// nobody knows whether the sale happened are doubt, not pending.
func pendingRange(n yamlfile.Node) (StatusRange, bool) {
	text, ok := n.Text()
	if !ok {
		return StatusRange{}, false
	}
	switch text {
	case "2xx":
		return StatusRange{200, 299}, true
	case "4xx":
		return StatusRange{400, 499}, true
	}
	code, err := strconv.Atoi(text)
	if err != nil || code < 200 || code > 499 || code/100 == 3 || code == 408 || code == 409 {
		n.Fail("bad_status", fmt.Sprintf("%q cannot leave a sale open", text), "write 2xx, 4xx, or one status of these; 408, 409 and 5xx leave it in doubt")
		return StatusRange{}, false
	}
	return StatusRange{code, code}, true
}

// conditioned says of what a condition speaks, for messages.
type conditioned string

// What conditions look at.
const (
	ofAnswer  conditioned = "the answer"
	ofRequest conditioned = "the request"
)

// wheres reads conditions: paths of a body, and the values that each may have.
func (l *loader) wheres(n yamlfile.Node, of conditioned) []Where {
	var all []Where
	entries := n.Map().Entries()
	for _, e := range entries {
		if w, ok := l.where(e, of); ok {
			all = append(all, w)
		}
	}
	if n.Kind() == yamlfile.Mapping && len(entries) == 0 {
		n.Fail("value_missing", fmt.Sprintf("%s has no condition", n.Name()), fmt.Sprintf("write a path of %s and its values, or remove the key", of))
	}
	return all
}

// where reads one condition.
func (l *loader) where(e yamlfile.Entry, of conditioned) (Where, bool) {
	p, err := ParsePath(e.Key)
	switch {
	case err != nil:
		l.failAt(e.At, "bad_path", fmt.Sprintf("%q is not a path: %s", e.Key, err), fmt.Sprintf("write the path of a member of %s", of))
		return Where{}, false
	case !p.Exact():
		l.failAt(e.At, "path_not_exact", fmt.Sprintf("a condition must look at one place, and %q is a pattern", e.Key), "write the path without #, * and **")
		return Where{}, false
	}
	w := Where{Path: p}
	values := []yamlfile.Node{e.Value}
	if e.Value.Kind() == yamlfile.List {
		values = e.Value.OneOrMore()
	}
	for _, v := range values {
		kind, text, ok := v.JSONScalar()
		if ok {
			w.Values = append(w.Values, Scalar{Kind: ScalarKind(kind), Text: text})
		}
	}
	return w, true
}
