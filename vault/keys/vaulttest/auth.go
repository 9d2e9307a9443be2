package vaulttest

import (
	"strings"
	"testing"
)

// AppRole is a role that a test made, with the two files that log in to it.
type AppRole struct {
	Name                       string
	RoleIDFile, SecretIDFile   string
	server                     *Server
	roleID, secretID, accessor string
}

// EnableAppRole enables AppRole at auth/approle, once, and makes a role with
// the given policies. The options are those of the role's API (token_ttl,
// token_max_ttl, token_num_uses, secret_id_ttl …).
func (s *Server) EnableAppRole(tb testing.TB, name string, policies []string, options map[string]any) *AppRole {
	tb.Helper()
	client := s.client()
	if _, err := client.Logical().Write("sys/auth/approle", map[string]any{"type": "approle"}); err != nil &&
		!strings.Contains(err.Error(), "already in use") {
		tb.Fatal(err)
	}
	data := map[string]any{"token_policies": policies}
	for k, v := range options {
		data[k] = v
	}
	if _, err := client.Logical().Write("auth/approle/role/"+name, data); err != nil {
		tb.Fatal(err)
	}
	id, err := client.Logical().Read("auth/approle/role/" + name + "/role-id")
	if err != nil {
		tb.Fatal(err)
	}
	r := &AppRole{Name: name, server: s}
	r.roleID, _ = id.Data["role_id"].(string)
	if r.RoleIDFile, err = writeFile(tb.TempDir(), "role-id", []byte(r.roleID+"\n")); err != nil {
		tb.Fatal(err)
	}
	r.NewSecretID(tb)
	return r
}

// NewSecretID revokes the role's secret id, makes another and writes it to
// SecretIDFile.
func (r *AppRole) NewSecretID(tb testing.TB) {
	tb.Helper()
	r.RevokeSecretID(tb)
	secret, err := r.server.client().Logical().Write("auth/approle/role/"+r.Name+"/secret-id", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.secretID, _ = secret.Data["secret_id"].(string)
	r.accessor, _ = secret.Data["secret_id_accessor"].(string)
	if r.SecretIDFile == "" {
		r.SecretIDFile, err = writeFile(tb.TempDir(), "secret-id", nil)
		if err != nil {
			tb.Fatal(err)
		}
	}
	replaceFile(tb, r.SecretIDFile, r.secretID+"\n")
}

// RevokeSecretID makes the role's secret id useless. The file stays.
func (r *AppRole) RevokeSecretID(tb testing.TB) {
	tb.Helper()
	if r.accessor == "" {
		return
	}
	_, err := r.server.client().Logical().Write("auth/approle/role/"+r.Name+"/secret-id-accessor/destroy",
		map[string]any{"secret_id_accessor": r.accessor})
	if err != nil {
		tb.Fatal(err)
	}
	r.accessor = ""
}

// TokenFile makes a token with the given policies and options (ttl, period,
// renewable …), writes it to a file and returns the file.
func (s *Server) TokenFile(tb testing.TB, policies []string, options map[string]any) string {
	tb.Helper()
	data := map[string]any{"policies": policies, "no_default_policy": false}
	for k, v := range options {
		data[k] = v
	}
	secret, err := s.client().Logical().Write("auth/token/create", data)
	if err != nil {
		tb.Fatal(err)
	}
	path, err := writeFile(tb.TempDir(), "token", []byte(secret.Auth.ClientToken+"\n"))
	if err != nil {
		tb.Fatal(err)
	}
	return path
}
