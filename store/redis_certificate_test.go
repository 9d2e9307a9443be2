package store_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
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

// authority signs the certificates of a test's servers, and its client's.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	pair := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(1000 * time.Hour)})
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	writePEM(t, a.file, "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) sign(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		t.Fatal(err)
	}
	template.NotBefore, template.BasicConstraintsValid = time.Now().Add(-time.Hour), true
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// leaf signs a certificate for both ends of a connection on loopback.
func (a *authority) leaf(t *testing.T, until time.Time) tls.Certificate {
	t.Helper()
	return a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "server"}, NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
}

// files writes a certificate for a server, and gives the server's options and
// when it ends.
func (a *authority) files(t *testing.T, dir string, until time.Time) (redistest.Options, time.Time) {
	t.Helper()
	pair := a.leaf(t, until)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	o := redistest.Options{TLSCert: filepath.Join(dir, "cert.pem"), TLSKey: filepath.Join(dir, "key.pem"), TLSCA: a.file}
	writePEM(t, o.TLSCert, "CERTIFICATE", pair.Certificate[0])
	writePEM(t, o.TLSKey, "PRIVATE KEY", key)
	return o, pair.Leaf.NotAfter
}

// client is the proxy's end.
func (a *authority) client(t *testing.T) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{a.leaf(t, time.Now().Add(time.Hour))}, MinVersion: tls.VersionTLS12}
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// expires asks a driver when the first of its servers' certificates ends.
func expires(t *testing.T, d store.Driver) time.Time {
	t.Helper()
	status, err := d.Check(storetest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	return status.CertificateExpires
}

// TestCertificateReplaced replaces the certificate of a Redis that goes on
// running, under connections that stay open.
func TestCertificateReplaced(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	o, first := a.files(t, dir, time.Now().Add(100*time.Hour))
	s := redistest.Start(t, o)
	d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}, TLS: a.client(t)})
	if got := expires(t, d); !got.Equal(first) {
		t.Fatalf("it ends at %v, want %v", got, first)
	}
	_, second := a.files(t, dir, time.Now().Add(900*time.Hour))
	s.ConfigSet(t, "tls-cert-file", o.TLSCert)
	if got := expires(t, d); !got.Equal(first) {
		t.Errorf("before it was shown: %v, want %v", got, first)
	}
	store.WatchCertificates(d, 10*time.Millisecond)
	storetest.Eventually(t, "the second certificate is seen", func() bool { return expires(t, d).Equal(second) })
	// One that ends sooner, and has ended: no connection is made to it.
	_, third := a.files(t, dir, time.Now().Add(-time.Minute))
	s.ConfigSet(t, "tls-cert-file", o.TLSCert)
	storetest.Eventually(t, "an expired certificate is seen", func() bool { return expires(t, d).Equal(third) })
	storetest.Apply(t, d, set("m:a", "x")) // on those that were there
}

// TestCertificatesOfACluster: the first of all masters' certificates counts,
// whichever was spoken to last.
func TestCertificatesOfACluster(t *testing.T) {
	a := newAuthority(t)
	var options []redistest.Options
	var ends []time.Time
	for _, hours := range []int{300, 100, 200} {
		o, until := a.files(t, t.TempDir(), time.Now().Add(time.Duration(hours)*time.Hour))
		options, ends = append(options, o), append(ends, until)
	}
	c := redistest.StartClusterOf(t, options...)
	d := openRedis(t, store.RedisOptions{Addresses: c.Addrs()[:1], Cluster: true, TLS: a.client(t)})
	store.WatchCertificates(d, 10*time.Millisecond)
	for i := range 20 {
		storetest.Apply(t, d, set(fmt.Sprint("m:", i), "x"))
		if got := expires(t, d); !got.Equal(ends[1]) {
			t.Fatalf("the first ends at %v, want %v", got, ends[1])
		}
	}
	// It is replaced; now the third's is the first.
	a.files(t, filepath.Dir(options[1].TLSCert), time.Now().Add(900*time.Hour))
	c.Masters[1].ConfigSet(t, "tls-cert-file", options[1].TLSCert)
	storetest.Eventually(t, "the next one counts", func() bool { return expires(t, d).Equal(ends[2]) })
}
