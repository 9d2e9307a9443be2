package proxy

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// response is the answer to a request, until it is sent. Its head is what fasthttp
// would write of the same fields, byte for byte; but nothing in it has to be
// found out twice, and its body stands where it is sent from, behind some room
// for the head.
type response struct {
	Header responseHeader
	status int    // 0: 200
	body   []byte // in room, if that is not empty
	room   []byte // used again; zeroed beyond the room for a head
	closes bool
}

// responseHeader are the header fields of a response.
type responseHeader struct {
	contentType string          // empty: none
	lines       []byte          // the fields, as they are sent
	fields      []responseField // where they stand in lines
}

// responseField is where a field stands: its name from from to name, its value from
// value to end, behind which its line ends.
type responseField struct{ from, name, value, end int }

// Add adds a header field. name is in its canonical form, and is no field that
// frames the message or ends the connection.
func (h *responseHeader) Add(name, value string) { h.add(name, unbroken(value)) }

// Set is Add, in the place of the first field of that name if there is one.
func (h *responseHeader) Set(name, value string) {
	if value = unbroken(value); name == "Content-Type" {
		h.contentType = value
		return
	}
	h.set(name, value)
}

// set is Set of a value of ours, which breaks no line.
func (h *responseHeader) set(name, value string) {
	for i := range h.fields {
		f := &h.fields[i]
		if f.name-f.from == len(name) && string(h.lines[f.from:f.name]) == name {
			h.replace(i, value)
			return
		}
	}
	h.add(name, value)
}

// add is Add of a value of ours.
//
//go:noinline
func (h *responseHeader) add(name, value string) {
	from := len(h.lines)
	h.lines = append(h.lines, name...)
	h.lines = append(h.lines, ": "...)
	at := len(h.lines)
	h.lines = append(h.lines, value...)
	h.fields = append(h.fields, responseField{from, from + len(name), at, len(h.lines)})
	h.lines = append(h.lines, "\r\n"...)
}

// replace gives a field another value.
//
//go:noinline
func (h *responseHeader) replace(i int, value string) {
	f := &h.fields[i]
	longer := len(value) - (f.end - f.value)
	behind := len(h.lines)
	h.lines = slices.Replace(h.lines, f.value, f.end, []byte(value)...)
	if longer < 0 {
		clear(h.lines[len(h.lines):behind])
	}
	f.end += longer
	for i++; i < len(h.fields); i++ {
		f := &h.fields[i]
		f.from, f.name, f.value, f.end = f.from+longer, f.name+longer, f.value+longer, f.end+longer
	}
}

// unbroken makes blanks of what would end a line.
func unbroken(value string) string {
	if strings.IndexByte(value, '\n') < 0 && strings.IndexByte(value, '\r') < 0 {
		return value
	}
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(value)
}

// SetContentType sets the media type of the body.
func (h *responseHeader) SetContentType(media string) { h.contentType = media }

// ContentType returns the media type of the body; empty: there is none.
func (h *responseHeader) ContentType() string { return h.contentType }

// All returns names and values, as they stand in the response.
func (h *responseHeader) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if h.contentType != "" && !yield("Content-Type", h.contentType) {
			return
		}
		for _, f := range h.fields {
			if !yield(string(h.lines[f.from:f.name]), string(h.lines[f.value:f.end])) {
				return
			}
		}
	}
}

// SetStatusCode sets the HTTP status.
func (r *response) SetStatusCode(status int) { r.status = status }

// StatusCode returns the HTTP status.
func (r *response) StatusCode() int {
	if r.status == 0 {
		return fasthttp.StatusOK
	}
	return r.status
}

// SetConnectionClose makes the connection end with the response.
func (r *response) SetConnectionClose() { r.closes = true }

// ConnectionClose reports whether the connection ends with the response.
func (r *response) ConnectionClose() bool { return r.closes }

// Body returns the body. It is the response's, until it is sent or changed.
func (r *response) Body() []byte { return r.body }

// SetBody makes the body a copy of b.
func (r *response) SetBody(b []byte) {
	if len(r.room) > 0 || len(r.body) > 0 {
		r.ResetBody()
	}
	if need := headRoom + len(b); cap(r.room) < need {
		r.room = make([]byte, 0, need+need/4)
	}
	r.room = append(r.room[:headRoom], b...)
	r.body = r.room[headRoom:]
}

// SetBodyString is SetBody of a text.
func (r *response) SetBodyString(s string) { r.SetBody([]byte(s)) }

// TakeBody makes b the body. It is the response's from now on, which zeroes it.
func (r *response) TakeBody(b []byte) {
	r.ResetBody()
	r.body = b
}

// ResetBody leaves the response without a body.
//
//go:noinline
func (r *response) ResetBody() {
	clear(r.body)
	clear(r.room)
	r.body, r.room = nil, r.room[:0]
}

// Reset leaves nothing of the response.
func (r *response) Reset() {
	r.ResetBody()
	r.room = kept(r.room)
	r.status, r.closes = 0, false
	h := &r.Header
	clear(h.lines)
	h.contentType, h.lines, h.fields = "", h.lines[:0], h.fields[:0]
}

// lastField is what the last field of a head says of its connection.
type lastField uint8

const (
	saysNothing   lastField = iota
	saysKeepAlive           // to a caller of HTTP/1.0, which waits to be told
	saysClose
)

// headMost is how long a head may be but for its media type and its fields.
const headMost = 192

// message returns what is to be sent: the head and, where that is not returned
// as rest, the body. Both are the response's until it is reset. at is the time of
// day; bodiless says that the request is one whose answer has no body.
func (r *response) message(at time.Time, last lastField, bodiless bool) (text, rest []byte) {
	status, length := r.StatusCode(), len(r.body)
	never := status != fasthttp.StatusOK && statusBodiless(status)
	if bodiless || never || len(r.room) == 0 || headMost+len(r.Header.contentType)+len(r.Header.lines) > headRoom {
		if never || bodiless && length == 0 {
			length = -1 // is not said
		}
		return r.apart(at, last, length, bodiless || never)
	}
	head := r.appendHead(r.room[:0], at, last, length)
	from := headRoom - len(head)
	copy(r.room[from:headRoom], head)
	return r.room[from:], nil
}

// statusBodiless reports whether answers with a status never have a body, nor
// say how long it is (RFC 9110, 8.6).
func statusBodiless(status int) bool {
	return status < 200 || status == fasthttp.StatusNoContent || status == fasthttp.StatusNotModified
}

// oneWrite is how large a body may be to be sent together with its head, where
// it does not stand behind it.
const oneWrite = 32 << 10

// apart is message for a body that does not stand where it can be sent from.
//
//go:noinline
func (r *response) apart(at time.Time, last lastField, length int, bodiless bool) (text, rest []byte) {
	if rest = r.body; bodiless {
		rest = nil
	}
	behind := 0
	if len(rest) <= oneWrite {
		behind = len(rest)
	}
	text = make([]byte, 0, headMost+len(r.Header.contentType)+len(r.Header.lines)+behind)
	text = append(r.appendHead(text, at, last, length), rest[:behind]...)
	rest = rest[behind:]
	if len(rest) == 0 {
		r.ResetBody()
		r.room = text
	}
	return text, rest
}

// appendHead appends the head. length is that of the body, negative where it is
// not said.
func (r *response) appendHead(dst []byte, at time.Time, last lastField, length int) []byte {
	if status := r.StatusCode(); status == fasthttp.StatusOK {
		dst = append(dst, "HTTP/1.1 200 OK\r\n"...)
	} else {
		dst = appendStatusLine(dst, status)
	}
	dst = append(dst, dateLine(at)...)
	h := &r.Header
	if h.contentType != "" {
		dst = appendField(dst, "Content-Type", h.contentType)
	}
	if length >= 0 {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(length), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, h.lines...)
	switch last {
	case saysClose:
		dst = append(dst, "Connection: close\r\n"...)
	case saysKeepAlive:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return append(dst, "\r\n"...)
}

//go:noinline
func appendStatusLine(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, fasthttp.StatusMessage(status)...)
	return append(dst, "\r\n"...)
}

// dated is the Date field of a second.
type dated struct {
	second int64 // of the Unix epoch
	line   string
}

var lastDated atomic.Pointer[dated]

// dateLine returns the Date field of a time. All answers of a second share it.
func dateLine(at time.Time) string {
	second := at.Unix()
	if d := lastDated.Load(); d != nil && d.second == second {
		return d.line
	}
	return newDateLine(at, second)
}

//go:noinline
func newDateLine(at time.Time, second int64) string {
	line := string(fasthttp.AppendHTTPDate([]byte("Date: "), at)) + "\r\n"
	lastDated.Store(&dated{second, line})
	return line
}
