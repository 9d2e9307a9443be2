package main

import (
	"fmt"

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
legs are held, and its repeats are refused, until that is known.

With --json each line is one sale.`,
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
	ctx, stop := stoppable(cmd.Context())
	defer stop()
	r, err := a.openReading(ctx, o.config)
	if err != nil {
		return err
	}
	defer r.Close()
	t := table{header: []string{"SINCE", "ROUTE", "CALLER", "REQUEST", "REASON", "HELD LEGS", "KEY"}}
	take := func(d control.Doubt) error {
		reason := d.Reason
		if reason == "" {
			reason = "its proxy died"
		}
		t.add(rfc3339(d.Since), d.Route, d.Caller, d.Request, reason, fmt.Sprint(d.Held), fmt.Sprintf("%s/%d", d.Key, d.Attempt))
		return nil
	}
	if o.asJSON {
		take = func(d control.Doubt) error { return writeNDJSON(a.out, d) }
	}
	if err := r.Doubts(ctx, take); err != nil || o.asJSON {
		return readingError(err)
	}
	return t.print(a.out, "no sale is in doubt")
}
