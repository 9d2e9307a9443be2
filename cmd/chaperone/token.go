package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/store"

	"github.com/spf13/cobra"
)

func newTokenCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, reveal, list and revoke tokens",
		Long: `Tokens are made and revealed by requests; these commands do it by hand. Who did
what, and why, is in the log before the answer is shown: which token it was by
its id, never the token or what it stands for.

They ask the proxy that runs on the configuration's data folder, and open store
and keyring themselves where none runs.`,
		Args: cobra.ArbitraryArgs,
		RunE: groupOnly,
	}
	index := &cobra.Command{
		Use:   "index",
		Short: "The index of known card tokens",
		Args:  cobra.ArbitraryArgs,
		RunE:  groupOnly,
	}
	index.AddCommand(newTokenIndexRebuildCommand(a))
	cmd.AddCommand(newTokenMakeCommand(a), newTokenRevealCommand(a), newTokenListCommand(a), newTokenRevokeCommand(a), index)
	return cmd
}

// tokenDesk is what the verbs of token ask: a running proxy (*control.Client),
// or its files (*fileTokens). Each call is on record.
type tokenDesk interface {
	MakeToken(ctx context.Context, m control.TokenMake) (control.Token, error)
	RevealToken(ctx context.Context, r control.TokenReveal) (control.TokenValue, error)
	RevokeToken(ctx context.Context, r control.TokenRevoke) (control.TokenRevoked, error)
	ListTokens(ctx context.Context, scope, cursor string, max int) (control.TokenPage, error)
	RebuildTokens(ctx context.Context, r control.TokenRebuild) (control.TokensRebuilt, error)
	Close()
}

// fileTokens are the tokens of a proxy that does not run.
type fileTokens struct {
	*files
	desk admin.TokenDesk
}

func newFileTokens(f *files, plan *rules.Plan) *fileTokens {
	t := &fileTokens{files: f}
	t.desk = admin.TokenDesk{
		Plan: func() *rules.Plan { return plan }, Ring: f.ring, Driver: f.driver, Clock: time.Now, Logger: f.logger,
		Commit: func(ctx context.Context, e *audit.Entry, cmds []store.Command) error {
			return f.recordUnit(ctx, e, cmds)
		},
		Limiter: &admin.Limiter{Apply: f.driver.Apply, Clock: time.Now, Logger: f.logger},
	}
	return t
}

func localAsker(scope, reason string) admin.Asker {
	return admin.Asker{Name: localUser(), Scope: cmp.Or(scope, rules.DefaultScope), Reason: reason}
}

func (t *fileTokens) MakeToken(ctx context.Context, m control.TokenMake) (control.Token, error) {
	made, err := t.desk.Make(ctx, localAsker(m.Scope, m.Reason), m.Label, []string{m.Value})
	if err != nil {
		return control.Token{}, err
	}
	return made[0], nil
}

func (t *fileTokens) RevealToken(ctx context.Context, r control.TokenReveal) (control.TokenValue, error) {
	return t.desk.Reveal(ctx, localAsker(r.Scope, r.Reason), r.Token)
}

func (t *fileTokens) RevokeToken(ctx context.Context, r control.TokenRevoke) (control.TokenRevoked, error) {
	return t.desk.Revoke(ctx, localAsker(r.Scope, r.Reason), r.Token, r.ID)
}

func (t *fileTokens) ListTokens(ctx context.Context, scope, cursor string, max int) (control.TokenPage, error) {
	return t.desk.List(ctx, localAsker(scope, ""), cursor, max)
}

func (t *fileTokens) RebuildTokens(ctx context.Context, r control.TokenRebuild) (control.TokensRebuilt, error) {
	return t.desk.Rebuild(ctx, localAsker("", r.Reason), r.Archive...)
}

// openTokenDesk asks the proxy that runs on the data folder, and opens the
// store, the keyring and the policy where none runs. The error is ready to be
// shown.
func (a *app) openTokenDesk(ctx context.Context, file string) (tokenDesk, error) {
	cfg, c, err := a.dial(ctx, file)
	if err != nil {
		return nil, err
	}
	if c != nil {
		return c, nil
	}
	plan, err := a.loadPlan(cfg, file)
	if err != nil {
		return nil, err
	}
	f, err := a.openFiles(ctx, cfg)
	if err != nil {
		return nil, err
	}
	t := newFileTokens(f, plan)
	if cfg.state.redis != nil {
		t.desk.Settle = admin.SettleTime // others may run on the same Redis
	}
	return t, nil
}

// tokenError says what to do about what a tokenDesk returned.
func tokenError(err error) error {
	if refusedWith(err) == http.StatusTooManyRequests {
		return deskError(err, "limits: in rules.yaml are the callers'; an operator has the defaults, and they end with the day or the hour")
	}
	return deskError(err, "")
}

// scopeFlag gives a verb its --scope.
func scopeFlag(cmd *cobra.Command, scope *string) {
	cmd.Flags().StringVar(scope, "scope", rules.DefaultScope, "the `SCOPE` of the token, as callers and routes name it")
}

// maxSecret bounds what is read from stdin, in bytes.
const maxSecret = 32 << 10

// secretLine reads one line from stdin: what must not stand on a command line,
// where every process sees it and the shell keeps it.
func (a *app) secretLine(what string) (string, error) {
	if isTerminal(a.in) {
		_, _ = fmt.Fprintf(a.err, "%s: ", what)
	}
	line, err := bufio.NewReader(io.LimitReader(a.in, maxSecret)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", failed("", "stdin cannot be read: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", failed("pipe it in, as in `chaperone token make pan --reason test <card.txt`", "there is no %s on stdin", what)
	}
	return line, nil
}
