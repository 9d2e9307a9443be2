package keys

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go-hcvault/v2/integration/hcvault"
)

// TestTransitIsTinks holds our calls of Transit to Tink's AEAD over Vault, both
// ways.
func TestTransitIsTinks(t *testing.T) {
	s := vaultServer(t)
	client := s.Client(t)
	ours := transit{client, "transit", "chaperone"}
	theirs, err := hcvault.NewAEAD("/transit/keys/chaperone", client.Logical())
	if err != nil {
		t.Fatal(err)
	}
	plain, ad := []byte("a keyset"), []byte("id and revision")
	made, err := ours.encrypt(t.Context(), plain, ad)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := theirs.Decrypt([]byte(made), ad); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("Tink opens ours: %q, %v", got, err)
	}
	tinks, err := theirs.Encrypt(plain, ad)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ours.decrypt(t.Context(), string(tinks), ad); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("we open Tink's: %q, %v", got, err)
	}
	if _, err := ours.decrypt(t.Context(), made, []byte("other")); err == nil {
		t.Error("opened under other associated data")
	}
}

func TestTransitVersion(t *testing.T) {
	for text, want := range map[string]int{
		"vault:v1:AAAA": 1, "vault:v23:AAAA": 23,
		"": 0, "vault:v1": 0, "vault:v0:A": 0, "vault:v-1:A": 0, "vault:vx:A": 0, "v1:A": 0,
	} {
		got, err := transitVersion(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

// TestVaultRewrap rotates Vault's own Transit key under two proxies: the keyset
// follows by itself, once, and its old version can be given up.
func TestVaultRewrap(t *testing.T) {
	s := vaultServer(t)
	o := vaultOptions(t, s)
	one, two := mustOpenVault(t, o), mustOpenVault(t, o)
	made := make1(one)
	client := s.Client(t)
	if _, err := client.Logical().Write("transit/keys/chaperone/rotate", nil); err != nil {
		t.Fatal(err)
	}
	kept := func() (wrapped string, version int) {
		secret, err := client.KVv2("secret").Get(t.Context(), "chaperone")
		if err != nil {
			t.Fatal(err)
		}
		wrapped, _ = secret.Data[fieldKeyset].(string)
		return wrapped, secret.VersionMetadata.Version
	}
	eventually(t, "the keyset is wrapped anew", func() bool { w, _ := kept(); return strings.HasPrefix(w, "vault:v2:") })
	if _, err := client.Logical().Write("transit/keys/chaperone/config", map[string]any{"min_decryption_version": 2}); err != nil {
		t.Fatal(err)
	}
	o.AllowCreate = false
	three := mustOpenVault(t, o)
	made.check(t, three)
	if three.Status(t.Context()).Revision != 1 {
		t.Error("the revision has changed although no key has")
	}
	// A rotation of ours on top, by the one that did not rewrap as well as by
	// the one that did.
	for _, r := range []*Ring{one, two} {
		if _, err := r.Rotate(t.Context(), UseStore); err != nil {
			t.Error(err)
		}
	}
	if _, version := kept(); version != 4 {
		t.Errorf("%d versions in KV, want 4: made, wrapped anew once, rotated twice", version)
	}
}

// kubernetesStandIn stands before a real Vault and answers the one path that
// the test server has not built in, auth/kubernetes/login, as Vault's plugin
// does: with a token of that Vault.
type kubernetesStandIn struct {
	*httputil.ReverseProxy
	mu     sync.Mutex
	jwt    string // the one that is good
	logins int
	token  func() string // the JSON of a login's answer
}

func (k *kubernetesStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/auth/kubernetes/login" {
		k.ReverseProxy.ServeHTTP(w, r)
		return
	}
	var asked struct{ Role, JWT string }
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case decodeJSON(r, &asked) != nil || r.Method != http.MethodPut && r.Method != http.MethodPost:
		w.WriteHeader(http.StatusBadRequest)
	case asked.Role != "proxy":
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"errors":["invalid role name \"` + asked.Role + `\""]}`))
	case asked.JWT != k.jwt:
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors":["permission denied"]}`))
	default:
		k.logins++
		_, _ = w.Write([]byte(k.token()))
	}
}

// TestVaultKubernetes logs in with the token of a service account, and again
// when Vault's token is near its end, with the account's token as it is then.
func TestVaultKubernetes(t *testing.T) {
	s := vaultServer(t)
	target, err := url.Parse(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	k := &kubernetesStandIn{ReverseProxy: httputil.NewSingleHostReverseProxy(target), jwt: "first.jwt"}
	k.token = func() string {
		secret, err := s.Client(t).Logical().Write("auth/token/create", map[string]any{
			"policies": []string{"chaperone"}, "no_default_policy": true, "ttl": "2s", "explicit_max_ttl": "2s",
		})
		if err != nil {
			t.Error(err)
			return ""
		}
		return `{"auth":{"client_token":"` + secret.Auth.ClientToken + `","lease_duration":2,"renewable":true}}`
	}
	front := httptest.NewServer(k)
	t.Cleanup(front.Close)
	file := t.TempDir() + "/token"
	write(t, file, []byte("first.jwt\n"))
	o := vaultOptions(t, s)
	o.TokenFile, o.Address, o.Kubernetes = "", front.URL, &Kubernetes{Role: "proxy", JWTFile: file}
	r := mustOpenVault(t, o)
	if r.Status(t.Context()).TokenExpires.IsZero() {
		t.Error("when the token expires is not known")
	}
	k.mu.Lock()
	k.jwt = "second.jwt"
	k.mu.Unlock()
	write(t, file, []byte("second.jwt\n"))
	eventually(t, "a second login", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.logins >= 2 })
	eventually(t, "well", func() bool { return r.Status(t.Context()).Reachable })
	works(t, r)

	for name, tt := range map[string]struct {
		edit func(k *Kubernetes)
		want error
	}{
		"another account's token": {func(k *Kubernetes) { write(t, file, []byte("stolen.jwt")) }, ErrDenied},
		"no such role":            {func(k *Kubernetes) { k.Role = "nobody" }, ErrDenied},
		"no such mount":           {func(k *Kubernetes) { k.Mount = "k8s" }, ErrDenied},
		"no token file":           {func(k *Kubernetes) { k.JWTFile = file + ".none" }, ErrMissing},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, file, []byte("second.jwt"))
			o, as := o, *o.Kubernetes
			tt.edit(&as)
			o.Kubernetes = &as
			_, err := OpenVault(t.Context(), o)
			if err == nil || !isError(err, tt.want) || strings.Contains(err.Error(), "jwt") {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// TestCloseWhileHung closes a ring whose Vault accepts a call of Transit and
// never answers it: neither the watcher nor a rotation holds it up.
func TestCloseWhileHung(t *testing.T) {
	s := vaultServer(t)
	target, err := url.Parse(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(target)
	var hang sync.Map
	hung, over := make(chan struct{}, 16), make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, on := hang.Load("transit"); on && strings.HasPrefix(r.URL.Path, "/v1/transit/") {
			hung <- struct{}{}
			<-over
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	t.Cleanup(func() { close(over) })
	o := vaultOptions(t, s)
	o.Address, o.Timeout = front.URL, time.Hour
	r := mustOpenVault(t, o)
	hang.Store("transit", true)
	rotated := make(chan error, 1)
	go func() { _, err := r.Rotate(context.Background(), UseStore); rotated <- err }()
	<-hung
	closed := make(chan struct{})
	go func() { r.Close(); close(closed) }()
	for _, end := range []func() bool{
		func() bool { <-closed; return true },
		func() bool { return <-rotated != nil },
	} {
		done := make(chan bool, 1)
		go func() { done <- end() }()
		select {
		case ok := <-done:
			if !ok {
				t.Error("a rotation succeeded that Vault never answered")
			}
		case <-time.After(2 * time.Minute):
			t.Fatal("Close waits for a Transit that hangs")
		}
	}
}
