package proxy

import (
	"bytes"

	"chaperone/rules"
	"chaperone/rules/reason"
)

// decideTexts decides what a leg's destination may see of the request outside
// of its body: path captures, and the query members and header fields that the
// leg forwards.
func (x *exchange) decideTexts(i int) *reason.Error {
	r := &x.p.plan.Routes[x.route]
	spec, l := &r.Legs[i], &x.legs[i]
	pattern := spec.Path
	if pattern == nil {
		pattern = &r.Path
	}
	for _, s := range pattern.Segments {
		if s.Capture == "" {
			continue
		}
		text, ok := x.target.capture(&r.Path, s.Capture)
		if !ok {
			return x.refuseLeg(i, reason.Internal, "a capture of the leg's path is not one of the route's")
		}
		if e := x.decideText(i, partCapture, rules.SourceCapture, s.Capture, text); e != nil {
			return e
		}
		if l.parts[len(l.parts)-1].text.Dropped() {
			return x.refuseLeg(i, reason.Blocked, "the destination may not see a part of the path")
		}
	}
	for _, name := range spec.ForwardQuery {
		for rest := x.target.query; len(rest) > 0; {
			var member []byte
			member, rest, _ = bytes.Cut(rest, []byte{'&'})
			key, value, _ := bytes.Cut(member, []byte{'='})
			from := len(x.scratch)
			var ok bool
			if x.scratch, ok = appendUnquoted(x.scratch, key); !ok {
				return refuse(reason.HeadMalformed, "the query is malformed")
			}
			same := string(x.scratch[from:]) == name
			clear(x.scratch[from:])
			x.scratch = x.scratch[:from]
			if !same {
				continue
			}
			text, ok := appendUnquoted(nil, value)
			if !ok {
				return refuse(reason.HeadMalformed, "the query is malformed")
			}
			if e := x.decideText(i, partQuery, rules.SourceQuery, name, text); e != nil {
				return e
			}
		}
	}
	h := x.ctx.head
	for _, name := range spec.ForwardHeaders {
		if !forwardable(name, x.p.plan.Identify.Headers, h.All("Connection")) {
			continue
		}
		for value := range h.All(name) {
			if e := x.decideText(i, partHeader, rules.SourceHeader, name, value); e != nil {
				return e
			}
		}
	}
	return nil
}

func (x *exchange) decideText(i int, kind partKind, src rules.Source, name string, text []byte) *reason.Error {
	l := &x.legs[i]
	decided, e := l.view.DecideText(src, name, text)
	if e != nil {
		return e
	}
	l.parts = append(l.parts, part{kind: kind, name: name, text: decided})
	return nil
}

// renderTexts makes the leg's target and header fields.
func (x *exchange) renderTexts(i int) *reason.Error {
	r := &x.p.plan.Routes[x.route]
	spec, l := &r.Legs[i], &x.legs[i]
	var e *reason.Error
	if l.target, e = x.renderPath(l.target[:0], l, spec.Path, &r.Path); e != nil {
		return e
	}
	l.fields, l.texts = l.fields[:0], l.texts[:0]
	separator := byte('?')
	// Where the texts stand: they may move while more are appended.
	type place struct {
		name     string
		from, to int
	}
	var places []place
	for _, p := range l.parts {
		if p.kind == partCapture || p.text.Dropped() {
			continue
		}
		from := len(l.texts)
		if l.texts, e = l.view.AppendText(l.texts, p.text); e != nil {
			return e
		}
		text := l.texts[from:]
		if p.kind == partQuery {
			l.target = append(l.target, separator)
			separator = '&'
			l.target = appendQuoted(l.target, []byte(p.name))
			l.target = append(l.target, '=')
			l.target = appendQuoted(l.target, text)
			continue
		}
		if !fieldText(text) {
			return x.refuseLeg(i, reason.Blocked, "a header value may not be sent as it is")
		}
		places = append(places, place{p.name, from, len(l.texts)})
	}
	for _, p := range places {
		l.fields = append(l.fields, field{p.name, l.texts[p.from:p.to]})
	}
	return nil
}

// renderPath makes the path of a leg: the pattern's literals, its captures as
// the destination may see them, and the rest where both patterns have one.
// Where nothing in it is captured, the request's own path is the leg's.
func (x *exchange) renderPath(dst []byte, l *leg, own, route *rules.Pattern) ([]byte, *reason.Error) {
	pattern := own
	if pattern == nil {
		pattern = route
	}
	if own == nil && len(l.parts) == 0 || own == nil && l.parts[0].kind != partCapture {
		return append(dst, x.target.path...), nil
	}
	next := 0
	for _, s := range pattern.Segments {
		dst = append(dst, '/')
		if s.Capture == "" {
			dst = appendSegment(dst, []byte(s.Literal))
			continue
		}
		from := len(x.scratch)
		var e *reason.Error
		if x.scratch, e = l.view.AppendText(x.scratch, l.parts[next].text); e != nil {
			return dst, e
		}
		next++
		text := x.scratch[from:]
		if len(text) == 0 || string(text) == "." || string(text) == ".." || !fieldText(text) || bytes.ContainsAny(text, `/\`) {
			return dst, refuse(reason.Blocked, "a part of the path may not be sent as it is")
		}
		dst = appendSegment(dst, text)
		clear(x.scratch[from:cap(x.scratch)])
		x.scratch = x.scratch[:from]
	}
	if pattern.Rest && route.Rest {
		dst = append(dst, x.target.rest(route)...)
	}
	if len(dst) == 0 {
		dst = append(dst, '/')
	}
	return dst, nil
}

// fieldText reports whether b has no control character, so that it can stand
// in a head.
func fieldText(b []byte) bool {
	for _, c := range b {
		if (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}

// appendUnquoted appends a decoded query text.
func appendUnquoted(dst, b []byte) ([]byte, bool) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '+':
			dst = append(dst, ' ')
		case '%':
			c, ok := percentByte(b, i)
			if !ok {
				return dst, false
			}
			dst = append(dst, c)
			i += 2
		default:
			dst = append(dst, b[i])
		}
	}
	return dst, true
}

// appendQuoted appends a text as part of a query.
func appendQuoted(dst, b []byte) []byte {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '.', c == '_', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}
