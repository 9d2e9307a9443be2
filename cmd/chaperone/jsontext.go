package main

import (
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"github.com/tidwall/pretty"
)

// jsonText lays a JSON document out for a column of that many characters: what
// fits on a line stays on it. A text that is not JSON comes back as it is.
// Order, duplicates and numbers are shown as they were received.
func jsonText(body []byte, width int) string {
	if !gjson.ValidBytes(body) {
		return string(body)
	}
	var b strings.Builder
	layOut(&b, gjson.ParseBytes(pretty.Ugly(body)), "", 0, width)
	return b.String()
}

// layOut writes v, whose first line starts after used characters.
func layOut(b *strings.Builder, v gjson.Result, indent string, used, width int) {
	flat := spaced(v)
	if used+utf8.RuneCountInString(flat) <= width || (!v.IsObject() && !v.IsArray()) {
		b.WriteString(flat)
		return
	}
	inner := indent + "  "
	opening, closing := "{", "}"
	if v.IsArray() {
		opening, closing = "[", "]"
	}
	b.WriteString(opening)
	first := true
	v.ForEach(func(name, member gjson.Result) bool {
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString("\n" + inner)
		used := len(inner) + 1 // the comma or bracket that follows
		if v.IsObject() {
			b.WriteString(name.Raw + ": ")
			used += utf8.RuneCountInString(name.Raw) + 2
		}
		layOut(b, member, inner, used, width)
		return true
	})
	b.WriteString("\n" + indent + closing)
}

// spaced is the value on one line, with a space after each colon and comma.
func spaced(v gjson.Result) string {
	if !v.IsObject() && !v.IsArray() {
		return v.Raw
	}
	var parts []string
	v.ForEach(func(name, member gjson.Result) bool {
		text := spaced(member)
		if v.IsObject() {
			text = name.Raw + ": " + text
		}
		parts = append(parts, text)
		return true
	})
	if v.IsArray() {
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
