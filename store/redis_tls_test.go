package store_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

func TestRedisTLS(t *testing.T) {
	a := newAuthority(t)
	o, _ := a.files(t, t.TempDir(), time.Now().Add(time.Hour))
	s := redistest.Start(t, o)
	ours := a.client(t)
	pool, pair := ours.RootCAs, ours.Certificates
	d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}, TLS: ours})
	storetest.Apply(t, d, set("m:a", "x"))
	for name, c := range map[string]*tls.Config{
		"no TLS":                 nil,
		"a CA of somebody else":  {Certificates: pair, RootCAs: x509.NewCertPool()},
		"no client certificate":  {RootCAs: pool},
		"another name than that": {RootCAs: pool, Certificates: pair, ServerName: "other.example"},
	} {
		if _, err := store.OpenRedis(storetest.Context(t), store.RedisOptions{Addresses: []string{s.Addr}, TLS: c}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRedisUser runs the whole suite as a user who may do no more than the
// hint of a too narrow ACL names.
func TestRedisUser(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	rights := []any{"ACL", "SETUSER", "proxy", "on", ">secret", "~*", "+@read", "+@write", "+@scripting", "+@connection", "-@dangerous", "+info", "+bgrewriteaof", "+bgsave"}
	if _, err := s.Do(rights...); err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	storetest.Conformance(t, func(t *testing.T) store.Driver {
		if _, err := s.Do("FLUSHALL"); err != nil {
			t.Fatal(err)
		}
		return openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}, Username: "proxy", PasswordFile: password})
	})
}
