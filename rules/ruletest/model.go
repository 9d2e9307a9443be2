package ruletest

import (
	"time"

	"chaperone/rules"
	"chaperone/rules/diag"
)

// File is one *_test.yaml file.
type File struct {
	Name  string
	Rules Text // the policy, as the file names it; empty: it names none
	Tests []*Test
}

// Text is a text of the file, with its place.
type Text struct {
	Text string
	At   diag.Position
}

// Written reports whether the file says something there.
func (t Text) Written() bool { return t.At.Line > 0 }

// Test is one test.
type Test struct {
	Name    string
	At      diag.Position
	After   []Text // names of tests whose requests come before
	Now     time.Time
	Request Request
	Answers []Answer // the file's own behind those of the test
	Expect  Expect
}

// Request is what a test sends.
type Request struct {
	At      diag.Position
	Route   Text
	Method  Text
	Path    Text
	Caller  Text // not written: one that may use the route
	Query   []Field
	Headers []Field
	Body    *Body // nil: none
}

// Field is a header or a query member.
type Field struct {
	Name string
	Text
}

// Body is a body that a test sends, or a stand-in answers.
type Body struct {
	At   diag.Position
	Text []byte // as it is written, in the test or in a file of its own
}

// Answer is what a stand-in does with a call.
type Answer struct {
	To      string // a destination, or a leg
	At      diag.Position
	Fault   string // timeout, refused or broken; empty: it answers
	Status  int
	Headers []Field
	Body    *Body // nil: none
}

// The faults of a stand-in.
const (
	FaultTimeout = "timeout"
	FaultRefused = "refused"
	FaultBroken  = "broken"
)

// Expect is what a test expects. What is not written is not looked at.
type Expect struct {
	At        diag.Position
	Status    int // 0: not written
	StatusAt  diag.Position
	Outcome   Text
	Code      Text
	Legs      []Field // where each stood in the answer
	Later     []Field // what became of the queued ones
	Calls     []CallExpect
	Answer    *MessageExpect
	Decisions []DecisionExpect
}

// CallExpect is what is expected of the call to a destination or of a leg.
type CallExpect struct {
	To        string
	At        diag.Position
	NotCalled bool
	Message   MessageExpect
}

// MessageExpect is what is expected of a call, or of the answer.
type MessageExpect struct {
	Method  Text
	Path    Text
	Body    *Value // nil: not written
	Exact   *Body  // likewise: byte for byte
	Has     []PlaceExpect
	Lacks   []PlaceExpect
	Headers []PlaceExpect
}

// PlaceExpect speaks of a path or a header, and of a value. Of Has: Value nil
// means that something is there. Of Lacks: without a Path, the value is nowhere;
// without a Value, nothing is at the path. Of Headers: Name; a Value that is
// null means that it is not there.
type PlaceExpect struct {
	Path  *rules.Path
	Name  string
	Value *Value
	At    diag.Position
}

// DecisionExpect is a decision that must be on record; empty texts admit all.
type DecisionExpect struct {
	At                                 diag.Position
	To, Path, Label, Form, Class, Rule string
	Count                              int // 0: any
}
