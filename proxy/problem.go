package proxy

import (
	"net/http"
	"strconv"

	"chaperone/rules/reason"
)

// problemType is the media type of RFC 9457.
const problemType = "application/problem+json"

// The headers of every answer (DESIGN §3.9).
const (
	headerRequestID = "Chaperone-Request-Id"
	headerUpstream  = "Chaperone-Upstream-Status"
	headerOutcome   = "Chaperone-Outcome"
	headerLegs      = "Chaperone-Legs"
	// headerReason says why an answer's body was withheld.
	headerReason = "Chaperone-Reason"
	// headerReplayed says that this is the first answer, given again.
	headerReplayed = "Chaperone-Replayed"
)

// appendProblem appends the problem details of a refusal: its code, and which
// rule, path pattern and offset it concerns. All of it is the policy's text or
// ours; an offset says where, never what.
func appendProblem(dst []byte, e *reason.Error, status int, requestID string) []byte {
	dst = append(dst, `{"type":"about:blank","title":`...)
	dst = appendText(dst, http.StatusText(status))
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, `,"code":`...)
	dst = appendText(dst, string(e.Code))
	if e.Detail != "" {
		dst = append(dst, `,"detail":`...)
		dst = appendText(dst, e.Detail)
	}
	if e.Rule != "" {
		dst = append(dst, `,"rule":`...)
		dst = appendText(dst, e.Rule)
	}
	if e.Pattern != "" {
		dst = append(dst, `,"pattern":`...)
		dst = appendText(dst, e.Pattern)
	}
	if e.Offset >= 0 && offsetSpeaks[e.Code] {
		dst = append(dst, `,"offset":`...)
		dst = strconv.AppendInt(dst, int64(e.Offset), 10)
	}
	if requestID != "" {
		dst = append(dst, `,"request_id":`...)
		dst = appendText(dst, requestID)
	}
	return append(dst, '}')
}

// offsetSpeaks are the codes whose offset means a place in the caller's body.
var offsetSpeaks = map[reason.Code]bool{
	reason.BodyMalformed: true, reason.BodyTooDeep: true, reason.BodyNotUTF8: true,
	reason.AmbiguousMember: true, reason.BasketShape: true, reason.AmountMalformed: true,
	reason.CurrencyUnknown: true, reason.Blocked: true, reason.TokenUnknown: true,
}

const hexDigits = "0123456789abcdef"

// appendText appends s as a JSON string.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// writeProblem makes ctx's response the problem of a refusal.
func writeProblem(ctx *inbound, e *reason.Error, status int, requestID string) {
	r := &ctx.Response
	r.SetStatusCode(status)
	r.Header.SetContentType(problemType)
	r.Header.Set("Cache-Control", "no-store")
	if requestID != "" {
		r.Header.Set(headerRequestID, requestID)
	}
	switch e.Code {
	case reason.InFlight:
		r.Header.Set("Retry-After", "1")
	case reason.InDoubt, reason.SaleOpen, reason.StoreUnavailable, reason.NotReady, reason.Overloaded:
		r.Header.Set("Retry-After", "5")
	case reason.TokenLimit:
		r.Header.Set("Retry-After", "3600") // the shorter of the stretches that limits count in
	case reason.CallerUnknown:
		r.Header.Set("Www-Authenticate", "Bearer")
	}
	var room [512]byte
	r.SetBody(appendProblem(room[:0], e, status, requestID))
}

// refuse makes a refusal without a place. It is a call wherever it is used: few
// requests get there, and all run past it.
//
//go:noinline
func refuse(code reason.Code, detail string) *reason.Error {
	return &reason.Error{Code: code, Detail: detail, Offset: -1}
}
