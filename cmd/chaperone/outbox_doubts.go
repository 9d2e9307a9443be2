package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"chaperone/proxy/admin/control"
)

// outboxDoubtsOptions are the flags of outbox doubts.
type outboxDoubtsOptions struct {
	config string
	asJSON bool
}

func newOutboxDoubtsCommand(a *app) *cobra.Command {
	var o outboxDoubtsOptions
	cmd := &cobra.Command{
		Use:   "doubts",
		Short: "Show the sales that may or may not have been charged",
		Long: `Shows each sale whose primary was called and gave no answer that says whether
it was done: a timeout, a reset, a 5xx, or a proxy that died meanwhile. Its other
legs are held, and its repeats are refused, until that is known. By the route's
on_doubt, the caller's own repeat or the proxy sends it again; else somebody has
to ask the party that was to be charged, and say so with outbox resolve.

Below stand the sales that the primary left open, until a later call decides
them. They are not in doubt before their time is over.

With --json each line is one sale; "pending":true marks those that were left
open.`,
		Example: `  chaperone outbox doubts
  chaperone outbox doubts --json | jq -r '[.since, .request] | @tsv'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return outboxDoubts(a, cmd, o) },
	}
	configFlag(cmd, &o.config)
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func outboxDoubts(a *app, cmd *cobra.Command, o outboxDoubtsOptions) error {
	ctx, r, done, err := a.openReading(cmd, o.config)
	if err != nil {
		return err
	}
	defer done()
	now := time.Now()
	doubts := table{header: []string{"SINCE", "AGE", "ROUTE", "CALLER", "REQUEST", "REASON", "HELD LEGS", "KEY"}}
	pending := table{header: []string{"PENDING SINCE", "AGE", "ROUTE", "CALLER", "REQUEST", "UNTIL", "HELD LEGS", "KEY"}}
	take := func(d control.Doubt) error {
		to, what := &doubts, d.Reason
		switch {
		case d.Pending:
			to, what = &pending, rfc3339(d.Until)
		case what == "":
			what = "its proxy died"
		}
		to.add(rfc3339(d.Since), now.Sub(d.Since).Round(time.Second).String(), d.Route, d.Caller, d.Request, what, fmt.Sprint(d.Held), control.SaleName(d.Key, d.Attempt))
		return nil
	}
	if o.asJSON {
		take = func(d control.Doubt) error { return writeNDJSON(a.out, d) }
	}
	if err := r.Doubts(ctx, take); err != nil || o.asJSON {
		return readingError(err)
	}
	return printDoubts(a.out, &doubts, &pending)
}

// printDoubts prints what is in doubt, what is pending, and what can be done.
func printDoubts(w io.Writer, doubts, pending *table) error {
	if err := doubts.print(w, "no sale is in doubt"); err != nil {
		return err
	}
	if len(pending.rows) > 0 {
		if err := writeLine(w, ""); err != nil {
			return err
		}
		if err := pending.print(w, ""); err != nil {
			return err
		}
	}
	if len(doubts.rows) == 0 {
		return nil
	}
	return writeLine(w, "\nask who was to be charged, then: chaperone outbox resolve KEY --charged | --not-charged --reason TEXT")
}
