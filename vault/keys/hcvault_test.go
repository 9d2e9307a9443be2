package keys

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/vault/keys/vaulttest"
)

// leastPolicy is the policy that admins are given, for what a proxy needs of
// Vault and no more.
var leastPolicy = policyFile("chaperone.hcl")

func policyFile(name string) string {
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", "vault", name))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// vaultServer is a server as an admin sets it up.
func vaultServer(t *testing.T) *vaulttest.Server {
	t.Helper()
	s := vaulttest.Start(t)
	s.TransitKey(t, "chaperone")
	s.WritePolicy(t, "chaperone", leastPolicy)
	return s
}

const tick = 50 * time.Millisecond

func vaultOptions(t *testing.T, s *vaulttest.Server) VaultOptions {
	t.Helper()
	return VaultOptions{
		Address: s.Addr, TransitKey: "chaperone", KVPath: "secret/chaperone", CAFile: s.CAFile,
		TokenFile:   s.TokenFile(t, []string{"chaperone"}, map[string]any{"ttl": "1h", "no_default_policy": true}),
		AllowCreate: true, RefreshEvery: tick, Timeout: time.Minute,
	}
}

func mustOpenVault(t *testing.T, o VaultOptions) *Ring {
	t.Helper()
	r, err := OpenVault(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// eventually waits for what a watcher does by itself.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestVault(t *testing.T) {
	s := vaultServer(t)
	role := s.EnableAppRole(t, "proxy", []string{"chaperone"}, map[string]any{"token_ttl": "1h"})
	token := vaultOptions(t, s)
	appRole := token
	appRole.TokenFile, appRole.AppRole = "", &AppRole{RoleIDFile: role.RoleIDFile, SecretIDFile: role.SecretIDFile}

	missing := token
	missing.AllowCreate = false
	if _, err := OpenVault(t.Context(), missing); !errors.Is(err, ErrMissing) {
		t.Errorf("no keyset, and none may be made: %v", err)
	}
	one := mustOpenVault(t, token)
	two := mustOpenVault(t, appRole)
	three := mustOpenVault(t, missing)
	sealed := one.Seal(nil, []byte("x"), []byte("ad"))
	for _, r := range []*Ring{two, three} {
		if r.ID() != one.ID() {
			t.Errorf("id %s, want %s", r.ID(), one.ID())
		}
		if got, err := r.Open(nil, sealed, []byte("ad")); err != nil || string(got) != "x" {
			t.Errorf("%q, %v", got, err)
		}
		if !bytes.Equal(r.MAC(nil, "p"), one.MAC(nil, "p")) {
			t.Error("MACs differ between proxies")
		}
	}
	if st := two.Status(t.Context()); st.Kind != "vault" || !st.Reachable || st.Sealed || st.LastError != "" ||
		st.Revision != 1 || st.TokenExpires.IsZero() || st.CheckedAt.IsZero() {
		t.Errorf("%+v", st)
	}
}

// TestVaultNothingInClear reads what is kept, as somebody with KV rights could.
func TestVaultNothingInClear(t *testing.T) {
	s := vaultServer(t)
	r := mustOpenVault(t, vaultOptions(t, s))
	secret, err := s.Client(t).KVv2("secret").Get(t.Context(), "chaperone")
	if err != nil {
		t.Fatal(err)
	}
	wrapped, _ := secret.Data[fieldKeyset].(string)
	if !strings.HasPrefix(wrapped, "vault:v1:") {
		t.Errorf("the keyset is not a Transit ciphertext: %.20q", wrapped)
	}
	if secret.Data[fieldID] != r.ID() || secret.Data[fieldRevision] != "1" || secret.Data[fieldTransit] != "transit/chaperone" {
		t.Errorf("id %v, revision %v, transit key %v", secret.Data[fieldID], secret.Data[fieldRevision], secret.Data[fieldTransit])
	}
}

// TestVaultTLS trusts the authority of the CA file and no other, and takes
// nothing from the environment.
func TestVaultTLS(t *testing.T) {
	s := vaulttest.StartTLS(t)
	s.TransitKey(t, "chaperone")
	s.WritePolicy(t, "chaperone", leastPolicy)
	o := vaultOptions(t, s)
	mustOpenVault(t, o)
	t.Setenv("VAULT_SKIP_VERIFY", "true")
	t.Setenv("VAULT_TOKEN", vaulttest.RootToken)
	o.CAFile = ""
	if _, err := OpenVault(t.Context(), o); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a certificate of an unknown authority: %v", err)
	}
	o.CAFile = filepath.Join(t.TempDir(), "none.pem")
	if _, err := OpenVault(t.Context(), o); err == nil {
		t.Error("a CA file that is not there was accepted")
	}
	if err := os.WriteFile(o.CAFile, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenVault(t.Context(), o); err == nil {
		t.Error("a CA file without a certificate was accepted")
	}
}

func TestVaultOptionsRefused(t *testing.T) {
	good := VaultOptions{Address: "https://127.0.0.1:1", TransitKey: "chaperone", KVPath: "secret/chaperone", TokenFile: "x"}
	for name, edit := range map[string]func(o *VaultOptions){
		"no login":                func(o *VaultOptions) { o.TokenFile = "" },
		"two logins":              func(o *VaultOptions) { o.AppRole = &AppRole{} },
		"two other logins":        func(o *VaultOptions) { o.Kubernetes = &Kubernetes{Role: "x"} },
		"Kubernetes, no role":     func(o *VaultOptions) { o.TokenFile, o.Kubernetes = "", &Kubernetes{} },
		"no KV path":              func(o *VaultOptions) { o.KVPath = "" },
		"KV path without a mount": func(o *VaultOptions) { o.KVPath = "chaperone" },
		"KV mount only":           func(o *VaultOptions) { o.KVPath = "secret/" },
		"no Transit key":          func(o *VaultOptions) { o.TransitKey = "" },
		"Transit mount only":      func(o *VaultOptions) { o.TransitKey = "transit/" },
		"address is not a URL":    func(o *VaultOptions) { o.Address = "https://[" },
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			edit(&o)
			_, err := OpenVault(t.Context(), o)
			if err == nil || errors.Is(err, ErrUnreachable) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestVaultStartFails is every way in which a start meets Vault, by the error
// that says whether to wait.
func TestVaultStartFails(t *testing.T) {
	s := vaultServer(t)
	good := vaultOptions(t, s)
	role := s.EnableAppRole(t, "proxy", []string{"chaperone"}, nil)
	mustOpenVault(t, good).Close()
	s.WritePolicy(t, "no-transit", `path "secret/data/chaperone" { capabilities = ["create", "read", "update"] }`)
	s.WritePolicy(t, "no-kv", `path "transit/*" { capabilities = ["update"] }`)
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	notVault := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notVault.Close)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	byRole := func(roleID, secretID string) func(o *VaultOptions) {
		return func(o *VaultOptions) {
			o.TokenFile, o.AppRole = "", &AppRole{RoleIDFile: roleID, SecretIDFile: secretID}
		}
	}
	for _, tt := range []struct {
		name string
		edit func(o *VaultOptions)
		want error
	}{
		{"connection refused", func(o *VaultOptions) { o.Address = closed }, ErrUnreachable},
		{"not Vault", func(o *VaultOptions) { o.Address = notVault.URL }, ErrUnreachable},
		{"token file gone", func(o *VaultOptions) { o.TokenFile = filepath.Join(t.TempDir(), "none") }, ErrMissing},
		{"token file empty", func(o *VaultOptions) { o.TokenFile = file("\n") }, ErrMissing},
		{"unknown token", func(o *VaultOptions) { o.TokenFile = file("hvs.nobody") }, ErrDenied},
		{"no right to Transit", func(o *VaultOptions) { o.TokenFile = s.TokenFile(t, []string{"no-transit"}, nil) }, ErrDenied},
		{"no right to KV", func(o *VaultOptions) { o.TokenFile = s.TokenFile(t, []string{"no-kv"}, nil) }, ErrDenied},
		{"no right to that KV path", func(o *VaultOptions) { o.KVPath = "secret/other" }, ErrDenied},
		{"role id file gone", byRole(filepath.Join(t.TempDir(), "none"), role.SecretIDFile), ErrMissing},
		{"secret id file gone", byRole(role.RoleIDFile, filepath.Join(t.TempDir(), "none")), ErrMissing},
		{"wrong role id", byRole(file("nobody"), role.SecretIDFile), ErrDenied},
		{"wrong secret id", byRole(role.RoleIDFile, file("nothing")), ErrDenied},
		{"AppRole elsewhere", func(o *VaultOptions) {
			byRole(role.RoleIDFile, role.SecretIDFile)(o)
			o.AppRole.Mount = "elsewhere"
		}, ErrDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.edit(&o)
			_, err := OpenVault(t.Context(), o)
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has more than one line: %q", err)
			}
		})
	}

	s.Seal(t)
	if _, err := OpenVault(t.Context(), good); !errors.Is(err, ErrSealed) {
		t.Errorf("sealed: %v", err)
	}
	if _, err := OpenVault(t.Context(), func() VaultOptions { o := good; byRole(role.RoleIDFile, role.SecretIDFile)(&o); return o }()); !errors.Is(err, ErrSealed) {
		t.Errorf("sealed, by AppRole: %v", err)
	}
	s.Unseal(t)
	mustOpenVault(t, good)
}

// TestVaultKeysetLost is a keyset that should be there and is not, or is not
// what it should be: it is never made anew by mistake.
func TestVaultKeysetLost(t *testing.T) {
	s := vaultServer(t)
	o := vaultOptions(t, s)
	id := mustOpenVault(t, o).ID()
	client := s.Client(t)
	kv := client.KVv2("secret")

	if err := kv.Delete(t.Context(), "chaperone"); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenVault(t.Context(), o); !errors.Is(err, ErrMissing) {
		t.Errorf("deleted, although one may be made: %v", err)
	}
	if err := kv.Undelete(t.Context(), "chaperone", []int{1}); err != nil {
		t.Fatal(err)
	}
	if got := mustOpenVault(t, o).ID(); got != id {
		t.Errorf("undeleted: id %s, want %s", got, id)
	}

	good, err := kv.Get(t.Context(), "chaperone")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		field, value string
		want         error
	}{
		"another revision":   {fieldRevision, "9", ErrWrongKey},
		"no revision":        {fieldRevision, "", ErrMalformed},
		"another id":         {fieldID, strings.Repeat("a", idLetters), ErrWrongKey},
		"another format":     {fieldFormat, "x", ErrMalformed},
		"of the future":      {fieldVersion, "2", ErrMalformed},
		"no keyset":          {fieldKeyset, "", ErrMalformed},
		"not a ciphertext":   {fieldKeyset, "x", ErrWrongKey},
		"another ciphertext": {fieldKeyset, "vault:v1:" + strings.Repeat("A", 60), ErrWrongKey},
	} {
		t.Run(name, func(t *testing.T) {
			data := map[string]any{}
			for k, v := range good.Data {
				data[k] = v
			}
			data[tt.field] = tt.value
			if _, err := kv.Put(t.Context(), "chaperone", data); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenVault(t.Context(), o); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}

	t.Run("Transit key deleted", func(t *testing.T) {
		if _, err := kv.Put(t.Context(), "chaperone", good.Data); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Logical().Write("transit/keys/chaperone/config", map[string]any{"deletion_allowed": true}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Logical().Delete("transit/keys/chaperone"); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenVault(t.Context(), o); !errors.Is(err, ErrMissing) {
			t.Errorf("%v", err)
		}
	})
	t.Run("KV version 1", func(t *testing.T) {
		if err := client.Sys().Mount("old", nil); err == nil {
			t.Fatal("a mount without a type")
		}
		if _, err := client.Logical().Write("sys/mounts/old", map[string]any{"type": "kv"}); err != nil {
			t.Fatal(err)
		}
		o := o
		o.KVPath, o.TokenFile = "old/chaperone", s.TokenFile(t, []string{"root"}, nil)
		if _, err := OpenVault(t.Context(), o); !errors.Is(err, ErrMalformed) {
			t.Errorf("%v", err)
		}
	})
}

// TestVaultFirstStarts has several proxies start at once on an empty Vault:
// check-and-set lets one of them make the keyset.
func TestVaultFirstStarts(t *testing.T) {
	s := vaultServer(t)
	o := vaultOptions(t, s)
	ids := make([]string, 6)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			r, err := OpenVault(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			ids[i] = r.ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("ids %v", ids)
		}
	}
}
