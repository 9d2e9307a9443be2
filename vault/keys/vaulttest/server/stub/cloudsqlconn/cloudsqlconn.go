// Package cloudsqlconn stands in for a database dialer that the test server
// never calls: it has only the names that Vault's source needs in order to
// compile.
package cloudsqlconn

// Option has no effect.
type Option func()

// DialOption has no effect.
type DialOption func()

// WithIAMAuthN has no effect.
func WithIAMAuthN() Option { return nil }

// WithCredentialsJSON has no effect.
func WithCredentialsJSON([]byte) Option { return nil }

// WithDefaultDialOptions has no effect.
func WithDefaultDialOptions(...DialOption) Option { return nil }

// WithPrivateIP has no effect.
func WithPrivateIP() DialOption { return nil }

// WithPSC has no effect.
func WithPSC() DialOption { return nil }
