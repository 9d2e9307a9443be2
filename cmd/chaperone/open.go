package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"chaperone/store"
)

// storeFile is the embedded store in the data folder.
func (c *config) storeFile() string { return filepath.Join(c.data, "store.db") }

// journalFile is where the committer keeps what must not be lost while the
// store is away.
func (c *config) journalFile() string { return filepath.Join(c.data, "journal") }

// makeData makes the data folder, which only its owner may enter.
func (c *config) makeData() error {
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return failed("", "the data folder cannot be made: %w", err)
	}
	return nil
}

// openDriver opens the store that the configuration names. The error is ready
// to be shown.
func (c *config) openDriver(ctx context.Context, log *slog.Logger) (store.Driver, error) {
	if c.state.redis != nil {
		return c.openRedis(ctx, log)
	}
	if err := c.makeData(); err != nil {
		return nil, err
	}
	d, err := store.OpenFile(c.storeFile(), store.FileOptions{})
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, failed("a chaperone is running on it: stop that one, or give this one another data folder",
			"the data folder %s is in use by another process", c.data)
	case err != nil:
		return nil, failed("", "the store %s cannot be opened: %w", c.storeFile(), err)
	}
	return d, nil
}

func (c *config) openRedis(ctx context.Context, log *slog.Logger) (store.Driver, error) {
	r := c.state.redis
	for _, name := range []string{r.passwordFile, r.sentinelPasswordFile} {
		if err := readable(name); err != nil {
			return nil, failed("see state.redis.password_file in the configuration", "the Redis password file cannot be read: %w", err)
		}
	}
	o := store.RedisOptions{
		Addresses: r.addresses, Username: r.username, PasswordFile: r.passwordFile,
		Cluster: r.cluster, SentinelMaster: r.sentinel, Replicated: r.replicated,
		SentinelUsername: r.sentinelUsername, SentinelPasswordFile: r.sentinelPasswordFile,
		Logger: log,
	}
	if r.tls {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if r.caFile != "" {
			pool, err := readCAs(r.caFile)
			if err != nil {
				return nil, failed("", "state.redis.tls.ca_file: %w", err)
			}
			o.TLS.RootCAs = pool
		}
	}
	d, err := store.OpenRedis(ctx, o)
	if err != nil {
		return nil, redisError(r, err)
	}
	return d, nil
}

// redisError says which Redis it is, and what to do.
func redisError(r *redisConfig, err error) error {
	message := strings.ReplaceAll(strings.ReplaceAll(err.Error(), "store: ", ""), "\n", "; ")
	if setup := (*store.SetupError)(nil); errors.As(err, &setup) {
		return &failure{code: exitFailed, message: message, hint: setup.Hint, cause: err}
	}
	return &failure{
		code: exitFailed, message: fmt.Sprintf("Redis at %s: %s", joined(r.addresses), message),
		hint: "is Redis running there? see state.redis in the configuration", cause: err,
	}
}

// readable reports why a file that a secret is read from later cannot be
// opened now; nil for no name.
func readable(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return f.Close()
}

// readCAs reads certificates from a PEM file.
func readCAs(name string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", name)
	}
	return pool, nil
}
