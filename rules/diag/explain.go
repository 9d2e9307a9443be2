package diag

import (
	"fmt"
	"strings"
)

// Explanation is what there is to say about a code besides the message of one
// diagnostic: what it means, why, and what it looks like. The example is a line
// of a sample file, written wrong and written right.
type Explanation struct {
	Code  string
	Means string // what is the case
	Why   string // why that is refused or warned about, and what to do

	At    string // the line of the sample that the example replaces; "": it stands at the end
	Wrong string // lines; "" where there is no example
	Right string

	Others []string // codes that the wrong example gives as well

	with    [][2]string // lines of the sample that both replace, and by what
	without []string    // lines that neither has
	lists   [2]string   // the word list words.txt, wrong and right
}

// Explain begins an explanation.
func Explain(code, means, why string) Explanation {
	return Explanation{Code: code, Means: means, Why: why}
}

// Example adds the example: what the line at of the sample is written as.
func (e Explanation) Example(at, wrong, right string) Explanation {
	e.At, e.Wrong, e.Right = at, wrong, right
	return e
}

// With adds another line of the sample that has to be different for the
// example to make sense.
func (e Explanation) With(at, text string) Explanation {
	e.with = append(e.with[:len(e.with):len(e.with)], [2]string{at, text})
	return e
}

// Without takes lines out of the sample, where they would be about something
// else. They are not shown.
func (e Explanation) Without(lines ...string) Explanation {
	e.without = append(e.without[:len(e.without):len(e.without)], lines...)
	return e
}

// Beside names other codes that the wrong example gives as well.
func (e Explanation) Beside(codes ...string) Explanation {
	e.Others = codes
	return e
}

// Lists adds the word list words.txt that the example names.
func (e Explanation) Lists(wrong, right string) Explanation {
	e.lists = [2]string{wrong, right}
	return e
}

// HasExample reports whether there is something to show.
func (e Explanation) HasExample() bool { return e.Wrong != "" }

// Version is one way in which an example is written.
type Version struct {
	File  string // the sample with the example in it
	Words string // the word list words.txt; "" where there is none
}

// Versions returns the sample as the example has it, wrong and right. The error
// is a mistake in the explanation: its lines are not those of the sample.
func (e Explanation) Versions(sample string) (wrong, right Version, err error) {
	for _, w := range e.with {
		if sample, err = replaceLine(sample, w[0], w[1]); err != nil {
			return Version{}, Version{}, fmt.Errorf("the explanation of %s: %w", e.Code, err)
		}
	}
	for _, line := range e.without {
		if sample, err = replaceLine(sample, line, ""); err != nil {
			return Version{}, Version{}, fmt.Errorf("the explanation of %s: %w", e.Code, err)
		}
	}
	wrong.Words, right.Words = e.lists[0], e.lists[1]
	if wrong.File, err = replaceLine(sample, e.At, e.Wrong); err != nil {
		return Version{}, Version{}, fmt.Errorf("the explanation of %s: %w", e.Code, err)
	}
	right.File, err = replaceLine(sample, e.At, e.Right)
	return wrong, right, err
}

// Shown returns the example's lines, wrong and right, as a person is shown
// them: with the lines that go with them, and with the word lists if it is
// about those.
func (e Explanation) Shown() (wrong, right string) {
	if e.lists[0] != "" {
		return "# words.txt\n" + e.lists[0], "# words.txt\n" + e.lists[1]
	}
	context := ""
	for _, w := range e.with {
		context += strings.TrimRight(w[1], "\n") + "\n"
	}
	return context + e.Wrong, context + e.Right
}

// replaceLine replaces the one line of a text that is line but for its
// indentation, which the new ones get; "" puts them at the end.
func replaceLine(text, line, by string) (string, error) {
	if line == "" {
		return text + by + "\n", nil
	}
	var b strings.Builder
	found := 0
	for l := range strings.Lines(text) {
		if strings.TrimSpace(l) != line {
			b.WriteString(l)
			continue
		}
		found++
		indent := l[:len(l)-len(strings.TrimLeft(l, " "))]
		for n := range strings.Lines(by) {
			b.WriteString(indent + strings.TrimRight(n, "\n") + "\n")
		}
	}
	if found != 1 {
		return "", fmt.Errorf("the sample has %d lines %q", found, line)
	}
	return b.String(), nil
}
