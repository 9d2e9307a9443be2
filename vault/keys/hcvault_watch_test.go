package keys

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/vault/keys/vaulttest"
)

// works holds a ring to go on working from memory.
func works(t *testing.T, r *Ring) {
	t.Helper()
	if got, err := r.Open(nil, r.Seal(nil, []byte("x"), nil), nil); err != nil || string(got) != "x" {
		t.Errorf("the keys in memory do not work: %q, %v", got, err)
	}
}

// TestVaultAway seals, stops and restarts Vault under a running ring: it goes
// on, says so, and is well again by itself.
func TestVaultAway(t *testing.T) {
	s := vaultServer(t)
	o := vaultOptions(t, s)
	log := new(logBuffer)
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	r := mustOpenVault(t, o)
	well := func() bool { st := r.Status(t.Context()); return st.Reachable && st.LastError == "" }
	ill := func(word string, sealed bool) func() bool {
		return func() bool {
			st := r.Status(t.Context())
			return !st.Reachable && st.LastError == word && st.Sealed == sealed
		}
	}
	eventually(t, "well at first", well)
	s.Seal(t)
	eventually(t, "sealed is seen", ill("sealed", true))
	works(t, r)
	if _, err := r.Rotate(t.Context(), UseStore); !errors.Is(err, ErrSealed) {
		t.Errorf("rotate while sealed: %v", err)
	}
	s.Unseal(t)
	eventually(t, "well after the unseal", well)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stop is seen", ill("unreachable", false))
	works(t, r)
	s.Restart(t, true)
	eventually(t, "the sealed restart is seen", ill("sealed", true))
	s.Unseal(t)
	eventually(t, "well after the restart", well)

	if err := s.Client(t).KVv2("secret").DeleteMetadata(t.Context(), "chaperone"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the loss of the keyset is seen", ill("missing", false))
	works(t, r)
	s.WritePolicy(t, "chaperone", `path "nothing" { capabilities = ["read"] }`)
	eventually(t, "the denial is seen", ill("denied", false))
	works(t, r)
	if st := r.Status(t.Context()); st.RefreshedAt.IsZero() || !st.RefreshedAt.Before(st.CheckedAt) {
		t.Errorf("the last good look was at %v, the last look at %v", st.RefreshedAt, st.CheckedAt)
	}

	// A line for each change, and not for each look.
	text, before := log.String(), ""
	for _, want := range []string{"reason=sealed", "reason=unreachable", "reason=missing", "reason=denied", `msg="Vault is back"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no line with %s in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "wrapped with the new version") {
			continue // the look at Transit's key met the same fault
		}
		_, after, _ := strings.Cut(line, "reason=")
		reason, _, _ := strings.Cut(after, " ")
		if reason != "" && reason == before {
			t.Errorf("said twice: %s", line)
		}
		before = reason
	}
}

// logBuffer takes the lines of a log that several goroutines write.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestVaultRotation rotates on one proxy: the other can open what the new
// generation makes before anybody makes anything with it.
func TestVaultRotation(t *testing.T) {
	s := vaultServer(t)
	o := vaultOptions(t, s)
	one, two := mustOpenVault(t, o), mustOpenVault(t, o)
	old := one.Seal(nil, []byte("x"), nil)
	info, err := one.Rotate(t.Context(), UseStore)
	if err != nil || info.Generation != 2 {
		t.Fatalf("%+v, %v", info, err)
	}
	eventually(t, "the other proxy has it", func() bool { return two.Status(t.Context()).Revision == 2 })
	for _, r := range []*Ring{one, two} {
		eventually(t, "the new generation makes", func() bool { return r.Seal(nil, nil, nil)[1] == 2 })
		if got, err := r.Open(nil, old, nil); err != nil || string(got) != "x" {
			t.Errorf("%q, %v", got, err)
		}
	}
	sealed := one.Seal(nil, []byte("y"), nil)
	if got, err := two.Open(nil, sealed, nil); err != nil || string(got) != "y" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestVaultConflict lets two proxies rotate at once: check-and-set lets each
// generation be made once.
func TestVaultConflict(t *testing.T) {
	s := vaultServer(t)
	o := vaultOptions(t, s)
	o.RefreshEvery = time.Hour // nobody learns anything but by conflict
	rings := []*Ring{mustOpenVault(t, o), mustOpenVault(t, o), mustOpenVault(t, o)}
	type result struct {
		generation int
		err        error
	}
	results := make(chan result)
	for _, r := range rings {
		go func() {
			info, err := r.Rotate(context.Background(), UseSealed)
			results <- result{info.Generation, err}
		}()
	}
	made := map[int]bool{}
	for range rings {
		got := <-results
		switch {
		case errors.Is(got.err, ErrConflict):
		case got.err != nil:
			t.Error(got.err)
		case made[got.generation]:
			t.Errorf("generation %d was made twice", got.generation)
		default:
			made[got.generation] = true
		}
	}
	if len(made) == 0 {
		t.Error("nobody won")
	}
	for _, r := range rings {
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.Status(t.Context()).Revision; got != uint64(1+len(made)) {
			t.Errorf("revision %d after %d rotations", got, len(made))
		}
	}
}

// TestVaultRenewal uses tokens that live for a few seconds: they are renewed,
// and where their end cannot be put off, there is a new login.
func TestVaultRenewal(t *testing.T) {
	s := vaultServer(t)
	for name, options := range map[string]map[string]any{
		"renewed":       {"token_ttl": "5s", "token_max_ttl": "1h"},
		"renewed, ends": {"token_ttl": "5s", "token_max_ttl": "8s"},
		"batch":         {"token_ttl": "5s", "token_type": "batch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			role := s.EnableAppRole(t, strings.ReplaceAll(name, ", ", "-"), []string{"chaperone"}, options)
			o := vaultOptions(t, s)
			o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
			o.TokenFile, o.AppRole = "", &AppRole{RoleIDFile: role.RoleIDFile, SecretIDFile: role.SecretIDFile}
			r := mustOpenVault(t, o)
			first := r.Status(t.Context()).TokenExpires
			if first.IsZero() {
				t.Fatal("the token does not expire")
			}
			// Well past its first end, and past its maximum.
			eventually(t, "the token outlives its first life twice", func() bool {
				st := r.Status(t.Context())
				if !st.Reachable {
					t.Fatalf("%+v", st)
				}
				return st.TokenExpires.After(first.Add(10 * time.Second))
			})
		})
	}
}

// TestVaultToken changes the token under a running ring.
func TestVaultToken(t *testing.T) {
	s := vaultServer(t)
	client := s.Client(t)
	o := vaultOptions(t, s)
	r := mustOpenVault(t, o)
	well := func() bool { return r.Status(t.Context()).Reachable }
	token, err := os.ReadFile(o.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Auth().Token().RevokeTree(strings.TrimSpace(string(token))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revoked token is seen", func() bool { return r.Status(t.Context()).LastError == "denied" })
	works(t, r)
	if token, err = os.ReadFile(s.TokenFile(t, []string{"chaperone"}, nil)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.TokenFile, token, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new token is taken up", well)

	role := s.EnableAppRole(t, "proxy", []string{"chaperone"}, map[string]any{"token_num_uses": 5})
	o.TokenFile, o.AppRole = "", &AppRole{RoleIDFile: role.RoleIDFile, SecretIDFile: role.SecretIDFile}
	used := mustOpenVault(t, o)
	before := used.Status(t.Context()).CheckedAt
	eventually(t, "logged in again, as often as needed", func() bool {
		st := used.Status(t.Context())
		if !st.Reachable {
			t.Fatalf("%+v", st)
		}
		return st.CheckedAt.After(before.Add(20 * tick))
	})
	role.RevokeSecretID(t)
	eventually(t, "the revoked secret id is seen", func() bool { return used.Status(t.Context()).LastError == "denied" })
	role.NewSecretID(t)
	eventually(t, "the new secret id is taken up", func() bool { return used.Status(t.Context()).Reachable })
}

// between is a proxy in front of Vault that can lose an answer.
type between struct {
	*httputil.ReverseProxy
	lose atomic.Bool // the answers of KV writes, after Vault has done them
	lost atomic.Int32
}

func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	write := r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/secret/data/")
	if !write || !b.lose.Load() {
		b.ReverseProxy.ServeHTTP(w, r)
		return
	}
	b.ReverseProxy.ServeHTTP(discard{}, r)
	b.lost.Add(1)
	panic(http.ErrAbortHandler) // the connection is cut
}

// discard is a ResponseWriter for nobody.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// TestVaultAnswerLost cuts the connection after Vault has stored the keyset:
// the client sends again and loses against itself, which is no conflict.
func TestVaultAnswerLost(t *testing.T) {
	s := vaultServer(t)
	target, err := url.Parse(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	b := &between{ReverseProxy: httputil.NewSingleHostReverseProxy(target)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })

	o := vaultOptions(t, s)
	o.Address, o.RefreshEvery = "http://"+l.Addr().String(), time.Hour
	b.lose.Store(true)
	r := mustOpenVault(t, o)
	if _, err := r.Rotate(t.Context(), UseStore); err != nil {
		t.Errorf("Rotate: %v", err)
	}
	if b.lost.Load() < 2 {
		t.Errorf("%d answers were lost", b.lost.Load())
	}
	b.lose.Store(false)
	o.Address = s.Addr
	again := mustOpenVault(t, o)
	if again.ID() != r.ID() || again.Status(t.Context()).Revision != 2 {
		t.Errorf("kept: %s revision %d", again.ID(), again.Status(t.Context()).Revision)
	}
}

// TestVaultSlow has a Vault that accepts and says nothing: the start fails in
// bounded time, and a ring closes while it waits.
func TestVaultSlow(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	o := VaultOptions{
		Address: "http://" + l.Addr().String(), TransitKey: "chaperone", KVPath: "secret/chaperone",
		TokenFile: vaulttestToken(t), Timeout: 100 * time.Millisecond,
	}
	if _, err := OpenVault(t.Context(), o); !errors.Is(err, ErrUnreachable) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o.Timeout = time.Hour
	if _, err := OpenVault(ctx, o); !errors.Is(err, ErrUnreachable) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func vaulttestToken(t *testing.T) string {
	t.Helper()
	path := t.TempDir() + "/token"
	if err := os.WriteFile(path, []byte(vaulttest.RootToken), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
