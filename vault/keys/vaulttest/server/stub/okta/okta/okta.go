// Package okta stands in for a multi-factor provider that the test server
// never calls: it has only the names that Vault's source needs in order to
// compile.
package okta

import (
	"context"
	"errors"
)

// Configuration is never made.
type Configuration struct{ Context context.Context }

// ConfigSetter has no effect.
type ConfigSetter func(*Configuration)

// NewConfiguration always fails.
func NewConfiguration(...ConfigSetter) (*Configuration, error) {
	return nil, errors.New("okta is not part of this build")
}

// WithToken has no effect.
func WithToken(string) ConfigSetter { return nil }

// WithOrgUrl has no effect.
func WithOrgUrl(string) ConfigSetter { return nil }

// WithCache has no effect.
func WithCache(bool) ConfigSetter { return nil }

type request[T any] struct{}

func (r request[T]) Filter(string) request[T] { return r }

func (request[T]) Execute() (t T, response any, err error) {
	return t, nil, errors.New("okta is not part of this build")
}

// Identified is a user or a factor.
type Identified struct{}

// GetId returns nothing.
func (Identified) GetId() string { return "" }

// UserFactorPush is a push factor.
type UserFactorPush = Identified

// Factor is one factor of a user.
type Factor struct{ UserFactorPush *UserFactorPush }

// Verification is the answer of a verification.
type Verification struct{ Links map[string]any }

// GetFactorResult returns nothing.
func (Verification) GetFactorResult() string { return "" }

// Transaction is the state of a verification.
type Transaction struct {
	UserFactorPushTransaction, UserFactorPushTransactionWaiting         *Identified
	UserFactorPushTransactionRejected, UserFactorPushTransactionTimeout *Identified
}

// UserAPI lists users.
type UserAPI struct{}

// ListUsers lists nobody.
func (UserAPI) ListUsers(context.Context) (r request[[]Identified]) { return r }

// UserFactorAPI lists and verifies factors.
type UserFactorAPI struct{}

// ListFactors lists nothing.
func (UserFactorAPI) ListFactors(context.Context, string) (r request[[]Factor]) { return r }

// VerifyFactor verifies nothing.
func (UserFactorAPI) VerifyFactor(context.Context, string, string) (r request[Verification]) {
	return r
}

// GetFactorTransactionStatus knows nothing.
func (UserFactorAPI) GetFactorTransactionStatus(context.Context, string, string, string) (r request[Transaction]) {
	return r
}

// APIClient reaches nobody.
type APIClient struct {
	UserAPI       UserAPI
	UserFactorAPI UserFactorAPI
}

// NewAPIClient returns a client that reaches nobody.
func NewAPIClient(*Configuration) *APIClient { return &APIClient{} }

// GetConfig returns an empty configuration.
func (*APIClient) GetConfig() *Configuration { return &Configuration{} }
