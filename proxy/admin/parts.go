// Package admin is the operator's side of a running proxy: its metrics, its
// health on a listener of its own, and the control socket of the command line.
// Nothing here is on the path of a request but the methods of PlanMetrics.
package admin

import (
	"context"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

// LogReader reads the log: audit.Reader. Safe for concurrent use.
type LogReader interface {
	// Tail is audit.Tail over the proxy's log.
	Tail(ctx context.Context, o audit.TailOptions, yield func(audit.Line) error) error
	// Verify is audit.Verify over the proxy's log and the segments in folders.
	Verify(ctx context.Context, archive ...string) (audit.Report, error)
}

// Outbox lists what waits. Implementations are safe for concurrent use, stop
// at the first error of yield and return it.
type Outbox interface {
	// Legs lists the legs in a state, or all of them for "".
	Legs(ctx context.Context, state control.LegState, yield func(control.Leg) error) error
	// Doubts lists the sales in doubt, the oldest first.
	Doubts(ctx context.Context, yield func(control.Doubt) error) error
}

// Recorder appends an entry to the proxy's chain and returns when it is
// acknowledged. An error means that it may not be on record, and what it
// speaks of must not happen. Recorder fills in Time and Plan where they are
// empty.
type Recorder interface {
	Record(ctx context.Context, e *audit.Entry) error
}

// RecorderFunc is a function as a Recorder.
type RecorderFunc func(ctx context.Context, e *audit.Entry) error

// Record calls the function.
func (f RecorderFunc) Record(ctx context.Context, e *audit.Entry) error { return f(ctx, e) }

// Readiness says whether the proxy can take requests, and if not, why.
type Readiness struct {
	Ready    bool `json:"ready"`
	Store    Part `json:"store"`
	Keyring  Part `json:"keyring"`
	Plan     Part `json:"plan"`
	Listener Part `json:"listener"`
	Draining bool `json:"draining"`
}

// Part is one part of Readiness. Detail is text of ours, without values,
// addresses or secrets: anybody who reaches the admin listener reads it.
type Part struct {
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}
