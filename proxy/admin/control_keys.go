package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"chaperone/proxy/admin/control"
)

// desk is the keyring for whoever is at the other end, nil where the socket
// serves none.
func (c *Control) desk(w http.ResponseWriter, r *http.Request) *KeyDesk {
	if c.options.Ring == nil {
		refuse(w, http.StatusNotFound, "this socket serves no keyring")
		return nil
	}
	return &KeyDesk{Ring: c.options.Ring, Record: c.options.Record, Who: peerName(r.Context())}
}

func (c *Control) keys(w http.ResponseWriter, r *http.Request) {
	if d := c.desk(w, r); d != nil {
		list, err := d.Keys(r.Context())
		c.answer(w, r, list, err)
	}
}

func (c *Control) keysRotate(w http.ResponseWriter, r *http.Request) {
	keyChange(c, w, r, func(ctx context.Context, d *KeyDesk, asked control.Rotation) (any, error) {
		return d.Rotate(ctx, asked)
	})
}

func (c *Control) keysRetire(w http.ResponseWriter, r *http.Request) {
	keyChange(c, w, r, func(ctx context.Context, d *KeyDesk, asked control.Retirement) (any, error) {
		return d.Retire(ctx, asked)
	})
}

func (c *Control) keysNote(w http.ResponseWriter, r *http.Request) {
	keyChange(c, w, r, func(ctx context.Context, d *KeyDesk, asked control.KeyNote) (any, error) {
		return control.Message{End: true}, d.Note(ctx, asked)
	})
}

// maxAsked bounds what is posted to the socket, in bytes.
const maxAsked = 64 << 10

// keyChange reads what is asked for, and answers with what came of it.
func keyChange[T any](c *Control, w http.ResponseWriter, r *http.Request, do func(context.Context, *KeyDesk, T) (any, error)) {
	d := c.desk(w, r)
	if d == nil {
		return
	}
	var asked T
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAsked))
	body.DisallowUnknownFields()
	if err := body.Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, "what was sent is not what this path takes")
		return
	}
	answer, err := do(r.Context(), d, asked)
	c.answer(w, r, answer, err)
}

func (c *Control) answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err == nil {
		writeJSON(w, http.StatusOK, v)
		return
	}
	status, known := http.StatusInternalServerError, (*control.Error)(nil)
	if errors.As(err, &known) {
		status = known.Status
	}
	c.options.Logger.Warn("control socket", "path", r.URL.Path, "error", err)
	refuse(w, status, err.Error())
}
