package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"chaperone/proxy/admin/control"
	"chaperone/vault/keys"

	"github.com/spf13/cobra"
)

func newKeysListCommand(a *app) *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show every generation: the crypto inventory",
		Long: `Shows every generation of every use: its algorithm, when it was made, what it
may still do, and what is left of its cryptoperiod (keys.cryptoperiod in the
configuration, 365 days by default). No key is shown.

  current    makes what is made now, and opens
  coming     will make, when every proxy has it
  active     opens; a newer one makes
  retired    opens, and never makes again
  destroyed  its key is gone: nothing that it made opens`,
		Example: "  chaperone keys list\n  chaperone keys list --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return keysList(cmd.Context(), a, file, asJSON)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

func keysList(ctx context.Context, a *app, file string, asJSON bool) error {
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
	inventory := newInventory(ring, cfg.keys.cryptoperiod, time.Now())
	if asJSON {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(inventory)
	}
	t := table{header: []string{"USE", "GENERATION", "ALGORITHM", "CREATED", "STATE", "CRYPTOPERIOD"}}
	for _, k := range inventory.Keys {
		t.add(k.Use, strconv.Itoa(k.Generation), k.Algorithm, k.Created.Format(time.DateOnly), k.Stands, k.left())
	}
	if err := t.print(a.out, "there is no key"); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "\nkeyring %s (%s), revision %d\n", inventory.ID, inventory.Kind, inventory.Revision)
	return err
}

// inventory is a keyring as keys list shows it.
type inventory struct {
	ID           string         `json:"id"`
	Kind         string         `json:"kind"`
	Revision     uint64         `json:"revision"`
	Cryptoperiod int64          `json:"cryptoperiod_seconds"`
	Keys         []inventoryKey `json:"keys"`
}

type inventoryKey struct {
	control.Key
	Stands string     `json:"stands"`                              // current, coming, active, retired or destroyed
	Ends   *time.Time `json:"cryptoperiod_ends,omitempty"`         // of the current one
	Left   *int64     `json:"cryptoperiod_left_seconds,omitempty"` // negative: overdue
}

func newInventory(ring control.Keyring, period time.Duration, now time.Time) inventory {
	list := inventory{ID: ring.ID, Kind: ring.Kind, Revision: ring.Revision, Cryptoperiod: int64(period / time.Second)}
	for _, k := range ring.Keys {
		line := inventoryKey{Key: k, Stands: k.State}
		switch {
		case k.Current:
			line.Stands = "current"
		case k.State == string(keys.Active) && k.From.After(now):
			line.Stands = "coming"
		}
		if k.Current && k.Use != string(keys.UseDerive) {
			ends := k.From.Add(period)
			left := int64(ends.Sub(now) / time.Second)
			line.Ends, line.Left = &ends, &left
		}
		list.Keys = append(list.Keys, line)
	}
	return list
}

// left says what is left of the cryptoperiod, in days.
func (k inventoryKey) left() string {
	switch {
	case k.Use == string(keys.UseDerive):
		return "never rotates"
	case k.Left == nil:
		return ""
	case *k.Left < 0:
		return "over for " + days(-*k.Left) + ": rotate"
	}
	return days(*k.Left) + " left"
}

func days(seconds int64) string {
	n := seconds / (24 * 60 * 60)
	if n == 0 {
		return "less than a day"
	}
	return plural(int(n), "day")
}
