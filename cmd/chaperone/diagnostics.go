package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"chaperone/rules"
)

// sources holds the lines of the files that diagnostics speak of, read once.
type sources map[string][][]byte

// line returns a line of a file without its end; ok is false where the file or
// the line is not there any more.
func (s sources) line(file string, n int) (text string, ok bool) {
	lines, known := s[file]
	if !known {
		if src, err := os.ReadFile(file); err == nil {
			lines = bytes.Split(src, []byte("\n"))
		}
		s[file] = lines
	}
	if n < 1 || n > len(lines) {
		return "", false
	}
	return strings.TrimRight(string(lines[n-1]), "\r"), true
}

// secrets finds what should not have been written into a file, but was: it is
// not shown again in an excerpt.
var secrets = regexp.MustCompile(`(?i)((?:password|passphrase|secret|secret_id|api_key|authorization|key_sha256)["']?\s*[:=]\s*)[^\s,}]+|\b(?:hvs\.|chp_|sk_)[\w.-]+`)

func excerpt(line string) string {
	return secrets.ReplaceAllString(printable(strings.ReplaceAll(line, "\t", " ")), "${1}…")
}

// writeDiagnostics prints each one as file:line:column: message [code], with
// the source line, a caret and the hint.
func writeDiagnostics(w io.Writer, ds rules.Diagnostics) {
	p, read := paletteFor(w), sources{}
	var b strings.Builder
	for _, d := range ds {
		writeDiagnostic(&b, p, read, d)
	}
	_, _ = io.WriteString(w, b.String())
}

func writeDiagnostic(b *strings.Builder, p palette, read sources, d rules.Diagnostic) {
	message := oneLine(d.Message)
	if d.Severity == rules.Warning {
		message = p.yellow("warning:") + " " + message
	}
	fmt.Fprintf(b, "%s: %s %s\n", p.bold(d.Position.String()), message, p.dim("["+d.Code+"]"))
	if text, ok := read.line(d.Position.File, d.Position.Line); ok {
		number := fmt.Sprintf("%5d", d.Position.Line)
		margin := strings.Repeat(" ", len(number))
		fmt.Fprintf(b, "%s | %s\n", p.dim(number), excerpt(text))
		if d.Position.Column > 0 {
			fmt.Fprintf(b, "%s | %s%s\n", margin, strings.Repeat(" ", d.Position.Column-1), p.red("^"))
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
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

func diagnosticsJSON(ds rules.Diagnostics) []diagnosticJSON {
	list := make([]diagnosticJSON, 0, len(ds))
	for _, d := range ds {
		list = append(list, diagnosticJSON{
			File: d.Position.File, Line: d.Position.Line, Column: d.Position.Column,
			Severity: d.Severity.String(), Code: d.Code, Message: d.Message, Hint: d.Hint,
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
