package main

import (
	"context"
	"net/http"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/proxy/admin/control"

	"github.com/spf13/cobra"
)

func newKeysCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, rotate, list, retire and migrate the data keys",
		Long: `The keyring holds a data key for each use and generation. The newest generation
makes; every older one still opens what it made, until it is destroyed. In
Vault, all proxies take a change up by themselves within seconds.

Who changed what, and why, is in the log. These commands ask the proxy that
runs on the configuration's data folder, and open store and keyring themselves
where none runs.`,
		Args: cobra.ArbitraryArgs,
		RunE: groupOnly,
	}
	cmd.AddCommand(newKeysInitCommand(a), newKeysListCommand(a), newKeysRotateCommand(a), newKeysRetireCommand(a), newKeysMigrateCommand(a))
	return cmd
}

// keyDesk is what the verbs of keys ask: a running proxy (*control.Client), or
// its files (fileDesk). Each call is on record.
type keyDesk interface {
	Keys(ctx context.Context) (control.Keyring, error)
	Rotate(ctx context.Context, r control.Rotation) ([]control.Key, error)
	Retire(ctx context.Context, r control.Retirement) (control.Key, error)
	Note(ctx context.Context, n control.KeyNote) error
	Close()
}

// fileDesk is the keyring of a proxy that does not run.
type fileDesk struct {
	admin.KeyDesk
	*files
}

func newFileDesk(f *files) fileDesk {
	record := admin.RecorderFunc(func(ctx context.Context, e *audit.Entry) error { return f.recordEntry(ctx, e) })
	return fileDesk{KeyDesk: admin.KeyDesk{Ring: f.ring, Record: record, Who: localUser()}, files: f}
}

// openKeyDesk asks the proxy that runs on the data folder, and opens the store
// and the keyring where none runs. The error is ready to be shown.
func (a *app) openKeyDesk(ctx context.Context, cfg *config) (keyDesk, error) {
	// The keyring may be in the memory of this process in a moment.
	if err := harden(); err != nil {
		return nil, failed("", "%w", err)
	}
	c, err := dialProxy(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if c != nil {
		return c, nil
	}
	f, err := a.openFiles(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return newFileDesk(f), nil
}

// keysError says what to do about what a keyDesk returned.
func keysError(err error, hint string) error {
	switch status := refusedWith(err); {
	case status == 0:
		hint = ""
	case status == http.StatusConflict && hint == "":
		hint = "look again with `chaperone keys list`"
	}
	return deskError(err, hint)
}

// reasonFlag gives a verb its --reason, which checkReason holds.
func reasonFlag(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "why, for the log (`TEXT`; required)")
}

func checkReason(cmd *cobra.Command, reason string) error {
	if reason == "" {
		return usageError(cmd, "--reason is required: it goes into the log")
	}
	if err := admin.CheckReason(reason); err != nil {
		return usageError(cmd, "%s", err)
	}
	return nil
}

// whenMakes says since or from when a generation makes.
func whenMakes(k control.Key, now time.Time) string {
	if k.From.After(now) {
		return "makes from " + k.From.Format(time.RFC3339) + ", when every proxy has it"
	}
	return "makes from now on"
}
