package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chaperone/proxy/admin/control"
)

// outboxListOptions are the flags of outbox list.
type outboxListOptions struct {
	config, state string
	asJSON        bool
}

func newOutboxListCommand(a *app) *cobra.Command {
	var o outboxListOptions
	var states []string
	for _, s := range control.LegStates() {
		states = append(states, string(s))
	}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the legs that are not delivered yet",
		Long: `Shows each leg that is not delivered yet, and why:

  held     the outcome of its sale is not known yet
  due      it waits for its time, or for its turn
  sending  it is being sent, by this proxy or another
  parked   the policy does not allow it now
  dead     it was given up and waits for an operator

The last column is what the other verbs of outbox take. A destination that fails
as a whole has a line of its own below: its legs are held back, but for one now
and then to see whether it works again. With --json each line is one leg, or one
such destination ("breaker").`,
		Example: `  chaperone outbox list
  chaperone outbox list --state dead --json | jq -r .ref`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.state != "" && !slices.Contains(states, o.state) {
				return usageError(cmd, "--state is one of %s", strings.Join(states, ", "))
			}
			return outboxList(a, cmd, o)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.state, "state", "", "only legs in this `STATE`")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object a line")
	// It fails only for a flag that is not there.
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func outboxList(a *app, cmd *cobra.Command, o outboxListOptions) error {
	ctx, r, done, err := a.openReading(cmd, o.config)
	if err != nil {
		return err
	}
	defer done()
	t := table{header: []string{"STATE", "DESTINATION", "LEG", "ROUTE", "REQUEST", "SINCE", "NEXT TRY", "TRIES", "REASON", "KEY/ATTEMPT/LEG"}}
	take := func(l control.Leg) error {
		t.add(string(l.State), l.Destination, l.Name, l.Route, l.Request, rfc3339(l.Since), rfc3339(l.Due),
			fmt.Sprint(l.Tries), l.Reason, control.LegName(l.Key, l.Attempt, l.Index))
		return nil
	}
	if o.asJSON {
		take = func(l control.Leg) error { return writeNDJSON(a.out, l) }
	}
	if err := r.Legs(ctx, control.LegState(o.state), take); err != nil {
		return readingError(err)
	}
	if !o.asJSON {
		if err := t.print(a.out, "no leg waits"); err != nil {
			return err
		}
	}
	held, err := r.Breakers(ctx)
	if err != nil {
		return readingError(err)
	}
	for _, b := range held {
		if o.asJSON {
			err = writeNDJSON(a.out, b)
		} else {
			_, err = fmt.Fprintf(a.out, "%s is held back since %s: %s, %d failures in a row; the next leg is sent at %s\n",
				b.Destination, rfc3339(b.Since), b.Reason, b.Failures, rfc3339(b.Probe))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeNDJSON prints a value as one line of JSON.
func writeNDJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
