package framing

import "bytes"

// What follows is how requests were framed before heads were kept: byte by byte,
// without a buffer. The tests hold what is done now against it.

// scanner follows the requests of one connection, byte for byte. The zero
// value is ready. It is not safe for concurrent use.
type scanner struct {
	state oldState
	line  []byte // the part of a line that an earlier Feed ended with
	left  int64  // bytes of the body, or of the chunk with its CRLF
	head  oldHead
	bad   bool

	messages uint64 // that have ended
}

type oldState uint8

const (
	oldStateStart     oldState = iota // before a request line; one empty line may stand there
	oldStateStartOnly                 // after that empty line
	oldStateFields
	oldStateBody
	oldStateChunkSize
	oldStateChunkData
	oldStateChunkEnd
	oldStateTrailer
	oldStateClosed // the request said that it is the last
)

// Feed judges the next bytes of the connection and returns how many of them
// may be handed on. When that is less than len(p), the rest is malformed, and
// so is everything after it. p is not kept.
func (s *scanner) Feed(p []byte) int {
	if s.bad {
		return 0
	}
	for i := 0; i < len(p); {
		n, ok := s.step(p[i:])
		if !ok {
			s.bad = true
			s.line = nil
			if s.state == oldStateClosed {
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
func (s *scanner) step(p []byte) (int, bool) {
	switch s.state {
	case oldStateBody, oldStateChunkData:
		n := int64(len(p))
		if n > s.left {
			n = s.left
		}
		if s.left -= n; s.left == 0 {
			s.bodyDone()
		}
		return int(n), true
	case oldStateClosed:
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
func (s *scanner) take(line []byte) bool {
	switch s.state {
	case oldStateStart:
		if len(line) == 0 {
			s.state = oldStateStartOnly
			return true
		}
		return s.startLine(line)
	case oldStateStartOnly:
		return s.startLine(line)
	case oldStateFields:
		if len(line) == 0 {
			return s.headDone()
		}
		return s.head.field(line)
	case oldStateChunkSize:
		return s.chunkSize(line)
	case oldStateChunkEnd:
		s.state = oldStateChunkSize
		return len(line) == 0
	case oldStateTrailer:
		s.messageDone()
		return len(line) == 0
	}
	return false
}

func (s *scanner) startLine(line []byte) bool {
	s.head = oldHead{length: -1}
	s.state = oldStateFields
	return s.head.start(line)
}

func (s *scanner) headDone() bool {
	h := &s.head
	switch {
	case h.http11() && !h.host:
		return false
	case h.chunked && (h.length >= 0 || !h.http11()):
		return false
	case h.chunked:
		s.state = oldStateChunkSize
	case h.length > 0:
		s.left, s.state = h.length, oldStateBody
	default:
		s.messageDone()
	}
	return true
}

func (s *scanner) bodyDone() {
	if s.state == oldStateChunkData {
		s.state = oldStateChunkEnd
		return
	}
	s.messageDone()
}

func (s *scanner) messageDone() {
	s.messages++
	s.state = oldStateStart
	if s.head.last() {
		s.state = oldStateClosed
	}
}

// chunkSize judges a chunk's first line: hexadecimal digits and nothing else.
func (s *scanner) chunkSize(line []byte) bool {
	if len(line) == 0 || len(line) > 8 {
		return false
	}
	var n int64
	for _, c := range line {
		d := HexDigit(c)
		if d < 0 {
			return false
		}
		n = n<<4 | int64(d)
	}
	if n == 0 {
		s.state = oldStateTrailer
		return true
	}
	s.left, s.state = n, oldStateChunkData
	return true
}

// between reports whether the scanner stands between two requests: what was
// fed is whole.
func (s *scanner) between() bool {
	return !s.bad && len(s.line) == 0 && (s.state == oldStateStart || s.state == oldStateClosed)
}

// oldHead is what the fields of one request say about its framing.
type oldHead struct {
	minor    byte // of the HTTP version: '0' or '1'
	fields   int
	seen     uint16 // bit i: the field onlyOnce[i]
	host     bool
	chunked  bool
	length   int64 // -1: no Content-Length
	closes   bool
	keepOpen bool
}

func (h *oldHead) http11() bool { return h.minor == '1' }

// last reports whether the connection ends with this request (RFC 9112, 9.3).
func (h *oldHead) last() bool { return h.closes || (!h.http11() && !h.keepOpen) }

// start judges the request line: a method of capital letters, an origin-form
// target of visible ASCII, and the version (RFC 9112, 3).
func (h *oldHead) start(line []byte) bool {
	method, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || len(line) > MaxStart-2 || len(method) == 0 || len(method) > 16 {
		return false
	}
	for _, c := range method {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	if !knownMethod(method) {
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

// field judges one header field line (RFC 9112, 5).
func (h *oldHead) field(line []byte) bool {
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

func (h *oldHead) meaning(which int, value []byte) bool {
	switch which {
	case int(Host):
		h.host = len(value) > 0
		return h.host
	case int(ContentLength):
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
	case int(TransferEncoding):
		h.chunked = folds(value, "chunked")
		return h.chunked
	}
	return true
}

// connection looks for close and keep-alive in a Connection field.
func (h *oldHead) connection(value []byte) bool {
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
