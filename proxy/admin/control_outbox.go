package admin

import (
	"context"
	"net/http"

	"chaperone/proxy/admin/control"
)

// LegDesk is what an operator does to single legs of the outbox: in a running
// proxy behind the control socket, and in the command line where none runs. who
// is local:UID. Each step is on record before its answer. The errors are
// *control.Error. Implementations are safe for concurrent use.
type LegDesk interface {
	// Breakers lists the destinations that are held back.
	Breakers() []control.Breaker
	// Leg shows what is known of a leg, without its body.
	Leg(ctx context.Context, who, name string) (control.LegDetail, error)
	// Body shows the body of a leg to a caller who is cleared for it.
	Body(ctx context.Context, who string, ask control.LegBodyAsk) (control.LegBody, error)
	// Retry makes legs due.
	Retry(ctx context.Context, who string, r control.LegRetry) (control.LegsRetried, error)
	// Drop makes sure that a leg is never sent.
	Drop(ctx context.Context, who string, d control.LegDrop) (control.LegDetail, error)
}

// handleLegs serves the legs of the outbox.
func (c *Control) handleLegs(mux *http.ServeMux) {
	desk := c.options.Legs
	if desk == nil {
		return
	}
	// This speaks of no sale, and the metrics say it as well.
	mux.HandleFunc("GET "+control.PathOutboxHeld, func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, desk.Breakers())
	})
	mux.HandleFunc("GET "+control.PathOutboxLeg, func(w http.ResponseWriter, r *http.Request) {
		leg, err := desk.Leg(r.Context(), peerName(r.Context()), r.URL.Query().Get("leg"))
		c.answer(w, r, leg, err)
	})
	mux.HandleFunc("POST "+control.PathOutboxBody, func(w http.ResponseWriter, r *http.Request) {
		if asked, ok := readAsked[control.LegBodyAsk](w, r); ok {
			body, err := desk.Body(r.Context(), peerName(r.Context()), asked)
			c.answer(w, r, body, err)
		}
	})
	mux.HandleFunc("POST "+control.PathOutboxRetry, func(w http.ResponseWriter, r *http.Request) {
		if asked, ok := readAsked[control.LegRetry](w, r); ok {
			n, err := desk.Retry(r.Context(), peerName(r.Context()), asked)
			c.answer(w, r, n, err)
		}
	})
	mux.HandleFunc("POST "+control.PathOutboxDrop, func(w http.ResponseWriter, r *http.Request) {
		if asked, ok := readAsked[control.LegDrop](w, r); ok {
			leg, err := desk.Drop(r.Context(), peerName(r.Context()), asked)
			c.answer(w, r, leg, err)
		}
	})
}
