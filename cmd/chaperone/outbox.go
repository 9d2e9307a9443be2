package main

import "github.com/spf13/cobra"

func newOutboxCommand(a *app) *cobra.Command {
	outbox := &cobra.Command{
		Use:   "outbox",
		Short: "Show what waits to be delivered, and sales in doubt",
		Long: `The outbox holds the queued legs of sales until their destinations have
accepted them. Nothing here shows a value, and that it was read is recorded in
the log.

These commands ask the proxy that runs on the configuration's data folder, and
open the store and the keyring themselves where none runs.`,
		Args: cobra.ArbitraryArgs,
		RunE: groupOnly,
	}
	outbox.AddCommand(newOutboxListCommand(a), newOutboxDoubtsCommand(a))
	return outbox
}
