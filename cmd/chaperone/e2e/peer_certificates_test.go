package e2e

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/store/redistest"
	"chaperone/vault/keys/vaulttest"
)

// TestPeerCertificates runs a whole proxy on a Redis and a Vault behind TLS. The
// metrics say when their certificates end, and go on to say so when each shows
// another one; the alert's own expression, asked of a real Prometheus, sees it.
func TestPeerCertificates(t *testing.T) {
	r := newReceivers(t)
	own, dir := issue(t, nil, 0), t.TempDir()
	put(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", own.cert.Raw)
	first := issue(t, own, x509.ExtKeyUsageServerAuth)
	first.put(t, dir)
	files := redistest.Options{TLSCert: filepath.Join(dir, "cert.pem"), TLSKey: filepath.Join(dir, "key.pem"), TLSCA: filepath.Join(dir, "ca.pem"),
		Args: []string{"--tls-auth-clients", "no"}}
	redis := redistest.Start(t, files)
	v := vaulttest.StartTLS(t)
	v.TransitKey(t, "chaperone")
	v.WritePolicy(t, "chaperone", vaultPolicy)
	c := install(t, r.rules(), fmt.Sprintf("state: {redis: {addresses: [%q], tls: {ca_file: %q}}, on_outage: refuse}\n"+
		"keys: {vault: {address: %q, ca_file: %q, transit_key: chaperone, kv_path: secret/chaperone, auth: {token_file: %q}}}\n",
		redis.Addr, files.TLSCA, v.Addr, v.CAFile, v.TokenFile(t, []string{"chaperone"}, nil)))
	c.start()
	if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa)); a.status != 200 {
		t.Fatalf("status %d %s", a.status, a.body)
	}
	const ofStore, ofVault = "chaperone_store_certificate_expiry_timestamp_seconds", "chaperone_vault_certificate_expiry_timestamp_seconds"
	if got, want := metric(t, c, ofStore), int(first.cert.NotAfter.Unix()); got != want {
		t.Errorf("Redis's certificate ends at %d, want %d", got, want)
	}
	if got, want := metric(t, c, ofVault), int(v.CertificateEnds(t).Unix()); got != want {
		t.Errorf("Vault's certificate ends at %d, want %d", got, want)
	}

	// Both end within days: the alert's expression gives both.
	p := startPrometheus(t, c.admin)
	expr := ""
	for _, g := range readAlerts(t).Groups {
		for _, rule := range g.Rules {
			if rule.Alert == "ChaperonePeerCertificateEnding" {
				expr = rule.Expr
			}
		}
	}
	seen := func(n int) func() error {
		return func() error {
			got, err := p.ask(expr)
			if err == nil && (expr == "" || len(got) != n) {
				err = fmt.Errorf("%q gives %v", expr, got)
			}
			return err
		}
	}
	eventually(t, "the alert sees both", seen(2))

	// Redis takes another one while it runs; connections that are there stay.
	second := issueUntil(t, own, x509.ExtKeyUsageServerAuth, 1000*time.Hour)
	second.put(t, dir)
	redis.ConfigSet(t, "tls-cert-file", files.TLSCert)
	// The proxy would look within a minute; this makes it connect anew.
	if _, err := redis.Do("CLIENT", "KILL", "TYPE", "normal"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis's other certificate is seen", func() error { return ends(t, c, ofStore, second) })
	eventually(t, "the alert sees Vault's alone", seen(1))

	// Vault comes back with another one.
	before := metric(t, c, ofVault)
	v.RenewCertificate(t, 1000*time.Hour)
	v.Restart(t, false)
	eventually(t, "Vault's other certificate is seen", func() error {
		if now := metric(t, c, ofVault); now == before || now != int(v.CertificateEnds(t).Unix()) {
			return fmt.Errorf("it ends at %d, as before at %d", now, before)
		}
		return nil
	})
	eventually(t, "the alert sees none", seen(0))
	if strings.Contains(c.output.String(), "PRIVATE KEY") {
		t.Error("a key is in the log")
	}
}

func ends(t *testing.T, c *instance, name string, of *issued) error {
	t.Helper()
	if got, want := metric(t, c, name), int(of.cert.NotAfter.Unix()); got != want {
		return fmt.Errorf("it ends at %d, want %d", got, want)
	}
	return nil
}
