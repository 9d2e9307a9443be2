package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

// handleLog serves the log to whoever may open the socket: an operator.
func (c *Control) handleLog(mux *http.ServeMux) {
	mux.HandleFunc("GET "+control.PathLogTail, c.logTail)
	mux.HandleFunc("GET "+control.PathLogVerify, c.logVerify)
	desk := c.options.Desk
	if desk == nil {
		return
	}
	mux.HandleFunc("POST "+control.PathLogArchive, func(w http.ResponseWriter, r *http.Request) {
		logStream(c, w, r, func(ctx context.Context, who string, ask control.LogArchive, yield func(audit.Archived) error) (audit.Scanned, error) {
			return audit.Scanned{}, desk.Archive(ctx, who, ask, yield)
		})
	})
	mux.HandleFunc("POST "+control.PathLogExport, func(w http.ResponseWriter, r *http.Request) { logStream(c, w, r, desk.Export) })
	mux.HandleFunc("POST "+control.PathLogDisclosures, func(w http.ResponseWriter, r *http.Request) { logStream(c, w, r, desk.Disclosures) })
	mux.HandleFunc("POST "+control.PathLogBreach, func(w http.ResponseWriter, r *http.Request) { logStream(c, w, r, desk.Breach) })
}

// logStream reads what is asked for and sends what do yields. What is refused
// before the first item is refused with its own status.
func logStream[A, T any](c *Control, w http.ResponseWriter, r *http.Request, do func(context.Context, string, A, func(T) error) (audit.Scanned, error)) {
	asked, ok := readAsked[A](w, r)
	if !ok {
		return
	}
	s := (*stream)(nil)
	open := func() {
		if s == nil {
			s = newStream(w)
		}
	}
	sum, err := do(r.Context(), peerName(r.Context()), asked, func(item T) error {
		open()
		return s.item(item)
	})
	if known := (*control.Error)(nil); s == nil && errors.As(err, &known) {
		c.answer(w, r, nil, err)
		return
	}
	open()
	c.end(s, r, control.Message{End: true, Sum: &sum}, err)
}

// maxTail bounds what one call may read from the end of the log.
const maxTail = 100_000

func (c *Control) logTail(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || n < 0 || n > maxTail {
		refuse(w, http.StatusBadRequest, "n is a number from 0 to "+strconv.Itoa(maxTail))
		return
	}
	follow, err := strconv.ParseBool(q.Get("follow"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "follow is true or false")
		return
	}
	action := audit.ActionLogTail
	if follow {
		action = audit.ActionLogFollow
	}
	if !c.recorded(w, r, action) {
		return
	}
	c.stream(w, r, func(s *stream) error {
		return c.options.Log.Tail(r.Context(), audit.TailOptions{Last: n, Follow: follow}, func(l audit.Line) error {
			return s.item(LogLine(l))
		})
	})
}

// LogLine puts a line of the log into the words of the socket.
func LogLine(l audit.Line) control.LogLine {
	line := control.LogLine{Chain: l.Chain, Seq: l.Seq, Fault: string(l.Fault)}
	if l.Fault == "" {
		line.Entry = l.Entry.Append(nil)
	}
	return line
}

func (c *Control) logVerify(w http.ResponseWriter, r *http.Request) {
	if !c.recorded(w, r, audit.ActionLogVerify) {
		return
	}
	report, err := c.options.Log.Verify(r.Context(), r.URL.Query()["archive"]...)
	if err != nil {
		c.options.Logger.Warn("log verify", "error", err)
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, report)
}
