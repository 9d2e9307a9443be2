package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/vault/keys"

	"github.com/spf13/cobra"
)

// keysMigrateOptions are the flags of keys migrate.
type keysMigrateOptions struct {
	config, to, target, reason string
	removeSource               bool
}

func newKeysMigrateCommand(a *app) *cobra.Command {
	var o keysMigrateOptions
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the keyring to Vault, or back to a file",
		Long: `Copies the keyring to Vault or to the data folder, reads it back and compares
it, and says what to change in the configuration then. Its id stays, so every
token and all that is stored goes on working. Another keyring that is there is
never overwritten.

--target names a second configuration, whose keys: section says where the
keyring is to go: write it beforehand, and let the proxies use it afterwards.
For --to local it may be left out: the keyring goes to the data folder, with a
key file beside it.

The source is left as it is. Rotate nothing before every proxy uses the copy.
Then run the same command once more with --remove-source.`,
		Example: `  chaperone keys migrate --to vault --target chaperone.vault.yaml --reason "Vault is there"
  chaperone keys migrate --to local --reason "Vault goes away"`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.to != "local" && o.to != "vault" {
				return usageError(cmd, "--to is local or vault")
			}
			if o.to == "vault" && o.target == "" {
				return usageError(cmd, "--target is needed: a configuration whose keys: section says where in Vault")
			}
			if err := checkReason(cmd, o.reason); err != nil {
				return err
			}
			return keysMigrate(cmd.Context(), a, o)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.to, "to", "", "`WHERE` to: local or vault")
	cmd.Flags().StringVar(&o.target, "target", "", "a configuration `FILE` with the keys: section to come")
	cmd.Flags().BoolVar(&o.removeSource, "remove-source", false, "remove the keyring from where it was, after the copy is compared")
	reasonFlag(cmd, &o.reason)
	return cmd
}

func keysMigrate(ctx context.Context, a *app, o keysMigrateOptions) error {
	from, err := a.openConfig(o.config)
	if err != nil {
		return err
	}
	to, err := a.migrationTarget(from, o)
	if err != nil {
		return err
	}
	desk, err := a.openKeyDesk(ctx, from)
	if err != nil {
		return err
	}
	defer desk.Close()
	ring, err := sourceRing(ctx, desk, from, a.logger(slog.LevelWarn, from.log.json))
	if err != nil {
		return err
	}
	if _, ours := desk.(fileDesk); !ours {
		defer ring.Close()
	}

	note := control.KeyNote{Action: audit.ActionKeysMigrate.String(), Reason: o.reason,
		Target: fmt.Sprintf("keyring %s to %s, revision %d", ring.ID(), o.to, ring.Status(ctx).Revision)}
	if o.removeSource {
		note.Target += ", source removed"
	}
	if err := desk.Note(ctx, note); err != nil {
		return keysError(err, "")
	}
	seen := a.progress("copying the keyring and comparing the copy", "", false)
	err = to.takeRing(ctx, ring, a.logger(slog.LevelWarn, from.log.json))
	if err == nil && o.removeSource {
		err = from.dropRing(ctx, ring, a.logger(slog.LevelWarn, from.log.json))
	}
	seen.done()
	note.Result = "ok"
	if err != nil {
		note.Result = "failed"
	}
	if nerr := desk.Note(context.WithoutCancel(ctx), note); nerr != nil && err == nil {
		err = failed("it is done all the same", "the end of the migration is not on record: %w", nerr)
	}
	if err != nil {
		return err
	}
	return sayMigrated(a.out, from, to, ring.ID(), o)
}

// migrationTarget is the configuration that the keyring is brought to.
func (a *app) migrationTarget(from *config, o keysMigrateOptions) (*config, error) {
	to := *from
	if o.target == "" {
		to.keys = keysConfig{cryptoperiod: from.keys.cryptoperiod}
	} else {
		other, err := a.openConfig(o.target)
		if err != nil {
			return nil, err
		}
		to.keys, to.data, to.file = other.keys, other.data, other.file
	}
	if (o.to == "vault") != (to.keys.vault != nil) {
		return nil, failed("write the keys: section that the proxies shall use", "%s keeps its keys elsewhere than --to %s says", to.file, o.to)
	}
	if (from.keys.vault != nil) == (to.keys.vault != nil) {
		return nil, failed("--config names the configuration of now, --target the one to come", "%s keeps its keys in %s already", from.file, o.to)
	}
	return &to, nil
}

// sourceRing is the keyring that is copied: that of the files that are open, or
// the one that the running proxy uses too.
func sourceRing(ctx context.Context, desk keyDesk, from *config, log *slog.Logger) (*keys.Ring, error) {
	if f, ok := desk.(fileDesk); ok {
		return f.Ring, nil
	}
	ring, err := from.openRing(ctx, log)
	if err != nil {
		return nil, err
	}
	list, err := desk.Keys(ctx)
	if err == nil && list.ID != ring.ID() {
		err = failed("is --config the file that the proxy runs on?", "the running proxy uses keyring %s, and the configuration names %s", list.ID, ring.ID())
	}
	if err != nil {
		ring.Close()
		return nil, keysError(err, "")
	}
	return ring, nil
}

// takeRing copies a keyring to where this configuration keeps its own.
func (c *config) takeRing(ctx context.Context, ring *keys.Ring, log *slog.Logger) error {
	var err error
	if c.keys.vault != nil {
		err = ring.CopyToVault(ctx, c.vaultOptions(log))
	} else {
		err = ring.CopyToLocal(ctx, c.localOptions())
	}
	return migrationError("nothing was changed where the keyring is now", "the keyring was not copied", err)
}

// dropRing removes a keyring from where this configuration keeps it.
func (c *config) dropRing(ctx context.Context, ring *keys.Ring, log *slog.Logger) error {
	var err error
	if c.keys.vault != nil {
		err = ring.RemoveVault(ctx, c.vaultOptions(log))
	} else {
		err = ring.RemoveLocal(c.localOptions())
	}
	hint := ""
	if errors.Is(err, keys.ErrDenied) {
		hint = "a proxy's policy does not allow it: see deploy/vault/chaperone-remove.hcl"
	}
	return migrationError(hint, "the keyring was copied, but its source is still there", err)
}

func migrationError(hint, what string, err error) error {
	if err == nil {
		return nil
	}
	return failed(hint, "%s: %s", what, strings.ReplaceAll(err.Error(), "keys: ", ""))
}

// sayMigrated tells the admin what to do next.
func sayMigrated(w io.Writer, from, to *config, id string, o keysMigrateOptions) error {
	text := fmt.Sprintf("keyring %s is %s, read back and compared\n", id, to.keys.place(to))
	if o.removeSource {
		_, err := io.WriteString(w, text+"its source is removed: "+from.keys.place(from)+"\n")
		return err
	}
	change := "leave the keys: section out of " + from.file
	if o.target != "" {
		change = fmt.Sprintf("give %s the keys: section of %s", from.file, o.target)
	}
	_, err := fmt.Fprintf(w, `%s
next:
  1. %s
  2. restart every proxy; rotate nothing before that
  3. run this again, on a configuration with the old keys: section, with --remove-source
`, text, change)
	return err
}
