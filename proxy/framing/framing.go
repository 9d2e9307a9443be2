// Package framing judges the bytes of an HTTP/1.1 connection before any parser
// acts on them. Two receivers that frame one byte stream differently are how
// requests are smuggled, so everything that RFC 9112 lets a lenient parser
// mend (bare line feeds, folded lines, a length beside chunks, spaces around
// names, chunk extensions, trailers) ends the connection here.
//
// The rules are stricter than the RFC where leniency serves no point of sale:
// chunk extensions and trailer fields are refused, and the request target is
// the origin form only.
package framing

import (
	"bytes"
	"errors"
)

// ErrMalformed says that the byte stream is not one that can be framed in a
// single way. It holds none of the bytes.
var ErrMalformed = errors.New("framing: the request cannot be framed in one way only")

// The bounds of a head.
const (
	MaxLine   = 8000 // bytes of one field, its CRLF included
	MaxStart  = 4000 // bytes of the request line, its CRLF included
	MaxFields = 100
)

// Scanner follows the requests of one connection, byte for byte. The zero
// value is ready. It is not safe for concurrent use.
type Scanner struct {
	state state
	line  []byte // the part of a line that an earlier Feed ended with
	left  int64  // bytes of the body, or of the chunk with its CRLF
	head  head
	bad   bool

	messages uint64 // that have ended
}

type state uint8

const (
	stateStart     state = iota // before a request line; one empty line may stand there
	stateStartOnly              // after that empty line
	stateFields
	stateBody
	stateChunkSize
	stateChunkData
	stateChunkEnd
	stateTrailer
	stateClosed // the request said that it is the last
)

// Feed judges the next bytes of the connection and returns how many of them
// may be handed on. When that is less than len(p), the rest is malformed, and
// so is everything after it. p is not kept.
func (s *Scanner) Feed(p []byte) int {
	if s.bad {
		return 0
	}
	for i := 0; i < len(p); {
		n, ok := s.step(p[i:])
		if !ok {
			s.bad = true
			s.line = nil
			if s.state == stateClosed {
				// Bytes behind a request that was said to be the last: the
				// sender and we disagree about where it ends. Nothing of it
				// may be acted on.
				return 0
			}
			return i
		}
		i += n
	}
	return len(p)
}

// step takes a line, or a run of body bytes, from the non-empty p.
func (s *Scanner) step(p []byte) (int, bool) {
	switch s.state {
	case stateBody, stateChunkData:
		n := int64(len(p))
		if n > s.left {
			n = s.left
		}
		if s.left -= n; s.left == 0 {
			s.bodyDone()
		}
		return int(n), true
	case stateClosed:
		return 0, false
	}
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		// A carriage return may stand only right before the line feed.
		if len(s.line)+len(p) > MaxLine || bareReturn(s.line, p) {
			return 0, false
		}
		s.line = append(s.line, p...)
		return len(p), true
	}
	line := p[:end+1]
	if len(s.line) > 0 {
		s.line = append(s.line, line...)
		line = s.line
	}
	if len(line) > MaxLine || len(line) < 2 || line[len(line)-2] != '\r' {
		return 0, false
	}
	ok := s.take(line[:len(line)-2])
	s.line = s.line[:0]
	return end + 1, ok
}

// bareReturn reports whether a carriage return that is not the last byte
// stands in the two parts of an unfinished line.
func bareReturn(before, p []byte) bool {
	if n := len(before); n > 0 && before[n-1] == '\r' {
		return true
	}
	i := bytes.IndexByte(p, '\r')
	return i >= 0 && i != len(p)-1
}

// take judges one line without its CRLF.
func (s *Scanner) take(line []byte) bool {
	switch s.state {
	case stateStart:
		if len(line) == 0 {
			s.state = stateStartOnly
			return true
		}
		return s.startLine(line)
	case stateStartOnly:
		return s.startLine(line)
	case stateFields:
		if len(line) == 0 {
			return s.headDone()
		}
		return s.head.field(line)
	case stateChunkSize:
		return s.chunkSize(line)
	case stateChunkEnd:
		s.state = stateChunkSize
		return len(line) == 0
	case stateTrailer:
		s.messageDone()
		return len(line) == 0
	}
	return false
}

func (s *Scanner) startLine(line []byte) bool {
	s.head = head{length: -1}
	s.state = stateFields
	return s.head.start(line)
}

func (s *Scanner) headDone() bool {
	h := &s.head
	switch {
	case h.http11() && !h.host:
		return false
	case h.chunked && (h.length >= 0 || !h.http11()):
		return false
	case h.chunked:
		s.state = stateChunkSize
	case h.length > 0:
		s.left, s.state = h.length, stateBody
	default:
		s.messageDone()
	}
	return true
}

func (s *Scanner) bodyDone() {
	if s.state == stateChunkData {
		s.state = stateChunkEnd
		return
	}
	s.messageDone()
}

func (s *Scanner) messageDone() {
	s.messages++
	s.state = stateStart
	if s.head.last() {
		s.state = stateClosed
	}
}

// chunkSize judges a chunk's first line: hexadecimal digits and nothing else.
func (s *Scanner) chunkSize(line []byte) bool {
	if len(line) == 0 || len(line) > 8 {
		return false
	}
	var n int64
	for _, c := range line {
		d := hexDigit(c)
		if d < 0 {
			return false
		}
		n = n<<4 | int64(d)
	}
	if n == 0 {
		s.state = stateTrailer
		return true
	}
	s.left, s.state = n, stateChunkData
	return true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// between reports whether the scanner stands between two requests: what was
// fed is whole.
func (s *Scanner) between() bool {
	return !s.bad && len(s.line) == 0 && (s.state == stateStart || s.state == stateClosed)
}

// fresh reports whether the next byte is the first one of a request that may
// come.
func (s *Scanner) fresh() bool { return !s.bad && len(s.line) == 0 && s.state == stateStart }
