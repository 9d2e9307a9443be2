package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chaperone/proxy/admin"
	"chaperone/store"
	"chaperone/vault/keys"
)

// The waits between two tries to reach Vault.
const (
	firstWait = 500 * time.Millisecond
	lastWait  = 15 * time.Second
)

// openRing opens the keyring of a store for a verb that reads what is stored:
// it makes none and waits for nobody. The error is ready to be shown.
func (c *config) openRing(ctx context.Context, log *slog.Logger) (*keys.Ring, error) {
	ring, err := c.tryRing(ctx, false, log)
	if err != nil {
		return nil, ringError("", err)
	}
	return ring, nil
}

// serveRing opens the keyring for a proxy whose store is open already. One is
// made only for a store that has none: to make another beside tokens that
// exist would lose them silently. While Vault is sealed or cannot be reached
// it waits, says so once, and is not ready. The error is ready to be shown, or
// is that of ctx.
func (c *config) serveRing(ctx context.Context, d store.Driver, log *slog.Logger) (*keys.Ring, error) {
	owner, err := keyringOf(ctx, d)
	if err != nil {
		return nil, err
	}
	ring, err := c.tryRing(ctx, owner == "", log)
	if temporary(err) {
		ring, err = c.awaitRing(ctx, owner == "", log, err)
	}
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, ringError(owner, err)
	case owner != "" && ring.ID() != owner:
		id := ring.ID()
		ring.Close()
		return nil, failed("bring the old keyring back: with another one no token can be revealed and nothing stored can be read",
			"the store belongs to keyring %s, and this is keyring %s", owner, id)
	}
	return ring, nil
}

// tryRing opens the keyring once.
func (c *config) tryRing(ctx context.Context, allowCreate bool, log *slog.Logger) (*keys.Ring, error) {
	if c.keys.vault == nil {
		return c.tryLocalRing(ctx, allowCreate)
	}
	o := c.vaultOptions(log)
	o.AllowCreate = allowCreate
	return keys.OpenVault(ctx, o)
}

// vaultOptions is keys.vault of the configuration, which has it.
func (c *config) vaultOptions(log *slog.Logger) keys.VaultOptions {
	v := c.keys.vault
	o := keys.VaultOptions{
		Address: v.address, TransitKey: v.transitKey, KVPath: v.kvPath, Namespace: v.namespace,
		CAFile: v.caFile, TokenFile: v.tokenFile, Logger: log,
	}
	if a := v.appRole; a != nil {
		o.AppRole = &keys.AppRole{RoleIDFile: a.roleIDFile, SecretIDFile: a.secretIDFile, Mount: a.mount}
	}
	if k := v.kubernetes; k != nil {
		o.Kubernetes = &keys.Kubernetes{Role: k.role, JWTFile: k.jwtFile, Mount: k.mount}
	}
	return o
}

func (c *config) tryLocalRing(ctx context.Context, allowCreate bool) (*keys.Ring, error) {
	keyring := filepath.Join(c.data, keys.LocalKeyring)
	if _, err := os.Stat(keyring); !allowCreate && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", keys.ErrMissing, keyring)
	}
	return keys.OpenLocal(ctx, c.localOptions())
}

// localOptions is keys.local of the configuration, over its data folder.
func (c *config) localOptions() keys.LocalOptions {
	o := keys.LocalOptions{Dir: c.data, KeyFile: c.keys.local.keyFile}
	if name := c.keys.local.passphraseFile; name != "" {
		o.Passphrase = func() ([]byte, error) {
			b, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			return bytes.TrimRight(b, "\r\n"), nil
		}
	}
	return o
}

// awaitRing tries again until Vault answers. Meanwhile the admin listener says
// that the proxy lives and is not ready.
func (c *config) awaitRing(ctx context.Context, allowCreate bool, log *slog.Logger, err error) (ring *keys.Ring, _ error) {
	stop, aside := c.standBy(ctx, log)
	if aside != nil {
		return nil, aside
	}
	defer stop()
	said := ""
	for wait := firstWait; temporary(err); wait = min(2*wait, lastWait) {
		if why := oneLine(err.Error()); why != said {
			log.Warn("waiting for Vault; not ready", "why", why)
			said = why
		}
		// Jitter: proxies that start together do not knock together.
		if !sleep(ctx, wait/2+rand.N(wait/2)) {
			return nil, ctx.Err()
		}
		ring, err = c.tryRing(ctx, allowCreate, log)
	}
	if err == nil {
		log.Info("Vault is back; the keyring is open")
	}
	return ring, err
}

// standBy serves the admin listener for a proxy that waits for its keys, until
// stop is called.
func (c *config) standBy(ctx context.Context, log *slog.Logger) (stop func(), err error) {
	secure, err := c.admin.tls.certificates("admin")
	if err != nil {
		return nil, err
	}
	s, err := admin.Listen(admin.Options{
		Address: c.admin.address, Hosts: c.admin.hosts, TLS: secure.TLS(), Logger: log,
		Metrics: admin.NewMetrics(admin.Build{Version: buildVersion(), Revision: buildRevision()}),
		Ready: func(context.Context) admin.Readiness {
			return admin.Readiness{
				Store: admin.Part{OK: true}, Plan: admin.Part{OK: true}, Listener: admin.Part{OK: true},
				Keyring: admin.Part{Detail: "waiting for Vault"},
			}
		},
	})
	if err != nil {
		return nil, startError(err)
	}
	serving, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(serving); err != nil {
			log.Warn("the admin listener failed while waiting for Vault", "error", err)
		}
	}()
	return func() { cancel(); <-ended }, nil
}

// temporary says that it helps to wait.
func temporary(err error) bool {
	return errors.Is(err, keys.ErrUnreachable) || errors.Is(err, keys.ErrSealed)
}

// sleep waits, and reports whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// keyringOf returns the id of the keyring under which the store was filled, ""
// for a new store.
func keyringOf(ctx context.Context, d store.Driver) (string, error) {
	get := []store.Command{{Kind: store.Get, Key: store.MetaKey("keyring")}}
	err := d.Apply(ctx, get)
	if err == nil {
		err = get[0].Err
	}
	if err != nil {
		return "", failed("", "the store cannot be read: %w", err)
	}
	return string(get[0].Prior), nil
}

// ringError says what to do about a keyring that does not open.
func ringError(owner string, err error) error {
	if known := (*failure)(nil); errors.As(err, &known) {
		return err
	}
	message := strings.TrimPrefix(err.Error(), "keys: ")
	hint := ""
	switch {
	case temporary(err):
		hint = "see keys.vault in the configuration, and whether Vault is unsealed"
	case errors.Is(err, keys.ErrMissing) && owner != "":
		hint = "the store was filled under keyring " + owner + ": bring it back, for nothing stored can be read without it"
	case errors.Is(err, keys.ErrMissing):
		hint = "see keys in the configuration: the Transit key and every file that it names must exist"
	case errors.Is(err, keys.ErrDenied):
		hint = "see keys.vault.auth, and the policy of that token or role in Vault"
	case errors.Is(err, keys.ErrWrongKey):
		hint = "see keys in the configuration: is it the passphrase or key with which the keyring was made?"
	case errors.Is(err, keys.ErrPermissions):
		hint = "chmod 600"
	}
	return &failure{code: exitFailed, message: "the keyring does not open: " + message, hint: hint, cause: err}
}
