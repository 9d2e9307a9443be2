package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

// logDisclosuresOptions are the flags of log disclosures.
type logDisclosuresOptions struct {
	logSpan
	file            string
	patient, asJSON bool
	ask             control.LogSubject
}

func newLogDisclosuresCommand(a *app) *cobra.Command {
	var o logDisclosuresOptions
	cmd := &cobra.Command{
		Use:   "disclosures",
		Short: "Account for what was disclosed of one person's data",
		Long: `Lists what was disclosed of one person's data, six years back if nothing else is
said, as 45 CFR 164.528(b) asks for it: date, recipient with its agreement, what
(labels and forms, never a value), and the route's purpose. Treatment, payment
and operations are exempt, and are marked; a purpose that says anything else, or
nothing, is not. "perhaps" is what nobody knows to have arrived.

The person is named by the subject's random id, as entries have it, or by the
patient's id, as requests have it at the route's subject path. That one is read
from stdin or a file, never from the command line: other users see that. The
reading is in the log, by the random id.`,
		Example: `  chaperone log disclosures --patient <patient-id.txt
  chaperone log disclosures --subject SUBJECT --from 2024-01-01 --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return logDisclosures(a, cmd, o) },
	}
	cmd.Flags().StringVar(&o.ask.Subject, "subject", "", "the `SUBJECT` by its random id")
	cmd.Flags().BoolVar(&o.patient, "patient", false, "read the patient's id from stdin, one line")
	cmd.Flags().StringVar(&o.file, "patient-file", "", "read the patient's id from this `FILE`, one line")
	o.flags(cmd, " (default: six years ago)")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func logDisclosures(a *app, cmd *cobra.Command, o logDisclosuresOptions) error {
	named := 0
	for _, given := range []bool{o.ask.Subject != "", o.patient, o.file != ""} {
		if given {
			named++
		}
	}
	if named != 1 {
		return usageError(cmd, "name the person by one of --subject, --patient and --patient-file")
	}
	var err error
	if o.ask.From, o.ask.To, o.ask.Archive, err = o.parse(cmd); err != nil {
		return err
	}
	if o.ask.Subject == "" {
		if o.ask.Patient, err = a.patientID(o.file); err != nil {
			return err
		}
	}
	ctx, r, done, err := a.openReading(cmd, o.config)
	if err != nil {
		return err
	}
	defer done()
	t := table{header: []string{"DATE", "RECIPIENT", "AGREEMENT", "WHAT", "PURPOSE", "EXEMPT", "REQUEST"}}
	accountable := 0
	take := func(d control.Disclosure) error {
		if !d.Exempt {
			accountable++
		}
		if o.asJSON {
			return writeNDJSON(a.out, d)
		}
		t.add(rfc3339(d.Time), recipient(d), d.Agreement, shownText(d.Shown, d.Unknown), string(d.Purpose), yesNo(d.Exempt), string(d.Request))
		return nil
	}
	sum, err := r.Disclosures(ctx, o.ask, take)
	if err != nil {
		return readingError(err)
	}
	if !o.asJSON {
		if err := t.print(a.out, "nothing was disclosed"); err != nil {
			return err
		}
		if len(t.rows) > 0 {
			if err := writeLine(a.out, fmt.Sprintf("\ndisclosures: %d, of which %d are to be accounted for", len(t.rows), accountable)); err != nil {
				return err
			}
		}
	}
	return incomplete(sum)
}

// patientID reads the id from a file, or from stdin.
func (a *app) patientID(file string) (string, error) {
	if file == "" {
		return a.secretLine("patient's id")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", failed("", "the patient's id cannot be read: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return "", failed("", "the patient's id cannot be read: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", failed("", "%s holds no patient's id", file)
	}
	return line, nil
}

// recipient names who got it.
func recipient(d control.Disclosure) string {
	text := string(d.Recipient)
	if d.Address != "" {
		text += " (" + d.Address + ")"
	}
	if d.Perhaps {
		text += ", perhaps"
	}
	return text
}

// shownText describes what was shown: labels, forms and counts.
func shownText(shown []audit.Shown, unknown bool) string {
	if unknown {
		return "not known: its entry was not read"
	}
	parts := make([]string, len(shown))
	for i, s := range shown {
		parts[i] = strings.TrimSpace(strings.TrimSpace(string(s.Label)+" "+string(s.Class))+" "+string(s.Form)) + fmt.Sprintf(" ×%d", s.Count)
	}
	return strings.Join(parts, ", ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
