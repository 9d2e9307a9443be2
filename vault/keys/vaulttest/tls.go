package vaulttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"testing"
	"time"
)

// CertificateEnds tells when the certificate that a server has on disk ends.
func (s *Server) CertificateEnds(tb testing.TB) time.Time {
	tb.Helper()
	pair, err := tls.LoadX509KeyPair(s.cert, s.key)
	if err != nil {
		tb.Fatal(err)
	}
	return pair.Leaf.NotAfter
}

// RenewCertificate makes another certificate, of the same authority, that lives
// as long; the server shows it once it is started again.
func (s *Server) RenewCertificate(tb testing.TB, life time.Duration) {
	tb.Helper()
	if err := s.makeLeaf(time.Now().Add(life)); err != nil {
		tb.Fatal(err)
	}
}

// makeCertificates writes an authority and a certificate for the loopback
// address under it.
func (s *Server) makeCertificates() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vaulttest CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(5000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return err
	}
	if s.CAFile, err = writeFile(s.dir, "ca.pem", encodePEM("CERTIFICATE", caDER)); err != nil {
		return err
	}
	s.ca, s.caKey = ca, caKey
	return s.makeLeaf(now.Add(24 * time.Hour))
}

// makeLeaf writes the server's own certificate.
func (s *Server) makeLeaf(until time.Time) error {
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "vaulttest"},
		NotBefore: s.ca.NotBefore, NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, s.ca, &leafKey.PublicKey, s.caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return err
	}
	if s.cert, err = writeFile(s.dir, "cert.pem", encodePEM("CERTIFICATE", leafDER)); err != nil {
		return err
	}
	s.key, err = writeFile(s.dir, "key.pem", encodePEM("PRIVATE KEY", keyDER))
	return err
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// replaceFile changes a file in one step, as a secret's mount does.
func replaceFile(tb testing.TB, path, text string) {
	tb.Helper()
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		tb.Fatal(err)
	}
}
