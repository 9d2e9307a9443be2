package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

// logArchiveOptions are the flags of log archive.
type logArchiveOptions struct {
	config, olderThan, to string
	asJSON                bool
}

func newLogArchiveCommand(a *app) *cobra.Command {
	var o logArchiveOptions
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Move old entries from the store into signed files",
		Long: `Moves entries that are older than a window from the store into segment files,
each compressed, chained to the one before it and signed. A segment is written,
read back and verified, and its cut is on record, before the store is trimmed.
Entries stay sealed: a segment without the keyring shows ids and times alone.

It may be run again at any time, also after it was cut off: it goes on where it
was, if it is given the same folder. A proxy that runs does the work itself, so
the folder has to be one that it may write to.

Exit codes: 0 done, 3 a chain, or its rest, was left as it is.`,
		Example: `  chaperone log archive
  chaperone log archive --older-than 180d --to /srv/archive/chaperone`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			window, err := parseWindow(o.olderThan)
			if err != nil || window < audit.MinArchiveAge {
				return usageError(cmd, "--older-than is a number of days or hours, such as 90d, and at least 72h")
			}
			return logArchive(a, cmd, o, window)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.olderThan, "older-than", "90d", "the `WINDOW` that stays in the store")
	cmd.Flags().StringVar(&o.to, "to", "", "the `FOLDER` of the segments (default: archive in the data folder)")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// parseWindow reads a duration, of days too.
func parseWindow(text string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.ParseUint(n, 10, 16)
		return time.Duration(days) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

func logArchive(a *app, cmd *cobra.Command, o logArchiveOptions, window time.Duration) error {
	to, err := folders(cmd, []string{o.to}, false)
	if err != nil {
		return err
	}
	ctx, r, done, err := a.openReading(cmd, o.config)
	if err != nil {
		return err
	}
	defer done()
	var entries, problems uint64
	p, seen := paletteFor(a.out), a.progress("archiving", "entries", true)
	err = r.Archive(ctx, control.LogArchive{Window: window, To: to[0]}, func(x audit.Archived) error {
		if x.Problem != "" {
			problems++
		} else if x.File != "" {
			entries += x.To - x.From + 1
			seen.add(int(x.To - x.From + 1))
		}
		if o.asJSON {
			return writeNDJSON(a.out, x)
		}
		return writeLine(a.out, archivedLine(p, x))
	})
	seen.done()
	if err != nil {
		return readingError(err)
	}
	if !o.asJSON {
		if err := writeLine(a.out, fmt.Sprintf("archived: %d entries", entries)); err != nil {
			return err
		}
	}
	if problems > 0 {
		return findings()
	}
	return nil
}

// archivedLine says what was done to a chain.
func archivedLine(p palette, x audit.Archived) string {
	switch {
	case x.Problem != "":
		return p.red(printable(x.Chain + ": left as it is: " + x.Problem))
	case x.Gone:
		return printable(x.Chain + ": wholly archived, no longer in the store")
	}
	return printable(fmt.Sprintf("%s %d–%d: %s, %d bytes", x.Chain, x.From, x.To, x.File, x.Bytes))
}
