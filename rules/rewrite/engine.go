package rewrite

import (
	"math"
	"sync/atomic"

	"chaperone/rules"
	"chaperone/rules/basket"
	"chaperone/rules/detect"
	"chaperone/rules/reason"
)

// DefaultDepth is the nesting depth that Limits{} admits.
const DefaultDepth = 128

// Limits bound what a scan accepts.
type Limits struct {
	// Depth is the greatest nesting of objects and arrays; zero means
	// DefaultDepth.
	Depth int
}

// Engine is a compiled Plan. It is immutable, but for the choices that it has
// made, and safe for concurrent use.
type Engine struct {
	plan       *rules.Plan
	sad        rules.LabelID
	panLabels  []rules.LabelID                      // whose detectors ask for card numbers
	detectors  detect.Detectors                     // of identifiers, that labels ask for
	identified [detect.NumDetectors][]rules.LabelID // by detector: the labels that do
	year       func() int                           // now
	classifier *basket.Classifier
	requests   []*program // by route
	answers    []*program
	fixed      fixedTexts
	texts      []textLabels
	choices    atomic.Int64 // how many were made
}

// Plan returns the plan from which the engine was compiled.
func (e *Engine) Plan() *rules.Plan { return e.plan }

// NewMessage returns the scratch for one body at a time. It may be used again
// after Reset, also with another Engine.
func (e *Engine) NewMessage() *Message { return &Message{} }

// NewView returns the scratch for one party's rendering at a time. It may be
// used again at once, also with another Engine.
func (e *Engine) NewView() *View { return &View{} }

// ScanRequest reads the body of a request on Plan.Routes[route] into m, which
// must be new or reset. The body is borrowed: it must stay unchanged until m
// is reset. A nil error means that it is well-formed, within the limits and
// unambiguous, that its line items are classified and its totals split. A
// request that follows a sale may have no line items: see UseShares.
//
// The codes are body_malformed, body_not_utf8, body_too_deep, body_too_large
// (over 2 GiB), ambiguous_member, basket_shape, amount_malformed,
// currency_unknown, totals_mismatch and totals_unsplittable.
func (e *Engine) ScanRequest(m *Message, route int, body []byte, lim Limits) *reason.Error {
	m.begin(e.requests[route], body, lim)
	if err := m.read(); err != nil {
		return err
	}
	return m.finishRequest()
}

// ScanNothing prepares m for a request on Plan.Routes[route] that has no body,
// so that legs and texts can be decided. The error is basket_shape where the
// route needs line items and follows no sale.
func (e *Engine) ScanNothing(m *Message, route int) *reason.Error {
	m.begin(e.requests[route], nil, Limits{})
	return m.finishRequest()
}

// ScanAnswer reads the answer of Plan.Destinations[destination], the route's
// primary, into m, as ScanRequest does. Of the codes it gives only those for
// the body's form, ambiguous_member (of a member that decides success, pending
// or the class of an item), and internal where the destination is not the primary.
func (e *Engine) ScanAnswer(m *Message, route, destination int, body []byte, lim Limits) *reason.Error {
	p := e.answers[route]
	if p.destination != destination {
		return &reason.Error{Code: reason.Internal, Offset: -1, Detail: "the answer is not the primary's"}
	}
	m.begin(p, body, lim)
	return m.read()
}

// read scans the borrowed body.
func (m *Message) read() *reason.Error {
	if len(m.body) > math.MaxInt32 {
		return refuse(reason.BodyTooLarge, -1, "")
	}
	if err := m.scan(); err != nil {
		return err
	}
	if m.prog.engine.detectors != 0 {
		m.identify()
	}
	return nil
}

func refuse(code reason.Code, offset int, detail string) *reason.Error {
	return &reason.Error{Code: code, Offset: offset, Detail: detail}
}
