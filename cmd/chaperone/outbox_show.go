package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/proxy/admin/control"
)

// outboxShowOptions are the flags and arguments of outbox show.
type outboxShowOptions struct {
	config, leg             string
	body, asJSON            bool
	caller, keyFile, reason string
}

func newOutboxShowCommand(a *app) *cobra.Command {
	var o outboxShowOptions
	cmd := &cobra.Command{
		Use:   "show KEY/ATTEMPT/LEG",
		Short: "Show what is known of a leg",
		Long: `Shows what is known of a leg: where it goes, since when, how often it was tried
and why it waits, and which labels stand in it in which form. KEY may be the
beginning of one. A leg that was delivered or dropped is known until its sale is
forgotten.

With --body the body is shown as well, as its destination gets it: to a caller
of the policy who shows its key (from --key-file, else from stdin), and who is
cleared for every form in the leg. Who asked, for whom, and why, is on record;
so are refusals.`,
		Example: `  chaperone outbox show kwzcdefghi/1/2
  chaperone outbox show kwzcdefghi/1/2 --body --caller auditor --key-file auditor.key --reason "ticket 2291"
  chaperone outbox show kwzcdefghi/1/2 --json | jq .forms`,
		Args: exactArguments("KEY/ATTEMPT/LEG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.leg = args[0]
			if err := legArgument(cmd, o.leg); err != nil {
				return err
			}
			switch {
			case !o.body && (o.caller != "" || o.keyFile != "" || o.reason != ""):
				return usageError(cmd, "--caller, --key-file and --reason are for --body")
			case o.body && o.caller == "":
				return usageError(cmd, "--body needs --caller: the caller of the policy who is to see it")
			case o.body:
				if err := checkReason(cmd, o.reason); err != nil {
					return err
				}
			}
			return outboxShow(cmd.Context(), a, o)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().BoolVar(&o.body, "body", false, "show the body, too")
	cmd.Flags().StringVar(&o.caller, "caller", "", "the `CALLER` of the policy who is to see the body")
	cmd.Flags().StringVar(&o.keyFile, "key-file", "", "the `FILE` with the caller's key; without it, it is read from stdin")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why the body is shown, for the log (`TEXT`)")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

func outboxShow(ctx context.Context, a *app, o outboxShowOptions) error {
	key := ""
	if o.body {
		var err error
		if key, err = a.callerKey(o); err != nil {
			return err
		}
	}
	desk, err := a.openLegDesk(ctx, o.config, o.body)
	if err != nil {
		return err
	}
	defer desk.Close()
	if !o.body {
		d, err := desk.Leg(ctx, o.leg)
		switch {
		case err != nil:
			return legError(err)
		case o.asJSON:
			return writeNDJSON(a.out, d)
		}
		return printLeg(a.out, d)
	}
	b, err := desk.LegBody(ctx, control.LegBodyAsk{Leg: o.leg, Caller: o.caller, Key: key, Reason: o.reason})
	switch {
	case err != nil:
		return legError(err)
	case o.asJSON:
		return writeNDJSON(a.out, struct {
			control.LegDetail
			Body json.RawMessage `json:"body"`
		}{b.LegDetail, rawBody(b.Body)})
	}
	if err := printLeg(a.out, b.LegDetail); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "\n%s\n", printable(string(b.Body)))
	return err
}

// rawBody gives a body as JSON, whatever it is.
func rawBody(body []byte) json.RawMessage {
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil && compact.Len() > 0 {
		return compact.Bytes()
	}
	text, _ := json.Marshal(string(body)) // a string always can be
	return text
}

// callerKey reads the key of the caller who is to see a body.
func (a *app) callerKey(o outboxShowOptions) (string, error) {
	if o.keyFile == "" {
		return a.secretLine("key of " + o.caller)
	}
	b, err := os.ReadFile(o.keyFile)
	if err != nil {
		return "", failed("", "the key file cannot be read: %w", err)
	}
	key := strings.TrimSpace(string(b))
	if key == "" {
		return "", failed("it is to hold the key alone", "the key file %s is empty", o.keyFile)
	}
	return key, nil
}

// printLeg prints what is known of a leg, a line each.
func printLeg(w io.Writer, d control.LegDetail) error {
	lines := [][2]string{
		{"leg", d.Ref},
		{"state", stateLine(d)},
		{"destination", d.Destination},
		{"route", d.Route + ", leg " + d.Name},
		{"request", d.Request},
		{"caller", d.Caller},
		{"recorded", rfc3339(d.Since)},
	}
	when := func(name string, t time.Time) {
		if !t.IsZero() {
			lines = append(lines, [2]string{name, rfc3339(t)})
		}
	}
	if d.Outcome != "" {
		lines = append(lines, [2]string{"outcome", d.Outcome + " " + rfc3339(d.Released)})
	}
	when("next try", d.Due)
	if d.Tries > 0 {
		lines = append(lines, [2]string{"tries", triesLine(d)})
	}
	when("last try", d.LastTry)
	when("ended", d.Ended)
	if d.Order != "" {
		lines = append(lines, [2]string{"order", d.Order})
	}
	switch {
	case d.Apart:
		lines = append(lines, [2]string{"body", "large, kept apart"})
	default:
		lines = append(lines, [2]string{"body", fmt.Sprintf("%d bytes", d.Bytes)})
	}
	for _, f := range d.Forms {
		lines = append(lines, [2]string{"holds", f.Label + " as " + f.Form})
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%-12s %s\n", l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}

func stateLine(d control.LegDetail) string {
	text := string(d.State)
	if d.Waiting {
		text += ", behind an older leg of its order"
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	return text
}

func triesLine(d control.LegDetail) string {
	text := fmt.Sprint(d.Tries)
	if d.Refused > 0 {
		text += fmt.Sprintf(", %d of them refused", d.Refused)
	}
	if d.Status > 0 {
		text += fmt.Sprintf("; the last answer was %d", d.Status)
	}
	return text
}
