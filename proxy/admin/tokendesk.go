package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/rules/reason"
	"chaperone/store"
	"chaperone/vault"
	"chaperone/vault/keys"
)

// TokenDesk makes, reveals, lists and revokes tokens outside of requests: in a
// running proxy behind the admin listener and the control socket, and in the
// command line where none runs. Each step is on record before its answer. Its
// errors are *control.Error. Safe for concurrent use.
type TokenDesk struct {
	Plan   func() *rules.Plan // in force
	Ring   *keys.Ring
	Driver store.Driver
	// Commit stores an entry and commands in one unit; as Recorder. e is nil
	// where what is done is on record already, or will be. What it stores is
	// there again after a failover of the store, other than what Driver.Apply
	// writes.
	Commit  func(ctx context.Context, e *audit.Entry, cmds []store.Command) error
	Limiter *Limiter
	Forget  func() // what the proxy remembers of tokens, since one was revoked; nil: nothing
	Clock   func() time.Time
	Logger  *slog.Logger
	// Settle is how long a request may be under way that was given a token
	// just before it was revoked; 0: no proxy runs on the store.
	Settle time.Duration

	scrubbing sync.Mutex
}

// SettleTime is Settle beside proxies that run: the round trip that finds a
// token, and the unit that stores it, have ended by then.
const SettleTime = 6 * time.Second

// Asker is who wants something of a TokenDesk.
type Asker struct {
	Name   string        // for the log: the caller's, or local:UID
	Caller *rules.Caller // nil: an operator, who may do everything
	Origin netip.Addr
	Scope  string
	Reason string
}

// limits are the asker's own.
func (a *Asker) limits() rules.CallerLimits {
	if a.Caller != nil {
		return a.Caller.Limits
	}
	return rules.DefaultCallerLimits()
}

// sees reports whether the asker may have a label's values in a form.
func (a *Asker) sees(l rules.LabelID, form rules.Form) bool {
	return a.Caller == nil || a.Caller.Sees.Of(l) <= form
}

var errTokenUnknown = refusal(http.StatusUnprocessableEntity, "the token is unknown: forged, mistyped, revoked, expired or of another scope")

func (d *TokenDesk) tokens(a *Asker) *vault.Tokens { return vault.New(d.Ring, a.Scope) }

// label finds what a token or value is to bear.
func (d *TokenDesk) label(name string) (rules.LabelID, *rules.Label, error) {
	p := d.Plan()
	id := p.Label(name)
	switch {
	case id == rules.NoLabel:
		return id, nil, refusal(http.StatusUnprocessableEntity, "the policy has no such label")
	case p.Labels[id].Family == p.Label("sad"):
		return id, nil, refusal(http.StatusUnprocessableEntity, "sensitive authentication data never becomes a token")
	}
	return id, &p.Labels[id], nil
}

// making is one value on its way to a token.
type making struct {
	token  []byte
	format rules.TokenFormat
	index  string
	fresh  bool
	last4  string
	vault  *vault.VaultedMint
	read   int // of the first round trip; -1: none
	value  []byte
}

// Make makes the tokens of values of a label, in their order: one unit stores
// them and the entry, and only then are they given out.
func (d *TokenDesk) Make(ctx context.Context, a Asker, label string, values []string) ([]control.Token, error) {
	id, l, err := d.label(label)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 || len(values) > control.MaxBatch {
		return nil, refusal(http.StatusUnprocessableEntity, "from 1 to 1000 values")
	}
	if err := CheckReason(a.Reason); err != nil {
		return nil, refusal(http.StatusUnprocessableEntity, err.Error())
	}
	if !a.sees(id, rules.Token) {
		return nil, d.denied(ctx, &a, audit.KindMint, "the caller may not have tokens of this label")
	}
	t := d.tokens(&a)
	ms := make([]making, len(values))
	var reads []store.Command
	for i, v := range values {
		if reads, err = d.begin(t, l, v, &ms[i], reads); err != nil {
			return nil, err
		}
	}
	if err := d.learn(ctx, t, l, ms, reads); err != nil {
		return nil, err
	}
	return d.give(ctx, &a, t, l, ms)
}

// literal is a text as the JSON string that a body would have.
func literal(text string) []byte {
	b, _ := json.Marshal(text) // a string always can be
	return b
}

// begin does what needs no store.
func (d *TokenDesk) begin(t *vault.Tokens, l *rules.Label, value string, m *making, reads []store.Command) ([]store.Command, error) {
	m.read, m.value = -1, literal(value)
	digits, compact := detect.CompactDigits(nil, []byte(value))
	card := compact && detect.IsPAN(digits)
	m.format = rules.FormatSealed
	switch {
	case l.Format == rules.FormatPAN && card && detect.Luhn(digits):
		token, err := t.MintPAN(nil, digits)
		if errors.Is(err, vault.ErrNotPAN) {
			break
		}
		if err != nil {
			return nil, refusal(http.StatusInternalServerError, "the token cannot be made")
		}
		m.token, m.format, m.last4 = token, rules.FormatPAN, string(digits[len(digits)-4:])
		m.index = string(t.IndexKey(nil, token))
		m.read = len(reads)
		return append(reads, store.Command{Kind: store.Get, Key: store.TokenKey(t.Scope(), m.index)}), nil
	case l.Format == rules.FormatVaulted:
		m.format = rules.FormatVaulted
		m.vault = &vault.VaultedMint{Label: l.Name, Tag: l.Tag, TTL: l.Vaulted.TTL, Value: m.value}
		if card && l.Vaulted.Keep != rules.KeepNothing {
			m.vault.Card, m.vault.Value, m.vault.Shape = true, digits, shapeOf(l.Vaulted)
		}
		m.read = len(reads)
		return append(reads, t.BeginVaulted(m.vault, d.Clock())), nil
	}
	d.seal(t, l, m)
	return reads, nil
}

func shapeOf(v rules.Vaulted) vault.Shape {
	switch {
	case v.Luhn:
		return vault.LuhnLast4
	case v.Keep == rules.KeepBIN6Last4:
		return vault.BIN6Last4
	}
	return vault.Last4
}

// seal makes a sealed token.
func (d *TokenDesk) seal(t *vault.Tokens, l *rules.Label, m *making) {
	m.token = t.Seal(nil, l.Name, l.Tag, m.value, false, l.Join)
	m.format, m.last4, m.fresh = rules.FormatSealed, "", true
	m.index = string(t.IndexKey(nil, m.token))
}

// learn asks the store for what it knows of the values.
func (d *TokenDesk) learn(ctx context.Context, t *vault.Tokens, l *rules.Label, ms []making, reads []store.Command) error {
	if err := d.apply(ctx, reads); err != nil {
		return d.away(err)
	}
	var open []*vault.VaultedMint
	for i := range ms {
		m := &ms[i]
		if m.read < 0 {
			continue
		}
		c := &reads[m.read]
		if m.vault == nil {
			m.fresh = !c.Found
			if vault.Revoked(c.Prior) {
				d.seal(t, l, m) // a token that was revoked stays so
			}
			continue
		}
		more, err := t.TakeVaulted(m.vault, c)
		if err != nil {
			return d.away(err)
		}
		if more {
			open = append(open, m.vault)
		}
	}
	if len(open) > 0 {
		if err := t.FinishVaulted(ctx, d.Driver.Apply, open); err != nil {
			return d.away(err)
		}
	}
	for i := range ms {
		if m := &ms[i]; m.vault != nil {
			m.token, m.index, m.fresh = m.vault.Token, m.vault.Index, m.vault.Fresh
		}
	}
	return nil
}

// give records what was made and stores it, and then gives it out.
func (d *TokenDesk) give(ctx context.Context, a *Asker, t *vault.Tokens, l *rules.Label, ms []making) ([]control.Token, error) {
	fresh := 0
	for i := range ms {
		if ms[i].fresh {
			fresh++
		}
	}
	within, err := d.Limiter.Take(ctx, a.Name, a.limits(), LimitMints, fresh)
	if err != nil {
		return nil, d.away(err)
	}
	if !within {
		return nil, d.limited(ctx, a, audit.KindMint)
	}
	e := d.entry(a, audit.KindMint, audit.ResultOK)
	var cmds []store.Command
	made := make([]control.Token, len(ms))
	for i := range ms {
		m := &ms[i]
		e.Tokens = append(e.Tokens, tokenOf(a, l.Name, m.format, m.index))
		switch {
		case m.vault != nil:
			cmds = t.StoreVaulted(cmds, m.vault)
		case m.format == rules.FormatPAN && m.fresh:
			key := store.TokenKey(a.Scope, m.index)
			r := vault.Record{Label: l.Name, Format: string(m.format), Card: true, Created: d.Clock(), Last4: m.last4}
			cmds = append(cmds, store.Command{Kind: store.SetOnce, Key: key, Value: t.Mark(key, &r)})
		}
		made[i] = control.Token{Token: string(m.token), Format: string(m.format), ID: m.index}
	}
	if err := d.Commit(ctx, e, cmds); err != nil {
		return nil, refusal(http.StatusServiceUnavailable, "the store does not take the record of it, so no token is given out")
	}
	return made, nil
}

// Reveal turns a token back. The value is given out when the entry is stored.
func (d *TokenDesk) Reveal(ctx context.Context, a Asker, token string) (control.TokenValue, error) {
	if err := CheckReason(a.Reason); err != nil {
		return control.TokenValue{}, refusal(http.StatusUnprocessableEntity, err.Error())
	}
	failures := []store.Command{d.Limiter.Failures(a.Name)}
	if err := d.apply(ctx, failures); err != nil {
		return control.TokenValue{}, d.away(err)
	}
	if d.Limiter.Failing(a.Name, a.limits(), &failures[0]) {
		return control.TokenValue{}, d.limited(ctx, &a, audit.KindReveal)
	}
	found, err := d.find(ctx, &a, token)
	if err != nil {
		return control.TokenValue{}, err
	}
	if found.value == nil {
		return control.TokenValue{}, d.failed(ctx, &a, found)
	}
	if !a.sees(found.label, rules.Plain) {
		return control.TokenValue{}, d.denied(ctx, &a, audit.KindReveal, "the caller may not see values of this label")
	}
	within, err := d.Limiter.Take(ctx, a.Name, a.limits(), LimitReveals, 1)
	if err != nil {
		return control.TokenValue{}, d.away(err)
	}
	if !within {
		return control.TokenValue{}, d.limited(ctx, &a, audit.KindReveal)
	}
	name := d.Plan().Labels[found.label].Name
	e := d.entry(&a, audit.KindReveal, audit.ResultOK)
	e.Tokens = []audit.Token{tokenOf(&a, name, found.format, found.index)}
	if err := d.Commit(ctx, e, nil); err != nil {
		return control.TokenValue{}, refusal(http.StatusServiceUnavailable, "the store does not take the record of it, so nothing is revealed")
	}
	return control.TokenValue{Value: found.text(), Label: name, ID: found.index}, nil
}

// failed counts and records a token that is unknown.
func (d *TokenDesk) failed(ctx context.Context, a *Asker, f foundToken) error {
	within, err := d.Limiter.Fail(ctx, a.Name, a.limits(), 1)
	if err != nil {
		return d.away(err)
	}
	e := d.entry(a, audit.KindReveal, audit.ResultRefused)
	e.Reason = reason.TokenUnknown
	e.Tokens = []audit.Token{tokenOf(a, "", f.format, f.index)}
	if err := d.Commit(ctx, e, nil); err != nil {
		return refusal(http.StatusServiceUnavailable, "the store does not take the record of it")
	}
	if !within {
		return d.limited(ctx, a, audit.KindReveal)
	}
	return errTokenUnknown
}

// limited records that a limit refused.
func (d *TokenDesk) limited(ctx context.Context, a *Asker, kind audit.Kind) error {
	e := d.entry(a, kind, audit.ResultRefused)
	e.Reason = reason.TokenLimit
	if err := d.Commit(ctx, e, nil); err != nil {
		d.Logger.Warn("a refusal is not on record", "error", err)
	}
	return refusal(http.StatusTooManyRequests, "as many tokens were made or revealed as this caller may, for now")
}

// denied records that a right is missing.
func (d *TokenDesk) denied(ctx context.Context, a *Asker, kind audit.Kind, why string) error {
	e := d.entry(a, kind, audit.ResultRefused)
	e.Reason = reason.CallerForbidden
	if err := d.Commit(ctx, e, nil); err != nil {
		d.Logger.Warn("a refusal is not on record", "error", err)
	}
	return refusal(http.StatusForbidden, why)
}

func (d *TokenDesk) entry(a *Asker, kind audit.Kind, result audit.Result) *audit.Entry {
	return &audit.Entry{Time: d.Clock(), Kind: kind, Result: result, Caller: audit.Name(a.Name), Origin: a.Origin,
		Plan: audit.ID(d.Plan().Hash), Why: audit.Name(a.Reason)}
}

func tokenOf(a *Asker, label string, format rules.TokenFormat, index string) audit.Token {
	return audit.Token{Scope: audit.Name(a.Scope), Label: audit.Name(label), Format: audit.Name(format), Key: audit.ID(index)}
}

func (d *TokenDesk) apply(ctx context.Context, cmds []store.Command) error {
	if len(cmds) == 0 {
		return nil
	}
	err := d.Driver.Apply(ctx, cmds)
	for i := range cmds {
		err = errors.Join(err, cmds[i].Err)
	}
	return err
}

func (d *TokenDesk) away(err error) error {
	d.Logger.Warn("tokens", "error", err)
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return refusal(http.StatusServiceUnavailable, "the store is away")
	}
	return refusal(http.StatusInternalServerError, "the store holds what this keyring does not open")
}
