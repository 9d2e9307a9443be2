package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

// logBreachOptions are the flags of log breach.
type logBreachOptions struct {
	logSpan
	asJSON bool
	ask    control.LogBreach
}

func newLogBreachCommand(a *app) *cobra.Command {
	var o logBreachOptions
	cmd := &cobra.Command{
		Use:   "breach",
		Short: "Show what a breach lays open, and whose",
		Long: `Shows the scope of a breach: whose data, under which labels and in which forms,
in which requests, since when. Of exactly one of these:

  --destination  what reached it
  --caller       what it sent ("sent"), what answers showed it, what was answered
                 again ("replayed"), and tokens that it turned back ("revealed")
  --token-label  the requests in which values of the label became tokens, and the
                 tokens that were made or turned back outside of one

People are counted and listed by the random ids of subjects; a request of a route
without subject names nobody, and is counted apart. With --json each line is one
request; the last one is the summary. The reading is in the log.`,
		Example: `  chaperone log breach --destination ledger --from 2026-02-01
  chaperone log breach --caller front-desk --from 2026-03-04T12:00:00Z --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return logBreach(a, cmd, o) },
	}
	cmd.Flags().StringVar(&o.ask.Destination, "destination", "", "the `DESTINATION` that was breached")
	cmd.Flags().StringVar(&o.ask.Caller, "caller", "", "the `CALLER` that was breached, or whose key was lost")
	cmd.Flags().StringVar(&o.ask.TokenLabel, "token-label", "", "the `LABEL` whose tokens can be turned back by others")
	o.flags(cmd, "")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func logBreach(a *app, cmd *cobra.Command, o logBreachOptions) error {
	named := 0
	for _, name := range []string{o.ask.Destination, o.ask.Caller, o.ask.TokenLabel} {
		if name != "" {
			named++
		}
	}
	if named != 1 {
		return usageError(cmd, "name what was breached by one of --destination, --caller and --token-label")
	}
	var err error
	if o.ask.From, o.ask.To, o.ask.Archive, err = o.parse(cmd); err != nil {
		return err
	}
	ctx, r, done, err := a.openReading(cmd, o.config)
	if err != nil {
		return err
	}
	defer done()
	scope, seen := newBreachScope(), a.progress("reading the log", "requests", o.asJSON)
	sum, err := r.Breach(ctx, o.ask, func(x audit.Exposure) error {
		seen.add(1)
		scope.add(&x)
		if o.asJSON {
			return writeNDJSON(a.out, x)
		}
		return nil
	})
	seen.done()
	if err != nil {
		return readingError(err)
	}
	if o.asJSON {
		err = writeNDJSON(a.out, map[string]any{"summary": scope.summary()})
	} else {
		err = scope.print(a)
	}
	return cmp.Or(err, incomplete(sum))
}

// breachScope adds up what a breach lays open.
type breachScope struct {
	requests int
	nobody   int // requests that name no subject
	perhaps  int
	unknown  int
	first    time.Time
	last     time.Time
	subjects map[audit.ID]*breachSubject
	shown    map[audit.Shown]int // without count → values
}

type breachSubject struct {
	requests    int
	first, last time.Time
}

func newBreachScope() *breachScope {
	return &breachScope{subjects: map[audit.ID]*breachSubject{}, shown: map[audit.Shown]int{}}
}

func (b *breachScope) add(x *audit.Exposure) {
	b.requests++
	b.first, b.last = span(b.first, b.last, x.Time)
	if x.Perhaps {
		b.perhaps++
	}
	if x.Unknown {
		b.unknown++
	}
	for _, s := range x.Shown {
		n := s.Count
		s.Count = 0
		b.shown[s] += n
	}
	if x.Subject == "" {
		b.nobody++
		return
	}
	s := b.subjects[x.Subject]
	if s == nil {
		s = &breachSubject{}
		b.subjects[x.Subject] = s
	}
	s.requests++
	s.first, s.last = span(s.first, s.last, x.Time)
}

func span(first, last, t time.Time) (time.Time, time.Time) {
	if first.IsZero() || t.Before(first) {
		first = t
	}
	if t.After(last) {
		last = t
	}
	return first, last
}

// labels returns what was shown, in order of label, class and form.
func (b *breachScope) labels() []audit.Shown {
	var all []audit.Shown
	for s, n := range b.shown {
		s.Count = n
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b audit.Shown) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Form, b.Form))
	})
	return all
}

// breachSummary is the last line of --json.
type breachSummary struct {
	Subjects  int           `json:"subjects"`
	Requests  int           `json:"requests"`
	NoSubject int           `json:"requests_without_subject"`
	Perhaps   int           `json:"perhaps"`
	Unknown   int           `json:"unknown"`
	First     time.Time     `json:"first,omitzero"`
	Last      time.Time     `json:"last,omitzero"`
	Shown     []audit.Shown `json:"shown"`
}

func (b *breachScope) summary() breachSummary {
	shown := b.labels()
	if shown == nil {
		shown = []audit.Shown{}
	}
	return breachSummary{len(b.subjects), b.requests, b.nobody, b.perhaps, b.unknown, b.first, b.last, shown}
}

func (b *breachScope) print(a *app) error {
	if b.requests == 0 {
		return writeLine(a.out, "nothing was laid open")
	}
	var out strings.Builder
	p := paletteFor(a.out)
	what := table{header: []string{"LABEL", "CLASS", "FORM", "VALUES"}}
	for _, s := range b.labels() {
		what.add(string(s.Label), string(s.Class), string(s.Form), fmt.Sprint(s.Count))
	}
	what.write(&out, p)
	who := table{header: []string{"SUBJECT", "REQUESTS", "FIRST", "LAST"}}
	for _, id := range slices.Sorted(maps.Keys(b.subjects)) {
		s := b.subjects[id]
		who.add(string(id), fmt.Sprint(s.requests), rfc3339(s.first), rfc3339(s.last))
	}
	if len(who.rows) > 0 {
		out.WriteByte('\n')
		who.write(&out, p)
	}
	fmt.Fprintf(&out, "\n%s %d, requests: %d", p.bold("subjects:"), len(b.subjects), b.requests)
	for _, n := range []struct {
		count int
		what  string
	}{{b.nobody, "without a subject"}, {b.perhaps, "that perhaps arrived"}, {b.unknown, "of which it is not known what they showed"}} {
		if n.count > 0 {
			fmt.Fprintf(&out, ", %d %s", n.count, n.what)
		}
	}
	fmt.Fprintf(&out, ", from %s to %s\n", rfc3339(b.first), rfc3339(b.last))
	_, err := io.WriteString(a.out, out.String())
	return err
}
