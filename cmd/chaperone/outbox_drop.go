package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"chaperone/proxy/admin/control"
)

func newOutboxDropCommand(a *app) *cobra.Command {
	var ask control.LegDrop
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "drop KEY/ATTEMPT/LEG",
		Short: "Make sure that a leg is never sent",
		Long: `Drops a leg for good: its destination does not get it, and what waits behind it
in its order goes on. That cannot be undone. A leg that is being sent, or whose
sale has no outcome yet, is not dropped.`,
		Example: `  chaperone outbox drop kwzcdefghi/1/2 --reason "entered by hand, ticket 2291"`,
		Args:    exactArguments("KEY/ATTEMPT/LEG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask.Leg = args[0]
			if err := legArgument(cmd, ask.Leg); err != nil {
				return err
			}
			if err := checkReason(cmd, ask.Reason); err != nil {
				return err
			}
			return outboxDrop(cmd.Context(), a, file, ask, asJSON)
		},
	}
	configFlag(cmd, &file)
	reasonFlag(cmd, &ask.Reason)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func outboxDrop(ctx context.Context, a *app, file string, ask control.LegDrop, asJSON bool) error {
	desk, err := a.openLegDesk(ctx, file, false)
	if err != nil {
		return err
	}
	defer desk.Close()
	d, err := desk.DropLeg(ctx, ask)
	switch {
	case err != nil:
		return legError(err)
	case asJSON:
		return writeNDJSON(a.out, d)
	}
	_, err = fmt.Fprintf(a.out, "%s for %s is dropped\n", d.Ref, d.Destination)
	return err
}
