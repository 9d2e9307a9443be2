package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// issued is a certificate with its key.
type issued struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate for loopback, signed by another or by itself.
func issue(t *testing.T, by *issued, usage x509.ExtKeyUsage) *issued {
	t.Helper()
	return issueUntil(t, by, usage, 48*time.Hour)
}

// issueUntil is issue for a certificate that lives as long.
func issueUntil(t *testing.T, by *issued, usage x509.ExtKeyUsage, life time.Duration) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, NotAfter: time.Now().Add(life), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true, IsCA: by == nil, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	if by == nil {
		template.Subject.CommonName = "authority"
		by = &issued{template, key}
	} else {
		template.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{cert, key}
}

// put writes a file as a renewal does: whole, and then under its name.
func put(t *testing.T, name string, kind string, der []byte) {
	t.Helper()
	write(t, name+".new", string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func (c *issued) put(t *testing.T, dir string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", c.cert.Raw)
	put(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", key)
}

// TestCertificatesWhileRunning runs a proxy that asks callers for certificates,
// renews its own while it runs, spoils it, and takes another authority.
func TestCertificatesWhileRunning(t *testing.T) {
	r := newReceivers(t)
	c := install(t, r.rules(), "")
	own, clients, others := issue(t, nil, 0), issue(t, nil, 0), issue(t, nil, 0)
	first := issue(t, own, x509.ExtKeyUsageServerAuth)
	first.put(t, c.dir)
	put(t, filepath.Join(c.dir, "clients.pem"), "CERTIFICATE", clients.cert.Raw)
	config := filepath.Join(c.dir, "chaperone.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(c.url, "http://")
	write(t, config, strings.Replace(string(text), fmt.Sprintf("{address: %q}", address),
		fmt.Sprintf("{address: %q, tls: {cert: cert.pem, key: key.pem, client_ca: clients.pem}}", address), 1))
	c.start()

	sales := 0
	sell := func(by *issued) (*x509.Certificate, error) {
		sales++
		pool := x509.NewCertPool()
		pool.AddCert(own.cert)
		secure := &tls.Config{RootCAs: pool}
		if by != nil {
			pair := issue(t, by, x509.ExtKeyUsageClientAuth)
			secure.Certificates = []tls.Certificate{{Certificate: [][]byte{pair.cert.Raw}, PrivateKey: pair.key}}
		}
		client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: secure, DisableKeepAlives: true}}
		req, err := http.NewRequest("POST", "https://"+address+"/v1/checkout", strings.NewReader(basket(fmt.Sprint("sale-", sales), visa)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+frontDesk)
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
			t.Fatalf("status %d %s, %v", resp.StatusCode, body, err)
		}
		return resp.TLS.PeerCertificates[0], nil
	}
	shows := func(want *issued) func() error {
		return func() error {
			got, err := sell(clients)
			if err == nil && !got.Equal(want.cert) {
				err = fmt.Errorf("it shows the certificate %v", got.SerialNumber)
			}
			return err
		}
	}
	if err := shows(first)(); err != nil {
		t.Fatal(err)
	}
	for name, by := range map[string]*issued{"without one": nil, "of another authority": others} {
		if _, err := sell(by); err == nil {
			t.Errorf("a caller %s is let in", name)
		}
	}

	second := issue(t, own, x509.ExtKeyUsageServerAuth)
	second.put(t, c.dir)
	eventually(t, "the renewed certificate is shown", shows(second))

	third := issue(t, own, x509.ExtKeyUsageServerAuth)
	put(t, filepath.Join(c.dir, "cert.pem"), "CERTIFICATE", third.cert.Raw) // and the key of the second
	eventually(t, "it is noticed", func() error {
		if !strings.Contains(c.ask("/metrics"), `chaperone_certificate_stale{listener="requests"} 1`) {
			return fmt.Errorf("it is not stale:\n%s", c.output)
		}
		return nil
	})
	if err := shows(second)(); err != nil {
		t.Error(err)
	}
	third.put(t, c.dir)
	put(t, filepath.Join(c.dir, "clients.pem"), "CERTIFICATE", others.cert.Raw)
	if err := c.run.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another authority is taken", func() error {
		got, err := sell(others)
		if err == nil && !got.Equal(third.cert) {
			err = fmt.Errorf("it shows the certificate %v", got.SerialNumber)
		}
		return err
	})
	if _, err := sell(clients); err == nil {
		t.Error("a caller of the authority before is let in")
	}
	out, err := c.command("log", "export", "--kind", "admin")
	if err != nil {
		t.Fatalf("log export: %v\n%s", err, out)
	}
	for what, print := range map[string]*issued{"the second certificate": second, "the third": third, "the other authority": others} {
		text := strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(print.cert.Raw)), " ", ":")
		if !strings.Contains(out, `"action":"certificate_reload"`) || !strings.Contains(out, "sha256 "+text+`"`) {
			t.Errorf("the log does not say that %s was taken:\n%s", what, out)
		}
	}
}
