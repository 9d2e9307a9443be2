package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// titles are what the parties are called on the screen.
var titles = map[string]string{
	"processor": "card processor received",
	"ehr":       "patient record received",
	"ledger":    "sales ledger received",
}

// show draws one sale: what the POS sent, what each party received and what
// the POS got back, side by side where the terminal is wide enough, and the
// decisions from the log below.
func (r *caseResult) show(w *strings.Builder, p palette, number, width int) {
	fmt.Fprintf(w, "%s\n\n", p.bold(fmt.Sprintf("%d. %s: %s", number, r.Name, r.About)))
	column := columnWidth(5, width)
	blocks := []block{{"the POS sent", jsonText(r.sent, column)}}
	for _, name := range parties {
		text := "nothing: it was not called"
		if body := r.Received[name]; body != nil {
			text = jsonText(body, column)
		}
		blocks = append(blocks, block{titles[name], text})
	}
	blocks = append(blocks, block{
		fmt.Sprintf("the POS got back (%d)", r.Answer.Status),
		jsonText(r.Answer.Body, column) + r.ownHeaders(),
	})
	writeBlocks(w, p, blocks, width)
	r.showDecisions(w, p)
}

// ownHeaders lists the headers that the proxy set.
func (r *caseResult) ownHeaders() string {
	var b strings.Builder
	for _, name := range []string{"Chaperone-Outcome", "Chaperone-Legs"} {
		if value := r.Answer.Headers[name]; value != "" {
			fmt.Fprintf(&b, "\n%s: %s", name, value)
		}
	}
	return b.String()
}

// showDecisions prints the decisions as a table.
func (r *caseResult) showDecisions(w *strings.Builder, p palette) {
	if len(r.Decisions) == 0 {
		fmt.Fprintf(w, "%s\n\n", p.dim("no decision is on record: the request was refused before there was one to make"))
		return
	}
	rows := [][]string{decisionHeads}
	for _, d := range r.Decisions {
		rows = append(rows, []string{d.To, d.Form, d.Label, d.Class, d.Pattern, strconv.Itoa(d.Count), d.Rule})
	}
	fmt.Fprintln(w, p.cyan("decisions on record"))
	writeTable(w, p, rows)
	w.WriteByte('\n')
}

// decisionHeads are the columns of a table of decisions.
var decisionHeads = []string{"to", "form", "label", "class", "at", "times", "by rule"}

// writeTable aligns the columns of rows, whose first one is the heading.
// Columns without any value are left out.
func writeTable(w *strings.Builder, p palette, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows[1:] {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if widths[i] > 0 {
				line.WriteString(pad(printable(cell), max(widths[i], utf8.RuneCountInString(rows[0][i]))) + "  ")
			}
		}
		text := strings.TrimRight(line.String(), " ")
		if n == 0 {
			text = p.dim(text)
		}
		fmt.Fprintln(w, text)
	}
}
