package main

import (
	"fmt"

	"chaperone/proxy/admin/control"

	"github.com/spf13/cobra"
)

func newTokenRevokeCommand(a *app) *cobra.Command {
	var file, scope, reason, id string
	cmd := &cobra.Command{
		Use:   "revoke TOKEN | --id ID",
		Short: "Make a token unknown, and erase what is stored for it",
		Long: `After this the token is never revealed again. Of a vaulted token the stored value
is deleted, and the store's files are made to hold nothing of it: the embedded
file's free pages are overwritten; Redis rewrites its append-only file and its
snapshot (BGREWRITEAOF, BGSAVE), for which its user needs the rights. That this
was done is in the log. Tokens of the formats pan and sealed hold their value
themselves: they are marked as revoked.

The same value gets another token the next time. ID is what the list and the
log call a token.`,
		Example: "  chaperone token revoke 8102938475610001 --reason 'erasure request 17'\n  chaperone token revoke --id bcdfghjk... --reason 'erasure request 17'",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 1) == (id != "") {
				return usageError(cmd, "revoke takes either TOKEN or --id")
			}
			if err := checkReason(cmd, reason); err != nil {
				return err
			}
			desk, err := a.openTokenDesk(cmd.Context(), file)
			if err != nil {
				return err
			}
			defer desk.Close()
			asked := control.TokenRevoke{ID: id, Scope: scope, Reason: reason}
			if len(args) == 1 {
				asked.Token = args[0]
			}
			r, err := desk.RevokeToken(cmd.Context(), asked)
			if err != nil {
				return tokenError(err)
			}
			if _, err := fmt.Fprintf(a.out, "revoked %s (%s)\n", r.ID, r.Format); err != nil {
				return err
			}
			switch {
			case r.Erased && !r.Scrubbed:
				return failed("repeat it when that is put right: revoking again erases again", "%s", r.Note)
			case r.Note != "":
				_, err = fmt.Fprintln(a.out, r.Note)
			}
			return err
		},
	}
	configFlag(cmd, &file)
	scopeFlag(cmd, &scope)
	reasonFlag(cmd, &reason)
	cmd.Flags().StringVar(&id, "id", "", "the `ID` of the token, in place of the token")
	return cmd
}
