package main

import (
	"fmt"
	"log/slog"
	"net"
	"time"

	"chaperone/rules"

	"github.com/spf13/cobra"
)

// config is chaperone.yaml: where the policy, the state and the keys are, and
// on which addresses the proxy listens. Relative paths in the file are
// relative to the file; here they are resolved.
type config struct {
	file  string // as it was named
	rules string

	listen listenConfig
	admin  adminConfig
	data   string // folder of the embedded store, the journal, the local keyring and the control socket
	state  stateConfig
	keys   keysConfig
	limits limitsConfig
	log    logConfig
}

type listenConfig struct {
	address  string
	position rules.Position // of the address
	hosts    []string       // accepted in Host besides the address itself
	tls      *tlsConfig     // nil: plain HTTP
}

// tlsConfig names the files of a listener's certificates. clientCA is empty where
// callers are not asked for theirs.
type tlsConfig struct{ cert, key, clientCA string }

type adminConfig struct {
	address string
	hosts   []string
	tls     *tlsConfig // nil: plain HTTP
}

// stateConfig says where claims, queues and the log are kept.
type stateConfig struct {
	redis *redisConfig // nil: the embedded store in the data folder
	// What becomes of requests while Redis is away, and how many bytes of them
	// are recorded on local disk.
	outage rules.OnOutage
	spool  int64
}

type redisConfig struct {
	addresses    []string
	username     string
	passwordFile string
	tls          bool
	caFile       string
	cluster      bool
	replicated   bool // durability: replica

	sentinel                               string // the master's name; empty: no Sentinel
	sentinelUsername, sentinelPasswordFile string
}

// keysConfig says what wraps the keyring: Vault, or a local file.
type keysConfig struct {
	vault *vaultConfig // nil: the local keyring in the data folder
	local localKeysConfig
	// cryptoperiod is how long a generation is meant to make (PCI DSS 3.7.4).
	// keys list shows what is left of it; nothing stops when it is over.
	cryptoperiod time.Duration
}

// localKeysConfig names at most one of the two; without either, a key file
// beside the keyring is made on first use.
type localKeysConfig struct{ passphraseFile, keyFile string }

type vaultConfig struct {
	address, transitKey, kvPath, namespace, caFile string

	// Exactly one of these. Mounts are empty for Vault's own names.
	tokenFile  string
	appRole    *appRoleConfig
	kubernetes *kubernetesConfig
}

type appRoleConfig struct{ roleIDFile, secretIDFile, mount string }

// kubernetesConfig names a role; jwtFile is empty for the service account's.
type kubernetesConfig struct{ role, jwtFile, mount string }

type limitsConfig struct {
	body            int // bytes
	memory          int // bytes
	depth           int
	readTimeout     time.Duration
	upstreamTimeout time.Duration
	drainTimeout    time.Duration
}

type logConfig struct {
	level string // debug, info, warn, error
	json  bool
}

// slogLevel returns the level that the file names.
func (c logConfig) slogLevel() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.level)); err != nil {
		return slog.LevelInfo // the words of the file are slog's own
	}
	return level
}

// loopback reports whether an address can be reached from this machine alone.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// openConfig loads a configuration for a verb that needs one. Diagnostics are
// printed; with a mistake among them there is no configuration.
func (a *app) openConfig(file string) (*config, error) {
	cfg, ds := loadConfig(file)
	writeDiagnostics(a.err, ds)
	if ds.HasErrors() {
		return nil, configError(ds, file)
	}
	return cfg, nil
}

// configError is the error of a verb that cannot go on after diagnostics that
// have been printed.
func configError(ds rules.Diagnostics, file string) error {
	errors, _ := count(ds)
	return failed(fmt.Sprintf("`chaperone check %s` says the same, and starts nothing", file),
		"%s in the configuration", plural(errors, "mistake"))
}

// configFlag gives a verb its --config.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "chaperone.yaml", "the configuration `FILE`")
	// MarkFlagFilename fails only for a flag that is not there.
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}
