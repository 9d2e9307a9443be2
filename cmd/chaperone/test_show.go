package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"chaperone/rules/ruletest"
)

// text is what a person is told.
func (s *suite) text(p palette, width int) string {
	var b strings.Builder
	for i := range s.results {
		r := &s.results[i]
		switch {
		case !r.passed():
			r.write(&b, p, width)
		case s.options.verbose:
			fmt.Fprintf(&b, "%s %s\n", p.dim("passed:"), r.name())
		}
	}
	if s.options.coverage {
		s.writeMissed(&b, p)
	}
	fmt.Fprintln(&b, s.summary(p))
	return b.String()
}

func (r *testResult) name() string {
	return printable(ruletest.MaskCards(oneLine(r.test.Name)))
}

// write says what is wrong with one test: a line for it, and a line for each
// expectation that does not hold.
func (r *testResult) write(b *strings.Builder, p palette, width int) {
	head := plural(len(r.mismatches), "difference")
	if r.fault != nil {
		head = oneLine(ruletest.MaskCards(r.fault.Error()))
	}
	fmt.Fprintf(b, "%s: %s %s %s\n", p.bold(r.test.At.String()), p.red("failed:"), r.name(), p.dim("["+head+"]"))
	if len(r.mismatches) == 0 {
		return
	}
	rows := [][]string{{"line", "what", "expected", "got"}}
	for _, m := range r.mismatches {
		what := m.Where
		if m.Path != "" {
			what += " " + m.Path
		}
		rows = append(rows, []string{fmt.Sprintf("%d:%d", m.At.Line, m.At.Column), what, m.Want, m.Got})
	}
	writeDifferences(b, p, rows, width)
}

// The columns of differences: a value may be long, and is cut to what is left.
const (
	marginOfDifferences = 4
	narrowestValue      = 20
)

// writeDifferences writes expected and got side by side.
func writeDifferences(b *strings.Builder, p palette, rows [][]string, width int) {
	lines, what := 0, 0
	for _, row := range rows {
		lines, what = max(lines, len(row[0])), max(what, utf8.RuneCountInString(row[1]))
	}
	left := width - marginOfDifferences - lines - what - 6
	value := max(narrowestValue, left/2)
	for i, row := range rows {
		want, got := valueLines(row[2], value), valueLines(row[3], value)
		for n := range max(len(want), len(got)) {
			line := strings.Repeat(" ", marginOfDifferences)
			if n == 0 {
				line += pad(row[0], lines) + "  " + pad(printable(row[1]), what) + "  "
			} else {
				line += strings.Repeat(" ", lines+what+4)
			}
			line = strings.TrimRight(line+pad(lineAt(want, n), value)+"  "+lineAt(got, n), " ")
			if i == 0 {
				line = p.dim(line)
			}
			fmt.Fprintln(b, line)
		}
	}
}

// mostLines bounds the lines that one value is shown on.
const mostLines = 6

// valueLines cuts a value into lines.
func valueLines(text string, width int) []string {
	var lines []string
	for rest := printable(text); rest != "" && len(lines) < mostLines; {
		var head string
		head, rest = cut(rest, width)
		lines = append(lines, head)
		if rest != "" && len(lines) == mostLines {
			lines[mostLines-1] = "…"
		}
	}
	return lines
}

func lineAt(lines []string, n int) string {
	if n < len(lines) {
		return lines[n]
	}
	return ""
}

// writeMissed lists what no test has reached.
func (s *suite) writeMissed(b *strings.Builder, p palette) {
	for _, policy := range s.order {
		if policy.coverage == nil {
			continue
		}
		for _, point := range policy.coverage.Points() {
			if !point.Reached {
				fmt.Fprintf(b, "%s: %s %s %s\n", p.bold(point.At.String()), p.yellow("not reached:"), point.Kind, printable(ruletest.MaskCards(point.Name)))
			}
		}
	}
}

// summary is the last line.
func (s *suite) summary(p palette) string {
	failed := s.failed()
	passed := fmt.Sprintf("%d passed", len(s.results)-failed)
	counts := passed
	if failed > 0 {
		counts = p.red(fmt.Sprintf("%d failed", failed)) + ", " + passed
	}
	return fmt.Sprintf("%s in %s, %s; %s of the policy reached", counts, plural(len(s.files), "file"), spent(s.took), s.tally())
}

// spent is a time as a person reads it.
func spent(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(max(d.Milliseconds(), 1), 10) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}

// The shape of --json.
type (
	suiteDoc struct {
		Files       []string         `json:"files"`
		Passed      int              `json:"passed"`
		Failed      int              `json:"failed"`
		TookMS      float64          `json:"took_ms"`
		Tests       []testDoc        `json:"tests"`
		Coverage    coverageDoc      `json:"coverage"`
		Diagnostics []diagnosticJSON `json:"diagnostics"` // mistakes because of which nothing was run
	}
	testDoc struct {
		placeDoc
		Name        string          `json:"name"`
		Passed      bool            `json:"passed"`
		Fault       string          `json:"fault,omitempty"` // why it could not be run
		Differences []differenceDoc `json:"differences"`
	}
	differenceDoc struct {
		placeDoc
		What     string `json:"what"`
		Path     string `json:"path,omitempty"`
		Expected string `json:"expected"`
		Got      string `json:"got"`
	}
	placeDoc struct {
		File   string `json:"file"`
		Line   int    `json:"line"`
		Column int    `json:"column"`
	}
	coverageDoc struct {
		Percent    float64    `json:"percent"`
		Reached    int        `json:"reached"`
		Points     int        `json:"points"`
		NotReached []pointDoc `json:"not_reached"`
	}
	pointDoc struct {
		placeDoc
		Kind string `json:"kind"`
		Name string `json:"name"`
	}
)

func (s *suite) document() suiteDoc {
	doc := suiteDoc{Files: s.names(), Passed: len(s.results) - s.failed(), Failed: s.failed(), TookMS: float64(s.took.Microseconds()) / 1000,
		Tests: []testDoc{}, Diagnostics: diagnosticsJSON(s.found)}
	for i := range s.results {
		r := &s.results[i]
		at := r.test.At
		t := testDoc{placeDoc: placeDoc{at.File, at.Line, at.Column}, Name: ruletest.MaskCards(r.test.Name), Passed: r.passed(), Differences: []differenceDoc{}}
		if r.fault != nil {
			t.Fault = ruletest.MaskCards(r.fault.Error())
		}
		for _, m := range r.mismatches {
			t.Differences = append(t.Differences, differenceDoc{placeDoc{m.At.File, m.At.Line, m.At.Column}, m.Where, m.Path, m.Want, m.Got})
		}
		doc.Tests = append(doc.Tests, t)
	}
	tally := s.tally()
	doc.Coverage = coverageDoc{Percent: tally.Percent(), Reached: tally.Reached, Points: tally.Points, NotReached: []pointDoc{}}
	for _, p := range s.order {
		if p.coverage == nil {
			continue
		}
		for _, point := range p.coverage.Points() {
			if !point.Reached {
				doc.Coverage.NotReached = append(doc.Coverage.NotReached, pointDoc{placeDoc{point.At.File, point.At.Line, point.At.Column}, point.Kind, point.Name})
			}
		}
	}
	return doc
}
