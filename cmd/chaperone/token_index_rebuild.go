package main

import (
	"fmt"

	"chaperone/proxy/admin/control"

	"github.com/spf13/cobra"
)

func newTokenIndexRebuildCommand(a *app) *cobra.Command {
	var file, reason string
	var archive []string
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Restore the index of known card tokens from the log",
		Long: `A card token is revealed only if the store's index knows it. Where the index
was lost and the log was not, this reads the whole log, of all scopes and with
what was archived, and puts back every card token that was made and every
revocation. Values of vaulted tokens are not in the log.`,
		Example: "  chaperone token index rebuild --reason 'index lost in the failover of May 4'",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkReason(cmd, reason); err != nil {
				return err
			}
			dirs, err := a.archivesOf(cmd, file, archive)
			if err != nil {
				return err
			}
			desk, err := a.openTokenDesk(cmd.Context(), file)
			if err != nil {
				return err
			}
			defer desk.Close()
			r, err := desk.RebuildTokens(cmd.Context(), control.TokenRebuild{Reason: reason, Archive: dirs})
			if err != nil {
				return tokenError(err)
			}
			_, err = fmt.Fprintf(a.out, "%d entries read: %d card tokens, of which %d were missing and are known again; %d revoked\n",
				r.Entries, r.Tokens, r.Restored, r.Revoked)
			if err == nil && r.Unreadable > 0 {
				return failed("look with `chaperone log verify`", "%d entries do not open: tokens that they speak of may still be missing", r.Unreadable)
			}
			if err == nil && r.Unread > 0 {
				return failed("name the folder of their segments with --archive", "%d entries were archived or are missing: tokens that they speak of may still be missing", r.Unread)
			}
			return err
		},
	}
	configFlag(cmd, &file)
	reasonFlag(cmd, &reason)
	archiveFlag(cmd, &archive, archiveDefault)
	return cmd
}
