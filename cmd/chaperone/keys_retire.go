package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"chaperone/proxy/admin/control"
	"chaperone/vault/keys"

	"github.com/spf13/cobra"
)

// keysRetireOptions are the flags and arguments of keys retire.
type keysRetireOptions struct {
	config, reason, use, yes string
	generation               int
	destroy                  bool
}

func newKeysRetireCommand(a *app) *cobra.Command {
	var o keysRetireOptions
	cmd := &cobra.Command{
		Use:   "retire USE GENERATION",
		Short: "Retire a generation, or destroy its key",
		Long: `Makes sure that a generation never makes again; it goes on opening what it
made. The generation that makes now cannot be retired: rotate first.

With --destroy its key is removed for good. What it made can then be turned
back by nobody, ever: tokens become unknown, and what is stored under the use
"store" (answers, waiting legs, entries of the log) cannot be read. It asks for
the generation's name, as in pan-1, before it does so.`,
		Example: `  chaperone keys retire pan 1 --reason "rotated"
  chaperone keys retire pan 1 --destroy --reason "every system has new tokens"
  chaperone keys retire pan 1 --destroy --yes-destroy pan-1 --reason "…"`,
		Args: exactArguments("USE", "GENERATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 1 {
				return usageError(cmd, "GENERATION is a number from 1")
			}
			o.use, o.generation = args[0], n
			if o.yes != "" && !o.destroy {
				return usageError(cmd, "--yes-destroy is for --destroy")
			}
			if name := o.name(); o.yes != "" && o.yes != name {
				return usageError(cmd, "--yes-destroy names %q, and what would be destroyed is %q", o.yes, name)
			}
			if err := checkReason(cmd, o.reason); err != nil {
				return err
			}
			return keysRetire(cmd.Context(), a, o)
		},
	}
	configFlag(cmd, &o.config)
	reasonFlag(cmd, &o.reason)
	cmd.Flags().BoolVar(&o.destroy, "destroy", false, "remove the key for good")
	cmd.Flags().StringVar(&o.yes, "yes-destroy", "", "do not ask: the generation's `NAME`, as in pan-1")
	return cmd
}

func (o keysRetireOptions) name() string { return control.KeyName(o.use, o.generation) }

func keysRetire(ctx context.Context, a *app, o keysRetireOptions) error {
	cfg, err := a.openConfig(o.config)
	if err != nil {
		return err
	}
	if o.destroy && o.yes == "" {
		// Asked before anything is opened: an answer may take its time.
		if err := a.confirm(o); err != nil {
			return err
		}
	}
	desk, err := a.openKeyDesk(ctx, cfg)
	if err != nil {
		return err
	}
	defer desk.Close()
	k, err := desk.Retire(ctx, control.Retirement{Use: o.use, Generation: o.generation, Destroy: o.destroy, Reason: o.reason})
	if err != nil {
		return keysError(err, "see `chaperone keys list`")
	}
	if _, err = fmt.Fprintf(a.out, "%s is %s\n", k.Name(), k.State); err != nil || !o.destroy {
		return err
	}
	copies := "copies of keyring.json and backups of it"
	if cfg.keys.vault != nil {
		copies = fmt.Sprintf("the older versions of %s in Vault (vault kv destroy), and backups", cfg.keys.vault.kvPath)
	}
	_, err = fmt.Fprintf(a.out, "Its key is still in what was kept before: %s.\n", copies)
	return err
}

// confirm lets somebody type the name of what is about to be destroyed.
func (a *app) confirm(o keysRetireOptions) error {
	if _, err := fmt.Fprintf(a.err, "%s\nThis cannot be undone. Type %s to destroy it: ", consequence(o.use, o.generation), o.name()); err != nil {
		return err
	}
	line, err := bufio.NewReader(io.LimitReader(a.in, 1024)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return failed("", "the answer cannot be read: %w", err)
	}
	_, _ = fmt.Fprintln(a.err) // the answer may have come without a line's end
	if strings.TrimSpace(line) != o.name() {
		return failed("scripts say --yes-destroy "+o.name(), "nothing was destroyed: the answer is not %q", o.name())
	}
	return nil
}

// consequence says what is lost with a generation.
func consequence(use string, generation int) string {
	switch keys.Use(use) {
	case keys.UsePAN:
		return fmt.Sprintf("Every card token of generation %d becomes unknown: no card can be had back from it.", generation)
	case keys.UseSealed, keys.UseJoin:
		return fmt.Sprintf("Every %s token of generation %d becomes unknown: no value can be had back from it.", use, generation)
	case keys.UseStore:
		return fmt.Sprintf("Whatever was stored under generation %d becomes unreadable: answers, waiting legs, subjects, entries of the log.", generation)
	}
	return fmt.Sprintf("Whatever %s generation %d made is lost.", use, generation)
}
