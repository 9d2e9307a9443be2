package keys

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
)

// VaultOptions says where Vault is, who we are to it, and where the keyset is.
// The environment (VAULT_ADDR, VAULT_TOKEN, VAULT_SKIP_VERIFY …) is not read.
type VaultOptions struct {
	Address    string // https://host:port
	TransitKey string // name, in the mount transit; or MOUNT/name
	KVPath     string // MOUNT/path of a KV v2 mount, as in secret/chaperone
	Namespace  string // Enterprise and HCP; empty for none
	CAFile     string // PEM; empty means the system's roots

	// Exactly one of these.
	TokenFile  string
	AppRole    *AppRole
	Kubernetes *Kubernetes

	// AllowCreate makes a keyset where none was ever kept. Without it, a
	// missing keyset is ErrMissing: it may have been deleted by mistake, and
	// whatever was sealed under it would be lost for good.
	AllowCreate bool

	// RefreshEvery is how often the keyset is looked at and the token's life
	// is checked; 5 s if it is zero. A new generation starts to make after
	// three times as long, when every proxy has read it.
	RefreshEvery time.Duration
	// Timeout bounds one call; 10 s if it is zero.
	Timeout time.Duration
	Logger  *slog.Logger // nil for none
}

// AppRole names the files of an AppRole login. They are read at every login, so
// that a secret id can be replaced while the proxy runs.
type AppRole struct {
	RoleIDFile   string
	SecretIDFile string
	Mount        string // "approle" if it is empty
}

// Kubernetes names the role of a Kubernetes login, and the file of the service
// account's token. The file is read at every login: the kubelet replaces it.
type Kubernetes struct {
	Role    string
	JWTFile string // DefaultJWTFile if it is empty
	Mount   string // "kubernetes" if it is empty
}

// DefaultJWTFile is where a pod finds the token of its service account.
const DefaultJWTFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

const (
	defaultRefresh = 5 * time.Second
	defaultTimeout = 10 * time.Second
	idleConns      = 16 // Vault's own default of 3 makes new connections under load
	// rewrapLooks is after how many looks at the keyset Vault is asked whether
	// its Transit key was rotated: every minute with the default interval.
	rewrapLooks = 12
)

// OpenVault logs in, reads the keyset and unwraps it, and from then on keeps the
// token alive and looks for changes of the keyset until the ring is closed.
//
// It tries once and does not wait: ErrUnreachable, ErrSealed and ErrDenied are
// worth trying again later, ErrMissing and the others need somebody to act.
func OpenVault(ctx context.Context, o VaultOptions) (*Ring, error) {
	v, err := newVault(&o)
	if err != nil {
		return nil, err
	}
	ks, err := v.open(ctx, o.AllowCreate)
	if err != nil {
		v.close()
		return nil, err
	}
	r, err := newRing(ks, v, time.Now)
	if err != nil {
		v.close()
		return nil, err
	}
	v.start(r)
	return r, nil
}

// vaultBackend keeps the keyset in KV v2, wrapped by Transit.
type vaultBackend struct {
	client         *api.Client
	transport      *http.Transport
	session        *session
	transit        transit
	kv             *api.KVv2
	mount, path    string
	refresh, delay time.Duration
	log            *slog.Logger
	version        int    // of KV, of what was read or written last
	wrapped        string // what was read or written last
	// shown is when the certificate ends that Vault showed at the last TLS
	// handshake, as Unix time; 0: it showed none.
	shown *atomic.Int64

	// life ends with close, and every call with it.
	life context.Context
	end  context.CancelFunc

	watcher
}

func newVault(o *VaultOptions) (*vaultBackend, error) {
	if err := o.oneLogin(); err != nil {
		return nil, err
	}
	mount, path, ok := strings.Cut(o.KVPath, "/")
	if !ok || mount == "" || path == "" {
		return nil, fmt.Errorf("keys: KV path %q is not MOUNT/path", o.KVPath)
	}
	transitMount, transitKey := "transit", o.TransitKey
	if i := strings.LastIndexByte(o.TransitKey, '/'); i >= 0 {
		transitMount, transitKey = o.TransitKey[:i], o.TransitKey[i+1:]
	}
	if transitMount == "" || transitKey == "" {
		return nil, fmt.Errorf("keys: Transit key %q is not a name", o.TransitKey)
	}
	shown := new(atomic.Int64)
	client, transport, err := newClient(o, shown)
	if err != nil {
		return nil, err
	}
	v := &vaultBackend{
		client: client, transport: transport, transit: transit{client, transitMount, transitKey},
		kv: client.KVv2(mount), mount: mount, path: path,
		refresh: o.RefreshEvery, log: o.Logger, shown: shown,
	}
	if v.refresh <= 0 {
		v.refresh = defaultRefresh
	}
	v.delay = 3 * v.refresh
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if u, err := url.Parse(o.Address); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		v.log.Warn("the connection to Vault is not encrypted", "address", o.Address)
	}
	v.session = &session{client: client, tokenFile: o.TokenFile, appRole: o.AppRole, kubernetes: o.Kubernetes, log: v.log}
	v.life, v.end = context.WithCancel(context.Background())
	return v, nil
}

// oneLogin checks that there is exactly one way to log in.
func (o *VaultOptions) oneLogin() error {
	ways := 0
	for _, given := range []bool{o.TokenFile != "", o.AppRole != nil, o.Kubernetes != nil} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return errors.New("keys: Vault needs one of a token file, an AppRole and a Kubernetes role")
	case o.Kubernetes != nil && o.Kubernetes.Role == "":
		return errors.New("keys: a Kubernetes login needs the name of its role")
	}
	return nil
}

// bound returns ctx, ended also by close. The caller calls stop.
func (v *vaultBackend) bound(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(v.life, cancel)
	return ctx, func() { release(); cancel() }
}

// loopback says that what is sent to a host does not leave this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// newClient makes a client that takes nothing from the environment but the
// proxy variables. It notes when the certificate ends that Vault shows.
func newClient(o *VaultOptions, shown *atomic.Int64) (*api.Client, *http.Transport, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	tlsConfig.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) > 0 {
			shown.Store(state.PeerCertificates[0].NotAfter.Unix())
		}
		return nil
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, nil, fmt.Errorf("keys: CA file: %w", err)
		}
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("keys: no certificate in %s", o.CAFile)
		}
	}
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     tlsConfig,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: idleConns,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: timeout,
	}
	client, err := api.NewClient(&api.Config{
		Address: o.Address,
		HttpClient: &http.Client{
			Transport: transport,
			// The API client follows redirects to the active node by itself.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		// One retry is for a connection that a restarted Vault has closed.
		MaxRetries: 1, MinRetryWait: 50 * time.Millisecond, MaxRetryWait: 250 * time.Millisecond,
		Timeout: timeout,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("keys: Vault client: %w", err)
	}
	client.ClearToken()
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if o.Namespace != "" {
		client.SetNamespace(o.Namespace)
	}
	return client, transport, nil
}

// errNever says that no keyset was ever kept under the path, or that it is gone
// with its whole history.
var errNever = fmt.Errorf("%w: no keyset is kept in Vault", ErrMissing)

func (v *vaultBackend) open(ctx context.Context, allowCreate bool) (*keyset, error) {
	if err := v.session.login(ctx); err != nil {
		return nil, err
	}
	ks, err := v.load(ctx, nil)
	if !errors.Is(err, errNever) || !allowCreate {
		return ks, err
	}
	ks = newKeyset(time.Now())
	err = v.save(ctx, ks) // check-and-set 0: only if there is none
	if err == nil {
		v.log.Info("made a keyset", "kv_path", v.mount+"/"+v.path, "id", ks.ID)
		return ks, nil
	}
	ks.zero()
	if errors.Is(err, ErrConflict) { // another proxy was first: its keyset is ours
		return v.load(ctx, nil)
	}
	return nil, err
}

// The fields in KV. All are strings, because KV hands numbers back as floats
// to some readers.
const (
	fieldFormat   = "format"
	fieldVersion  = "version"
	fieldID       = "id"
	fieldRevision = "revision"
	fieldTransit  = "transit_key"
	fieldKeyset   = "keyset"
)

// stored is what is in KV.
type stored struct {
	id       string
	revision uint64
	wrapped  string
}

// read reads KV and notes the version for the next check-and-set.
func (v *vaultBackend) read(ctx context.Context) (stored, error) {
	at := v.mount + "/" + v.path
	secret, err := v.kv.Get(ctx, v.path)
	switch {
	case errors.Is(err, api.ErrSecretNotFound):
		v.version = 0
		return stored{}, fmt.Errorf("%w at %s", errNever, at)
	case err != nil:
		return stored{}, explain("read "+at, err)
	case secret.Data == nil: // deleted, with its metadata still there
		return stored{}, fmt.Errorf("%w: the keyset at %s was deleted; run: vault kv undelete", ErrMissing, at)
	}
	field := func(name string) string { s, _ := secret.Data[name].(string); return s }
	revision, err := strconv.ParseUint(field(fieldRevision), 10, 64)
	if err != nil || field(fieldFormat) != keysetFormat ||
		field(fieldVersion) != strconv.Itoa(keysetVersion) || field(fieldKeyset) == "" {
		return stored{}, fmt.Errorf("%w: %s is not a %s of version %d", ErrMalformed, at, keysetFormat, keysetVersion)
	}
	if secret.VersionMetadata == nil || secret.VersionMetadata.Version < 1 {
		return stored{}, fmt.Errorf("%w: %s is not of KV version 2", ErrMalformed, at)
	}
	v.version, v.wrapped = secret.VersionMetadata.Version, field(fieldKeyset)
	return stored{id: field(fieldID), revision: revision, wrapped: field(fieldKeyset)}, nil
}

func (v *vaultBackend) load(ctx context.Context, have *keyset) (*keyset, error) {
	ctx, stop := v.bound(ctx)
	defer stop()
	s, err := v.read(ctx)
	if err != nil {
		return nil, err
	}
	if have != nil && s.id == have.ID && s.revision == have.Revision {
		return nil, nil
	}
	plain, err := v.transit.decrypt(ctx, s.wrapped, wrapAD(s.id, s.revision))
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	ks, err := parseKeyset(plain)
	if err != nil {
		return nil, err
	}
	if ks.ID != s.id || ks.Revision != s.revision {
		ks.zero()
		return nil, fmt.Errorf("%w: %s/%s holds another keyset than it says", ErrMalformed, v.mount, v.path)
	}
	return ks, nil
}

func (v *vaultBackend) save(ctx context.Context, next *keyset) error {
	ctx, stop := v.bound(ctx)
	defer stop()
	plain, err := next.marshal()
	if err != nil {
		return err
	}
	defer clear(plain)
	wrapped, err := v.transit.encrypt(ctx, plain, wrapAD(next.ID, next.Revision))
	if err != nil {
		return err
	}
	secret, err := v.kv.Put(ctx, v.path, map[string]any{
		fieldFormat: keysetFormat, fieldVersion: strconv.Itoa(keysetVersion),
		fieldID: next.ID, fieldRevision: strconv.FormatUint(next.Revision, 10),
		fieldTransit: v.transit.String(), fieldKeyset: wrapped,
	}, api.WithCheckAndSet(v.version))
	if err == nil {
		v.version, v.wrapped = secret.VersionMetadata.Version, wrapped
		return nil
	}
	err = explain("write "+v.mount+"/"+v.path, err)
	// The write may have arrived although its answer did not, and the client
	// sends once again: then the second one loses against the first.
	if s, rerr := v.read(ctx); rerr == nil && s.wrapped == wrapped {
		return nil
	}
	return err
}

func (v *vaultBackend) settle() time.Duration { return v.delay }
