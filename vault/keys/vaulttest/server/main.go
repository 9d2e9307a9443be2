// Command vault-test-server is HashiCorp Vault, its source unmodified, made
// small enough to build in about a minute: the core with the transit, kv and
// approle backends and the file audit device, over a folder. It is for tests
// only (see README.md).
//
// It prints one line of JSON on standard output once it answers, and ends at
// SIGTERM or when its standard input is closed.
package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/vault"
)

// ready is what is printed once the server answers, and what a later start
// over the same folder reads back.
type ready struct {
	Address   string `json:"address"`
	RootToken string `json:"root_token"`
	UnsealKey string `json:"unseal_key"` // hex
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	data := flag.String("data", "", "folder of the storage; made if missing, kept at the end")
	listen := flag.String("listen", "127.0.0.1:0", "loopback address")
	root := flag.String("root-token", "root", "id of the root token, when the storage is new")
	cert := flag.String("tls-cert", "", "PEM file; plain HTTP without one")
	key := flag.String("tls-key", "", "PEM file")
	sealed := flag.Bool("sealed", false, "stay sealed")
	level := flag.String("log-level", "error", "of standard error")
	flag.Parse()
	if *data == "" {
		return errors.New("-data is required")
	}
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.LevelFromString(*level), Output: os.Stderr})

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	go func() { // the parent's end of the pipe closes when it dies, however it dies
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()

	core, err := newCore(*data, logger)
	if err != nil {
		return err
	}
	state, err := open(ctx, core, filepath.Join(*data, "test-keys.json"), *root, *sealed)
	if err != nil {
		return err
	}

	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	scheme := "http://"
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return err
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
		scheme = "https://"
	}
	state.Address = scheme + l.Addr().String()
	srv := &http.Server{
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
			Core:           core,
			ListenerConfig: &configutil.Listener{Address: l.Addr().String(), TLSDisable: *cert == ""},
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          logger.StandardLogger(nil),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	if err := json.NewEncoder(os.Stdout).Encode(state); err != nil {
		return err
	}

	select {
	case err = <-failed:
	case <-ctx.Done():
		err = srv.Close()
	}
	// The storage is written at every change; there is nothing to flush.
	return errors.Join(err, core.Shutdown())
}

// newCore returns a core over the folder, sealed.
func newCore(data string, logger hclog.Logger) (*vault.Core, error) {
	storage, err := file.NewFileBackend(map[string]string{"path": data}, logger)
	if err != nil {
		return nil, err
	}
	inmem, sink, _, err := configutil.SetupTelemetry(&configutil.SetupTelemetryOpts{
		ServiceName: "vault", DisplayName: "Vault", UserAgent: "vault-test-server",
	})
	if err != nil {
		return nil, err
	}
	_ = inmem
	return vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		StorageType:        "file",
		Logger:             logger,
		DisableMlock:       true,
		DisableCache:       true,
		LogicalBackends:    map[string]logical.Factory{"transit": transit.Factory, "kv": kv.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
		AuditBackends:      map[string]audit.Factory{"file": audit.NewFileBackend},
		BuiltinRegistry:    registry{"transit": consts.PluginTypeSecrets, "kv": consts.PluginTypeSecrets, "approle": consts.PluginTypeCredential},
		MetricSink:         sink,
	})
}

// open initializes a new storage, or reads the keys of an old one, and unseals.
func open(ctx context.Context, core *vault.Core, keysFile, root string, sealed bool) (ready, error) {
	var state ready
	ctx = namespace.RootContext(ctx)
	b, err := os.ReadFile(keysFile)
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &state); err != nil {
			return state, err
		}
		if sealed {
			return state, nil
		}
		return state, unseal(core, state.UnsealKey)
	case !errors.Is(err, os.ErrNotExist):
		return state, err
	}

	initialized, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig:  &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
		RecoveryConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
	})
	if err != nil {
		return state, err
	}
	state = ready{RootToken: root, UnsealKey: hex.EncodeToString(initialized.SecretShares[0])}
	if err := unseal(core, state.UnsealKey); err != nil {
		return state, err
	}
	for _, req := range []*logical.Request{
		{Path: "auth/token/create", Data: map[string]any{"id": root, "policies": []string{"root"}, "no_parent": true, "no_default_policy": true}},
		{Path: "sys/mounts/secret", Data: map[string]any{"type": "kv", "options": map[string]any{"version": "2"}}},
		{Path: "sys/mounts/transit", Data: map[string]any{"type": "transit"}},
	} {
		req.ID, req.Operation, req.ClientToken = "setup", logical.UpdateOperation, initialized.RootToken
		resp, err := core.HandleRequest(ctx, req)
		if err != nil {
			return state, fmt.Errorf("%s: %w", req.Path, err)
		}
		if resp.IsError() {
			return state, fmt.Errorf("%s: %w", req.Path, resp.Error())
		}
	}
	if b, err = json.Marshal(state); err != nil {
		return state, err
	}
	return state, os.WriteFile(keysFile, b, 0o600)
}

func unseal(core *vault.Core, hexKey string) error {
	key, err := hex.DecodeString(hexKey)
	if err != nil {
		return err
	}
	done, err := core.Unseal(key)
	if err == nil && !done {
		err = errors.New("still sealed")
	}
	return err
}

// registry names the built-in plugins, which Vault asks for before it mounts.
type registry map[string]consts.PluginType

func (r registry) Contains(name string, t consts.PluginType) bool {
	have, ok := r[name]
	return ok && (t == have || t == consts.PluginTypeUnknown)
}

func (r registry) Get(name string, t consts.PluginType) (func() (any, error), bool) {
	factories := map[string]logical.Factory{"transit": transit.Factory, "kv": kv.Factory, "approle": approle.Factory}
	return func() (any, error) { return factories[name], nil }, r.Contains(name, t)
}

func (r registry) Keys(t consts.PluginType) []string {
	var names []string
	for name, have := range r {
		if have == t {
			names = append(names, name)
		}
	}
	return names
}

func (r registry) DeprecationStatus(name string, t consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, t)
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
