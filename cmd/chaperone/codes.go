package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"chaperone/rules"
	"chaperone/rules/diag"
	"chaperone/rules/reason"
	"chaperone/rules/ruletest"
)

// codeText is what --explain says of a code. A code that check gives and that
// answers bear, as agreement_lapsed, has two.
type codeText struct {
	code, kind   string // kind: where it comes from
	means, why   string
	wrong, right string
}

// The kinds of codes.
const (
	ofPolicy = "check, rules.yaml"
	ofConfig = "check, chaperone.yaml"
	ofTests  = "test, *_test.yaml"
	ofAnswer = "answers and log entries"
)

// codeTexts returns all of them: those of check by their names, then those of
// answers in the order of a request's life.
func codeTexts() []codeText {
	var all []codeText
	add := func(kind string, list []diag.Explanation) {
		for _, e := range list {
			t := codeText{code: e.Code, kind: kind, means: e.Means, why: e.Why}
			if e.HasExample() {
				t.wrong, t.right = e.Shown()
			}
			all = append(all, t)
		}
	}
	add(ofPolicy, rules.Explanations())
	config := slices.Clone(configExplanations)
	slices.SortFunc(config, func(a, b diag.Explanation) int { return strings.Compare(a.Code, b.Code) })
	add(ofConfig, config)
	add(ofTests, ruletest.Explanations())
	for _, e := range reason.Explanations() {
		status := e.Code.Status()
		all = append(all, codeText{
			code: string(e.Code), kind: fmt.Sprintf("%s, %d %s", ofAnswer, status, http.StatusText(status)),
			means: e.Means, why: e.Why, wrong: e.Wrong, right: e.Right,
		})
	}
	return all
}

// explainCode prints what there is to say about one code, or lists all of them.
func explainCode(a *app, code string) error {
	p, width := paletteFor(a.out), terminalWidth(a.out)
	var b strings.Builder
	var known []string
	for _, t := range codeTexts() {
		known = append(known, t.code)
		if t.code == code {
			t.write(&b, p, width)
		}
	}
	switch {
	case code == "":
		listCodes(&b, p)
	case b.Len() == 0:
		return &failure{
			code: exitUsage, message: fmt.Sprintf("there is no code %q%s", code, nearCodes(code, known)),
			hint: "`chaperone check --explain` lists all codes",
		}
	}
	_, err := fmt.Fprint(a.out, b.String())
	return err
}

func (t codeText) write(b *strings.Builder, p palette, width int) {
	fmt.Fprintf(b, "%s  %s\n\n", p.bold(t.code), p.dim("("+t.kind+")"))
	for _, text := range []string{t.means, t.why} {
		for _, line := range wrap(text, min(width, 80)) {
			fmt.Fprintln(b, strings.TrimLeft(line, " "))
		}
		b.WriteByte('\n')
	}
	if t.wrong != "" {
		writeExample(b, p.red("wrong:"), t.wrong)
		writeExample(b, p.cyan("right:"), t.right)
	}
}

func writeExample(b *strings.Builder, title, text string) {
	fmt.Fprintln(b, title)
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintln(b, "  "+strings.TrimRight(line, "\n"))
	}
	b.WriteByte('\n')
}

func listCodes(b *strings.Builder, p palette) {
	group, texts := "", codeTexts()
	wide := 0
	for _, t := range texts {
		wide = max(wide, len(t.code))
	}
	for _, t := range texts {
		kind := t.kind
		if strings.HasPrefix(kind, ofAnswer) {
			kind = ofAnswer
		}
		if kind != group {
			if group != "" {
				b.WriteByte('\n')
			}
			group = kind
			fmt.Fprintln(b, p.bold(kind))
		}
		fmt.Fprintf(b, "  %s  %s\n", pad(t.code, wide), t.means)
	}
}

// nearCodes suggests the codes that hold what was written, or the nearest one.
func nearCodes(written string, known []string) string {
	var near []string
	for _, code := range known {
		if written != "" && strings.Contains(code, strings.ToLower(written)) && !slices.Contains(near, code) {
			near = append(near, code)
		}
	}
	if len(near) == 0 || len(near) > 8 {
		return suggest(written, known)
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// codesPage is docs/codes.md.
func codesPage() string {
	var b strings.Builder
	b.WriteString(`# Codes

<!-- Generated from the code: make generate. -->

Every diagnostic of ` + "`chaperone check`" + ` and every refusal of the proxy has a stable code. ` + "`chaperone check --explain CODE`" + ` says what is written here.

The examples are lines of three samples, which are right as they stand: a policy, a configuration that names it, and a file of tests. Only the lines are shown that differ.

<details><summary>The policy</summary>

` + fenced("text", rules.Sample) + `
</details>

<details><summary>The configuration</summary>

` + fenced("text", configSample) + `
</details>

<details><summary>The tests</summary>

` + fenced("text", ruletest.Sample) + `
</details>
`)
	group := ""
	for _, t := range codeTexts() {
		kind, status, _ := strings.Cut(strings.TrimPrefix(t.kind, ofAnswer), ", ")
		title := map[string]string{"check": "check: " + status, "test": "test: " + status, "": "Answers and log entries"}[kind]
		if title != group {
			group = title
			fmt.Fprintf(&b, "\n## %s\n", title)
		}
		fmt.Fprintf(&b, "\n### `%s`\n\n", t.code)
		if kind == "" {
			fmt.Fprintf(&b, "Status %s. ", status)
		}
		fmt.Fprintf(&b, "%s\n\n%s\n", t.means, t.why)
		if t.wrong != "" {
			fmt.Fprintf(&b, "\nWrong:\n\n%s\nRight:\n\n%s", fenced("text", t.wrong), fenced("text", t.right))
		}
	}
	return b.String()
}

func fenced(language, text string) string {
	return "```" + language + "\n" + strings.TrimRight(text, "\n") + "\n```\n"
}
