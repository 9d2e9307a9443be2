// Package pgxv4 stands in for a database driver that the test server never calls.
package pgxv4

import (
	"errors"

	"cloud.google.com/go/cloudsqlconn"
)

// RegisterDriver always fails.
func RegisterDriver(string, ...cloudsqlconn.Option) (func() error, error) {
	return nil, errors.New("cloud SQL is not part of this build")
}
