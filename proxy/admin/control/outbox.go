package control

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The paths of the outbox's legs. The first two are GET, the others are POST
// with a JSON body.
const (
	PathOutboxHeld  = "/v1/outbox/breakers" // → []Breaker
	PathOutboxLeg   = "/v1/outbox/leg"      // ?leg=KEY/ATTEMPT/LEG → LegDetail
	PathOutboxBody  = "/v1/outbox/body"     // LegBodyAsk → LegBody
	PathOutboxRetry = "/v1/outbox/retry"    // LegRetry → LegsRetried
	PathOutboxDrop  = "/v1/outbox/drop"     // LegDrop → LegDetail
)

// Breaker says that a destination fails as a whole: its queued legs are held
// back by this proxy, but for one now and then.
type Breaker struct {
	Destination string    `json:"breaker"`
	Since       time.Time `json:"since"`
	Probe       time.Time `json:"next_probe"` // when a leg is sent to see
	Failures    int       `json:"failures"`   // in a row
	Reason      string    `json:"reason"`     // of the last
}

// The states of a leg that LegDetail knows besides those of a list.
const (
	Delivered LegState = "delivered"
	Dropped   LegState = "dropped" // by the outcome of its sale, or by an operator
)

// LegDetail is all that is known of a leg. It never holds a value.
type LegDetail struct {
	Leg
	Caller   string    `json:"caller,omitempty"`
	Plan     string    `json:"plan,omitempty"`    // under which it was rendered
	Outcome  string    `json:"outcome,omitempty"` // of its sale; empty: there is none yet
	Released time.Time `json:"released,omitzero"` // when that was
	Order    string    `json:"order,omitempty"`   // legs of one destination with the same go one after another
	Waiting  bool      `json:"waiting,omitempty"` // for an older one of its order
	Refused  int       `json:"refused,omitempty"` // tries whose content the destination refused
	LastTry  time.Time `json:"last_try,omitzero"` // zero: it was not tried, or accepted at once
	Status   int       `json:"status,omitempty"`  // HTTP status of the last try
	Ended    time.Time `json:"ended,omitzero"`    // of one that is delivered or dropped
	Forms    []LegForm `json:"forms,omitempty"`   // what its body holds
	Bytes    int       `json:"bytes"`             // of its body; 0: none, or one that is kept apart
	Apart    bool      `json:"apart,omitempty"`   // a large body is kept apart
}

// LegForm says that values of a label stand in a leg in a form.
type LegForm struct {
	Label string `json:"label"`
	Form  string `json:"form"`
}

// LegBodyAsk asks for the body of a leg, for a caller of the policy that shows
// its key. The caller has to be cleared for every form in the leg.
type LegBodyAsk struct {
	Leg    string `json:"leg"`
	Caller string `json:"caller"`
	Key    string `json:"key"`
	Reason string `json:"reason"` // on record
}

// LegBody is the body of a leg, as its destination gets it.
type LegBody struct {
	LegDetail
	Body []byte `json:"body"`
}

// LegRetry asks that a leg is due now, or every dead one (of a destination).
// Exactly one of Leg and Dead is set.
type LegRetry struct {
	Leg         string `json:"leg,omitempty"`
	Dead        bool   `json:"dead,omitempty"`
	Destination string `json:"destination,omitempty"` // of Dead; empty: any
	Reason      string `json:"reason"`                // on record
}

// LegsRetried counts the legs that are due now, and those of them that were not
// in the list any more when their turn came.
type LegsRetried struct {
	Retried int `json:"retried"`
	Passed  int `json:"passed,omitempty"`
}

// LegDrop asks that a leg is never sent.
type LegDrop struct {
	Leg    string `json:"leg"`
	Reason string `json:"reason"` // on record
}

// LegName is how a leg is called: KEY/ATTEMPT/LEG.
func LegName(key string, attempt, index int) string {
	return fmt.Sprintf("%s/%d/%d", key, attempt, index)
}

var errLegName = errors.New("a leg is named KEY/ATTEMPT/LEG, as `chaperone outbox list` prints it")

// minKey is the least that a key may be shortened to.
const minKey = 6

// ParseLegName is the inverse of LegName. The key may be the beginning of one,
// of six letters at least.
func ParseLegName(name string) (key string, attempt, index int, err error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 || len(parts[0]) < minKey || len(parts[0]) > 64 {
		return "", 0, 0, errLegName
	}
	for _, c := range parts[0] {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return "", 0, 0, errLegName
		}
	}
	attempt, errA := strconv.Atoi(parts[1])
	index, errN := strconv.Atoi(parts[2])
	if errA != nil || errN != nil || attempt < 1 || index < 0 {
		return "", 0, 0, errLegName
	}
	return parts[0], attempt, index, nil
}

// Breakers lists the destinations whose legs the proxy holds back.
func (c *Client) Breakers(ctx context.Context) ([]Breaker, error) {
	var b []Breaker
	return b, c.document(ctx, PathOutboxHeld, nil, &b)
}

// Leg shows what is known of a leg. That it was looked at is on record.
func (c *Client) Leg(ctx context.Context, name string) (LegDetail, error) {
	var d LegDetail
	return d, c.document(ctx, PathOutboxLeg, url.Values{"leg": {name}}, &d)
}

// LegBody shows the body of a leg.
func (c *Client) LegBody(ctx context.Context, ask LegBodyAsk) (LegBody, error) {
	var b LegBody
	return b, c.post(ctx, PathOutboxBody, ask, &b)
}

// RetryLegs makes legs due.
func (c *Client) RetryLegs(ctx context.Context, r LegRetry) (LegsRetried, error) {
	var n LegsRetried
	return n, c.post(ctx, PathOutboxRetry, r, &n)
}

// DropLeg drops a leg.
func (c *Client) DropLeg(ctx context.Context, d LegDrop) (LegDetail, error) {
	var l LegDetail
	return l, c.post(ctx, PathOutboxDrop, d, &l)
}
