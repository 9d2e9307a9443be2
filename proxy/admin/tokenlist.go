package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/store"
	"chaperone/vault"
)

// maxPage bounds the tokens of one page.
const maxPage = 1000

// The parts of a list, in order: what is stored, then what is known or revoked.
// A cursor is the part and the store's own.
var listParts = []func(scope, h string) string{store.VaultedKey, store.TokenKey}

// List reads a page of the tokens of the asker's scope: metadata alone, and no
// value is decrypted for it. Sealed tokens are stateless, so only those that
// were revoked are there.
func (d *TokenDesk) List(ctx context.Context, a Asker, cursor string, max int) (control.TokenPage, error) {
	page := control.TokenPage{Tokens: []control.TokenInfo{}}
	if max < 1 || max > maxPage {
		return page, refusal(http.StatusUnprocessableEntity, fmt.Sprintf("a page has from 1 to %d tokens", maxPage))
	}
	part := 0
	if cursor != "" {
		if len(cursor) < 2 || cursor[1] != '.' || cursor[0] < '0' || int(cursor[0]-'0') >= len(listParts) {
			return page, refusal(http.StatusUnprocessableEntity, "that is no cursor of a list")
		}
		part, cursor = int(cursor[0]-'0'), cursor[2:]
	} else {
		e := d.entry(&a, audit.KindLogRead, audit.ResultOK)
		e.Action = audit.ActionTokenList
		if err := d.Commit(ctx, e, nil); err != nil {
			return page, refusal(http.StatusServiceUnavailable, "the store does not take the record of it, so there is nothing to read")
		}
	}
	prefix := listParts[part](a.Scope, "")
	keys, next, err := d.Driver.ScanKeys(ctx, prefix, cursor, max)
	if err != nil {
		return page, d.away(err)
	}
	reads := make([]store.Command, len(keys))
	for i, k := range keys {
		reads[i] = store.Command{Kind: store.Get, Key: k}
	}
	if err := d.apply(ctx, reads); err != nil {
		return page, d.away(err)
	}
	t := d.tokens(&a)
	for i := range reads {
		if !reads[i].Found {
			continue // it ended in between
		}
		info, err := d.info(t, &a, &reads[i], part == 0)
		if err != nil {
			return page, d.away(err)
		}
		info.ID = strings.TrimPrefix(reads[i].Key, prefix)
		page.Tokens = append(page.Tokens, info)
	}
	switch {
	case next != "":
		page.Next = fmt.Sprintf("%d.%s", part, next)
	case part+1 < len(listParts):
		page.Next = fmt.Sprintf("%d.", part+1)
	}
	return page, nil
}

// info reads the metadata of one register.
func (d *TokenDesk) info(t *vault.Tokens, a *Asker, c *store.Command, stored bool) (control.TokenInfo, error) {
	var r vault.Record
	var err error
	if stored {
		r, err = t.OpenRecord(c.Key, c.Prior)
	} else {
		r, err = t.OpenMark(c.Key, c.Prior)
	}
	info := control.TokenInfo{Scope: a.Scope, Label: r.Label, Format: r.Format, State: "live", Last4: r.Last4,
		Created: r.Created, Expires: r.Expires, Revoked: r.Revoked}
	switch {
	case !r.Revoked.IsZero():
		info.State = "revoked"
	case !r.Expires.IsZero() && !d.Clock().Before(r.Expires):
		info.State = "expired"
	}
	return info, err
}

// rebuildPage is how many records are read, or marks written, at once.
const rebuildPage = 512

// rebuilt is a token that the log speaks of.
type rebuilt struct {
	scope   string
	record  vault.Record
	revoked bool
}

// Rebuild reads the whole log, and gives the index of known tokens every card
// token back that the log says was made, and every revocation. Values of
// vaulted tokens are not in the log: what is lost of those stays lost. What was
// archived is read from the folders that are named.
func (d *TokenDesk) Rebuild(ctx context.Context, a Asker, archive ...string) (control.TokensRebuilt, error) {
	var out control.TokensRebuilt
	if err := CheckReason(a.Reason); err != nil {
		return out, refusal(http.StatusUnprocessableEntity, err.Error())
	}
	found := map[string]*rebuilt{}
	if err := d.readLog(ctx, archive, found, &out); err != nil {
		return out, d.away(err)
	}
	e := d.entry(&a, audit.KindAdmin, audit.ResultOK)
	e.Action = audit.ActionTokenRebuild
	if err := d.Commit(ctx, e, nil); err != nil {
		return out, refusal(http.StatusServiceUnavailable, "it cannot be put on record, so it is not done")
	}
	var cmds []store.Command
	write := func() error {
		if len(cmds) == 0 {
			return nil
		}
		if err := d.Commit(ctx, nil, cmds); err != nil {
			return err
		}
		for i := range cmds {
			if cmds[i].Won {
				out.Restored++
			}
		}
		cmds = cmds[:0]
		return nil
	}
	for key, r := range found {
		t := vault.New(d.Ring, r.scope)
		kind := store.SetOnce
		if r.revoked {
			kind = store.Set // over a mark that says it is known
			out.Revoked++
		} else {
			out.Tokens++
		}
		cmds = append(cmds, store.Command{Kind: kind, Key: key, Value: t.Mark(key, &r.record)})
		if len(cmds) == rebuildPage {
			if err := write(); err != nil {
				return out, d.away(err)
			}
		}
	}
	if err := write(); err != nil {
		return out, d.away(err)
	}
	return out, nil
}

// readLog gathers what the entries of all chains say of tokens, those in the
// segments of some folders included. Whatever was revoked once stays so, in
// whichever order the chains are read.
func (d *TokenDesk) readLog(ctx context.Context, archive []string, found map[string]*rebuilt, out *control.TokensRebuilt) error {
	log := &audit.Reader{Source: audit.FromStore(d.Driver), Sealer: d.Ring, Key: audit.NewSigner(d.Ring.MAC).Public()}
	sum, err := log.Entries(ctx, archive, func(l *audit.Line) error {
		if l.Fault == "" {
			gather(found, &l.Entry)
		}
		return nil
	})
	out.Entries, out.Unreadable, out.Unread = int(sum.Entries), int(sum.Unreadable), int(sum.Unread)
	return err
}

// gather takes what one entry says.
func gather(found map[string]*rebuilt, e *audit.Entry) {
	revoked := e.Kind == audit.KindAdmin && e.Action == audit.ActionTokenRevoke && e.Result == audit.ResultOK
	made := e.Kind == audit.KindDecision || e.Kind == audit.KindOutcome || e.Kind == audit.KindMint && e.Result == audit.ResultOK
	if !revoked && !made {
		return
	}
	for _, t := range e.Tokens {
		if !revoked && t.Format != "pan" {
			continue
		}
		key := store.TokenKey(string(t.Scope), string(t.Key))
		r := found[key]
		if r == nil {
			r = &rebuilt{scope: string(t.Scope), record: vault.Record{Label: string(t.Label), Format: string(t.Format), Card: t.Format == "pan"}}
			found[key] = r
		}
		if r.record.Created.IsZero() || e.Time.Before(r.record.Created) {
			r.record.Created = e.Time.Truncate(time.Millisecond)
		}
		if revoked && !r.revoked {
			r.revoked, r.record.Revoked = true, e.Time.Truncate(time.Millisecond)
		}
	}
}
