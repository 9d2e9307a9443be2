// Package diag holds what there is to say about a file: where, how bad, what is
// wrong and what to do. It is a leaf, so that the YAML walker and the policy
// share one kind of diagnostic.
package diag

import (
	"fmt"
	"sort"
)

// Severity tells a mistake, with which no plan is made, from a warning.
type Severity uint8

// The severities.
const (
	Error Severity = iota
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Position is a place in a file: lines and columns count from 1, columns in
// characters. A zero Line means the file as a whole.
type Position struct {
	File   string
	Line   int
	Column int
}

// String returns file:line:column.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Diagnostic is one thing to say about a file. Message and Hint never hold a
// value of a secret key (key hashes, file contents); they may hold names that
// the admin wrote.
type Diagnostic struct {
	Position Position
	Severity Severity
	Code     string // stable, snake_case
	Message  string // what is wrong
	Hint     string // what to do; may be empty
}

// String returns "file:line:column: message [code]", the form that editors
// and people read.
func (d Diagnostic) String() string {
	prefix := ""
	if d.Severity == Warning {
		prefix = "warning: "
	}
	return fmt.Sprintf("%s: %s%s [%s]", d.Position, prefix, d.Message, d.Code)
}

// Diagnostics is a list of them, all that one run found.
type Diagnostics []Diagnostic

// HasErrors reports whether any of them forbids a plan.
func (ds Diagnostics) HasErrors() bool {
	for _, d := range ds {
		if d.Severity == Error {
			return true
		}
	}
	return false
}

// Sort orders them by file, line, column and code.
func (ds Diagnostics) Sort() {
	sort.SliceStable(ds, func(i, j int) bool {
		a, b := ds[i], ds[j]
		switch {
		case a.Position.File != b.Position.File:
			return a.Position.File < b.Position.File
		case a.Position.Line != b.Position.Line:
			return a.Position.Line < b.Position.Line
		case a.Position.Column != b.Position.Column:
			return a.Position.Column < b.Position.Column
		}
		return a.Code < b.Code
	})
}

// Add appends one.
func (ds *Diagnostics) Add(d Diagnostic) { *ds = append(*ds, d) }
