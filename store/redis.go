package store

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"
)

// RedisOptions says how to reach Redis.
type RedisOptions struct {
	// Addresses are host:port (or unix:/path for one standalone server): the
	// server, the Sentinels, or some nodes of the Cluster.
	Addresses []string
	Username  string
	// PasswordFile holds the password; read at each new connection, so that it
	// can be changed while running. A line end at its end is not part of it.
	PasswordFile string
	Database     int         // standalone and Sentinel only
	TLS          *tls.Config // nil: none

	Cluster bool
	// SentinelMaster is the name of the master that the Sentinels watch;
	// setting it makes Addresses those of Sentinels.
	SentinelMaster       string
	SentinelUsername     string
	SentinelPasswordFile string

	// DialTimeout bounds a connection's set-up (0: 2 s), Timeout one reply
	// (0: 2 s).
	DialTimeout, Timeout time.Duration
	// AllowUnsafe opens a server without AOF or with another eviction policy
	// than noeviction. For tests: what it acknowledges may be lost.
	AllowUnsafe bool
	Logger      *slog.Logger // nil: none
}

// OpenRedis connects to Redis and checks that it is set up as the contract
// needs it: version 7.0 or later, a master, AOF on, maxmemory-policy
// noeviction. The error is a *SetupError (several are joined) where something
// must be set differently, or wraps ErrUnavailable.
func OpenRedis(ctx context.Context, o RedisOptions) (Driver, error) { return nil, ErrUnavailable }
