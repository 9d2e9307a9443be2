package main

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"chaperone/audit"
)

// archiveFlag gives a verb its --archive.
func archiveFlag(cmd *cobra.Command, dirs *[]string, otherwise string) {
	cmd.Flags().StringArrayVar(dirs, "archive", nil, "read the segments in this `FOLDER`, too; may be repeated"+otherwise)
}

// archiveDefault is what verbs do that read everything there is.
const archiveDefault = " (default: archive in the data folder)"

// folders makes names of folders absolute: a running proxy has a folder of its
// own. With exist they have to be there.
func folders(cmd *cobra.Command, names []string, exist bool) ([]string, error) {
	all := make([]string, len(names))
	for i, name := range names {
		if name == "" {
			continue
		}
		abs, err := filepath.Abs(name)
		if err != nil {
			return nil, failed("", "%w", err)
		}
		if info, err := os.Stat(abs); exist && (err != nil || !info.IsDir()) {
			return nil, usageError(cmd, "there is no folder %s", name)
		}
		all[i] = abs
	}
	return all, nil
}

// archivesOf are the folders that are named, or the one in the data folder.
func (a *app) archivesOf(cmd *cobra.Command, file string, named []string) ([]string, error) {
	if len(named) > 0 {
		return folders(cmd, named, true)
	}
	cfg, err := a.openConfig(file)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cfg.data, "archive")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, nil
	}
	return folders(cmd, []string{dir}, true)
}

// logSpan is what is told to verbs that read a span of the log, archived
// entries too.
type logSpan struct {
	config, from, to string
	archive          []string
}

// flags gives a verb what it is told by; since says what --from is by default.
func (s *logSpan) flags(cmd *cobra.Command, since string) {
	configFlag(cmd, &s.config)
	timeFlags(cmd, &s.from, &s.to, since)
	archiveFlag(cmd, &s.archive, archiveDefault)
}

// parse reads the flags.
func (s *logSpan) parse(cmd *cobra.Command) (from, to time.Time, archive []string, err error) {
	if from, to, err = parseTimes(cmd, s.from, s.to); err == nil {
		archive, err = folders(cmd, s.archive, true)
	}
	return from, to, archive, err
}

// timeFlags gives a verb its --from and --to.
func timeFlags(cmd *cobra.Command, from, to *string, since string) {
	cmd.Flags().StringVar(from, "from", "", "from this `TIME` on: 2026-03-01, or 2026-03-01T09:30:00Z"+since)
	cmd.Flags().StringVar(to, "to", "", "up to this `TIME`; a day counts to its end")
}

var errTime = errors.New("not a time")

// parseTimes reads --from and --to, which are UTC where they do not say. A day
// that ends a span is part of it.
func parseTimes(cmd *cobra.Command, from, to string) (since, until time.Time, err error) {
	since, _, err = parseTime(from)
	if err != nil {
		return since, until, usageError(cmd, "--from is a day such as 2026-03-01, or a time such as 2026-03-01T09:30:00Z")
	}
	until, day, err := parseTime(to)
	if err != nil {
		return since, until, usageError(cmd, "--to is a day such as 2026-03-01, or a time such as 2026-03-01T09:30:00Z")
	}
	if day {
		until = until.AddDate(0, 0, 1)
	}
	if !until.IsZero() && !since.Before(until) {
		return since, until, usageError(cmd, "--from comes before --to")
	}
	return since, until, nil
}

func parseTime(text string) (t time.Time, day bool, err error) {
	if text == "" {
		return t, false, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, true, nil
	}
	if t, err = time.Parse(time.RFC3339, text); err != nil {
		return time.Time{}, false, errTime
	}
	return t.UTC(), false, nil
}

// incomplete is the error of a reading that has not read everything: what was
// printed may be too little.
func incomplete(sum audit.Scanned) error {
	switch {
	case sum.Unreadable > 0:
		return failed("look with `chaperone log verify`", "%d entries do not open: what they say is not in this", sum.Unreadable)
	case sum.Unread > 0:
		return failed("name the folder of their segments with --archive, or look with `chaperone log verify`",
			"%d entries of the log were archived or are missing: what they say is not in this", sum.Unread)
	}
	return nil
}
