// Package reason holds the stable codes that say why a request was refused or
// went wrong. One code gives the HTTP status of the answer, the label of the
// metric and the code of the log entry (DESIGN: the fault table).
package reason

import (
	"net/http"
	"strconv"
)

// Code is a stable reason, snake_case. The zero Code means that nothing is
// wrong.
type Code string

// The codes. Their order is that of a request's life.
const (
	None Code = ""

	// From the head of the request.
	HostUnknown      Code = "host_unknown"
	CrossSite        Code = "cross_site"
	CallerUnknown    Code = "caller_unknown"
	CallerForbidden  Code = "caller_forbidden"
	RouteUnknown     Code = "route_unknown"
	MethodNotAllowed Code = "method_not_allowed"
	HeadMalformed    Code = "head_malformed"
	ExpectUnknown    Code = "expect_unknown"
	NotReady         Code = "not_ready"
	AgreementLapsed  Code = "agreement_lapsed"

	// From the body.
	ContentType     Code = "content_type"
	ContentEncoding Code = "content_encoding"
	BodyTooLarge    Code = "body_too_large"
	BodyTooSlow     Code = "body_too_slow"
	BodyMalformed   Code = "body_malformed"
	BodyTooDeep     Code = "body_too_deep"
	BodyNotUTF8     Code = "body_not_utf8"
	BodyMissing     Code = "body_missing"

	// From the policy.
	Blocked             Code = "blocked"
	AmbiguousMember     Code = "ambiguous_member"
	BasketShape         Code = "basket_shape"
	ClassAbsent         Code = "class_absent"
	AmountMalformed     Code = "amount_malformed"
	CurrencyUnknown     Code = "currency_unknown"
	TotalsMismatch      Code = "totals_mismatch"
	TotalsUnsplittable  Code = "totals_unsplittable"
	TokenUnknown        Code = "token_unknown"
	EgressBlocked       Code = "egress_blocked"
	ExpressionUndecided Code = "expression_undecided" // a condition or computed value: what it needs is missing, or may not be looked at
	TokenLimit          Code = "token_limit"          // of the caller: tokens made, revealed, or not revealed

	// From idempotency.
	KeyMalformed    Code = "key_malformed"
	InFlight        Code = "in_flight"
	InDoubt         Code = "in_doubt"
	BodyDiffers     Code = "body_differs"
	AnswerForgotten Code = "answer_forgotten"

	// From the sale that a request follows.
	SaleUnknown Code = "sale_unknown" // no completed sale has that key
	SalePending Code = "sale_pending" // a later call has yet to decide it
	SaleOpen    Code = "sale_open"    // it is in flight or in doubt

	// From our own parts.
	StoreUnavailable Code = "store_unavailable"
	Overloaded       Code = "overloaded"
	Internal         Code = "internal"
	DoubleClaim      Code = "double_claim"    // two proxies took one key while the store was away
	LateOutcome      Code = "late_outcome"    // an outcome lost to another that was written first
	KeyringUntied    Code = "keyring_untied"  // the store did not say any more which keyring it belongs to
	KeyringForeign   Code = "keyring_foreign" // the store says that it belongs to another keyring

	// From the primary.
	UpstreamUnreachable Code = "upstream_unreachable" // void: no byte was sent
	PrimaryTimeout      Code = "primary_timeout"
	PrimaryInDoubt      Code = "primary_in_doubt"
	AnswerUnreadable    Code = "answer_unreadable"
	AnswerWithheld      Code = "answer_withheld"
)

var statuses = map[Code]int{
	None:                http.StatusOK,
	HostUnknown:         http.StatusMisdirectedRequest,
	CrossSite:           http.StatusForbidden,
	CallerUnknown:       http.StatusUnauthorized,
	CallerForbidden:     http.StatusForbidden,
	RouteUnknown:        http.StatusNotFound,
	MethodNotAllowed:    http.StatusMethodNotAllowed,
	HeadMalformed:       http.StatusBadRequest,
	ExpectUnknown:       http.StatusExpectationFailed,
	NotReady:            http.StatusServiceUnavailable,
	AgreementLapsed:     http.StatusForbidden,
	ContentType:         http.StatusUnsupportedMediaType,
	ContentEncoding:     http.StatusUnsupportedMediaType,
	BodyTooLarge:        http.StatusRequestEntityTooLarge,
	BodyTooSlow:         http.StatusRequestTimeout,
	BodyMalformed:       http.StatusBadRequest,
	BodyTooDeep:         http.StatusBadRequest,
	BodyNotUTF8:         http.StatusBadRequest,
	BodyMissing:         http.StatusBadRequest,
	Blocked:             http.StatusUnprocessableEntity,
	AmbiguousMember:     http.StatusUnprocessableEntity,
	BasketShape:         http.StatusUnprocessableEntity,
	ClassAbsent:         http.StatusUnprocessableEntity,
	AmountMalformed:     http.StatusUnprocessableEntity,
	CurrencyUnknown:     http.StatusUnprocessableEntity,
	TotalsMismatch:      http.StatusUnprocessableEntity,
	TotalsUnsplittable:  http.StatusUnprocessableEntity,
	TokenUnknown:        http.StatusUnprocessableEntity,
	EgressBlocked:       http.StatusUnprocessableEntity,
	ExpressionUndecided: http.StatusUnprocessableEntity,
	TokenLimit:          http.StatusTooManyRequests,
	KeyMalformed:        http.StatusBadRequest,
	InFlight:            http.StatusConflict,
	InDoubt:             http.StatusConflict,
	BodyDiffers:         http.StatusUnprocessableEntity,
	AnswerForgotten:     http.StatusConflict,
	SaleUnknown:         http.StatusUnprocessableEntity,
	SalePending:         http.StatusConflict,
	SaleOpen:            http.StatusConflict,
	StoreUnavailable:    http.StatusServiceUnavailable,
	Overloaded:          http.StatusServiceUnavailable,
	Internal:            http.StatusInternalServerError,
	DoubleClaim:         http.StatusConflict,
	LateOutcome:         http.StatusConflict,
	KeyringUntied:       http.StatusInternalServerError,
	KeyringForeign:      http.StatusInternalServerError,
	UpstreamUnreachable: http.StatusBadGateway,
	PrimaryTimeout:      http.StatusGatewayTimeout,
	PrimaryInDoubt:      http.StatusBadGateway,
	AnswerUnreadable:    http.StatusBadGateway,
	AnswerWithheld:      http.StatusOK,
}

// Status returns the HTTP status of the answer that bears the code. An unknown
// code is a bug of ours and gives 500. AnswerWithheld and the codes after the
// primary was called may be overridden by the primary's own status.
func (c Code) Status() int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// All returns every code but None, in no particular order.
func All() []Code {
	codes := make([]Code, 0, len(statuses))
	for c := range statuses {
		if c != None {
			codes = append(codes, c)
		}
	}
	return codes
}

// Error is a refusal: the code, and where. It never holds a value or a member
// name of a body.
type Error struct {
	Code    Code
	Rule    string // the rule that refused, as in "labels.pan" or "routes.checkout.legs.ehr"
	Pattern string // the path pattern of the policy, never of the body
	Offset  int    // byte offset in the body; -1 where there is none
	Detail  string // fixed text of ours
}

// Error returns the code with rule, pattern, offset and detail.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Rule != "" {
		s += " (rule " + e.Rule + ")"
	}
	if e.Pattern != "" {
		s += " at " + e.Pattern
	}
	if e.Offset >= 0 {
		s += " offset " + strconv.Itoa(e.Offset)
	}
	return s
}
