package main

import (
	"time"

	"chaperone/rules"
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
	address string
	hosts   []string   // accepted in Host besides the address itself
	tls     *tlsConfig // nil: plain HTTP
}

type tlsConfig struct{ cert, key, clientCA string }

type adminConfig struct {
	address string
	hosts   []string
}

// stateConfig says where claims, queues and the log are kept.
type stateConfig struct {
	redis *redisConfig // nil: the embedded store in the data folder
}

type redisConfig struct {
	addresses    []string
	username     string
	passwordFile string
	tls          bool
	caFile       string
	sentinel     string // the master's name; empty: no Sentinel
	cluster      bool
}

// keysConfig says what wraps the keyring: Vault, or a local file.
type keysConfig struct {
	vault *vaultConfig // nil: the local keyring in the data folder
	local localKeysConfig
}

// localKeysConfig names at most one of the two; without either, a key file
// beside the keyring is made on first use.
type localKeysConfig struct{ passphraseFile, keyFile string }

type vaultConfig struct {
	address, transitKey, kvPath, namespace, caFile string

	// Either tokenFile, or both of AppRole's.
	tokenFile, roleIDFile, secretIDFile string
}

type limitsConfig struct {
	body            int // bytes
	depth           int
	readTimeout     time.Duration
	upstreamTimeout time.Duration
	drainTimeout    time.Duration
}

type logConfig struct {
	level string // debug, info, warn, error
	json  bool
}

// diagnosticsError turns diagnostics, which the caller has printed, into the
// error of a verb that cannot go on.
func diagnosticsError(ds rules.Diagnostics, file string) error {
	errors, _ := count(ds)
	return failed("`chaperone check "+file+"` says the same, and starts nothing", "%s in the configuration", plural(errors, "mistake"))
}
