package proxy

import (
	"bytes"
	"errors"

	"chaperone/proxy/framing"
	"chaperone/rules/reason"
)

// judge takes the head of a request: whether it may be here, who sends it,
// what it asks for, and whether its body is one that can be read.
func (x *exchange) judge() *reason.Error {
	h := x.ctx.head
	local := x.ctx.local()
	switch {
	case !x.s.hosts.has(h.Get(framing.Host), local):
		return refuse(reason.HostUnknown, "this is not the name of this proxy")
	case !x.s.hosts.sameSite(h.Get(framing.Origin), h.Get(framing.SecFetchSite), local):
		return refuse(reason.CrossSite, "requests of other sites are not taken")
	}
	if x.caller = x.p.callers.identify(h); x.caller == noCaller {
		return refuse(reason.CallerUnknown, "no caller has this key")
	}
	if !x.target.parse(h.Target()) {
		return refuse(reason.HeadMalformed, "the request target is ambiguous")
	}
	route, others := find(x.p.plan.Routes, h.Method(), &x.target)
	if route < 0 && others != "" {
		x.ctx.Response.Header.Set("Allow", others)
		return refuse(reason.MethodNotAllowed, "the route takes other methods")
	}
	if route < 0 {
		return refuse(reason.RouteUnknown, "no route takes this path")
	}
	x.route = route
	if !allowed(x.p.plan, x.caller, route) {
		return refuse(reason.CallerForbidden, "the caller may not use this route")
	}
	if e := x.p.agreed(route, x.wall); e != nil {
		return e
	}
	return x.judgeBody(h)
}

// judgeBody takes what the head says of the body.
func (x *exchange) judgeBody(h *framing.Head) *reason.Error {
	if v := h.Get(framing.Expect); len(v) > 0 && !bytes.EqualFold(v, []byte("100-continue")) {
		return refuse(reason.ExpectUnknown, "the expectation is not known")
	}
	n := h.Length() // -1: chunked, -2: none
	x.hasBody = n > 0 || n == -1
	if !x.hasBody {
		if needsBody(h.Method()) {
			return refuse(reason.BodyMissing, "the request needs a JSON body")
		}
		return nil
	}
	if n > x.s.limits.Body {
		return refuse(reason.BodyTooLarge, "the body is larger than the limit")
	}
	if v := h.Get(framing.ContentEncoding); len(v) > 0 && !bytes.EqualFold(v, []byte("identity")) {
		return refuse(reason.ContentEncoding, "bodies are taken without a content coding")
	}
	if !jsonType(h.Get(framing.ContentType)) {
		return refuse(reason.ContentType, "bodies are taken as application/json in UTF-8")
	}
	return nil
}

func needsBody(method []byte) bool {
	switch string(method) {
	case "POST", "PUT", "PATCH":
		return true
	}
	return false
}

// jsonType reports whether a media type is application/json or one of +json,
// in UTF-8.
func jsonType(v []byte) bool {
	media, params, _ := bytes.Cut(v, []byte{';'})
	media = bytes.TrimSpace(media)
	if !bytes.EqualFold(media, []byte("application/json")) {
		slash, plus := bytes.IndexByte(media, '/'), bytes.LastIndexByte(media, '+')
		if slash <= 0 || plus < slash || !bytes.EqualFold(media[plus:], []byte("+json")) {
			return false
		}
	}
	for len(params) > 0 {
		param, rest, _ := bytes.Cut(params, []byte{';'})
		name, value, ok := bytes.Cut(bytes.TrimSpace(param), []byte{'='})
		if ok && bytes.EqualFold(name, []byte("charset")) && !bytes.EqualFold(bytes.Trim(value, `"`), []byte("utf-8")) {
			return false
		}
		params = rest
	}
	return true
}

// headFault names what was wrong with bytes that never became a request.
func headFault(err error) *reason.Error {
	switch {
	case errors.Is(err, framing.ErrMalformed):
		return refuse(reason.HeadMalformed, "the request cannot be framed in one way only")
	case errors.Is(err, framing.ErrTooLong):
		return refuse(reason.HeadMalformed, "the head is larger than the limit")
	case timedOut(err):
		return refuse(reason.BodyTooSlow, "the request did not arrive in time")
	}
	return refuse(reason.HeadMalformed, "the request is malformed")
}
