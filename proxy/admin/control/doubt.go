package control

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// PathResolve ends a sale in doubt: POST, Resolve → Resolved.
const PathResolve = "/v1/doubts/resolve"

// Resolve is an operator's word on a sale in doubt, or on one that is pending:
// he has asked the party that was to be charged.
type Resolve struct {
	Sale    string `json:"sale"` // KEY or KEY/ATTEMPT; the key may be its beginning
	Charged bool   `json:"charged"`
	Reason  string `json:"reason"` // on record
}

// Resolved says what came of it.
type Resolved struct {
	Key     string `json:"key"`
	Attempt int    `json:"attempt"`
	Request string `json:"request"`
	Route   string `json:"route"`
	Outcome string `json:"outcome"` // released or void
	Legs    int    `json:"legs"`    // that are sent, or dropped
}

// SaleName is how an attempt is called: KEY/ATTEMPT.
func SaleName(key string, attempt int) string { return fmt.Sprintf("%s/%d", key, attempt) }

var errSaleName = errors.New("a sale is named KEY or KEY/ATTEMPT, as `chaperone outbox doubts` prints it")

// ParseSaleName is the inverse of SaleName. The key may be the beginning of
// one, of six letters at least; attempt is 0 where the name has none.
func ParseSaleName(name string) (key string, attempt int, err error) {
	key, number, named := strings.Cut(name, "/")
	if !named {
		number = "1"
	}
	_, attempt, _, err = ParseLegName(key + "/" + number + "/0")
	switch {
	case err != nil, strconv.Itoa(attempt) != number:
		return "", 0, errSaleName
	case !named:
		return key, 0, nil
	}
	return key, attempt, nil
}

// ResolveDoubt ends a sale in doubt.
func (c *Client) ResolveDoubt(ctx context.Context, r Resolve) (Resolved, error) {
	var d Resolved
	return d, c.post(ctx, PathResolve, r, &d)
}
