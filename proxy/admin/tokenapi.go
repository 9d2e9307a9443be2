package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed" // for the document
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/rules/reason"
)

// openAPI describes the API of tokens; a test holds it against the handlers.
//
//go:embed openapi.json
var openAPI []byte

const (
	pathOpenAPI = "/openapi.json"
	// maxBatchBody bounds the body of a batch, and maxAsked that of the rest.
	maxBatchBody = 4 << 20
)

// tokenAPI serves tokens on the admin listener to callers that have the right.
type tokenAPI struct{ desk *TokenDesk }

// operation is one path and method of the API.
type operation struct {
	method, path string
	right        rules.TokenRights
	serve        func(t *tokenAPI, w http.ResponseWriter, r *http.Request, a Asker)
}

// operations are all of them. The document has the same, no more and no less.
var operations = []operation{
	{"POST", control.PathTokens, rules.RightMake, (*tokenAPI).make},
	{"GET", control.PathTokens, rules.RightList, (*tokenAPI).list},
	{"POST", control.PathTokensReveal, rules.RightReveal, (*tokenAPI).reveal},
	{"POST", control.PathTokensRevoke, rules.RightRevoke, (*tokenAPI).revoke},
	{"POST", control.PathTokensBatch, rules.RightMake | rules.RightBatch, (*tokenAPI).batch},
}

func (t *tokenAPI) register(mux *http.ServeMux) {
	mux.HandleFunc("GET "+pathOpenAPI, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openAPI) // an error is a client that went away
	})
	for _, o := range operations {
		mux.HandleFunc(o.method+" "+o.path, func(w http.ResponseWriter, r *http.Request) { t.serve(o, w, r) })
	}
}

// serve authenticates, and refuses who has not the right.
func (t *tokenAPI) serve(o operation, w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" || !sameSite(r.Header.Get("Sec-Fetch-Site")) {
		problem(w, http.StatusForbidden, reason.CrossSite, "a web page may not use this")
		return
	}
	caller := identify(t.desk.Plan(), r.Header.Values("Authorization"))
	if caller == nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		problem(w, http.StatusUnauthorized, reason.CallerUnknown, "no caller has this key")
		return
	}
	a := Asker{Name: caller.Name, Caller: caller, Origin: originOf(r), Scope: cmp.Or(caller.Scope, rules.DefaultScope)}
	if !caller.Tokens.Has(o.right) {
		err := t.desk.denied(r.Context(), &a, kindOf(o.right), "the caller has not this right")
		t.fail(w, r, err)
		return
	}
	if r.Method == http.MethodPost {
		if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) != "application/json" {
			problem(w, http.StatusUnsupportedMediaType, reason.ContentType, "the body is to be application/json")
			return
		}
	}
	o.serve(t, w, r, a)
}

func kindOf(right rules.TokenRights) audit.Kind {
	switch right {
	case rules.RightReveal:
		return audit.KindReveal
	case rules.RightRevoke, rules.RightList:
		return audit.KindAdmin
	}
	return audit.KindMint
}

func sameSite(s string) bool { return s == "" || s == "same-origin" || s == "none" }

// identify returns the caller whose key is shown, nil for none. Every key is
// compared, whichever matches: how long it takes says nothing.
func identify(p *rules.Plan, headers []string) *rules.Caller {
	if len(headers) != 1 || !p.HasCallers {
		return nil
	}
	scheme, key, _ := strings.Cut(headers[0], " ")
	key = strings.Trim(key, " ")
	if key == "" || !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	sum := sha256.Sum256([]byte(key))
	found := -1
	for i := range p.Callers {
		for j := range p.Callers[i].KeyHashes {
			same := subtle.ConstantTimeCompare(sum[:], p.Callers[i].KeyHashes[j][:])
			found = subtle.ConstantTimeSelect(same, i, found)
		}
	}
	if found < 0 {
		return nil
	}
	return &p.Callers[found]
}

func originOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(host) // the zero address where it is none
	return addr.Unmap()
}

func (t *tokenAPI) make(w http.ResponseWriter, r *http.Request, a Asker) {
	asked, ok := readBody[control.TokenMake](w, r, maxAsked, asks(&a, func(m control.TokenMake) (string, string) { return m.Scope, m.Reason }))
	if !ok {
		return
	}
	made, err := t.desk.Make(r.Context(), a, asked.Label, []string{asked.Value})
	if err != nil {
		t.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, made[0])
}

func (t *tokenAPI) batch(w http.ResponseWriter, r *http.Request, a Asker) {
	asked, ok := readBody[control.TokenBatch](w, r, maxBatchBody, asks(&a, func(m control.TokenBatch) (string, string) { return m.Scope, m.Reason }))
	if !ok {
		return
	}
	made, err := t.desk.Make(r.Context(), a, asked.Label, asked.Values)
	t.answer(w, r, control.TokensMade{Tokens: made}, err)
}

func (t *tokenAPI) reveal(w http.ResponseWriter, r *http.Request, a Asker) {
	asked, ok := readBody[control.TokenReveal](w, r, maxAsked, asks(&a, func(m control.TokenReveal) (string, string) { return m.Scope, m.Reason }))
	if !ok {
		return
	}
	v, err := t.desk.Reveal(r.Context(), a, asked.Token)
	t.answer(w, r, v, err)
}

func (t *tokenAPI) revoke(w http.ResponseWriter, r *http.Request, a Asker) {
	asked, ok := readBody[control.TokenRevoke](w, r, maxAsked, asks(&a, func(m control.TokenRevoke) (string, string) { return m.Scope, m.Reason }))
	if !ok {
		return
	}
	v, err := t.desk.Revoke(r.Context(), a, asked.Token, asked.ID)
	t.answer(w, r, v, err)
}

func (t *tokenAPI) list(w http.ResponseWriter, r *http.Request, a Asker) {
	q := r.URL.Query()
	n, err := strconv.Atoi(cmp.Or(q.Get("max"), "100"))
	if err != nil {
		problem(w, http.StatusUnprocessableEntity, reason.BodyMalformed, "max is a number")
		return
	}
	page, err := t.desk.List(r.Context(), a, q.Get("cursor"), n)
	t.answer(w, r, page, err)
}

// asks takes the reason into the asker, and refuses a scope: it is the
// caller's own.
func asks[T any](a *Asker, parts func(T) (scope, reason string)) func(T) bool {
	return func(asked T) bool {
		scope, why := parts(asked)
		a.Reason = why
		return scope == ""
	}
}

// readBody reads a document, without a word of it in what is answered.
func readBody[T any](w http.ResponseWriter, r *http.Request, most int64, take func(T) bool) (asked T, ok bool) {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	body.DisallowUnknownFields()
	err := body.Decode(&asked)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		problem(w, http.StatusRequestEntityTooLarge, reason.BodyTooLarge, "the body is too large")
	case err != nil || body.More() || !take(asked):
		problem(w, http.StatusBadRequest, reason.BodyMalformed, "the body is not what /openapi.json says of this path")
	default:
		return asked, true
	}
	return asked, false
}

func (t *tokenAPI) answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err != nil {
		t.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, v)
}

// codes are those of the desk's refusals.
var codes = map[int]reason.Code{
	http.StatusForbidden: reason.CallerForbidden, http.StatusTooManyRequests: reason.TokenLimit,
	http.StatusServiceUnavailable: reason.StoreUnavailable, http.StatusUnprocessableEntity: reason.BodyMalformed,
}

func (t *tokenAPI) fail(w http.ResponseWriter, r *http.Request, err error) {
	refused := (*control.Error)(nil)
	if !errors.As(err, &refused) {
		if !errors.Is(err, context.Canceled) {
			t.desk.Logger.Error("tokens", "path", r.URL.Path, "error", err)
		}
		problem(w, http.StatusInternalServerError, reason.Internal, "")
		return
	}
	code, known := codes[refused.Status]
	switch {
	case errors.Is(err, errTokenUnknown):
		code = reason.TokenUnknown
	case !known:
		code = reason.Internal
	}
	problem(w, refused.Status, code, refused.Message)
}

// problem answers as RFC 9457 says.
func problem(w http.ResponseWriter, status int, code reason.Code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // an error is a client that went away
		Type   string      `json:"type"`
		Title  string      `json:"title"`
		Status int         `json:"status"`
		Code   reason.Code `json:"code"`
		Detail string      `json:"detail,omitempty"`
	}{"about:blank", http.StatusText(status), status, code, detail})
}
