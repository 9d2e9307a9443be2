package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"chaperone/proxy/admin/control"
	"chaperone/vault/keys"

	"github.com/spf13/cobra"
)

func newKeysRotateCommand(a *app) *cobra.Command {
	var file, reason string
	var named []string
	var all bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make the next generation of a use",
		Long: `Makes a new key for each use named, all of them or none. What the older
generations made still opens. In Vault the new generation begins to make some
seconds later, when every proxy has read it; no request waits or fails.

Tokens of a card change with a rotation of pan: the same card gets another token
from then on, and the old one still reveals. Five generations of pan are live at
most; before the sixth, destroy the oldest.

Two who rotate at once do not both win: one is told that the other was first.`,
		Example: `  chaperone keys rotate --use pan --reason "yearly rotation"
  chaperone keys rotate --all --reason "a laptop with a backup was lost"`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all == (len(named) > 0) {
				return usageError(cmd, "name what to rotate: --use %s, or --all", strings.Join(rotatable(), "|"))
			}
			for _, use := range named {
				if !slices.Contains(rotatable(), use) {
					return usageError(cmd, "there is no use %q to rotate; there are %s", use, joined(rotatable()))
				}
			}
			if all {
				named = rotatable()
			}
			if err := checkReason(cmd, reason); err != nil {
				return err
			}
			return keysRotate(cmd.Context(), a, file, named, reason)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringSliceVar(&named, "use", nil, "rotate the key for `USE`: "+joined(rotatable()))
	cmd.Flags().BoolVar(&all, "all", false, "rotate every use but derive, which never rotates")
	reasonFlag(cmd, &reason)
	return cmd
}

// rotatable are the uses that rotate.
func rotatable() []string {
	return []string{string(keys.UsePAN), string(keys.UseSealed), string(keys.UseJoin), string(keys.UseStore)}
}

func keysRotate(ctx context.Context, a *app, file string, uses []string, reason string) error {
	cfg, err := a.openConfig(file)
	if err != nil {
		return err
	}
	desk, err := a.openKeyDesk(ctx, cfg)
	if err != nil {
		return err
	}
	defer desk.Close()
	ring, err := desk.Keys(ctx)
	if err != nil {
		return keysError(err, "")
	}
	ask := control.Rotation{Seen: map[string]int{}, Reason: reason}
	for _, k := range ring.Keys {
		if slices.Contains(uses, k.Use) {
			ask.Seen[k.Use] = max(ask.Seen[k.Use], k.Generation)
		}
	}
	made, err := desk.Rotate(ctx, ask)
	if err != nil {
		return keysError(err, slotsHint(ring, err))
	}
	now := time.Now()
	for _, k := range made {
		if _, err := fmt.Fprintf(a.out, "%s %s\n", k.Name(), whenMakes(k, now)); err != nil {
			return err
		}
	}
	return nil
}

// slotsHint says which generation of pan to destroy before the next, empty
// where that is not what is wrong.
func slotsHint(ring control.Keyring, err error) string {
	if !strings.Contains(err.Error(), "five generations of pan keys are live") {
		return ""
	}
	for _, k := range ring.Keys { // by use and generation
		if k.Use == string(keys.UsePAN) && k.State != string(keys.Destroyed) {
			return fmt.Sprintf("when no system holds tokens of %s any more: chaperone keys retire %s %d --destroy", k.Name(), k.Use, k.Generation)
		}
	}
	return ""
}
