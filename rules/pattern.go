package rules

import (
	"errors"
	"fmt"
	"strings"
)

// MaxSegments bounds the segments of a Pattern.
const MaxSegments = 64

// ParsePattern parses a path template such as /v1/patients/{id}/notes or
// /files/*. Literal segments are compared with decoded ones.
func ParsePattern(source string) (Pattern, error) {
	p := Pattern{Source: source}
	rest, ok := strings.CutPrefix(source, "/")
	if !ok {
		return p, errors.New("it must begin with /")
	}
	if rest == "" {
		return p, nil
	}
	parts := strings.Split(rest, "/")
	if parts[len(parts)-1] == "*" {
		p.Rest, parts = true, parts[:len(parts)-1]
	}
	if len(parts) > MaxSegments {
		return p, fmt.Errorf("it has more than %d segments", MaxSegments)
	}
	for _, part := range parts {
		s, err := parseSegment(part)
		if err != nil {
			return p, err
		}
		if s.Capture != "" && p.Captures(s.Capture) {
			return p, fmt.Errorf("it captures {%s} twice", s.Capture)
		}
		p.Segments = append(p.Segments, s)
	}
	return p, nil
}

func parseSegment(part string) (Segment, error) {
	if name, ok := strings.CutPrefix(part, "{"); ok {
		name, ok = strings.CutSuffix(name, "}")
		if !ok || !nameShape.MatchString(name) {
			return Segment{}, fmt.Errorf("%q is no capture; write one as {name}", part)
		}
		return Segment{Capture: name}, nil
	}
	switch {
	case part == "":
		return Segment{}, errors.New("it has an empty segment; write single slashes, and none at the end")
	case part == "." || part == "..":
		return Segment{}, fmt.Errorf("%q may not be a segment", part)
	case part == "*":
		return Segment{}, errors.New("* may stand only as the last segment")
	}
	for _, c := range part {
		if c <= ' ' || c == 0x7f || strings.ContainsRune(`{}*?#%\"<>`, c) {
			return Segment{}, fmt.Errorf("%q may not stand in a segment", c)
		}
	}
	return Segment{Literal: part}, nil
}

// Captures reports whether the pattern captures that name.
func (p Pattern) Captures(name string) bool {
	for _, s := range p.Segments {
		if s.Capture != "" && s.Capture == name {
			return true
		}
	}
	return false
}

// Covers reports whether p takes every path that q takes.
func (p Pattern) Covers(q Pattern) bool {
	if len(p.Segments) > len(q.Segments) || len(p.Segments) < len(q.Segments) && !p.Rest || q.Rest && !p.Rest {
		return false
	}
	for i, s := range p.Segments {
		if s.Capture == "" && s.Literal != q.Segments[i].Literal {
			return false
		}
	}
	return true
}
