package store_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// selfSigned makes a certificate for 127.0.0.1 that is its own CA, and writes
// it with its key.
func selfSigned(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for path, b := range map[string][]byte{cert: certPEM, key: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return cert, key, pool
}

func TestRedisTLS(t *testing.T) {
	cert, key, pool := selfSigned(t)
	s := redistest.Start(t, redistest.Options{TLSCert: cert, TLSKey: key, TLSCA: cert})
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr},
		TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}})
	storetest.Apply(t, d, set("m:a", "x"))
	for name, c := range map[string]*tls.Config{
		"no TLS":                 nil,
		"a CA of somebody else":  {Certificates: []tls.Certificate{pair}, RootCAs: x509.NewCertPool()},
		"no client certificate":  {RootCAs: pool},
		"another name than that": {RootCAs: pool, Certificates: []tls.Certificate{pair}, ServerName: "other.example"},
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
