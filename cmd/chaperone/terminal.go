package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// palette colours text for a terminal. The zero palette leaves it alone.
type palette struct{ on bool }

// paletteFor colours only what a person reads on a terminal that can, and
// never where NO_COLOR is set (no-color.org).
func paletteFor(w io.Writer) palette {
	return palette{on: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p palette) paint(sgr, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

func (p palette) bold(s string) string   { return p.paint("1", s) }
func (p palette) dim(s string) string    { return p.paint("2", s) }
func (p palette) red(s string) string    { return p.paint("31", s) }
func (p palette) yellow(s string) string { return p.paint("33", s) }
func (p palette) cyan(s string) string   { return p.paint("36", s) }

// isTerminal says so of a stream, in or out.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalWidth returns the width of the terminal behind w, in characters;
// for a pipe or a file, that of $COLUMNS, else 80.
func terminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return 80
}

// printable makes a text safe for a terminal: what moves its cursor or
// changes its state becomes U+FFFD. Line feeds stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != ' ' && !unicode.IsGraphic(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// wrap cuts lines that are longer than width characters; their continuation
// keeps the indentation of the line, and two columns more.
func wrap(text string, width int) []string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		indent = min(indent+2, width/2)
		for first := true; ; first = false {
			room := width
			if !first {
				room -= indent
			}
			head, tail := cut(line, room)
			if !first {
				head = strings.Repeat(" ", indent) + head
			}
			lines = append(lines, head)
			if tail == "" {
				break
			}
			line = tail
		}
	}
	return lines
}

// cut takes at most n characters off the front of a line, at a space or a
// comma where one stands in the second half.
func cut(line string, n int) (head, tail string) {
	if utf8.RuneCountInString(line) <= n {
		return line, ""
	}
	runes := []rune(line)
	at := n
	for i := n; i > n/2; i-- {
		if runes[i-1] == ' ' || runes[i-1] == ',' {
			at = i
			break
		}
	}
	return strings.TrimRight(string(runes[:at]), " "), string(runes[at:])
}

// pad fills a text with spaces up to width characters.
func pad(s string, width int) string {
	if n := utf8.RuneCountInString(s); n < width {
		return s + strings.Repeat(" ", width-n)
	}
	return s
}

// block is a titled text, one of several that are shown together.
type block struct {
	title string
	text  string // lines, without colour
}

// minColumn is the narrowest column in which a JSON body can still be read.
const minColumn = 34

// blockGap is the space between two blocks of a row.
const blockGap = 2

// columnWidth is the width of each of n blocks: as many stand side by side as
// fit with minColumn characters each, on a narrow terminal one.
func columnWidth(n, width int) int {
	perRow := max(1, min(n, (width+blockGap)/(minColumn+blockGap)))
	return (width+blockGap)/perRow - blockGap
}

// writeBlocks shows blocks side by side, on a narrow terminal one below the
// other.
func writeBlocks(w *strings.Builder, p palette, blocks []block, width int) {
	column := columnWidth(len(blocks), width)
	perRow := (width + blockGap) / (column + blockGap)
	for len(blocks) > 0 {
		row := blocks[:min(perRow, len(blocks))]
		blocks = blocks[len(row):]
		writeRow(w, p, row, column)
	}
}

func writeRow(w *strings.Builder, p palette, row []block, column int) {
	cells := make([][]string, len(row))
	height := 0
	for i, b := range row {
		cells[i] = wrap(printable(b.text), column)
		height = max(height, len(cells[i]))
	}
	line := func(cell func(i int) (text string, painted func(string) string)) {
		var b strings.Builder
		for i := range row {
			text, painted := cell(i)
			text = pad(text, column)
			if i == len(row)-1 {
				text = strings.TrimRight(text, " ")
			}
			b.WriteString(painted(text))
			if i < len(row)-1 {
				b.WriteString("  ")
			}
		}
		w.WriteString(strings.TrimRight(b.String(), " "))
		w.WriteByte('\n')
	}
	line(func(i int) (string, func(string) string) {
		title, _ := cut(row[i].title, column)
		return title, p.cyan
	})
	for y := range height {
		line(func(i int) (string, func(string) string) {
			if y < len(cells[i]) {
				return cells[i][y], func(s string) string { return s }
			}
			return "", func(s string) string { return s }
		})
	}
	w.WriteByte('\n')
}
