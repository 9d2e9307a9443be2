package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/store"
	"chaperone/vault"
)

// foundToken is what stands behind a token. value is nil where it is unknown.
type foundToken struct {
	label  rules.LabelID
	format rules.TokenFormat
	index  string
	value  []byte
	plain  bool // value is text, and no JSON literal
}

// text is the value as somebody reads it.
func (f *foundToken) text() string {
	var s string
	if f.plain || json.Unmarshal(f.value, &s) != nil {
		return string(f.value)
	}
	return s
}

// find looks a token up, by its shape.
func (d *TokenDesk) find(ctx context.Context, a *Asker, token string) (foundToken, error) {
	t := d.tokens(a)
	text := []byte(token)
	f := foundToken{label: rules.NoLabel, index: string(t.IndexKey(nil, text))}
	known, stored := store.TokenKey(a.Scope, f.index), store.VaultedKey(a.Scope, f.index)
	cmds := []store.Command{{Kind: store.Get, Key: known}, {Kind: store.Get, Key: stored}}
	if err := d.apply(ctx, cmds); err != nil {
		return f, d.away(err)
	}
	p := d.Plan()
	sealedTag, sealed := vault.SealedTag(text)
	switch {
	case sealed:
		f.format = rules.FormatSealed
		if f.label = byTag(p, sealedTag); f.label == rules.NoLabel || vault.Revoked(cmds[0].Prior) {
			return f, nil
		}
		value, fragment, err := t.Unseal([]byte{}, p.Labels[f.label].Name, text)
		if err == nil {
			f.value, f.plain = value, fragment
		}
	case cmds[1].Found:
		f.format = rules.FormatVaulted
		if vault.Revoked(cmds[0].Prior) {
			return f, nil
		}
		r, err := t.OpenRecord(stored, cmds[1].Prior)
		if err != nil {
			return f, d.away(err)
		}
		if f.label = p.Label(r.Label); f.label == rules.NoLabel {
			return f, nil
		}
		value, r, err := t.OpenVaulted([]byte{}, stored, r.Label, cmds[1].Prior, d.Clock())
		if err == nil {
			f.value, f.plain = value, r.Card || r.Fragment
		}
	case vault.IsPANToken(text):
		f.format = rules.FormatPAN
		if !vault.Known(cmds[0].Prior) {
			return f, nil
		}
		r, err := t.OpenMark(known, cmds[0].Prior)
		if err != nil {
			return f, d.away(err)
		}
		if f.label = p.Label(r.Label); f.label == rules.NoLabel {
			f.label = p.Label("pan")
		}
		if value, err := t.RevealKnown([]byte{}, text, []byte(f.index)); err == nil {
			f.value, f.plain = value, true
		}
	}
	return f, nil
}

func byTag(p *rules.Plan, tag [4]byte) rules.LabelID {
	for i := range p.Labels {
		if p.Labels[i].Tag == tag {
			return rules.LabelID(i)
		}
	}
	return rules.NoLabel
}

// Revoke makes sure that a token, or the one with an id, is never revealed
// again. A stored value is deleted, and then the store's files are made to hold
// nothing of it; who wanted that, that it was done, and that the files were
// scrubbed is in the log. What is revoked already is revoked again, so that a
// scrub which failed can be repeated.
func (d *TokenDesk) Revoke(ctx context.Context, a Asker, token, id string) (control.TokenRevoked, error) {
	if err := CheckReason(a.Reason); err != nil {
		return control.TokenRevoked{}, refusal(http.StatusUnprocessableEntity, err.Error())
	}
	if (token == "") == (id == "") {
		return control.TokenRevoked{}, refusal(http.StatusUnprocessableEntity, "either a token or an id")
	}
	t := d.tokens(&a)
	if token != "" {
		id = string(t.IndexKey(nil, []byte(token)))
	}
	if len(id) != vault.IndexKeyLen {
		return control.TokenRevoked{}, refusal(http.StatusUnprocessableEntity, "that is no token's id")
	}
	known, stored := store.TokenKey(a.Scope, id), store.VaultedKey(a.Scope, id)
	cmds := []store.Command{{Kind: store.Get, Key: known}, {Kind: store.Get, Key: stored}}
	if err := d.apply(ctx, cmds); err != nil {
		return control.TokenRevoked{}, d.away(err)
	}
	r, value, err := d.revocable(t, &a, token, cmds)
	if err != nil {
		return control.TokenRevoked{}, err
	}
	if r.Format == "" {
		e := d.entry(&a, audit.KindAdmin, audit.ResultRefused)
		e.Action, e.Reason, e.Tokens = audit.ActionTokenRevoke, reason.TokenUnknown, []audit.Token{tokenOf(&a, "", "", id)}
		if err := d.Commit(ctx, e, nil); err != nil {
			return control.TokenRevoked{}, refusal(http.StatusServiceUnavailable, "the store does not take the record of it")
		}
		return control.TokenRevoked{}, errTokenUnknown
	}
	if r.Revoked.IsZero() {
		r.Revoked = d.Clock()
	}
	out := control.TokenRevoked{ID: id, Format: r.Format, Erased: value}
	fingerprint := r.Fingerprint
	r.Last4, r.Fingerprint = "", ""
	unit := []store.Command{{Kind: store.Set, Key: known, Value: t.Mark(known, &r)}, {Kind: store.Delete, Key: stored}}
	if fingerprint != "" {
		unit = append(unit, store.Command{Kind: store.Delete, Key: store.FingerprintKey(a.Scope, fingerprint)})
	}
	e := d.entry(&a, audit.KindAdmin, audit.ResultOK)
	e.Action, e.Tokens = audit.ActionTokenRevoke, []audit.Token{tokenOf(&a, r.Label, rules.TokenFormat(r.Format), id)}
	if err := d.Commit(ctx, e, unit); err != nil {
		return out, refusal(http.StatusServiceUnavailable, "the store does not take the record of it; try again")
	}
	if d.Forget != nil {
		d.Forget()
	}
	if r.Format == string(rules.FormatVaulted) {
		if err := d.settle(ctx, &r, unit[1:]); err != nil {
			return out, d.away(err)
		}
		out.Erased = true
		out.Scrubbed, out.Note = d.scrub(ctx, &a, e.Tokens)
	}
	return out, nil
}

// settle deletes a young token's value once more, when a request that was given
// the token before it was revoked has ended: it stores the value, lest its maker
// has failed to.
func (d *TokenDesk) settle(ctx context.Context, r *vault.Record, deletes []store.Command) error {
	if d.Settle <= 0 || !vault.Young(r, d.Clock()) {
		return nil
	}
	t := time.NewTimer(d.Settle)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return d.Commit(ctx, nil, deletes)
}

// revocable finds out what is to be revoked. Its Format is empty where there
// is no such token; value says that one is stored.
func (d *TokenDesk) revocable(t *vault.Tokens, a *Asker, token string, cmds []store.Command) (r vault.Record, value bool, err error) {
	known, stored := &cmds[0], &cmds[1]
	p := d.Plan()
	switch {
	case stored.Found:
		if r, err = t.OpenRecord(stored.Key, stored.Prior); err != nil {
			return r, false, d.away(err)
		}
		value = true
	case known.Found:
		if r, err = t.OpenMark(known.Key, known.Prior); err != nil {
			return r, false, d.away(err)
		}
		if r.Format == "" { // a mark of the first version
			r.Label, r.Format, r.Card = "pan", string(rules.FormatPAN), true
		}
	case token != "":
		tag, sealed := vault.SealedTag([]byte(token))
		id := byTag(p, tag)
		if !sealed || id == rules.NoLabel {
			return r, false, nil
		}
		if _, _, err := t.Unseal(nil, p.Labels[id].Name, []byte(token)); err != nil {
			return r, false, nil
		}
		r = vault.Record{Label: p.Labels[id].Name, Format: string(rules.FormatSealed)}
	}
	return r, value, nil
}

// scrub makes the store's files hold nothing of what was deleted, and records
// that they do, or that they may not.
func (d *TokenDesk) scrub(ctx context.Context, a *Asker, tokens []audit.Token) (done bool, note string) {
	d.scrubbing.Lock()
	s, err := d.Driver.Scrub(ctx)
	d.scrubbing.Unlock()
	e := d.entry(a, audit.KindAdmin, audit.ResultOK)
	e.Action, e.Tokens = audit.ActionTokenScrub, tokens
	switch {
	case err != nil:
		d.Logger.Warn("the store's files may still hold a revoked value", "error", err)
		e.Result = audit.ResultFailed
		note = "the value is deleted, but the store's files may still hold it: " + err.Error()
	case s.Nodes > 0 && s.Replicas > 0:
		note = "Redis has rewritten its append-only file and its snapshot; its replicas have files of their own: run BGREWRITEAOF and BGSAVE there"
	case s.Nodes > 0:
		note = "Redis has rewritten its append-only file and its snapshot"
	default:
		note = "the free pages of the store's file were overwritten"
	}
	// The asker may have gone away meanwhile: what was done is on record all
	// the same.
	if cerr := d.Commit(context.WithoutCancel(ctx), e, nil); cerr != nil {
		d.Logger.Warn("a scrub is not on record", "error", cerr)
		note += "; that it was done is not on record"
	}
	return err == nil, note
}
