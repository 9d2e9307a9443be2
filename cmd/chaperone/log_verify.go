package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/audit"
)

// logVerifyOptions are the flags of log verify.
type logVerifyOptions struct {
	config  string
	asJSON  bool
	archive []string
}

func newLogVerifyCommand(a *app) *cobra.Command {
	var o logVerifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Find what was changed in the log since it was written",
		Long: `Reads the whole log and holds it against its chained hashes, its seals and the
signed checkpoints, those in the store and those in the data folder. It finds
an edited byte, a removed, swapped or repeated entry, a removed tail up to the
last checkpoint or another proxy's witness, and history that was written anew,
and says where.

With --archive the segments that log archive wrote are read, too: a damaged,
missing, swapped or forged one is found, and that each goes on where the one
before it ends, up to the store. Without it the signed cuts vouch for what was
archived.

Exit codes: 0 the log is whole, 3 it is not.`,
		Example: `  chaperone log verify
  chaperone log verify --archive /srv/archive/chaperone
  chaperone log verify --json | jq '.findings[]'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return logVerify(a, cmd, o) },
	}
	configFlag(cmd, &o.config)
	archiveFlag(cmd, &o.archive, "")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON document")
	return cmd
}

// verifyJSON is what --json prints.
type verifyJSON struct {
	OK bool `json:"ok"`
	audit.Report
}

func logVerify(a *app, cmd *cobra.Command, o logVerifyOptions) error {
	archive, err := folders(cmd, o.archive, true)
	if err != nil {
		return err
	}
	ctx, r, done, err := a.openReading(cmd, o.config)
	if err != nil {
		return err
	}
	defer done()
	seen := a.progress("verifying the log", "entries", false)
	countReads(r, seen)
	report, err := r.Verify(ctx, archive)
	seen.done()
	if err != nil {
		return readingError(err)
	}
	if o.asJSON {
		if report.Chains == nil {
			report.Chains = []audit.ChainReport{}
		}
		if report.Findings == nil {
			report.Findings = []audit.Finding{}
		}
		err = writeJSON(a.out, verifyJSON{OK: report.OK(), Report: report})
	} else {
		err = writeReport(a.out, paletteFor(a.out), report)
	}
	if err == nil && !report.OK() {
		return findings()
	}
	return err
}

func writeReport(w io.Writer, p palette, r audit.Report) error {
	var b strings.Builder
	t := table{header: []string{"CHAIN", "ENTRIES", "FROM", "TO", "SIGNED UP TO", "FINDINGS"}}
	var found uint64
	for _, c := range r.Chains {
		t.add(c.Chain, fmt.Sprint(c.Entries), rfc3339(c.From), rfc3339(c.To), signedUpTo(c), fmt.Sprint(c.Found))
		found += c.Found
	}
	t.write(&b, p)
	if len(r.Chains) > 0 {
		b.WriteByte('\n')
	}
	shown := uint64(0)
	for _, c := range r.Chains {
		if c.Archived > 0 {
			fmt.Fprintf(&b, "%s 1–%d: archived, not checked; name the folder with --archive\n", printable(c.Chain), c.Archived)
		}
	}
	for _, f := range r.Findings {
		b.WriteString(p.red(findingLine(f)) + "\n")
		if !f.Kind.Apart() {
			shown++
		}
	}
	if found > shown {
		fmt.Fprintf(&b, "… and %d more\n", found-shown)
	}
	in := fmt.Sprintf("entries: %d, chains: %d", r.Entries(), len(r.Chains))
	if r.OK() {
		fmt.Fprintf(&b, "%s %s\n", p.bold("the log is whole:"), in)
	} else {
		fmt.Fprintf(&b, "%s %s\n", p.red("the log was changed:"), in)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func signedUpTo(c audit.ChainReport) string {
	if c.Signed == 0 {
		return "-"
	}
	return fmt.Sprint(c.Signed)
}

// findingLine says where and what: CHAIN SEQ: KIND.
func findingLine(f audit.Finding) string {
	line := f.Chain
	switch {
	case line == "" && f.Kind == audit.SegmentForged:
		line = "archive"
	case line == "":
		line = "checkpoints"
	}
	switch {
	case f.Seq > 0 && f.To > f.Seq && f.Kind != audit.Swapped:
		line += fmt.Sprintf(" %d–%d", f.Seq, f.To)
	case f.Seq > 0:
		line += fmt.Sprintf(" %d", f.Seq)
	}
	line += ": " + strings.ReplaceAll(string(f.Kind), "_", " ")
	switch f.Kind {
	case audit.Swapped:
		line += fmt.Sprintf(" with %d", f.To)
	case audit.Duplicated:
		line += fmt.Sprintf(", it is entry %d again", f.To)
	}
	if f.Note != "" {
		line += " (" + f.Note + ")"
	}
	return printable(line)
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
