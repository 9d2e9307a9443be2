package main

import (
	"context"
	"encoding/json"
	"time"

	"chaperone/proxy/admin/control"

	"github.com/spf13/cobra"
)

// tokenPage is how many tokens are asked for at once.
const tokenPage = 500

func newTokenListCommand(a *app) *cobra.Command {
	var file, scope string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the tokens of a scope, without values",
		Long: `Shows what the store knows of the tokens of a scope: never a token, and never what
it stands for. Sealed tokens are stateless, so only those that were revoked are
listed. The list is in no order.`,
		Example: "  chaperone token list\n  chaperone token list --scope north --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			desk, err := a.openTokenDesk(cmd.Context(), file)
			if err != nil {
				return err
			}
			defer desk.Close()
			return a.tokenList(cmd.Context(), desk, scope, asJSON)
		},
	}
	configFlag(cmd, &file)
	scopeFlag(cmd, &scope)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func (a *app) tokenList(ctx context.Context, desk tokenDesk, scope string, asJSON bool) error {
	t := table{header: []string{"ID", "LABEL", "FORMAT", "STATE", "LAST4", "CREATED", "EXPIRES"}}
	lines := json.NewEncoder(a.out)
	for cursor := ""; ; {
		page, err := desk.ListTokens(ctx, scope, cursor, tokenPage)
		if err != nil {
			return tokenError(err)
		}
		for _, i := range page.Tokens {
			if !asJSON {
				t.add(i.ID, i.Label, i.Format, i.State, i.Last4, day(i.Created), day(i.Expires))
				continue
			}
			if err := lines.Encode(i); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if asJSON {
		return nil
	}
	return t.print(a.out, "the scope has no token that the store knows of")
}

// day is a date, "" for none.
func day(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(time.DateOnly)
}

var _ tokenDesk = (*control.Client)(nil)
