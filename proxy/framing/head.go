package framing

import (
	"bytes"
	"iter"
	"math"
)

// Head is the head of a request as it stands in its connection's buffer: what
// its methods return is borrowed, and valid until the connection's next call of
// Next or Close. It is read-only, and safe for concurrent use as such.
type Head struct {
	text   []byte // what fields and the ends of method and target refer to
	at     int    // how much of text has been taken
	start  int    // where the request line begins
	method int    // where the method ends
	target int    // where the target ends
	fields []place
	once   [len(onlyOnce)]uint8 // 1 + the index of that field in fields; 0: it is not there

	state    headState
	minor    byte // of the HTTP version: '0' or '1'
	chunked  bool
	closes   bool
	keepOpen bool
	length   int64 // -1: no Content-Length
}

// place is where a field stands: its name from name to colon, its value from
// value to end. MaxHead is less than these can hold.
type place struct{ name, colon, value, end uint16 }

type headState uint8

const (
	headStart     headState = iota // before the request line; one empty line may stand there
	headStartOnly                  // after that empty line
	headFields
)

// reset makes h the head of a request of which nothing has come.
func (h *Head) reset() {
	*h = Head{fields: h.fields[:0], length: -1}
}

// NewHead makes the head of a request that did not come over a connection. It
// judges nothing, but takes no fields beyond MaxFields and MaxHead. length is that
// of the body, negative for none.
func NewHead(method, target string, length int, fields [][2]string) *Head {
	h := &Head{minor: '1', length: int64(max(length, -1)), method: len(method)}
	h.text = append(append(append(h.text, method...), ' '), target...)
	h.target = len(h.text)
	for _, f := range fields[:min(len(fields), MaxFields)] {
		if len(h.text)+len(f[0])+len(f[1]) > MaxHead {
			break
		}
		p := place{name: uint16(len(h.text))}
		h.text = append(h.text, f[0]...)
		p.colon = uint16(len(h.text))
		p.value = p.colon
		h.text = append(h.text, f[1]...)
		p.end = uint16(len(h.text))
		h.fields = append(h.fields, p)
		for i, name := range onlyOnce {
			if folds([]byte(f[0]), name) {
				h.once[i] = uint8(len(h.fields))
			}
		}
	}
	return h
}

// Method returns the method, in capitals.
func (h *Head) Method() []byte { return h.text[h.start:h.method] }

// Target returns the request target: a path, and perhaps a query.
func (h *Head) Target() []byte { return h.text[h.method+1 : h.target] }

// Is11 reports whether the request is one of HTTP/1.1, and not of 1.0.
func (h *Head) Is11() bool { return h.minor == '1' }

// Last reports whether the connection ends with this request (RFC 9112, 9.3).
func (h *Head) Last() bool { return h.closes || (!h.Is11() && !h.keepOpen) }

// Length returns how many bytes the body has: -1 where it comes in chunks, -2
// where there is none.
func (h *Head) Length() int {
	switch {
	case h.chunked:
		return -1
	case h.length < 0:
		return -2
	}
	return int(min(h.length, math.MaxInt))
}

// Get returns the value of a field that stands in a head at most once; empty if
// it is not there.
func (h *Head) Get(f Field) []byte {
	i := h.once[f]
	if i == 0 {
		return nil
	}
	p := &h.fields[i-1]
	return h.text[p.value:p.end]
}

// All returns the values of the fields of a name, in which case does not count,
// in their order.
func (h *Head) All(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range h.fields {
			p := &h.fields[i]
			if int(p.colon-p.name) == len(name) && bytes.EqualFold(h.text[p.name:p.colon], []byte(name)) && !yield(h.text[p.value:p.end]) {
				return
			}
		}
	}
}

// Field is a field that a head has at most once.
type Field uint8

// The fields whose repetition two receivers may read differently.
const (
	Host Field = iota
	ContentLength
	TransferEncoding
	ContentType
	ContentEncoding
	Authorization
	IdempotencyKey
	Origin
	Expect
	SecFetchSite
)

// onlyOnce are the names of the Fields.
var onlyOnce = [...]string{
	Host:             "host",
	ContentLength:    "content-length",
	TransferEncoding: "transfer-encoding",
	ContentType:      "content-type",
	ContentEncoding:  "content-encoding",
	Authorization:    "authorization",
	IdempotencyKey:   "idempotency-key",
	Origin:           "origin",
	Expect:           "expect",
	SecFetchSite:     "sec-fetch-site",
}

// byName returns the one Field whose name can begin with this letter and have n
// bytes.
func byName(first byte, n int) (f Field, ok bool) {
	switch {
	case n == len("host"):
		f = Host
	case n == len("origin") && first == 'o':
		f = Origin
	case n == len("expect"):
		f = Expect
	case n == len("content-type"):
		f = ContentType
	case n == len("authorization"):
		f = Authorization
	case n == len("content-length") && first == 'c':
		f = ContentLength
	case n == len("sec-fetch-site"):
		f = SecFetchSite
	case n == len("idempotency-key"):
		f = IdempotencyKey
	case n == len("content-encoding"):
		f = ContentEncoding
	case n == len("transfer-encoding"):
		f = TransferEncoding
	}
	return f, onlyOnce[f][0] == first
}

// read takes the lines of a head from what has come of its request, on from
// where it stopped. whole says that the head has ended, at h.at.
func (h *Head) read(text []byte) (whole, ok bool) {
	h.text = text
	for h.at < len(text) {
		rest := text[h.at:]
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			// A carriage return may stand only right before the line feed.
			cr := bytes.IndexByte(rest, '\r')
			return false, len(rest) <= MaxLine && (cr < 0 || cr == len(rest)-1)
		}
		if n >= MaxLine || n < 1 || rest[n-1] != '\r' {
			return false, false
		}
		from := h.at
		h.at += n + 1
		if whole, ok = h.take(from, h.at-2); whole || !ok {
			return whole, ok
		}
	}
	return false, true
}

// take judges the line text[from:to].
func (h *Head) take(from, to int) (whole, ok bool) {
	switch {
	case h.state == headFields && from == to:
		return true, h.done()
	case h.state == headFields:
		return false, h.field(from, to)
	case h.state == headStart && from == to:
		h.state = headStartOnly
		return false, true
	}
	h.state = headFields
	return false, h.line(from, to)
}

// done judges the head as a whole.
func (h *Head) done() bool {
	return (!h.Is11() || h.once[Host] != 0) && !(h.chunked && (h.length >= 0 || !h.Is11()))
}

// line judges the request line: a method of capital letters, an origin-form
// target of visible ASCII, and the version (RFC 9112, 3).
func (h *Head) line(from, to int) bool {
	line := h.text[from:to]
	const version = " HTTP/1.x"
	if len(line) > MaxStart-2 || len(line) < len(version) {
		return false
	}
	end := len(line) - len(version)
	if string(line[end:len(line)-1]) != version[:len(version)-1] {
		return false
	}
	if h.minor = line[len(line)-1]; h.minor != '0' && h.minor != '1' {
		return false
	}
	space := bytes.IndexByte(line[:end], ' ')
	if space <= 0 || !knownMethod(line[:space]) {
		return false
	}
	target := line[space+1 : end]
	if len(target) == 0 || target[0] != '/' {
		return false
	}
	for _, c := range target {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	h.start, h.method, h.target = from, from+space, from+end
	return true
}

// knownMethod reports whether a route can have a method. CONNECT and TRACE are
// not for a reverse proxy.
func knownMethod(m []byte) bool {
	switch string(m) {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return true
	}
	return false
}

// field judges one header field line (RFC 9112, 5).
func (h *Head) field(from, to int) bool {
	line := h.text[from:to]
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || colon > 256 || len(h.fields) == MaxFields {
		return false
	}
	for _, c := range line[:colon] {
		if !tokenChars[c] {
			return false
		}
	}
	value, end := colon+1, len(line)
	for value < end && (line[value] == ' ' || line[value] == '\t') {
		value++
	}
	for value < end && (line[end-1] == ' ' || line[end-1] == '\t') {
		end--
	}
	for _, c := range line[value:end] {
		if (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	h.fields = append(h.fields, place{uint16(from), uint16(from + colon), uint16(from + value), uint16(from + end)})
	return h.named(line[:colon], line[value:end])
}

// named judges a field by its name. Only names that are, or with _ for - look
// like, one of the Fields matter, and Connection.
func (h *Head) named(name, value []byte) bool {
	if len(name) == len("connection") && folds(name, "connection") {
		h.connection(value)
		return true
	}
	which, ok := byName(name[0]|0x20, len(name))
	if !ok || !folds(name, onlyOnce[which]) {
		return true
	}
	// Some servers read Content_Length as Content-Length.
	if bytes.IndexByte(name, '_') >= 0 || h.once[which] != 0 {
		return false
	}
	h.once[which] = uint8(len(h.fields))
	switch which {
	case Host:
		return len(value) > 0
	case ContentLength:
		return h.measure(value)
	case TransferEncoding:
		h.chunked = folds(value, "chunked")
		return h.chunked
	}
	return true
}

// measure takes the value of Content-Length.
func (h *Head) measure(value []byte) bool {
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
	return true
}

// connection looks for close and keep-alive in a Connection field.
func (h *Head) connection(value []byte) {
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
