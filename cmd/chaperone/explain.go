package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"chaperone/proxy"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite"

	"github.com/spf13/cobra"
)

// explainOptions are the flags of explain.
type explainOptions struct {
	file, route, caller, target string
	headers                     []string
	asJSON                      bool
}

func newExplainCommand(a *app) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain --route ROUTE [--caller CALLER] < body.json",
		Short: "Show what each party would get of a body, and why",
		Long: `Reads a body from standard input and shows what each destination of a route
would be sent, with the decisions and the rules that made them. It is the same
compiler and engine that run uses; nothing is sent, stored or opened. Tokens are
made with a key of the moment, and security codes are shown as [sad].`,
		Example: `  chaperone explain --config chaperone.yaml --route checkout < sale.json
  chaperone explain --route checkout --caller front-desk --json < sale.json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.route == "" {
				return usageError(cmd, "explain needs --route")
			}
			return explain(cmd, a, o)
		},
	}
	configFlag(cmd, &o.file)
	cmd.Flags().StringVarP(&o.route, "route", "r", "", "the `ROUTE`, by its name in the policy")
	cmd.Flags().StringVar(&o.caller, "caller", "", "the `CALLER`; without it, one that may use the route")
	cmd.Flags().StringVar(&o.target, "target", "", "`PATH` and query of the request; without it, the route's path")
	cmd.Flags().StringArrayVarP(&o.headers, "header", "H", nil, "a `HEADER` of the request, as in 'Name: value'")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON document")
	return cmd
}

func explain(cmd *cobra.Command, a *app, o explainOptions) error {
	p, err := a.openPolicy(o.file)
	if err != nil {
		return err
	}
	sample := proxy.Sample{Route: o.route, Caller: o.caller, Target: o.target, Limits: p.cfg.proxyLimits()}
	for _, h := range o.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return usageError(cmd, "--header needs a name and a value, as in 'Name: value'")
		}
		sample.Headers = append(sample.Headers, [2]string{textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)})
	}
	if isTerminal(a.in) {
		_, _ = fmt.Fprintln(a.err, "reading the body from the terminal; end it with Ctrl-D")
	}
	body, err := io.ReadAll(io.LimitReader(a.in, int64(p.cfg.limits.body)+1))
	if err != nil {
		return failed("", "the body cannot be read: %w", err)
	}
	if len(body) > 0 {
		sample.Body = body
	}
	ex, err := proxy.Explain(p.plan, sample)
	if err != nil {
		return failed("routes and callers are those of "+p.cfg.rules, "%w", err)
	}
	if o.asJSON {
		return writeJSON(a.out, explanationJSON(ex))
	}
	_, err = io.WriteString(a.out, explanationText(ex, p.plan, paletteFor(a.out), terminalWidth(a.out)))
	return err
}

// explanationText draws an explanation for a person. What the sale had that the
// request may follow is not known here.
func explanationText(ex *proxy.Explanation, plan *rules.Plan, p palette, width int) string {
	var b strings.Builder
	head := fmt.Sprintf("route %s, caller %s", ex.Route, ex.Caller)
	route := &plan.Routes[slices.IndexFunc(plan.Routes, func(r rules.Route) bool { return r.Name == ex.Route })]
	if f := route.Follows; f != nil {
		head += ", about a sale of " + plan.Routes[f.Route].Name
	}
	fmt.Fprintf(&b, "%s\n\n", p.bold(head))
	if e := ex.Refusal; e != nil {
		fmt.Fprintf(&b, "%s %s, and nothing is sent\n%s\n\n", p.red("refused:"),
			strconv.Itoa(e.Code.Status())+" "+strings.ToLower(http.StatusText(e.Code.Status())), refusalText(e))
	}
	if len(ex.Parties) == 0 {
		return b.String()
	}
	column := columnWidth(len(ex.Parties), width)
	var blocks []block
	rows := [][]string{decisionHeads}
	for i, party := range ex.Parties {
		blocks = append(blocks, partyBlock(party, route.Legs[i].Sync, ex.Refusal != nil, column))
		for _, d := range party.Decisions {
			rows = append(rows, []string{party.To, d.Form.String(), d.Label, d.Class, d.Pattern, strconv.Itoa(d.Count), d.Rule})
		}
	}
	writeBlocks(&b, p, blocks, width)
	if len(rows) > 1 {
		fmt.Fprintln(&b, p.cyan("decisions"))
		writeTable(&b, p, rows)
	}
	return b.String()
}

// partyBlock is what one party gets.
func partyBlock(party proxy.Party, sync, refused bool, column int) block {
	title := party.To
	if party.Leg != party.To && party.Leg != "" {
		title += " (" + party.Leg + ")"
	}
	switch {
	case party.Primary:
		title += ", primary"
	case sync:
		title += ", sync"
	}
	switch {
	case party.Unless != "":
		return block{title, "not called: its condition does not\nhold: " + party.Unless}
	case party.Skipped:
		return block{title, "not called: no item of its class"}
	case party.BySale:
		return block{title, "called if the sale had items of its\nclass, with their part of the amount;\nthe sale is not looked up here"}
	case refused:
		return block{title, "not called"}
	}
	lines := []string{party.Method + " " + party.URL}
	for _, h := range party.Headers {
		lines = append(lines, h[0]+": "+h[1])
	}
	if party.Body != nil {
		lines = append(lines, jsonText(party.Body, column))
	}
	return block{title, strings.Join(lines, "\n")}
}

// refusalText is the code of a refusal, and where.
func refusalText(e *reason.Error) string {
	return "  " + oneLine(e.Error())
}

// The shape of --json.
type (
	explanationDoc struct {
		Route   string      `json:"route"`
		Caller  string      `json:"caller"`
		Refusal *refusalDoc `json:"refusal"` // null: it would be forwarded
		Parties []partyDoc  `json:"parties"`
	}
	refusalDoc struct {
		Code    reason.Code `json:"code"`
		Status  int         `json:"status"`
		Detail  string      `json:"detail,omitempty"`
		Rule    string      `json:"rule,omitempty"`
		Pattern string      `json:"pattern,omitempty"`
		Offset  *int        `json:"offset,omitempty"`
	}
	partyDoc struct {
		Leg       string           `json:"leg"`
		To        string           `json:"to"`
		Primary   bool             `json:"primary"`
		Called    bool             `json:"called"`
		Unless    string           `json:"unless,omitempty"`  // the condition that does not hold
		BySale    bool             `json:"by_sale,omitempty"` // the sale that it follows decides, which is not looked up
		Method    string           `json:"method,omitempty"`
		URL       string           `json:"url,omitempty"`
		Headers   [][2]string      `json:"headers,omitempty"`
		Body      json.RawMessage  `json:"body"` // null: none
		Decisions []decisionResult `json:"decisions"`
	}
)

func explanationJSON(ex *proxy.Explanation) explanationDoc {
	doc := explanationDoc{Route: ex.Route, Caller: ex.Caller, Parties: []partyDoc{}}
	if e := ex.Refusal; e != nil {
		doc.Refusal = &refusalDoc{Code: e.Code, Status: e.Code.Status(), Detail: e.Detail, Rule: e.Rule, Pattern: e.Pattern}
		if e.Offset >= 0 {
			doc.Refusal.Offset = &e.Offset
		}
	}
	for _, p := range ex.Parties {
		party := partyDoc{
			Leg: p.Leg, To: p.To, Primary: p.Primary, Called: !p.Skipped && !p.BySale && ex.Refusal == nil, Unless: p.Unless, BySale: p.BySale,
			Method: p.Method, URL: p.URL, Headers: p.Headers, Decisions: []decisionResult{},
		}
		if party.Called {
			party.Body = rawOrText(p.Body)
		}
		for _, d := range p.Decisions {
			party.Decisions = append(party.Decisions, decisionOf(p.To, d))
		}
		doc.Parties = append(doc.Parties, party)
	}
	return doc
}

func decisionOf(to string, d rewrite.Decision) decisionResult {
	return decisionResult{To: to, Form: d.Form.String(), Label: d.Label, Class: d.Class, Pattern: d.Pattern, Rule: d.Rule, Count: d.Count}
}
