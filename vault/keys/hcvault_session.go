package keys

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/hashicorp/vault/api"
)

// session is our login to Vault. Its methods are called by one goroutine at a
// time: OpenVault, and then the watcher.
type session struct {
	client     *api.Client
	tokenFile  string
	appRole    *AppRole
	kubernetes *Kubernetes
	log        *slog.Logger

	token     []byte        // of tokenFile, as it was read last
	ttl       time.Duration // that the token was given; zero if it never expires
	renewable bool
	expires   time.Time // zero if it never does
	renewAt   time.Time // zero if it need not be
}

// login gets a token, in place of the one that there may be.
func (s *session) login(ctx context.Context) error {
	switch {
	case s.appRole != nil:
		return s.loginAppRole(ctx)
	case s.kubernetes != nil:
		return s.loginKubernetes(ctx)
	}
	token, err := readSecret(s.tokenFile)
	if err != nil {
		return err
	}
	s.token = token
	s.client.SetToken(string(token))
	secret, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		err = explain("look up the token", err)
		// A policy may leave this out. Whether the token is good for what it
		// is needed for, the next call tells.
		if errors.Is(err, ErrDenied) {
			s.lease(0, false)
			return nil
		}
		return err
	}
	ttl, terr := secret.TokenTTL()
	renewable, rerr := secret.TokenIsRenewable()
	if err := errors.Join(terr, rerr); err != nil {
		return fmt.Errorf("%w: look up the token: %w", ErrUnreachable, err)
	}
	s.lease(ttl, renewable)
	return nil
}

func (s *session) loginAppRole(ctx context.Context) error {
	roleID, err := readSecret(s.appRole.RoleIDFile)
	if err != nil {
		return err
	}
	secretID, err := readSecret(s.appRole.SecretIDFile)
	if err != nil {
		return err
	}
	defer clear(secretID)
	return s.loginAt(ctx, "log in by AppRole", cmp.Or(s.appRole.Mount, "approle"),
		map[string]any{"role_id": string(roleID), "secret_id": string(secretID)})
}

func (s *session) loginKubernetes(ctx context.Context) error {
	jwt, err := readSecret(cmp.Or(s.kubernetes.JWTFile, DefaultJWTFile))
	if err != nil {
		return err
	}
	defer clear(jwt)
	return s.loginAt(ctx, "log in by Kubernetes", cmp.Or(s.kubernetes.Mount, "kubernetes"),
		map[string]any{"role": s.kubernetes.Role, "jwt": string(jwt)})
}

// loginAt logs in at an auth mount and takes the token that it gives.
func (s *session) loginAt(ctx context.Context, what, mount string, body map[string]any) error {
	secret, err := s.client.Logical().WriteWithContext(ctx, "auth/"+mount+"/login", body)
	if err != nil {
		return explain(what, err)
	}
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return fmt.Errorf("%w: %s: no token in the answer", ErrUnreachable, what)
	}
	s.client.SetToken(secret.Auth.ClientToken)
	s.lease(time.Duration(secret.Auth.LeaseDuration)*time.Second, secret.Auth.Renewable)
	return nil
}

// lease notes how long the token lives from now on.
func (s *session) lease(ttl time.Duration, renewable bool) {
	s.ttl, s.renewable, s.expires, s.renewAt = ttl, renewable, time.Time{}, time.Time{}
	if ttl > 0 {
		now := time.Now()
		s.expires, s.renewAt = now.Add(ttl), now.Add(ttl*2/3)
	}
}

// maintain renews the token when two thirds of its life are over, or logs in
// again where renewing does not help, and takes up a token file that changed.
func (s *session) maintain(ctx context.Context) error {
	if s.tokenFile != "" {
		if token, err := readSecret(s.tokenFile); err == nil && !bytes.Equal(token, s.token) {
			s.log.Info("the Vault token file has changed")
			return s.login(ctx)
		}
	}
	if s.renewAt.IsZero() || time.Now().Before(s.renewAt) {
		return nil
	}
	if !s.renewable {
		if s.tokenFile != "" { // nobody but the admin can give us another
			s.log.Warn("the Vault token ends soon and cannot be renewed", "expires", s.expires)
			s.renewAt = time.Time{}
			return nil
		}
		return s.login(ctx)
	}
	before := s.ttl
	secret, err := s.client.Auth().Token().RenewSelfWithContext(ctx, int(before/time.Second))
	if err != nil {
		if err = explain("renew the token", err); errors.Is(err, ErrSealed) {
			return err // the token may still be good when Vault is back
		}
		// Vault says in several ways that a token is past renewing, HTTP 500
		// among them.
		return s.login(ctx)
	}
	if secret == nil || secret.Auth == nil {
		return fmt.Errorf("%w: renew the token: no lease in the answer", ErrUnreachable)
	}
	ttl := time.Duration(secret.Auth.LeaseDuration) * time.Second
	if s.tokenFile == "" && ttl < before/2 { // its maximum is near
		return s.login(ctx)
	}
	s.lease(ttl, secret.Auth.Renewable)
	s.ttl = before
	return nil
}

// readSecret reads a file that holds one secret, without the white space
// around it. Its mode is the admin's: secrets are often mounted group-readable.
func readSecret(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrMissing, path)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if b = bytes.TrimSpace(b); len(b) == 0 {
		return nil, fmt.Errorf("%w: %s is empty", ErrMissing, path)
	}
	return b, nil
}
