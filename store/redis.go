package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
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
	SentinelPasswordFile string // read once

	// DialTimeout bounds a connection's set-up, Timeout a batch's way out and
	// its way back; 0 means 3 s. Callers do not wait that long: see Deadline of
	// CommitterOptions.
	DialTimeout, Timeout time.Duration
	// Replicated has a write acknowledged only when at least one replica of
	// each shard that was written to has it, which is waited for at most
	// ReplicaTimeout long; 0 means 1 s, or half of Timeout where that is less.
	Replicated     bool
	ReplicaTimeout time.Duration
	// AllowUnsafe opens a server without AOF or with another eviction policy
	// than noeviction. For tests: what it acknowledges may be lost.
	AllowUnsafe bool
	Logger      *slog.Logger // nil: none

	dial func(ctx context.Context, network, addr string) (net.Conn, error) // nil: go-redis's own
}

// go-redis writes what it retries to stderr by itself; the committer logs it
// once, when it matters.
var quiet sync.Once

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

const (
	defaultTimeout = 3 * time.Second
	// clusterLanes spread the queues over a Cluster's nodes. The number is part
	// of the layout: proxies that share a Cluster must agree on it.
	clusterLanes = 16
	// sideConns bounds the connections beside the committer's.
	sideConns = 16
)

// redisDriver keeps the state in Redis.
type redisDriver struct {
	o RedisOptions
	// side carries all but the committer's batches, so that a large body or a
	// slow read never stands before them.
	side  redis.UniversalClient
	lanes int
	// openFor is how long a claim is in a list alone.
	openFor time.Duration

	keysMu sync.RWMutex
	keys   map[laneKey]string // the names of queues

	shown *shownCertificates // nil: no TLS
	// endWatch ends the look at certificates, which watching waits for.
	endWatch context.CancelFunc
	watching sync.WaitGroup

	mu     sync.Mutex
	closed bool
	// chains is what is known of the logs that this driver writes.
	chains map[string]chainState
	// log is the name of the log that was written last.
	log struct{ chain, key string }
	// open are the lists of the chains that this driver writes.
	open map[string]*openLists
	// line carries the committer's batches and nothing else, to the masters of
	// a generation; see redis_masters.go.
	line       carrier
	generation string
	masterIDs  map[string]bool
	early      early // by whoever writes batches; not under mu
}

// OpenRedis connects to Redis and checks that it is set up as the contract
// needs it: version 7.0 or later, a master, AOF on, maxmemory-policy
// noeviction. The error is a *SetupError (several are joined) where something
// must be set differently, or wraps ErrUnavailable.
func OpenRedis(ctx context.Context, o RedisOptions) (Driver, error) {
	if len(o.Addresses) == 0 {
		return nil, errors.New("store: no Redis address")
	}
	if o.Cluster && o.SentinelMaster != "" {
		return nil, errors.New("store: Redis is either a Cluster or watched by Sentinels, not both")
	}
	if len(o.Addresses) > 1 && !o.Cluster && o.SentinelMaster == "" {
		return nil, errors.New("store: several Redis addresses, but neither a Cluster nor Sentinels")
	}
	quiet.Do(func() { redis.SetLogger(silent{}) })
	d := &redisDriver{lanes: 1, openFor: openFor, chains: make(map[string]chainState), open: make(map[string]*openLists), keys: make(map[laneKey]string)}
	if o.TLS != nil {
		d.shown = newShown(o.TLS, orDuration(o.DialTimeout, defaultTimeout))
		o.dial = d.shown.dial
		d.watchCertificates(lookAtCertificates)
	}
	uo, err := o.universal()
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.o = o
	if o.Cluster {
		d.lanes = clusterLanes
	}
	d.side = redis.NewUniversalClient(uo)
	d.waiting(d.side)
	if _, err := d.Check(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	generation, err := d.Generation(ctx)
	if err == nil {
		err = d.adopt(generation)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := d.loadScripts(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// watchCertificates looks at the servers' certificates every so often, until the
// driver is closed.
func (d *redisDriver) watchCertificates(every time.Duration) {
	if d.endWatch != nil {
		d.endWatch()
		d.watching.Wait()
	}
	var ctx context.Context
	ctx, d.endWatch = context.WithCancel(context.Background())
	d.watching.Go(func() { d.shown.watch(ctx, every) })
}

// universal translates the options into go-redis's.
func (o *RedisOptions) universal() (*redis.UniversalOptions, error) {
	u := &redis.UniversalOptions{
		// go-redis appends to its list of nodes, under a lock of the client's.
		Addrs:    slices.Clone(o.Addresses),
		Username: o.Username,
		DB:       o.Database,
		Protocol: 2, // no push messages to look for before each reply
		// The committer sends again, byte for byte and in order. A client that
		// did so on its own would hide how long a store has been away.
		MaxRetries:               -1,
		DialerRetries:            1,
		MaxRedirects:             3, // slots that move
		DialTimeout:              orDuration(o.DialTimeout, defaultTimeout),
		ReadTimeout:              orDuration(o.Timeout, defaultTimeout),
		WriteTimeout:             orDuration(o.Timeout, defaultTimeout),
		ContextTimeoutEnabled:    true,
		PoolSize:                 sideConns,
		PipelinePoolSize:         sideConns,
		TLSConfig:                o.TLS,
		Dialer:                   o.dial,
		MasterName:               o.SentinelMaster,
		IsClusterMode:            o.Cluster,
		SentinelUsername:         o.SentinelUsername,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if path, ok := strings.CutPrefix(o.Addresses[0], "unix:"); ok {
		u.Addrs = []string{path}
		u.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: u.DialTimeout}).DialContext(ctx, "unix", path)
		}
	}
	if o.PasswordFile != "" {
		if _, err := readPassword(o.PasswordFile); err != nil {
			return nil, err
		}
		u.CredentialsProviderContext = func(context.Context) (string, string, error) {
			password, err := readPassword(o.PasswordFile)
			return o.Username, password, err
		}
	}
	if o.SentinelPasswordFile != "" {
		password, err := readPassword(o.SentinelPasswordFile)
		if err != nil {
			return nil, err
		}
		u.SentinelPassword = password
	}
	return u, nil
}

// readPassword reads a password file; one line end at the end is not part of
// the password.
func readPassword(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("store: password file: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if password == "" {
		return "", fmt.Errorf("store: password file %s is empty", path)
	}
	return password, nil
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Close releases the connections.
func (d *redisDriver) Close() error {
	d.mu.Lock()
	closed, line := d.closed, d.line
	d.closed = true
	d.mu.Unlock()
	if closed {
		return nil
	}
	if d.endWatch != nil {
		d.endWatch()
		d.watching.Wait()
	}
	switch {
	case d.side == nil: // it was not opened
		return nil
	case line == nil:
		return d.side.Close()
	}
	return errors.Join(line.close(), d.side.Close())
}
