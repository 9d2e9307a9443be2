package admin

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/store"
	"chaperone/vault/keys"
	"chaperone/vault/letters"
)

// LogDesk archives the log and answers what it is kept for: in a running proxy
// behind the control socket, and in the command line where none runs. Each
// reading is on record before its first line. Errors that are the asker's are
// *control.Error. Safe for concurrent use.
type LogDesk struct {
	Log     *audit.Reader
	Driver  store.Driver
	Ring    *keys.Ring
	Plan    func() *rules.Plan                                                    // in force; it may give nil: none is at hand
	Commit  func(ctx context.Context, e *audit.Entry, cmds []store.Command) error // one unit
	DataDir string
	Clock   func() time.Time
	Logger  *slog.Logger
}

// folder is where segments go if nobody says otherwise.
func (d *LogDesk) folder() string { return filepath.Join(d.DataDir, "archive") }

// folders are those that are read if nobody names others.
func (d *LogDesk) folders(named []string) []string {
	if len(named) > 0 {
		return named
	}
	if info, err := os.Stat(d.folder()); err == nil && info.IsDir() {
		return []string{d.folder()}
	}
	return nil
}

// record puts on record who reads or does what. Without the record there is no
// answer (45 CFR 164.312(b), PCI DSS 10.2.1.3).
func (d *LogDesk) record(ctx context.Context, e *audit.Entry) error {
	e.Time, e.Result = d.Clock(), cmp.Or(e.Result, audit.ResultOK)
	if e.Kind == 0 {
		e.Kind = audit.KindLogRead
	}
	if p := d.plan(); p != nil {
		e.Plan = audit.ID(p.Hash)
	}
	if err := d.Commit(ctx, e, nil); err != nil {
		d.Logger.Warn("refused: it cannot be put on record", "action", e.Action.String(), "error", err)
		return refusal(http.StatusServiceUnavailable, "the store does not take the record of it, so it is not done")
	}
	return nil
}

func (d *LogDesk) plan() *rules.Plan {
	if d.Plan == nil {
		return nil
	}
	return d.Plan()
}

// Archive moves what is older than the window into segments.
func (d *LogDesk) Archive(ctx context.Context, who string, ask control.LogArchive, yield func(audit.Archived) error) error {
	if ask.Window < audit.MinArchiveAge {
		return refusal(http.StatusUnprocessableEntity, "nothing younger than 72 hours is archived")
	}
	dir := cmp.Or(ask.To, d.folder())
	err := d.record(ctx, &audit.Entry{Kind: audit.KindAdmin, Action: audit.ActionLogArchive, Caller: audit.Name(who),
		Target: audit.Name("older than " + ask.Window.String() + " to " + dir)})
	if err != nil {
		return err
	}
	err = audit.Archive(ctx, audit.ArchiveOptions{
		Driver: d.Driver, Sealer: d.Ring, Signer: audit.NewSigner(d.Ring.MAC), Append: audit.Appender(d.Commit),
		File: d.Log.File, Dir: dir, Window: ask.Window, Who: audit.Name(who), Clock: d.Clock,
	}, yield)
	if errors.Is(err, audit.ErrArchiving) {
		return refusal(http.StatusConflict, "another run archives this log; one that was cut off gives way after half a minute")
	}
	return err
}

// Verify is audit.Verify.
func (d *LogDesk) Verify(ctx context.Context, who string, archive []string) (audit.Report, error) {
	if err := d.record(ctx, &audit.Entry{Action: audit.ActionLogVerify, Caller: audit.Name(who)}); err != nil {
		return audit.Report{}, err
	}
	return d.Log.Verify(ctx, archive...)
}

// Export yields the entries that match.
func (d *LogDesk) Export(ctx context.Context, who string, ask control.LogExport, yield func(control.LogLine) error) (audit.Scanned, error) {
	q := audit.Query{From: ask.From, To: ask.To, Route: audit.Name(ask.Route), Caller: audit.Name(ask.Caller),
		Destination: audit.Name(ask.Destination), Subject: audit.ID(ask.Subject), Request: audit.ID(ask.Request)}
	if ask.Kind != "" && q.Kind.UnmarshalText([]byte(ask.Kind)) != nil {
		return audit.Scanned{}, refusal(http.StatusUnprocessableEntity, "the log has no such kind of entry")
	}
	asked := filters("from", stamp(ask.From), "to", stamp(ask.To), "route", ask.Route, "caller", ask.Caller, "destination", ask.Destination, "kind", ask.Kind)
	err := d.record(ctx, &audit.Entry{Action: audit.ActionLogExport, Caller: audit.Name(who), Subject: q.Subject, Request: q.Request, Target: asked})
	if err != nil {
		return audit.Scanned{}, err
	}
	return d.Log.Export(ctx, q, d.folders(ask.Archive), func(l *audit.Line) error { return yield(LogLine(*l)) })
}

// Disclosures accounts for one person's data. The patient's id is looked up in
// the register of subjects, and goes nowhere else.
func (d *LogDesk) Disclosures(ctx context.Context, who string, ask control.LogSubject, yield func(control.Disclosure) error) (audit.Scanned, error) {
	if (ask.Subject == "") == (ask.Patient == "") {
		return audit.Scanned{}, refusal(http.StatusUnprocessableEntity, "name a subject or a patient, and not both")
	}
	subject, err := ask.Subject, error(nil)
	if ask.Patient != "" {
		if subject, err = d.subject(ctx, ask.Patient); err != nil {
			return audit.Scanned{}, err
		}
	}
	e := &audit.Entry{Action: audit.ActionLogDisclosures, Caller: audit.Name(who), Subject: audit.ID(subject), Target: filters("from", stamp(ask.From), "to", stamp(ask.To))}
	if subject == "" {
		e.Result = audit.ResultFailed
	}
	if err := d.record(ctx, e); err != nil {
		return audit.Scanned{}, err
	}
	if subject == "" {
		return audit.Scanned{}, refusal(http.StatusNotFound, "no request named this patient: nothing was disclosed under this keyring")
	}
	if ask.From.IsZero() {
		ask.From = d.Clock().AddDate(-audit.DisclosureYears, 0, 0)
	}
	all, sum, err := d.Log.Disclosures(ctx, audit.ID(subject), ask.From, ask.To, d.folders(ask.Archive))
	for i := range all {
		if err == nil {
			err = yield(d.disclosure(subject, all[i]))
		}
	}
	return sum, err
}

// subject finds a patient's random id; empty where there is none. See
// findSubject of the proxy, which makes it.
func (d *LogDesk) subject(ctx context.Context, patient string) (string, error) {
	mac := d.Ring.MAC(nil, "subject", []byte(patient))
	key := store.SubjectKey(string(letters.Encode(nil, mac[:20])))
	get := []store.Command{{Kind: store.Get, Key: key}}
	if err := d.Driver.Apply(ctx, get); err != nil {
		return "", err
	}
	if !get[0].Found {
		return "", nil
	}
	plain, err := d.Ring.Open(nil, get[0].Prior, []byte(key))
	if err != nil {
		return "", refusal(http.StatusInternalServerError, "the register of this subject does not open")
	}
	defer clear(plain)
	// The id, and the value after it, each with its length before it.
	n, size := binary.Uvarint(plain)
	if size <= 0 || n > uint64(len(plain)-size) {
		return "", refusal(http.StatusInternalServerError, "the register of this subject is malformed")
	}
	return string(plain[size : size+int(n)]), nil
}

// disclosure adds what today's policy says of the recipient.
func (d *LogDesk) disclosure(subject string, x audit.Disclosure) control.Disclosure {
	out := control.Disclosure{Disclosure: x, Subject: subject}
	p := d.plan()
	if p == nil {
		return out
	}
	for i := range p.Destinations {
		to := &p.Destinations[i]
		if to.Name != string(x.Recipient) {
			continue
		}
		if to.Agreement != nil {
			out.Agreement = strings.TrimSpace(to.Agreement.Kind + " " + to.Agreement.Reference)
		}
		if u, err := url.Parse(to.URL); err == nil {
			out.Address = u.Host
		}
	}
	return out
}

// Breach yields what a breach lays open.
func (d *LogDesk) Breach(ctx context.Context, who string, ask control.LogBreach, yield func(audit.Exposure) error) (audit.Scanned, error) {
	named := 0
	for _, s := range []string{ask.Destination, ask.Caller, ask.TokenLabel} {
		if s != "" {
			named++
		}
	}
	if named != 1 {
		return audit.Scanned{}, refusal(http.StatusUnprocessableEntity, "name a destination, a caller or a label of tokens, one of them")
	}
	asked := filters("destination", ask.Destination, "caller", ask.Caller, "token_label", ask.TokenLabel, "from", stamp(ask.From), "to", stamp(ask.To))
	if err := d.record(ctx, &audit.Entry{Action: audit.ActionLogBreach, Caller: audit.Name(who), Target: asked}); err != nil {
		return audit.Scanned{}, err
	}
	q := audit.BreachQuery{Destination: audit.Name(ask.Destination), Caller: audit.Name(ask.Caller), TokenLabel: audit.Name(ask.TokenLabel), From: ask.From, To: ask.To}
	return d.Log.Breach(ctx, q, d.folders(ask.Archive), func(x *audit.Exposure) error { return yield(*x) })
}

// filters says what was asked for: names and values in turn.
func filters(pairs ...string) audit.Name {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(&b, " %s=%s", pairs[i], pairs[i+1])
		}
	}
	return audit.Name(strings.TrimPrefix(b.String(), " "))
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
