package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/reason"
)

// View is the reusable scratch of one party's rendering. It is not safe for
// concurrent use, and refers to the Message that it was decided from.
type View struct{}

// Decision is one recorded choice, and how often it was made. Its strings are
// the plan's, never the body's.
type Decision struct {
	// Rule is what decided: "labels.NAME" (a path), "detect.NAME" (a
	// detector), "token.NAME" (a sealed token's own label),
	// "basket.classes.NAME" (a line item), "unlink", or "keep": a labelled
	// value that the leg does not list.
	Rule string
	// Pattern is the path pattern as the policy has it. It is empty for a
	// detector, and where a policy has so many wildcards that the automaton
	// tells labels apart but not their paths.
	Pattern string
	Label   string // empty where a class or an unlink has none
	Class   string // of the line item; empty outside of items
	Form    rules.Form
	Count   int
}

// Empty reports that no byte changes: Render would give the body as it is.
func (v *View) Empty() bool { return true }

// Decisions returns what was decided, in a stable order. It is valid until the
// View's next use.
func (v *View) Decisions() []Decision { return nil }

// Render appends the party's body to dst: the original bytes with the edits,
// the recomputed totals and the set members. Every operation of Message.Ops
// must be resolved. The error is token_unknown, or internal where an operation
// has no result; dst is returned as it was then.
func (v *View) Render(dst []byte) ([]byte, *reason.Error) { return dst, nil }

// Text is a decided text outside of the body. Its zero value is a dropped one.
type Text struct {
	keep bool
}

// Dropped reports that the party does not get the text at all.
func (t Text) Dropped() bool { return !t.keep }

// DecideText decides what v's party may see of a query member, header or path
// capture (decoded, as rules.Source and name say), after DecideLeg. The text is
// borrowed until v's next use. Labels by @query, @header and @path count, the
// detectors run, and tokens are recognized, as in a string of the body. The
// error is as DecideLeg's. Where a text is not UTF-8, it is body_not_utf8.
func (v *View) DecideText(src rules.Source, name string, text []byte) (Text, *reason.Error) {
	return Text{}, nil
}

// AppendText appends the decided text to dst, unescaped, when the operations
// are resolved. The error is as Render's.
func (v *View) AppendText(dst []byte, t Text) ([]byte, *reason.Error) { return dst, nil }
