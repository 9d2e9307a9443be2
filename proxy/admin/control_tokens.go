package admin

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"

	"chaperone/proxy/admin/control"
	"chaperone/rules"
)

// handleTokens serves tokens to whoever may open the socket: an operator.
func (c *Control) handleTokens(mux *http.ServeMux) {
	desk := c.options.Tokens
	if desk == nil {
		return
	}
	mux.HandleFunc("GET "+control.PathTokens, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		n, err := strconv.Atoi(cmp.Or(q.Get("max"), "100"))
		if err != nil {
			refuse(w, http.StatusBadRequest, "max is a number")
			return
		}
		page, err := desk.List(r.Context(), operator(r, q.Get("scope"), ""), q.Get("cursor"), n)
		c.answer(w, r, page, err)
	})
	mux.HandleFunc("POST "+control.PathTokens, func(w http.ResponseWriter, r *http.Request) {
		asked, ok := readAsked[control.TokenMake](w, r)
		if !ok {
			return
		}
		made, err := desk.Make(r.Context(), operator(r, asked.Scope, asked.Reason), asked.Label, []string{asked.Value})
		if err != nil {
			c.answer(w, r, nil, err)
			return
		}
		c.answer(w, r, made[0], nil)
	})
	mux.HandleFunc("POST "+control.PathTokensReveal, func(w http.ResponseWriter, r *http.Request) {
		asked, ok := readAsked[control.TokenReveal](w, r)
		if !ok {
			return
		}
		v, err := desk.Reveal(r.Context(), operator(r, asked.Scope, asked.Reason), asked.Token)
		c.answer(w, r, v, err)
	})
	mux.HandleFunc("POST "+control.PathTokensRevoke, func(w http.ResponseWriter, r *http.Request) {
		asked, ok := readAsked[control.TokenRevoke](w, r)
		if !ok {
			return
		}
		v, err := desk.Revoke(r.Context(), operator(r, asked.Scope, asked.Reason), asked.Token, asked.ID)
		c.answer(w, r, v, err)
	})
	mux.HandleFunc("POST "+control.PathTokensRebuild, func(w http.ResponseWriter, r *http.Request) {
		asked, ok := readAsked[control.TokenRebuild](w, r)
		if !ok {
			return
		}
		v, err := desk.Rebuild(r.Context(), operator(r, "", asked.Reason), asked.Archive...)
		c.answer(w, r, v, err)
	})
}

// operator is who is at the other end of the socket.
func operator(r *http.Request, scope, reason string) Asker {
	return Asker{Name: peerName(r.Context()), Scope: cmp.Or(scope, rules.DefaultScope), Reason: reason}
}

// readAsked reads a document of at most 64 kB.
func readAsked[T any](w http.ResponseWriter, r *http.Request) (asked T, ok bool) {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAsked))
	body.DisallowUnknownFields()
	if err := body.Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, "what was sent is not what this path takes")
		return asked, false
	}
	return asked, true
}
