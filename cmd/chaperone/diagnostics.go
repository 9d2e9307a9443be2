package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"chaperone/rules"
	"chaperone/rules/ruletest"
)

// marginWidth is what stands before an excerpt: the number of its line, and a
// bar.
const marginWidth = 8

// writeDiagnostics prints each one as file:line:column: message [code], with
// the source line, a caret and the hint.
func writeDiagnostics(w io.Writer, ds rules.Diagnostics) {
	p, read := paletteFor(w), sources{}
	room := max(terminalWidth(w)-marginWidth, 24)
	var b strings.Builder
	for _, d := range ds {
		writeDiagnostic(&b, p, read, d, room)
	}
	_, _ = io.WriteString(w, b.String())
}

func writeDiagnostic(b *strings.Builder, p palette, read sources, d rules.Diagnostic, room int) {
	message, mark := withoutSecrets(oneLine(d.Message)), p.red
	if d.Severity == rules.Warning {
		message, mark = p.yellow("warning:")+" "+message, p.yellow
	}
	fmt.Fprintf(b, "%s: %s %s\n", p.bold(d.Position.String()), message, p.dim("["+d.Code+"]"))
	src := read.get(d.Position.File)
	if line, ok := src.line(d.Position.Line); ok {
		text, marks := excerpt(ruletest.MaskCards(line), d.Position.Column, src.extent(d.Position.Line, d.Position.Column), room)
		fmt.Fprintf(b, "%s %s\n", p.dim(fmt.Sprintf("%5d |", d.Position.Line)), text)
		if marks != "" {
			space := strings.TrimRight(marks, "^~")
			fmt.Fprintf(b, "%s %s%s\n", p.dim("      |"), space, mark(marks[len(space):]))
		}
	}
	if d.Hint != "" {
		fmt.Fprintf(b, "      %s %s\n", p.cyan("hint:"), oneLine(d.Hint))
	}
}

// count returns the numbers of errors and warnings.
func count(ds rules.Diagnostics) (errors, warnings int) {
	for _, d := range ds {
		if d.Severity == rules.Error {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}

// plural returns "1 error", "2 errors".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// diagnosticJSON is a diagnostic as --json prints it.
type diagnosticJSON struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Length   int    `json:"length"` // in characters; 0 where there is no column
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

func diagnosticsJSON(ds rules.Diagnostics) []diagnosticJSON {
	list, read := make([]diagnosticJSON, 0, len(ds)), sources{}
	for _, d := range ds {
		at := d.Position
		list = append(list, diagnosticJSON{
			File: at.File, Line: at.Line, Column: at.Column, Length: read.get(at.File).extent(at.Line, at.Column),
			Severity: d.Severity.String(), Code: d.Code, Message: withoutSecrets(d.Message), Hint: d.Hint,
		})
	}
	return list
}

// writeJSON prints one indented JSON document.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
