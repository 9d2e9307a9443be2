package vaulttest

import (
	"errors"
	"net/http"
	"testing"

	"github.com/hashicorp/vault/api"
)

// TestServer goes once through everything that other tests rely on.
func TestServer(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *Server{"http": Start, "https": StartTLS} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			client := s.Client(t)
			if _, err := client.KVv2("secret").Put(t.Context(), "x", map[string]any{"a": "b"}); err != nil {
				t.Fatal(err)
			}
			s.TransitKey(t, "k")
			if _, err := client.Logical().Write("transit/encrypt/k", map[string]any{"plaintext": "aGk="}); err != nil {
				t.Fatal(err)
			}

			s.Seal(t)
			if _, err := client.KVv2("secret").Get(t.Context(), "x"); status(err) != http.StatusServiceUnavailable {
				t.Errorf("sealed: %v, want 503", err)
			}
			s.Unseal(t)
			read(t, client)
			addr := s.Addr
			s.Restart(t, true)
			if s.Addr != addr {
				t.Errorf("restarted on %s, was %s", s.Addr, addr)
			}
			if _, err := client.KVv2("secret").Get(t.Context(), "x"); status(err) != http.StatusServiceUnavailable {
				t.Errorf("restarted sealed: %v, want 503", err)
			}
			s.Unseal(t)
			read(t, client)

			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			if _, err := client.KVv2("secret").Get(t.Context(), "x"); err == nil {
				t.Error("a stopped server answers")
			}
			s.Restart(t, false)
			read(t, client)
		})
	}
}

func TestAuth(t *testing.T) {
	s := Start(t)
	s.WritePolicy(t, "reader", `path "secret/data/x" { capabilities = ["read"] }`)
	file := s.TokenFile(t, []string{"reader"}, map[string]any{"ttl": "1h"})
	role := s.EnableAppRole(t, "proxy", []string{"reader"}, map[string]any{"token_ttl": "1h"})
	if file == "" || role.RoleIDFile == "" || role.SecretIDFile == "" {
		t.Fatalf("files %q, %+v", file, role)
	}
	login := func() error {
		_, err := s.Client(t).Logical().Write("auth/approle/login", map[string]any{"role_id": role.roleID, "secret_id": role.secretID})
		return err
	}
	if err := login(); err != nil {
		t.Error(err)
	}
	role.RevokeSecretID(t)
	if err := login(); err == nil {
		t.Error("a revoked secret id logs in")
	}
	role.NewSecretID(t)
	if err := login(); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, client *api.Client) {
	t.Helper()
	got, err := client.KVv2("secret").Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if got.Data["a"] != "b" {
		t.Errorf("read %v", got.Data)
	}
}

func status(err error) int {
	var re *api.ResponseError
	if errors.As(err, &re) {
		return re.StatusCode
	}
	return 0
}
