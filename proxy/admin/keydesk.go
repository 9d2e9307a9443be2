package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/rules/detect"
	"chaperone/vault/keys"
)

// KeyDesk is what an operator does to a keyring, each step on record before it
// is taken and after it: in a running proxy behind the control socket, and in
// the command line where none runs. Its errors are *control.Error. Safe for
// concurrent use.
type KeyDesk struct {
	Ring   *keys.Ring
	Record Recorder
	Who    string // local:UID
}

// maxReason is what an entry of the log takes, in bytes.
const maxReason = 256

// CheckReason says why a text cannot be the reason of an operator: it is empty,
// too long for the log, or holds what may be a card number.
func CheckReason(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("a reason is needed: it goes into the log")
	case len(text) > maxReason:
		return fmt.Errorf("the reason has %d bytes, and the log takes %d", len(text), maxReason)
	case !utf8.ValidString(text):
		return errors.New("the reason is not UTF-8")
	}
	_, found := detect.GuardText([]byte(text))
	digits := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			if c != ' ' && c != '-' {
				digits = 0
			}
			continue
		}
		if digits++; digits >= 12 {
			found = true
		}
	}
	if found {
		return errors.New("the reason holds what may be a card number, and the log never does")
	}
	return nil
}

// Keys lists the keyring. The listing is on record first.
func (d KeyDesk) Keys(ctx context.Context) (control.Keyring, error) {
	if err := d.note(ctx, audit.ActionKeysList, "", audit.ResultOK, ""); err != nil {
		return control.Keyring{}, err
	}
	status := d.Ring.Status(ctx)
	k := control.Keyring{ID: d.Ring.ID(), Kind: status.Kind, Revision: status.Revision}
	for _, info := range d.Ring.List() {
		k.Keys = append(k.Keys, keyOf(info))
	}
	return k, nil
}

// Rotate makes the next generation of each use, all or none.
func (d KeyDesk) Rotate(ctx context.Context, r control.Rotation) ([]control.Key, error) {
	if len(r.Seen) == 0 {
		return nil, refusal(http.StatusBadRequest, "no use is named")
	}
	seen := make(map[keys.Use]int, len(r.Seen))
	var names []string
	for _, use := range slices.Sorted(maps.Keys(r.Seen)) {
		if !d.knows(keys.Use(use)) {
			return nil, refusal(http.StatusUnprocessableEntity, "there is no such use of a key")
		}
		seen[keys.Use(use)] = r.Seen[use]
		names = append(names, control.KeyName(use, r.Seen[use]+1))
	}
	var made []control.Key
	err := d.change(ctx, audit.ActionKeysRotate, strings.Join(names, " "), r.Reason, func() error {
		infos, err := d.Ring.RotateAfter(ctx, seen)
		for _, info := range infos {
			made = append(made, keyOf(info))
		}
		return err
	})
	return made, err
}

// Retire retires or destroys a generation.
func (d KeyDesk) Retire(ctx context.Context, r control.Retirement) (control.Key, error) {
	use := keys.Use(r.Use)
	if !d.knows(use) {
		return control.Key{}, refusal(http.StatusUnprocessableEntity, "there is no such use of a key")
	}
	action, do := audit.ActionKeysRetire, d.Ring.Retire
	if r.Destroy {
		action, do = audit.ActionKeysDestroy, d.Ring.Destroy
	}
	err := d.change(ctx, action, control.KeyName(r.Use, r.Generation), r.Reason, func() error {
		return do(ctx, use, r.Generation)
	})
	if err != nil {
		return control.Key{}, err
	}
	for _, info := range d.Ring.List() {
		if info.Use == use && info.Generation == r.Generation {
			return keyOf(info), nil
		}
	}
	return control.Key{}, keyError(keys.ErrConflict)
}

// Note puts on record what the command line does to the keyring by itself.
func (d KeyDesk) Note(ctx context.Context, n control.KeyNote) error {
	var action audit.Action
	if action.UnmarshalText([]byte(n.Action)) != nil || action != audit.ActionKeysInit && action != audit.ActionKeysMigrate {
		return refusal(http.StatusBadRequest, "no such action")
	}
	result := map[string]audit.Result{"": audit.ResultNone, "ok": audit.ResultOK, "failed": audit.ResultFailed}
	if _, known := result[n.Result]; !known {
		return refusal(http.StatusBadRequest, "no such result")
	}
	if n.Reason != "" || action != audit.ActionKeysInit {
		if err := CheckReason(n.Reason); err != nil {
			return refusal(http.StatusUnprocessableEntity, err.Error())
		}
	}
	return d.note(ctx, action, n.Target, result[n.Result], n.Reason)
}

// change does something to the keyring between two entries of the log. Without
// the first nothing is done. Where the second is missing the log still says
// who was about to do what, and why.
func (d KeyDesk) change(ctx context.Context, action audit.Action, target, reason string, do func() error) error {
	if err := CheckReason(reason); err != nil {
		return refusal(http.StatusUnprocessableEntity, err.Error())
	}
	if err := d.note(ctx, action, target, audit.ResultNone, reason); err != nil {
		return err
	}
	err := do()
	result := audit.ResultOK
	if err != nil {
		result = audit.ResultFailed
	}
	// The caller may have gone away meanwhile: the result is on record all the
	// same.
	if nerr := d.note(context.WithoutCancel(ctx), action, target, result, ""); nerr != nil && err == nil {
		return refusal(http.StatusServiceUnavailable, "it is done, but the store does not take the record of its end")
	}
	return keyError(err)
}

func (d KeyDesk) note(ctx context.Context, action audit.Action, target string, result audit.Result, reason string) error {
	e := audit.Entry{
		Time: time.Now(), Kind: audit.KindAdmin, Action: action, Caller: audit.Name(d.Who),
		Target: audit.Name(target), Result: result, Why: audit.Name(reason),
	}
	if err := d.Record.Record(ctx, &e); err != nil {
		return refusal(http.StatusServiceUnavailable, "it cannot be put on record, so it is not done: "+err.Error())
	}
	return nil
}

func (d KeyDesk) knows(use keys.Use) bool {
	return slices.ContainsFunc(d.Ring.List(), func(i keys.Info) bool { return i.Use == use })
}

func keyOf(i keys.Info) control.Key {
	return control.Key{
		Use: string(i.Use), Algorithm: i.Algorithm, Generation: i.Generation, State: string(i.State),
		Current: i.Current, Created: i.Created, From: i.From, Changed: i.Changed,
	}
}

func refusal(status int, message string) error {
	return &control.Error{Status: status, Message: message}
}

// keyError gives an error of the keyring its status.
func keyError(err error) error {
	if err == nil {
		return nil
	}
	status := http.StatusServiceUnavailable // Vault is away, or denies: again later
	switch {
	case errors.Is(err, keys.ErrConflict):
		status = http.StatusConflict
	case errors.Is(err, keys.ErrMissing):
		status = http.StatusNotFound
	case errors.Is(err, keys.ErrSlots), errors.Is(err, keys.ErrState):
		status = http.StatusUnprocessableEntity
	}
	return refusal(status, strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "keys: "))
}
