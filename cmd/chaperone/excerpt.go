package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"chaperone/rules/yamlfile"

	"golang.org/x/text/width"
)

// source is a file that diagnostics speak of.
type source struct {
	lines   [][]byte
	extents yamlfile.Extents // nil: no YAML
}

// sources reads each file once.
type sources map[string]*source

func (s sources) get(file string) *source {
	if src, known := s[file]; known {
		return src
	}
	src := &source{}
	s[file] = src
	if text, err := os.ReadFile(file); err == nil {
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
		src.lines = bytes.Split(text, []byte("\n"))
		if ext := filepath.Ext(file); ext == ".yaml" || ext == ".yml" {
			src.extents = yamlfile.ExtentsOf(text)
		}
	}
	return src
}

// line returns a line without its end; ok is false where the file or the line
// is not there any more.
func (s *source) line(n int) (text string, ok bool) {
	if n < 1 || n > len(s.lines) {
		return "", false
	}
	return strings.TrimRight(string(s.lines[n-1]), "\r"), true
}

// extent returns how many characters a diagnostic is about; 0 where it has no
// column. In a word list it is about the line.
func (s *source) extent(line, column int) int {
	switch {
	case column < 1:
		return 0
	case s.extents != nil:
		return s.extents.At(line, column)
	}
	text, _ := s.line(line)
	return max(1, utf8.RuneCountInString(strings.TrimRight(text, " \t"))-column+1)
}

// tabStop is how far a tab goes.
const tabStop = 4

// cell is one character as a terminal shows it.
type cell struct {
	text string
	wide int // columns; 0 for what is drawn over the one before, or hidden
}

// cells are a line's characters, without its secrets: the first character of
// one is …, the others are nothing.
func cells(line string) []cell {
	spans := secretSpans(line)
	var all []cell
	column := 0
	for at, r := range line {
		c := cell{string(r), runeWidth(r)}
		switch hidden, first := covered(spans, at); {
		case first:
			c = cell{"…", 1}
		case hidden:
			c = cell{}
		case r == '\t':
			c.wide = tabStop - column%tabStop
			c.text = strings.Repeat(" ", c.wide)
		case !unicode.IsGraphic(r):
			c = cell{string(utf8.RuneError), 1}
		}
		column += c.wide
		all = append(all, c)
	}
	return all
}

// covered reports whether a place is in a span, and whether it is where the
// spans that hold it begin.
func covered(spans [][2]int, at int) (hidden, first bool) {
	first = true
	for _, s := range spans {
		if s[0] <= at && at < s[1] {
			hidden = true
			first = first && s[0] == at
		}
	}
	return hidden, hidden && first
}

// runeWidth is how many columns a terminal gives a character.
func runeWidth(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// excerpt draws a line in at most room columns, and under it a caret where
// column (from 1) is, with ~ up to the end of extent characters. Of a longer
// line the part around the column is shown. No column, no marks.
func excerpt(line string, column, extent, room int) (text, marks string) {
	all := cells(line)
	begin := min(max(column-1, 0), len(all))
	end := min(begin+extent, len(all))
	left, right := window(all, begin, end, room)
	var b strings.Builder
	at, from, to := 0, -1, 0
	if left > 0 {
		b.WriteString("…")
		at++
	}
	for i, c := range all[left:right] {
		i += left
		if i == begin {
			from = at
		}
		b.WriteString(c.text)
		at += c.wide
		if i < end {
			to = at
		}
	}
	if right < len(all) {
		b.WriteString("…")
	}
	if column < 1 {
		return b.String(), ""
	}
	if from < 0 {
		from = at // just behind the line
	}
	return b.String(), strings.Repeat(" ", from) + "^" + strings.Repeat("~", max(0, to-from-1))
}

// window is which cells of a line are shown: all of them if there is room, else
// those around begin, and up to end if they fit.
func window(all []cell, begin, end, room int) (left, right int) {
	wide := func(from, to int) (n int) {
		for _, c := range all[from:to] {
			n += c.wide
		}
		return n
	}
	if wide(0, len(all)) <= room {
		return 0, len(all)
	}
	room = max(room-2, 1) // for … at both ends
	left = begin
	lead := max(room/3, room-wide(begin, end)-room/3)
	for left > 0 && wide(left-1, begin) <= min(lead, room-1) {
		left--
	}
	right = left
	for right < len(all) && wide(left, right+1) <= room {
		right++
	}
	for left > 0 && wide(left-1, right) <= room {
		left--
	}
	return left, right
}
