package main

import (
	"context"
	"fmt"
	"io"

	"chaperone/proxy/admin/control"
	"chaperone/rules"

	"github.com/spf13/cobra"
)

func newReloadCommand(a *app) *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have a running proxy read its policy again",
		Long: `Has the proxy that runs on the data folder read its policy again, and says what
changes, or what is wrong. A policy with mistakes leaves the one before in force:
exit code 3. Requests that are under way end under the policy with which they
began. A running proxy notices changes of the files by itself; this is for
knowing at once what came of one, and for new secrets and certificates of
destinations, whose files are read again as well. The listeners' own
certificates are read again, too: ones that cannot be taken leave those before
in use, exit code 1.`,
		Example: `  chaperone reload
  chaperone reload --json | jq -r .plan`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return reload(cmd.Context(), a, file, asJSON) },
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

func reload(ctx context.Context, a *app, file string, asJSON bool) error {
	_, c, err := a.dial(ctx, file)
	if err != nil {
		return err
	}
	if c == nil {
		return failed("start it: the policy is read then", "no chaperone runs on this data folder")
	}
	defer c.Close()
	result, err := c.Reload(ctx)
	if err != nil {
		return deskError(err, "")
	}
	if asJSON {
		err = writeJSON(a.out, result)
	} else {
		err = a.showReloaded(result)
	}
	if err == nil && !result.Taken {
		return &failure{code: exitFindings}
	}
	for _, c := range result.Certificates {
		if err == nil && c.Fault != "" {
			err = failed("those before stay in use; see tls in the configuration", "the certificates of the listener %s were not taken: %s", c.Listener, c.Fault)
		}
	}
	return err
}

func (a *app) showReloaded(r control.Reloaded) error {
	for _, c := range r.Certificates {
		if c.Fault == "" {
			if _, err := fmt.Fprintf(a.out, "the certificates of the listener %s were read again\n", c.Listener); err != nil {
				return err
			}
		}
	}
	ds := diagnosticsOf(r.Mistakes)
	writeDiagnostics(a.err, ds)
	p := paletteFor(a.out)
	switch {
	case r.Fault != "":
		_, _ = fmt.Fprintf(a.err, "%s the policy was not taken: %s\n", paletteFor(a.err).red("error:"), r.Fault)
		return nil
	case !r.Taken:
		errs, _ := count(ds)
		_, _ = fmt.Fprintf(a.err, "%s %s: the policy before stays in force\n", paletteFor(a.err).red("error:"), plural(errs, "mistake"))
		return nil
	case r.Plan == r.Before:
		_, err := io.WriteString(a.out, "the same policy is in force; its secrets and certificates were read again\n")
		return err
	}
	for _, change := range r.Changes {
		if _, err := fmt.Fprintf(a.out, "%s\n", change); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.out, "%s %s\n", p.bold("in force:"), r.Plan)
	return err
}

func diagnosticsOf(all []control.Mistake) rules.Diagnostics {
	var ds rules.Diagnostics
	for _, m := range all {
		d := rules.Diagnostic{Position: rules.Position{File: m.File, Line: m.Line, Column: m.Column}, Code: m.Code, Message: m.Message, Hint: m.Hint}
		if m.Severity == rules.Warning.String() {
			d.Severity = rules.Warning
		}
		ds = append(ds, d)
	}
	return ds
}
