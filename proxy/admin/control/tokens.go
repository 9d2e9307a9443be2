package control

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// The paths of tokens. PathTokens is GET for a list and POST to make one, the
// others are POST with a JSON body. The admin listener serves the same paths
// and documents to callers that have the right; there a scope is the caller's
// own, and cannot be asked for.
const (
	PathTokens        = "/v1/tokens"         // ?scope=&cursor=&max= → TokenPage; TokenMake → Token
	PathTokensBatch   = "/v1/tokens/batch"   // TokenBatch → TokensMade
	PathTokensReveal  = "/v1/tokens/reveal"  // TokenReveal → TokenValue
	PathTokensRevoke  = "/v1/tokens/revoke"  // TokenRevoke → TokenRevoked
	PathTokensRebuild = "/v1/tokens/rebuild" // TokenRebuild → TokensRebuilt; the socket alone
)

// MaxBatch bounds the values of one batch.
const MaxBatch = 1000

// TokenMake asks for the token of a value.
type TokenMake struct {
	Label  string `json:"label"`
	Value  string `json:"value"`
	Scope  string `json:"scope,omitempty"`
	Reason string `json:"reason"` // on record
}

// TokenBatch asks for the tokens of many values of one label.
type TokenBatch struct {
	Label  string   `json:"label"`
	Values []string `json:"values"`
	Scope  string   `json:"scope,omitempty"`
	Reason string   `json:"reason"`
}

// Token is a token that was made. ID is its keyed hash: the name by which logs
// and lists speak of it.
type Token struct {
	Token  string `json:"token"`
	Format string `json:"format"`
	ID     string `json:"id"`
}

// TokensMade are the tokens of a batch, in the order of its values.
type TokensMade struct {
	Tokens []Token `json:"tokens"`
}

// TokenReveal asks for the value behind a token.
type TokenReveal struct {
	Token  string `json:"token"`
	Scope  string `json:"scope,omitempty"`
	Reason string `json:"reason"`
}

// TokenValue is what a token stands for.
type TokenValue struct {
	Value string `json:"value"`
	Label string `json:"label"`
	ID    string `json:"id"`
}

// TokenRevoke asks that a token, or the one of an ID, is never revealed again.
type TokenRevoke struct {
	Token  string `json:"token,omitempty"`
	ID     string `json:"id,omitempty"`
	Scope  string `json:"scope,omitempty"`
	Reason string `json:"reason"`
}

// TokenRevoked says what came of it.
type TokenRevoked struct {
	ID     string `json:"id"`
	Format string `json:"format"`
	// Erased says that a stored value was deleted, and Scrubbed that no file of
	// the store holds it any more. Note says what is left to do.
	Erased   bool   `json:"erased"`
	Scrubbed bool   `json:"scrubbed"`
	Note     string `json:"note,omitempty"`
}

// TokenInfo is what a list says of a token: never the token or its value.
type TokenInfo struct {
	ID      string    `json:"id"`
	Scope   string    `json:"scope"`
	Label   string    `json:"label,omitempty"` // empty: the store does not say
	Format  string    `json:"format,omitempty"`
	State   string    `json:"state"` // live, expired or revoked
	Last4   string    `json:"last4,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// TokenPage is a page of a list, in no order. An empty Next says that it is the
// last.
type TokenPage struct {
	Tokens []TokenInfo `json:"tokens"`
	Next   string      `json:"next,omitempty"`
}

// TokenRebuild asks that the index of known tokens is made again from the log.
type TokenRebuild struct {
	Reason  string   `json:"reason"`
	Archive []string `json:"archive,omitempty"` // folders of segments that are read, too
}

// TokensRebuilt says what was found in the log.
type TokensRebuilt struct {
	Entries    int `json:"entries"`    // read
	Tokens     int `json:"tokens"`     // card tokens in them
	Restored   int `json:"restored"`   // of these, missing in the index
	Revoked    int `json:"revoked"`    // tokens of any format that were revoked
	Unreadable int `json:"unreadable"` // entries that do not open
	Unread     int `json:"unread"`     // entries that were archived to a folder that was not named, or are missing
}

// MakeToken makes a token.
func (c *Client) MakeToken(ctx context.Context, m TokenMake) (Token, error) {
	var t Token
	return t, c.post(ctx, PathTokens, m, &t)
}

// RevealToken turns a token back.
func (c *Client) RevealToken(ctx context.Context, r TokenReveal) (TokenValue, error) {
	var v TokenValue
	return v, c.post(ctx, PathTokensReveal, r, &v)
}

// RevokeToken revokes a token. It returns when the store's files are clean.
func (c *Client) RevokeToken(ctx context.Context, r TokenRevoke) (TokenRevoked, error) {
	var v TokenRevoked
	return v, c.post(ctx, PathTokensRevoke, r, &v)
}

// ListTokens reads a page of the tokens of a scope.
func (c *Client) ListTokens(ctx context.Context, scope, cursor string, max int) (TokenPage, error) {
	var p TokenPage
	q := url.Values{"scope": {scope}, "cursor": {cursor}, "max": {strconv.Itoa(max)}}
	return p, c.document(ctx, PathTokens, q, &p)
}

// RebuildTokens makes the index of known tokens again.
func (c *Client) RebuildTokens(ctx context.Context, r TokenRebuild) (TokensRebuilt, error) {
	var v TokensRebuilt
	return v, c.post(ctx, PathTokensRebuild, r, &v)
}
