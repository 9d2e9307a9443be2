package framing

import "bytes"

// head is what the fields of one request say about its framing.
type head struct {
	minor    byte // of the HTTP version: '0' or '1'
	fields   int
	seen     uint16 // bit i: the field onlyOnce[i]
	host     bool
	chunked  bool
	length   int64 // -1: no Content-Length
	closes   bool
	keepOpen bool
}

func (h *head) http11() bool { return h.minor == '1' }

// last reports whether the connection ends with this request (RFC 9112, 9.3).
func (h *head) last() bool { return h.closes || (!h.http11() && !h.keepOpen) }

// start judges the request line: a method of capital letters, an origin-form
// target of visible ASCII, and the version (RFC 9112, 3).
func (h *head) start(line []byte) bool {
	method, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || len(line) > MaxStart-2 || len(method) == 0 || len(method) > 16 {
		return false
	}
	for _, c := range method {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	if !knownMethods[string(method)] {
		return false
	}
	target, version, ok := bytes.Cut(rest, []byte{' '})
	if !ok || len(target) == 0 || target[0] != '/' {
		return false
	}
	for _, c := range target {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	if len(version) != 8 || string(version[:7]) != "HTTP/1." || (version[7] != '0' && version[7] != '1') {
		return false
	}
	h.minor = version[7]
	return true
}

// knownMethods are those a route can have. CONNECT and TRACE are not for a
// reverse proxy.
var knownMethods = map[string]bool{
	"GET": true, "HEAD": true, "POST": true, "PUT": true,
	"PATCH": true, "DELETE": true, "OPTIONS": true,
}

// onlyOnce are the fields whose repetition two receivers may read differently.
var onlyOnce = [...]string{
	"host", "content-length", "transfer-encoding", "content-type",
	"content-encoding", "authorization", "idempotency-key", "origin", "expect",
	"sec-fetch-site",
}

// The indexes of onlyOnce that mean something here.
const (
	onceHost = iota
	onceLength
	onceEncoding
)

// field judges one header field line (RFC 9112, 5).
func (h *head) field(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || colon > 256 {
		return false
	}
	if h.fields++; h.fields > MaxFields {
		return false
	}
	name, value := line[:colon], trim(line[colon+1:])
	for _, c := range name {
		if !tokenChars[c] {
			return false
		}
	}
	for _, c := range value {
		if (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	// Only names that are, or with _ for - look like, one of ours matter.
	switch name[0] | 0x20 {
	case 'h', 'c', 't', 'a', 'i', 'o', 'e', 's':
	default:
		return true
	}
	if folds(name, "connection") {
		return h.connection(value)
	}
	for i, only := range onlyOnce {
		if !folds(name, only) {
			continue
		}
		// Some servers read Content_Length as Content-Length.
		if bytes.IndexByte(name, '_') >= 0 || h.seen&(1<<i) != 0 {
			return false
		}
		h.seen |= 1 << i
		return h.meaning(i, value)
	}
	return true
}

func (h *head) meaning(which int, value []byte) bool {
	switch which {
	case onceHost:
		h.host = len(value) > 0
		return h.host
	case onceLength:
		if len(value) == 0 || len(value) > 18 {
			return false
		}
		h.length = 0
		for _, c := range value {
			if c < '0' || c > '9' {
				return false
			}
			h.length = h.length*10 + int64(c-'0')
		}
	case onceEncoding:
		h.chunked = folds(value, "chunked")
		return h.chunked
	}
	return true
}

// connection looks for close and keep-alive in a Connection field.
func (h *head) connection(value []byte) bool {
	for len(value) > 0 {
		option, rest, _ := bytes.Cut(value, []byte{','})
		switch option = trim(option); {
		case folds(option, "close"):
			h.closes = true
		case folds(option, "keep-alive"):
			h.keepOpen = true
		}
		value = rest
	}
	return true
}

// folds reports whether b is the lower-case name, where case and the
// difference between - and _ do not count.
func folds(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c == '_':
			c = '-'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// trim takes optional white space off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// tokenChars are the characters of a field name (RFC 9110, 5.6.2).
var tokenChars = func() (t [256]bool) {
	for c := range 256 {
		t[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' ||
			bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0
	}
	return t
}()
