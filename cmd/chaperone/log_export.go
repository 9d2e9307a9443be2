package main

import (
	"bufio"
	"errors"

	"github.com/spf13/cobra"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

// logExportOptions are the flags of log export.
type logExportOptions struct {
	logSpan
	ask control.LogExport
}

func newLogExportCommand(a *app) *cobra.Command {
	var o logExportOptions
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print entries of the log as JSON lines",
		Long: `Prints the entries that match, archived ones too, one JSON object a line: the
chain ("log") and the sequence number ("seq"), and then the entry as it was
recorded. Chains come one after the other; sort by time where that matters. An
entry that does not open is a line with "fault", whatever was asked for.

That the log was exported, by whom, and what was asked for, is in the log before
the first line is printed.`,
		Example: `  chaperone log export --from 2026-03-01 --to 2026-03-31 >march.ndjson
  chaperone log export --kind refusal | jq -r .reason | sort | uniq -c
  chaperone log export --subject SUBJECT --archive /srv/archive/chaperone`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return logExport(a, cmd, o) },
	}
	o.flags(cmd, "")
	cmd.Flags().StringVar(&o.ask.Route, "route", "", "only of this `ROUTE`")
	cmd.Flags().StringVar(&o.ask.Caller, "caller", "", "only of this `CALLER`; an operator is local:UID")
	cmd.Flags().StringVar(&o.ask.Destination, "destination", "", "only those that concern this `DESTINATION`")
	cmd.Flags().StringVar(&o.ask.Kind, "kind", "", "only entries of this `KIND`, such as decision or refusal")
	cmd.Flags().StringVar(&o.ask.Subject, "subject", "", "only about this `SUBJECT`, by its random id")
	cmd.Flags().StringVar(&o.ask.Request, "request", "", "only of this `REQUEST`, by its id")
	return cmd
}

func logExport(a *app, cmd *cobra.Command, o logExportOptions) error {
	var err error
	if o.ask.From, o.ask.To, o.ask.Archive, err = o.parse(cmd); err != nil {
		return err
	}
	if kind := audit.Kind(0); o.ask.Kind != "" && kind.UnmarshalText([]byte(o.ask.Kind)) != nil {
		return usageError(cmd, "the log has no kind %q; there are %s", o.ask.Kind, joined(audit.Kinds()))
	}
	ctx, r, done, err := a.openReading(cmd, o.config)
	if err != nil {
		return err
	}
	defer done()
	out, seen := bufio.NewWriterSize(a.out, 64<<10), a.progress("reading the log", "lines", true)
	sum, err := r.Export(ctx, o.ask, func(l control.LogLine) error {
		seen.add(1)
		return writeLogJSON(out, l)
	})
	seen.done()
	if err = errors.Join(readingError(err), out.Flush()); err != nil {
		return err
	}
	// What is asked for may lie elsewhere; that is for the reader to know.
	return incomplete(sum)
}
