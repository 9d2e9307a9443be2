package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

// maxTail is what a running proxy gives at once.
const maxTail = 100_000

// logTailOptions are the flags of log tail.
type logTailOptions struct {
	config                    string
	last                      int
	follow, asJSON, decisions bool
}

func newLogTailCommand(a *app) *cobra.Command {
	var o logTailOptions
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the last entries of the log",
		Long: `Shows the last entries of the log over all its chains, oldest first, and with
--follow those that come, until Ctrl-C. That the log was read, and by whom, is
in the log too.

With --json each line is one entry as it was recorded, after the chain ("log")
and the sequence number ("seq") under which it stands.`,
		Example: `  chaperone log tail
  chaperone log tail -n 200 --decisions
  chaperone log tail --follow
  chaperone log tail -n 1000 --json | jq 'select(.kind == "refusal")'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.last < 0 || o.last > maxTail {
				return usageError(cmd, "--lines is a number from 0 to %d", maxTail)
			}
			return logTail(a, cmd, o)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().IntVarP(&o.last, "lines", "n", 50, "show the last `N` entries")
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with what is appended")
	cmd.Flags().BoolVar(&o.decisions, "decisions", false, "show each decision on a line of its own")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func logTail(a *app, cmd *cobra.Command, o logTailOptions) error {
	ctx, r, done, err := a.openReading(cmd, o.config)
	if err != nil {
		return err
	}
	defer done()
	show := func(l control.LogLine) error { return writeLogLine(a.out, paletteFor(a.out), l, o.decisions) }
	if o.asJSON {
		show = func(l control.LogLine) error { return writeLogJSON(a.out, l) }
	}
	return readingError(r.Tail(ctx, o.last, o.follow, show))
}

// writeLogJSON prints an entry's own text, with its place before it.
func writeLogJSON(w io.Writer, l control.LogLine) error {
	place := struct {
		Log   string `json:"log"`
		Seq   uint64 `json:"seq"`
		Fault string `json:"fault,omitempty"`
	}{l.Chain, l.Seq, l.Fault}
	line, err := json.Marshal(place)
	if err != nil {
		return err
	}
	if members, ok := strings.CutPrefix(string(l.Entry), "{"); ok && l.Fault == "" {
		line = append(append(line[:len(line)-1], ','), members...)
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Columns of a log line; a longer text pushes those after it to the right.
const (
	kindWidth   = 8
	resultWidth = 9
	routeWidth  = 12
	callerWidth = 12
)

func writeLogLine(w io.Writer, p palette, l control.LogLine, decisions bool) error {
	if l.Fault != "" {
		return writeLine(w, p.red(fmt.Sprintf("%s %d: %s; run `chaperone log verify`", l.Chain, l.Seq, l.Fault)))
	}
	e, err := audit.Parse(l.Entry)
	if err != nil {
		return failed("the proxy that runs is of another version", "%w", err)
	}
	columns := []string{
		p.dim(e.Time.Format("2006-01-02T15:04:05.000Z07:00")),
		pad(e.Kind.String(), kindWidth),
		paintResult(p, e.Result, pad(e.Result.String(), resultWidth)),
		pad(orDash(string(e.Route)), routeWidth),
		pad(orDash(string(e.Caller)), callerWidth),
		orDash(string(e.Request)),
	}
	line := strings.Join(append(columns, details(&e)...), "  ")
	if err := writeLine(w, strings.TrimRight(line, " ")); err != nil || !decisions {
		return err
	}
	for _, d := range e.Decisions {
		if err := writeLine(w, "    "+decisionLine(d)); err != nil {
			return err
		}
	}
	return nil
}

func writeLine(w io.Writer, line string) error {
	_, err := fmt.Fprintln(w, line)
	return err
}

func paintResult(p palette, r audit.Result, s string) string {
	switch r {
	case audit.ResultUnknown, audit.ResultDead, audit.ResultFailed:
		return p.red(s)
	case audit.ResultRefused, audit.ResultCancelled, audit.ResultVoid, audit.ResultRetry, audit.ResultParked, audit.ResultDropped:
		return p.yellow(s)
	}
	return s
}

// details says what the columns do not: NAME=VALUE, in an order of its own.
func details(e *audit.Entry) []string {
	var d []string
	add := func(name, value string) {
		if value != "" {
			d = append(d, name+"="+printable(value))
		}
	}
	number := func(name string, n int) {
		if n > 0 {
			add(name, strconv.Itoa(n))
		}
	}
	if e.Action != audit.ActionNone {
		add("action", e.Action.String())
	}
	number("status", e.Status)
	number("upstream", e.Upstream)
	add("reason", string(e.Reason))
	add("rule", string(e.Rule))
	add("at", string(e.Pattern))
	number("repeats", e.Repeats)
	add("build", string(e.Build))
	add("target", string(e.Target))
	add("why", string(e.Why))
	if len(e.Tokens) == 1 {
		add("token", string(e.Tokens[0].Key)) // its id in token list, never the token
	} else {
		number("tokens", len(e.Tokens))
	}
	for _, l := range e.Legs {
		state := l.State.String()
		if l.Status > 0 {
			state += "(" + strconv.Itoa(l.Status) + ")"
		}
		add(string(l.Name), state)
	}
	if e.Attempt > 1 {
		number("attempt", e.Attempt)
	}
	count := 0
	for _, x := range e.Decisions {
		count += x.Count
	}
	number("decisions", count)
	if e.Took > 0 {
		add("took", e.Took.Duration().Round(10*time.Microsecond).String())
	}
	return d
}

func decisionLine(d audit.Decision) string {
	what := string(d.Label)
	if d.Class != "" {
		what = strings.TrimPrefix(what+" "+string(d.Class), " ")
	}
	return printable(fmt.Sprintf("%s → %s: %s ×%d  %s  (%s)", what, d.To, d.Form, d.Count, d.Pattern, d.Rule))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return printable(s)
}
