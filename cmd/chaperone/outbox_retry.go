package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"chaperone/proxy/admin/control"
)

func newOutboxRetryCommand(a *app) *cobra.Command {
	var ask control.LegRetry
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "retry KEY/ATTEMPT/LEG | --dead",
		Short: "Send a leg now, or all dead ones",
		Long: `Makes a leg due now, whether it is dead, parked or waits for its next try, and
forgets its tries: its limits count anew. With --dead it does so with every dead
leg, in the order in which they were given up. A destination that is held back is
asked at once.

A dead leg that has an order goes behind what waits in it now: that went on when
the leg was given up. A parked leg is parked again unless the policy allows it.`,
		Example: `  chaperone outbox retry kwzcdefghi/1/2 --reason "the record was there twice"
  chaperone outbox retry --dead --destination ehr --reason "their outage is over"`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usageError(cmd, "retry takes one leg, got %d arguments", len(args))
			case len(args) == 1 && ask.Dead:
				return usageError(cmd, "either KEY/ATTEMPT/LEG or --dead")
			case len(args) == 0 && !ask.Dead:
				return usageError(cmd, "KEY/ATTEMPT/LEG is missing, or --dead")
			case ask.Destination != "" && !ask.Dead:
				return usageError(cmd, "--destination is for --dead")
			}
			if len(args) == 1 {
				ask.Leg = args[0]
				if err := legArgument(cmd, ask.Leg); err != nil {
					return err
				}
			}
			if err := checkReason(cmd, ask.Reason); err != nil {
				return err
			}
			return outboxRetry(cmd.Context(), a, file, ask, asJSON)
		},
	}
	configFlag(cmd, &file)
	reasonFlag(cmd, &ask.Reason)
	cmd.Flags().BoolVar(&ask.Dead, "dead", false, "every leg that was given up")
	cmd.Flags().StringVar(&ask.Destination, "destination", "", "with --dead: only those for this `DESTINATION`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func outboxRetry(ctx context.Context, a *app, file string, ask control.LegRetry, asJSON bool) error {
	desk, err := a.openLegDesk(ctx, file, false)
	if err != nil {
		return err
	}
	defer desk.Close()
	n, err := desk.RetryLegs(ctx, ask)
	switch {
	case err != nil:
		return legError(err)
	case asJSON:
		return writeNDJSON(a.out, n)
	case n.Retried == 1:
		_, err = fmt.Fprintln(a.out, "1 leg is due now")
	default:
		_, err = fmt.Fprintf(a.out, "%d legs are due now\n", n.Retried)
	}
	return err
}
