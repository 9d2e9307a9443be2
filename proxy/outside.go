package proxy

import "bytes"

// What expressions ask of a request besides its body (rewrite.Outside). They
// name only what their leg forwards, so that nothing is asked for which the leg
// could not carry.

// CallerName returns the caller's name in the policy.
func (x *exchange) CallerName() string { return x.p.plan.Callers[x.caller].Name }

// HeaderField returns a header field of the request, and how many of that name
// there are. Those that are never forwarded are not there.
func (x *exchange) HeaderField(name string) (value []byte, count int) {
	h := x.ctx.head
	if !forwardable(name, x.p.plan.Identify.Headers, h.All("Connection")) {
		return nil, 0
	}
	for field := range h.All(name) {
		value = field
		count++
	}
	return value, count
}

// QueryMember returns a decoded member of the request's query, and how many of
// that name there are.
func (x *exchange) QueryMember(name string) (value []byte, count int) {
	for rest := x.target.query; len(rest) > 0; {
		var member []byte
		member, rest, _ = bytes.Cut(rest, []byte{'&'})
		key, text, _ := bytes.Cut(member, []byte{'='})
		decoded, ok := appendUnquoted(nil, key)
		if !ok {
			return nil, 2
		}
		if string(decoded) != name {
			continue
		}
		if value, ok = appendUnquoted(nil, text); !ok {
			return nil, 2
		}
		count++
	}
	return value, count
}
