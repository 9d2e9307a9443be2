package admin

import (
	"context"
	"net/http"

	"chaperone/proxy/admin/control"
)

// DoubtDesk is what an operator does about sales in doubt: in a running proxy
// behind the control socket, and in the command line where none runs. who is
// local:UID. The errors are *control.Error. Implementations are safe for
// concurrent use.
type DoubtDesk interface {
	// Resolve ends a sale in doubt, or a pending one, by an operator's word.
	// That is on record in the unit that ends it.
	Resolve(ctx context.Context, who string, r control.Resolve) (control.Resolved, error)
}

// handleDoubts serves sales in doubt.
func (c *Control) handleDoubts(mux *http.ServeMux) {
	desk := c.options.Doubts
	if desk == nil {
		return
	}
	mux.HandleFunc("POST "+control.PathResolve, func(w http.ResponseWriter, r *http.Request) {
		if asked, ok := readAsked[control.Resolve](w, r); ok {
			done, err := desk.Resolve(r.Context(), peerName(r.Context()), asked)
			c.answer(w, r, done, err)
		}
	})
}
