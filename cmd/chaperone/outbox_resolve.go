package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"chaperone/proxy"
	"chaperone/proxy/admin/control"
)

// outboxResolveOptions are the flags of outbox resolve.
type outboxResolveOptions struct {
	config, reason      string
	charged, notCharged bool
	asJSON              bool
}

func newOutboxResolveCommand(a *app) *cobra.Command {
	var o outboxResolveOptions
	cmd := &cobra.Command{
		Use:   "resolve KEY[/ATTEMPT] --charged | --not-charged",
		Short: "Say whether a sale in doubt was charged",
		Long: `Ends a sale in doubt, or one that the primary left open, by your word. Ask the
party that was to be charged, and wait until its own timeouts are over: a call
may still be on its way to it.

  --charged      the sale happened: its held legs are sent
  --not-charged  it did not: its legs are dropped, and its key is free again

The first word counts and cannot be taken back. A sale in flight, and one that is
being sent again, cannot be resolved.`,
		Example: `  chaperone outbox doubts
  chaperone outbox resolve kwzcdefghi/1 --charged --reason "processor's portal, ticket 2291"`,
		Args: exactArguments("KEY[/ATTEMPT]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, _, err := control.ParseSaleName(args[0]); err != nil {
				return usageError(cmd, "%s", err)
			}
			if o.charged == o.notCharged {
				return usageError(cmd, "resolve takes either --charged or --not-charged")
			}
			if err := checkReason(cmd, o.reason); err != nil {
				return err
			}
			return outboxResolve(cmd.Context(), a, o, args[0])
		},
	}
	configFlag(cmd, &o.config)
	reasonFlag(cmd, &o.reason)
	cmd.Flags().BoolVar(&o.charged, "charged", false, "the sale happened")
	cmd.Flags().BoolVar(&o.notCharged, "not-charged", false, "the sale did not happen")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

func outboxResolve(ctx context.Context, a *app, o outboxResolveOptions, sale string) error {
	ask := control.Resolve{Sale: sale, Charged: o.charged, Reason: o.reason}
	done, err := a.resolveDoubt(ctx, o.config, ask)
	if err != nil {
		return deskError(err, "see `chaperone outbox doubts`")
	}
	if o.asJSON {
		return writeNDJSON(a.out, done)
	}
	what := "its key is free again"
	switch {
	case o.charged && done.Legs > 0:
		what = fmt.Sprintf("%d held legs are sent", done.Legs)
	case o.charged:
		what = "no leg was held"
	case done.Legs > 0:
		what = fmt.Sprintf("%d held legs are dropped, and its key is free again", done.Legs)
	}
	_, err = fmt.Fprintf(a.out, "%s is %s: %s\n", control.SaleName(done.Key, done.Attempt), done.Outcome, what)
	return err
}

// resolveDoubt asks the proxy that runs on the data folder, and does it itself
// where none runs.
func (a *app) resolveDoubt(ctx context.Context, file string, ask control.Resolve) (control.Resolved, error) {
	var none control.Resolved
	cfg, c, err := a.dial(ctx, file)
	if err != nil {
		return none, err
	}
	if c != nil {
		defer c.Close()
		return c.ResolveDoubt(ctx, ask)
	}
	f, err := a.openFiles(ctx, cfg)
	if err != nil {
		return none, err
	}
	defer f.Close()
	return proxy.DoubtDesk{Outbox: f.outbox, Commit: f.recordEntries}.Resolve(ctx, localUser(), ask)
}
