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
		n.OneOf("http")
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
	for _, e := range where.Map().Entries() {
		if w, ok := l.where(e); ok {
			s.Where = append(s.Where, w)
		}
	}
	if where.Kind() == yamlfile.Mapping && len(where.Map().Entries()) == 0 {
		where.Fail("value_missing", "where has no condition", "write a path of the answer and its values, or remove the key")
	}
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

// where reads one condition on the primary's answer.
func (l *loader) where(e yamlfile.Entry) (Where, bool) {
	p, err := ParsePath(e.Key)
	switch {
	case err != nil:
		l.failAt(e.At, "bad_path", fmt.Sprintf("%q is not a path: %s", e.Key, err), "write the path of a member of the answer")
		return Where{}, false
	case !p.Exact():
		l.failAt(e.At, "path_not_exact", fmt.Sprintf("success must look at one place, and %q is a pattern", e.Key), "write the path without #, * and **")
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
