package main

import (
	"fmt"

	"chaperone/proxy/admin/control"

	"github.com/spf13/cobra"
)

func newTokenMakeCommand(a *app) *cobra.Command {
	var file, scope, reason string
	cmd := &cobra.Command{
		Use:   "make LABEL",
		Short: "Make the token of a value that is read from stdin",
		Long: `Reads one line from stdin and prints its token, in the format that the policy has
for the label. A value that has a token already gets the same one, where the
format can (pan, vaulted, and sealed with join: true).`,
		Example: "  chaperone token make pan --reason 'card on file, by phone' <card.txt",
		Args:    exactArguments("LABEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkReason(cmd, reason); err != nil {
				return err
			}
			value, err := a.secretLine("value")
			if err != nil {
				return err
			}
			desk, err := a.openTokenDesk(cmd.Context(), file)
			if err != nil {
				return err
			}
			defer desk.Close()
			made, err := desk.MakeToken(cmd.Context(), control.TokenMake{Label: args[0], Value: value, Scope: scope, Reason: reason})
			if err != nil {
				return tokenError(err)
			}
			_, err = fmt.Fprintln(a.out, made.Token)
			return err
		},
	}
	configFlag(cmd, &file)
	scopeFlag(cmd, &scope)
	reasonFlag(cmd, &reason)
	return cmd
}
