package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

func (c *Control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+control.PathStatus, c.status)
	c.handleLog(mux)
	mux.HandleFunc("POST "+control.PathReload, c.reload)
	mux.HandleFunc("GET "+control.PathOutbox, c.outbox)
	mux.HandleFunc("GET "+control.PathDoubts, c.doubts)
	mux.HandleFunc("GET "+control.PathKeys, c.keys)
	mux.HandleFunc("POST "+control.PathKeysRotate, c.keysRotate)
	mux.HandleFunc("POST "+control.PathKeysRetire, c.keysRetire)
	mux.HandleFunc("POST "+control.PathKeysNote, c.keysNote)
	c.handleTokens(mux)
	c.handleLegs(mux)
	c.handleDoubts(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "no such path: the proxy and the command line are of different versions")
	})
	return mux
}

func (c *Control) status(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, c.options.Status(r.Context()))
}

func (c *Control) reload(w http.ResponseWriter, r *http.Request) {
	if c.options.Reload == nil {
		refuse(w, http.StatusNotFound, "this proxy does not read its policy again")
		return
	}
	v, err := c.options.Reload(r.Context(), peerName(r.Context()))
	c.answer(w, r, v, err)
}

func (c *Control) outbox(w http.ResponseWriter, r *http.Request) {
	state := control.LegState(r.URL.Query().Get("state"))
	if state != "" && !slices.Contains(control.LegStates(), state) {
		refuse(w, http.StatusBadRequest, "no such state of a leg")
		return
	}
	if !c.recorded(w, r, audit.ActionOutboxList) {
		return
	}
	c.stream(w, r, func(s *stream) error {
		return c.options.Outbox.Legs(r.Context(), state, func(l control.Leg) error { return s.item(l) })
	})
}

func (c *Control) doubts(w http.ResponseWriter, r *http.Request) {
	if !c.recorded(w, r, audit.ActionOutboxDoubts) {
		return
	}
	c.stream(w, r, func(s *stream) error {
		return c.options.Outbox.Doubts(r.Context(), func(d control.Doubt) error { return s.item(d) })
	})
}

// recorded puts on record who reads what, before a byte of it is given out.
// Without the record there is no answer (45 CFR 164.312(b), PCI DSS 10.2.1.3).
func (c *Control) recorded(w http.ResponseWriter, r *http.Request, action audit.Action) bool {
	e := audit.Entry{
		Time:   time.Now(),
		Kind:   audit.KindLogRead,
		Action: action,
		Caller: audit.Name(peerName(r.Context())),
		Result: audit.ResultOK,
	}
	if err := c.options.Record.Record(r.Context(), &e); err != nil {
		c.options.Logger.Warn("reading refused: it cannot be put on record", "action", action.String(), "error", err)
		refuse(w, http.StatusServiceUnavailable, "the store does not take the record of this reading, so there is nothing to read")
		return false
	}
	return true
}

func refuse(w http.ResponseWriter, status int, why string) {
	writeJSON(w, status, control.Message{Error: why})
}

// stream writes NDJSON, one item at a time.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	encoder *json.Encoder
}

// lineTime is how long a reader may take over one line before it is given up.
const lineTime = 30 * time.Second

// newStream begins the answer.
func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	s := &stream{w: w, control: http.NewResponseController(w), encoder: json.NewEncoder(w)}
	// So that a follower of a quiet log sees that it is connected.
	_ = s.control.Flush()
	return s
}

// stream sends what items yields, and an end that says whether that was all.
func (c *Control) stream(w http.ResponseWriter, r *http.Request, items func(*stream) error) {
	s := newStream(w)
	c.end(s, r, control.Message{End: true}, items(s))
}

// end sends the last message of a stream: end, or what went wrong.
func (c *Control) end(s *stream, r *http.Request, end control.Message, err error) {
	switch {
	case err == nil:
		_ = s.send(end)
	case errors.Is(err, errReaderGone), errors.Is(err, context.Canceled):
		// Nobody is left to be told.
	default:
		c.options.Logger.Warn("control socket", "path", r.URL.Path, "error", err)
		_ = s.send(control.Message{Error: err.Error()})
	}
}

var errReaderGone = errors.New("admin: the reader went away")

func (s *stream) item(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.send(control.Message{Item: text})
}

func (s *stream) send(m control.Message) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(lineTime)); err != nil {
		return errReaderGone
	}
	if err := s.encoder.Encode(m); err != nil {
		return errReaderGone
	}
	if err := s.control.Flush(); err != nil {
		return errReaderGone
	}
	return nil
}
