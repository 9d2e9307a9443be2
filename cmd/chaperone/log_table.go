package main

import (
	"io"
	"strings"
	"unicode/utf8"
)

// table is text in columns, as wide as their longest cell. Empty cells are
// shown as a dash.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = orDash(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// print writes the table, or a sentence where it has no rows.
func (t *table) print(w io.Writer, empty string) error {
	if len(t.rows) == 0 {
		return writeLine(w, empty)
	}
	var b strings.Builder
	t.write(&b, paletteFor(w))
	_, err := io.WriteString(w, b.String())
	return err
}

// write appends the table; nothing where it has no rows.
func (t *table) write(b *strings.Builder, p palette) {
	if len(t.rows) == 0 {
		return
	}
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) string {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = pad(cell, widths[i])
		}
		return strings.TrimRight(strings.Join(cells, "  "), " ")
	}
	b.WriteString(p.bold(line(t.header)) + "\n")
	for _, row := range t.rows {
		b.WriteString(line(row) + "\n")
	}
}
