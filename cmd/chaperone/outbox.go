package main

import "github.com/spf13/cobra"

func newOutboxCommand(a *app) *cobra.Command {
	outbox := &cobra.Command{
		Use:   "outbox",
		Short: "Show what waits to be delivered, and see to it",
		Long: `The outbox holds the queued legs of sales until their destinations have
accepted them. Who read it, and who did what about a leg, is recorded in the
log; no body is shown but to a caller who is cleared for all that is in it.

These commands ask the proxy that runs on the configuration's data folder, and
open the store and the keyring themselves where none runs.`,
		Args: cobra.ArbitraryArgs,
		RunE: groupOnly,
	}
	outbox.AddCommand(newOutboxListCommand(a), newOutboxShowCommand(a), newOutboxRetryCommand(a), newOutboxDropCommand(a), newOutboxDoubtsCommand(a), newOutboxResolveCommand(a))
	return outbox
}
