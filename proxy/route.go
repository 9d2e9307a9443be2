package proxy

import (
	"bytes"
	"strconv"
	"strings"

	"chaperone/proxy/framing"
	"chaperone/rules"
)

// target is the request target, taken apart. Its slices borrow from the
// request's head.
type target struct {
	path     []byte   // as it arrived, percent-encoded
	query    []byte   // as it arrived, without the question mark
	segments [][]byte // of path, decoded
	decoded  []byte   // what the decoded segments stand in, where any needed it
}

// maxSegments bounds the segments of a path.
const maxSegments = 64

// parse takes a request target apart. It reports false for one that two
// receivers may read as different resources: an empty or dot segment, bad
// percent-encoding, an encoded slash, backslash or control character.
func (t *target) parse(raw []byte) bool {
	t.path, t.query = raw, nil
	if q := bytes.IndexByte(raw, '?'); q >= 0 {
		t.path, t.query = raw[:q], raw[q+1:]
	}
	t.segments, t.decoded = t.segments[:0], t.decoded[:0]
	if len(t.path) == 0 || t.path[0] != '/' {
		return false
	}
	if len(t.path) == 1 {
		return true
	}
	// Room for all of it, so that appending moves no segment.
	if cap(t.decoded) < len(t.path) {
		t.decoded = make([]byte, 0, 2*len(t.path))
	}
	for rest := t.path[1:]; ; {
		slash := bytes.IndexByte(rest, '/')
		part := rest
		if slash >= 0 {
			part = rest[:slash]
		}
		segment, ok := t.segment(part)
		if !ok || len(t.segments) == maxSegments {
			return false
		}
		t.segments = append(t.segments, segment)
		if slash < 0 {
			return true
		}
		rest = rest[slash+1:]
	}
}

func (t *target) segment(part []byte) ([]byte, bool) {
	segment := part
	if bytes.IndexByte(part, '%') >= 0 {
		from := len(t.decoded)
		for i := 0; i < len(part); i++ {
			c := part[i]
			if c == '%' {
				var ok bool
				if c, ok = percentByte(part, i); !ok {
					return nil, false
				}
				i += 2
			}
			t.decoded = append(t.decoded, c)
		}
		segment = t.decoded[from:]
	}
	if len(segment) == 0 || string(segment) == "." || string(segment) == ".." {
		return nil, false
	}
	for _, c := range segment {
		if c < ' ' || c == 0x7f || c == '/' || c == '\\' {
			return nil, false
		}
	}
	return segment, true
}

// percentByte returns the byte that the percent sign at text[i] and the two
// digits behind it stand for, and whether they do.
func percentByte(text []byte, i int) (byte, bool) {
	if i+2 >= len(text) {
		return 0, false
	}
	hi, lo := framing.HexDigit(text[i+1]), framing.HexDigit(text[i+2])
	return byte(hi<<4 | lo), hi >= 0 && lo >= 0
}

// matches reports whether a pattern takes the path.
func (t *target) matches(p *rules.Pattern) bool {
	if len(t.segments) < len(p.Segments) || (len(t.segments) > len(p.Segments) && !p.Rest) {
		return false
	}
	for i := range p.Segments {
		if p.Segments[i].Capture == "" && string(t.segments[i]) != p.Segments[i].Literal {
			return false
		}
	}
	return true
}

// capture returns the decoded text of a capture of the pattern that matched.
func (t *target) capture(p *rules.Pattern, name string) ([]byte, bool) {
	for i := range p.Segments {
		if p.Segments[i].Capture == name {
			return t.segments[i], true
		}
	}
	return nil, false
}

// rest returns the path behind the pattern's segments, with its slash, as it
// arrived.
func (t *target) rest(p *rules.Pattern) []byte {
	path := t.path
	for range p.Segments {
		i := bytes.IndexByte(path[1:], '/')
		if i < 0 {
			return nil
		}
		path = path[i+1:]
	}
	if len(path) == 1 {
		return nil
	}
	return path
}

// find returns the first route that takes method and path. Without one, other
// lists the methods for which there would be, for Allow.
func find(routes []rules.Route, method []byte, t *target) (route int, other string) {
	var others []string
	for i := range routes {
		if !t.matches(&routes[i].Path) {
			continue
		}
		if routes[i].Method == string(method) {
			return i, ""
		}
		others = append(others, routes[i].Method)
	}
	return -1, strings.Join(others, ", ")
}

// appendSegment appends a path segment, percent-encoded where it must be.
func appendSegment(dst, segment []byte) []byte {
	plain := 0
	for plain < len(segment) && inSegment[segment[plain]] {
		plain++
	}
	dst = append(dst, segment[:plain]...)
	for _, c := range segment[plain:] {
		if inSegment[c] {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
	}
	return dst
}

// inSegment are the bytes that stand in a path segment as they are (RFC 3986,
// 3.3).
var inSegment = func() (in [256]bool) {
	for c := range in {
		in[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c < 0x80 && strings.IndexByte("-._~!$&'()*+,;=:@", byte(c)) >= 0
	}
	return in
}()

const upperHex = "0123456789ABCDEF"

func itoa(n int) string { return strconv.Itoa(n) }
