// Package framing reads HTTP/1.1 requests off a connection, strictly. Two
// receivers that frame one byte stream differently are how requests are
// smuggled, so everything that RFC 9112 lets a lenient parser mend (bare line
// feeds, folded lines, a length beside chunks, spaces around names, chunk
// extensions, trailers) ends the connection here.
//
// The rules are stricter than the RFC where leniency serves no point of sale:
// chunk extensions and trailer fields are refused, and the request target is
// the origin form only.
//
// A head is looked at once, and stays where it arrived; so does a body that is
// not large.
package framing

import "errors"

// ErrMalformed says that the byte stream is not one that can be framed in a
// single way. It holds none of the bytes.
var ErrMalformed = errors.New("framing: the request cannot be framed in one way only")

// ErrTooLong says that a head has more than MaxHead bytes.
var ErrTooLong = errors.New("framing: the head is larger than the limit")

// The bounds of a head.
const (
	MaxHead   = 16 << 10 // bytes
	MaxLine   = 8000     // bytes of one field, its CRLF included
	MaxStart  = 4000     // bytes of the request line, its CRLF included
	MaxFields = 100
)

// bufferSize is how much of a request a connection holds: the head, and a body
// that has room behind it.
const bufferSize = MaxHead + 4<<10
