package main

import (
	"fmt"

	"chaperone/proxy/admin/control"

	"github.com/spf13/cobra"
)

func newTokenRevealCommand(a *app) *cobra.Command {
	var file, scope, reason string
	cmd := &cobra.Command{
		Use:   "reveal TOKEN",
		Short: "Show what a token stands for",
		Long: `Prints the value behind a token, when it is on record who asked and why. Tries
that fail are on record and limited, too.`,
		Example: "  chaperone token reveal 7102938475610001 --reason 'dispute 2291'",
		Args:    exactArguments("TOKEN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkReason(cmd, reason); err != nil {
				return err
			}
			desk, err := a.openTokenDesk(cmd.Context(), file)
			if err != nil {
				return err
			}
			defer desk.Close()
			v, err := desk.RevealToken(cmd.Context(), control.TokenReveal{Token: args[0], Scope: scope, Reason: reason})
			if err != nil {
				return tokenError(err)
			}
			_, err = fmt.Fprintln(a.out, printable(v.Value))
			return err
		},
	}
	configFlag(cmd, &file)
	scopeFlag(cmd, &scope)
	reasonFlag(cmd, &reason)
	return cmd
}
