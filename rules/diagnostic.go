package rules

import "chaperone/rules/diag"

// The words of diagnostics, shared with the YAML walker.
type (
	// Severity tells a mistake, with which no plan is made, from a warning.
	Severity = diag.Severity
	// Position is a place in a file.
	Position = diag.Position
	// Diagnostic is one thing to say about a file.
	Diagnostic = diag.Diagnostic
	// Diagnostics is all that one run found.
	Diagnostics = diag.Diagnostics
)

// The severities.
const (
	Error   = diag.Error
	Warning = diag.Warning
)
