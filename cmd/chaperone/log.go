package main

import "github.com/spf13/cobra"

func newLogCommand(a *app) *cobra.Command {
	log := &cobra.Command{
		Use:   "log",
		Short: "Read, verify and archive the decision log",
		Long: `The decision log holds what was decided for each request before a byte of it
left, and what became of it. Reading it is itself recorded in it.

These commands ask the proxy that runs on the configuration's data folder, and
open the store and the keyring themselves where none runs.`,
		Args: cobra.ArbitraryArgs,
		RunE: groupOnly,
	}
	log.AddCommand(newLogTailCommand(a), newLogVerifyCommand(a), newLogArchiveCommand(a), newLogExportCommand(a),
		newLogDisclosuresCommand(a), newLogBreachCommand(a))
	return log
}
