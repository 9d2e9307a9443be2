package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/store"
	"chaperone/vault/keys"

	"github.com/spf13/cobra"
)

func newKeysInitCommand(a *app) *cobra.Command {
	var file, reason string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the keyring",
		Long: `Makes the keyring that the configuration names, in Vault or in the data folder,
where there is none, and ties the store to it. A proxy that starts on an empty
store does the same by itself: this is for making it beforehand, and for seeing
that Vault is set up right.`,
		Example: "  chaperone keys init --config chaperone.yaml",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason != "" {
				if err := checkReason(cmd, reason); err != nil {
					return err
				}
			}
			return keysInit(cmd.Context(), a, file, reason)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the log (`TEXT`)")
	return cmd
}

func keysInit(ctx context.Context, a *app, file, reason string) error {
	cfg, err := a.openConfig(file)
	if err != nil {
		return err
	}
	if c, err := control.Dial(ctx, cfg.data); err == nil {
		c.Close()
		return failed("see it with `chaperone keys list`", "a proxy runs on this data folder, so there is a keyring")
	}
	logger := a.logger(slog.LevelWarn, cfg.log.json)
	f, err := makeKeyring(ctx, cfg, logger)
	if err != nil {
		return err
	}
	desk := newFileDesk(f)
	defer desk.Close()
	note := control.KeyNote{Action: audit.ActionKeysInit.String(), Target: desk.Ring.ID(), Result: "ok", Reason: reason}
	if err := desk.Note(ctx, note); err != nil {
		return failed("the keyring is there all the same", "the keyring is made, but that is not on record: %w", err)
	}
	_, err = fmt.Fprintf(a.out, "made keyring %s %s\n\n%s\n", desk.Ring.ID(), cfg.keys.place(cfg), cfg.keys.care(cfg))
	return err
}

// makeKeyring opens the store, makes the keyring and ties the store to it. The
// error is ready to be shown.
func makeKeyring(ctx context.Context, cfg *config, logger *slog.Logger) (_ *files, err error) {
	if err := harden(); err != nil {
		return nil, failed("", "%w", err)
	}
	if err := cfg.makeData(); err != nil {
		return nil, err
	}
	f := &files{logger: logger, file: audit.CheckpointFile(cfg.data)}
	if f.driver, err = cfg.openDriver(ctx, logger); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			if f.ring != nil {
				f.ring.Close()
			}
			_ = f.driver.Close()
		}
	}()
	owner, err := keyringOf(ctx, f.driver)
	if err != nil {
		return nil, err
	}
	there, err := cfg.tryRing(ctx, false, logger)
	switch {
	case err == nil:
		id := there.ID()
		there.Close()
		return nil, failed("see it with `chaperone keys list`", "there is a keyring already: %s, %s", id, cfg.keys.place(cfg))
	case !errors.Is(err, keys.ErrMissing), owner != "":
		return nil, ringError(owner, err)
	}
	if f.ring, err = cfg.tryRing(ctx, true, logger); err != nil {
		return nil, ringError("", err)
	}
	tie := []store.Command{{Kind: store.SetOnce, Key: store.MetaKey("keyring"), Value: []byte(f.ring.ID())}}
	if err = f.driver.Apply(ctx, tie); err == nil {
		err = tie[0].Err
	}
	if err != nil {
		return nil, failed("", "the keyring is made, but the store cannot be tied to it: %w", err)
	}
	return f, nil
}

// place says where the keyring is.
func (k keysConfig) place(cfg *config) string {
	if k.vault != nil {
		return fmt.Sprintf("in Vault at %s, wrapped by its Transit key %s", k.vault.kvPath, k.vault.transitKey)
	}
	return "in the data folder " + cfg.data
}

// care says what must not be lost.
func (k keysConfig) care(cfg *config) string {
	switch {
	case k.vault != nil:
		return "Back up Vault: without that keyset and that Transit key no token can be turned back."
	case k.local.passphraseFile != "":
		return fmt.Sprintf("Back up %s/%s, and keep the passphrase elsewhere: without both no token can be turned back.", cfg.data, keys.LocalKeyring)
	}
	key := k.local.keyFile
	if key == "" {
		key = cfg.data + "/" + keys.LocalKeyFile
	}
	return fmt.Sprintf("Back up %s/%s and %s, apart from each other: without both no token can be turned back.", cfg.data, keys.LocalKeyring, key)
}
