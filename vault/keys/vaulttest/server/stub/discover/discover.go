// Package discover stands in for cloud auto-join, which the test server never
// calls: it has only the names that Vault's source needs in order to compile.
package discover

import (
	"errors"
	"log"
)

// Provider finds addresses.
type Provider interface {
	Addrs(args map[string]string, l *log.Logger) ([]string, error)
	Help() string
}

// Providers is empty.
var Providers = map[string]Provider{}

// Config is a parsed auto-join string.
type Config map[string]string

// String returns nothing.
func (Config) String() string { return "" }

// Parse always fails.
func Parse(string) (Config, error) { return nil, errors.New("auto-join is not part of this build") }

// Discover finds nothing.
type Discover struct{}

// Option is never applied.
type Option func(*Discover) error

// WithProviders has no effect.
func WithProviders(map[string]Provider) Option { return nil }

// New returns a Discover that finds nothing.
func New(...Option) (*Discover, error) { return &Discover{}, nil }

// Addrs always fails.
func (*Discover) Addrs(string, *log.Logger) ([]string, error) {
	return nil, errors.New("auto-join is not part of this build")
}
