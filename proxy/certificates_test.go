package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/store/redistest"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key, _ = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(72 * time.Hour)})
	return a
}

// sign fills in a template and signs it, by itself where there is no authority
// yet.
func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, tls.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		a.t.Fatal(err)
	}
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}
}

// leaf signs a certificate for one end of a connection on loopback.
func (a *authority) leaf(usage x509.ExtKeyUsage, until time.Time) tls.Certificate {
	a.t.Helper()
	_, _, pair := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	return pair
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// secureBed is a bed whose listener speaks TLS.
type secureBed struct {
	*bed
	own   *authority
	files CertificateFiles
}

func newSecureBed(t *testing.T, clients *authority, change ...func(*bed)) *secureBed {
	t.Helper()
	dir := t.TempDir()
	b := &secureBed{own: newAuthority(t, "own"), files: CertificateFiles{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}}
	b.renew(t, time.Now().Add(48*time.Hour))
	if clients != nil {
		b.files.ClientCA = filepath.Join(dir, "clients.pem")
		writePEM(t, b.files.ClientCA, "CERTIFICATE", clients.cert.Raw)
	}
	b.bed = newBed(t, append(change, func(b2 *bed) {
		b2.tune = func(o *Options) {
			var err error
			if o.TLS, err = LoadCertificates("requests", b.files); err != nil {
				t.Fatal(err)
			}
		}
	})...)
	return b
}

// renew writes another certificate of the listener.
func (b *secureBed) renew(t *testing.T, until time.Time) {
	t.Helper()
	pair := b.own.leaf(x509.ExtKeyUsageServerAuth, until)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, b.files.Cert, "CERTIFICATE", pair.Certificate[0])
	writePEM(t, b.files.Key, "PRIVATE KEY", key)
}

// client is a till that trusts the listener's authority, and perhaps has a
// certificate.
func (b *secureBed) client(version uint16, pair *tls.Certificate) *http.Client {
	c := &tls.Config{RootCAs: b.own.pool(), MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	if pair != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: c}}
}

// sell makes a sale, and returns the status and when the certificate that was
// shown ends.
func (b *secureBed) sell(c *http.Client, id string) (int, time.Time, error) {
	b.t.Helper()
	req, err := http.NewRequest("POST", "https://"+b.server.Addr().String()+"/v1/checkout", strings.NewReader(sale(b.t, id)))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+b.key)
	resp, err := c.Do(req)
	if err != nil {
		return 0, time.Time{}, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, resp.TLS.PeerCertificates[0].NotAfter, nil
}

func TestClientCertificates(t *testing.T) {
	clients, strangers := newAuthority(t, "clients"), newAuthority(t, "strangers")
	soon := time.Now().Add(time.Hour)
	pair := func(a *authority, usage x509.ExtKeyUsage, until time.Time) *tls.Certificate {
		c := a.leaf(usage, until)
		return &c
	}
	b := newSecureBed(t, clients)
	n := 0
	for _, test := range []struct {
		name   string
		pair   *tls.Certificate
		reason string // "": it is taken
	}{
		{"the right one", pair(clients, x509.ExtKeyUsageClientAuth, soon), ""},
		{"none", nil, "no_certificate"},
		{"of another authority", pair(strangers, x509.ExtKeyUsageClientAuth, soon), "untrusted"},
		{"expired", pair(clients, x509.ExtKeyUsageClientAuth, time.Now().Add(-time.Hour)), "expired"},
		{"of a server", pair(clients, x509.ExtKeyUsageServerAuth, soon), "untrusted"},
		{"the right one, after all of these", pair(clients, x509.ExtKeyUsageClientAuth, soon), ""},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(test.name+" "+tls.VersionName(version), func(t *testing.T) {
				n++
				before := b.failures(test.reason)
				c := b.client(version, test.pair)
				defer c.CloseIdleConnections()
				status, _, err := b.sell(c, fmt.Sprint("M-", n))
				if test.reason == "" {
					if err != nil || status != 200 {
						t.Fatalf("status %d: %v", status, err)
					}
					return
				}
				if err == nil {
					t.Fatalf("it was let in: status %d", status)
				}
				b.until("the handshake is counted", func() bool { return b.failures(test.reason) == before+1 })
			})
		}
	}
	if got := len(b.processor.all()); got != 4 {
		t.Errorf("the processor got %d calls", got)
	}
	if logs := b.logs.String(); !strings.Contains(logs, "a TLS handshake failed") || strings.Contains(logs, "CommonName") || strings.Contains(logs, "strangers") {
		t.Errorf("the log:\n%s", logs)
	}
}

// failures is how many handshakes failed for a reason.
func (b *secureBed) failures(reason string) int {
	_, text := b.page("/metrics")
	n := 0
	if _, after, found := strings.Cut(text, fmt.Sprintf("chaperone_tls_handshake_failures_total{reason=%q} ", reason)); found {
		if _, err := fmt.Sscan(after, &n); err != nil {
			b.t.Fatal(err)
		}
	}
	return n
}

// TestHandshakeWithoutTLS speaks plain HTTP to a listener that speaks TLS.
func TestHandshakeWithoutTLS(t *testing.T) {
	b := newSecureBed(t, nil)
	c, err := net.Dial("tcp", b.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST /v1/checkout HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	b.until("it is counted", func() bool { return b.failures("broken") == 1 })
	resp, err := b.client(tls.VersionTLS13, nil).Get("https://" + b.server.Addr().String() + "/v1/nothing")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestCertificatesAreReadAgain renews the listener's certificate while a till
// is connected, then spoils it.
func TestCertificatesAreReadAgain(t *testing.T) {
	clients, others := newAuthority(t, "clients"), newAuthority(t, "others")
	b := newSecureBed(t, clients)
	pair := clients.leaf(x509.ExtKeyUsageClientAuth, time.Now().Add(time.Hour))
	connected := b.client(tls.VersionTLS13, &pair)
	_, first, err := b.sell(connected, "R-1")
	if err != nil {
		t.Fatal(err)
	}
	if all := b.server.ReloadCertificates("test"); len(all) != 0 {
		t.Errorf("nothing has changed: %v", all)
	}
	b.renew(t, time.Now().Add(60*time.Hour))
	if all := b.server.ReloadCertificates("test"); len(all) != 1 || all[0].Err != nil || all[0].Listener != "requests" {
		t.Fatalf("%v", all)
	}
	if status, until, err := b.sell(connected, "R-2"); err != nil || status != 200 || !until.Equal(first) {
		t.Errorf("a connection that was open: %d, %v, %v", status, until, err)
	}
	_, second, err := b.sell(b.client(tls.VersionTLS13, &pair), "R-3")
	if err != nil || !second.After(first) {
		t.Errorf("a new connection is shown %v, after %v: %v", second, first, err)
	}
	if _, text := b.page("/metrics"); !strings.Contains(text, fmt.Sprintf("chaperone_certificate_expiry_timestamp_seconds{listener=\"requests\"} %g", float64(second.Unix()))) {
		t.Error("the metric has not followed")
	}

	// The key of another certificate: nothing is taken, and that is said once.
	key, err := os.ReadFile(b.files.Key)
	if err != nil {
		t.Fatal(err)
	}
	b.renew(t, time.Now().Add(70*time.Hour))
	good, err := os.ReadFile(b.files.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.files.Key, key, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.server.ReloadCertificates("test")
	}
	if n := strings.Count(b.logs.String(), "were not taken"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	_, ready := b.page("/readyz")
	if _, text := b.page("/metrics"); !strings.Contains(text, `chaperone_certificate_stale{listener="requests"} 1`) ||
		!strings.Contains(text, `chaperone_certificate_reloads_total{listener="requests",result="failed"} 1`) || !strings.Contains(ready, "could not be read again") {
		t.Errorf("neither the metrics nor /readyz say so: %s", ready)
	}
	if _, until, err := b.sell(b.client(tls.VersionTLS13, &pair), "R-4"); err != nil || !until.Equal(second) {
		t.Errorf("the one before is not in use: %v, %v", until, err)
	}
	if err := os.WriteFile(b.files.Key, good, 0o600); err != nil {
		t.Fatal(err)
	}
	b.server.ReloadCertificates("test")
	if _, text := b.page("/metrics"); !strings.Contains(text, `chaperone_certificate_stale{listener="requests"} 0`) {
		t.Error("it is stale still")
	}

	// Another authority: who was let in is not any more, not by a session either.
	remembered := b.client(tls.VersionTLS13, &pair)
	if _, _, err := b.sell(remembered, "R-5"); err != nil {
		t.Fatal(err)
	}
	remembered.CloseIdleConnections()
	writePEM(t, b.files.ClientCA, "CERTIFICATE", others.cert.Raw)
	b.server.ReloadCertificates("test")
	if status, _, err := b.sell(remembered, "R-6"); err == nil {
		t.Errorf("a certificate of the authority before is taken: %d", status)
	}
	if err := os.Remove(b.files.ClientCA); err != nil {
		t.Fatal(err)
	}
	if all := b.server.ReloadCertificates("test"); len(all) != 1 || all[0].Err == nil {
		t.Errorf("without the file of authorities: %v", all)
	}
	if status, _, err := b.sell(b.client(tls.VersionTLS13, nil), "R-7"); err == nil {
		t.Errorf("without the file nobody has to show a certificate: %d", status)
	}
}

// TestCertificateFiles tries files that cannot be taken at the start.
func TestCertificateFiles(t *testing.T) {
	a := newAuthority(t, "own")
	dir := t.TempDir()
	pair := a.leaf(x509.ExtKeyUsageServerAuth, time.Now().Add(time.Hour))
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	writePEM(t, in("cert"), "CERTIFICATE", pair.Certificate[0])
	writePEM(t, in("key"), "PRIVATE KEY", key)
	writePEM(t, in("damaged"), "CERTIFICATE", pair.Certificate[0][5:])
	if err := os.WriteFile(in("empty"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]CertificateFiles{
		"no certificate":     {Cert: in("absent"), Key: in("key")},
		"an empty one":       {Cert: in("empty"), Key: in("key")},
		"a key that is none": {Cert: in("cert"), Key: in("cert")},
		"no authorities":     {Cert: in("cert"), Key: in("key"), ClientCA: in("absent")},
		"an empty file":      {Cert: in("cert"), Key: in("key"), ClientCA: in("empty")},
		"a damaged one":      {Cert: in("cert"), Key: in("key"), ClientCA: in("damaged")},
		"a key for them":     {Cert: in("cert"), Key: in("key"), ClientCA: in("key")},
	} {
		if _, err := LoadCertificates("requests", files); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	if _, err := LoadCertificates("requests", CertificateFiles{Cert: in("cert"), Key: in("key"), ClientCA: in("cert")}); err != nil {
		t.Error(err)
	}
}

// TestShownCertificates looks at when the certificates of destinations end: of
// one that is trusted, of one that has expired, and after another policy came.
func TestShownCertificates(t *testing.T) {
	a := newAuthority(t, "public")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, ca, "CERTIFICATE", a.cert.Raw)
	serve := func(until time.Time, answer string) (*httptest.Server, time.Time) {
		pair := a.leaf(x509.ExtKeyUsageServerAuth, until)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, answer)
		}))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshakes are expected
		s.StartTLS()
		t.Cleanup(s.Close)
		return s, pair.Leaf.NotAfter
	}
	processor, good := serve(time.Now().Add(30*24*time.Hour), approved)
	ledger, over := serve(time.Now().Add(-time.Hour), `{}`)
	b := newBed(t, func(b *bed) {
		b.policy = strings.NewReplacer(
			"url: "+b.processor.URL, "url: "+processor.URL+"\n    ca_file: "+ca,
			"url: "+b.ledger.URL, "url: "+ledger.URL+"\n    ca_file: "+ca).Replace(b.policy)
	})
	shown := func(destination string) string {
		_, text := b.page("/metrics")
		_, after, _ := strings.Cut(text, fmt.Sprintf("chaperone_destination_certificate_expiry_timestamp_seconds{destination=%q} ", destination))
		value, _, _ := strings.Cut(after, "\n")
		return value
	}
	if got := shown("processor"); got != "" {
		t.Errorf("before any connection: %q", got)
	}
	if got := b.post("/v1/checkout", sale(t, "S-1")); got.status != 200 {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	want := func(at time.Time) string { return fmt.Sprintf("%g", float64(at.Unix())) }
	b.until("the processor's is seen", func() bool { return shown("processor") == want(good) })
	b.until("the ledger's expired one is seen", func() bool { return shown("ledger") == want(over) })
	if got := shown("ehr"); got != "" {
		t.Errorf("of a destination without TLS: %q", got)
	}
	plan, engine := load(t, b.policy+"# another\n")
	if err := b.server.Reload(context.Background(), Next{Plan: plan, Engine: engine, By: "test"}); err != nil {
		t.Fatal(err)
	}
	if got := shown("processor"); got != want(good) {
		t.Errorf("after another policy came: %q", got)
	}
}

// TestCertificatesOnRecord looks for what the log says of certificates that were
// read again: who asked, what is in use now and what was before, and nothing of a
// key. While the store is away it is kept on local disk, and they are taken.
func TestCertificatesOnRecord(t *testing.T) {
	r := redistest.Start(t, redistest.Options{})
	clients, others := newAuthority(t, "clients"), newAuthority(t, "others")
	b := newSecureBed(t, clients, onRedis(t, r))
	print := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		return certPrint(sha256.Sum256(block.Bytes))
	}
	said := func() (all []string) {
		for _, e := range b.entries() {
			if e.Action == audit.ActionCertificateReload {
				if e.Kind != audit.KindAdmin || e.Time.IsZero() || e.Plan == "" {
					t.Errorf("%+v", e)
				}
				all = append(all, fmt.Sprintf("%s %s: %s: %s", e.Caller, e.Result, e.Target, e.Why))
			}
		}
		return all
	}
	first := print(b.files.Cert)
	until := time.Now().Add(60 * time.Hour)
	b.renew(t, until)
	second := print(b.files.Cert)
	b.server.ReloadCertificates("local:1000")
	writePEM(t, b.files.ClientCA, "CERTIFICATE", others.cert.Raw)
	b.server.ReloadCertificates("file")
	b.server.ReloadCertificates("file")
	good, err := os.ReadFile(b.files.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.files.Key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.server.ReloadCertificates("file")
	want := []string{
		"local:1000 ok: certificate of listener requests, sha256 " + second + ": ends " + until.UTC().Truncate(time.Second).Format(time.RFC3339) + ", in place of sha256 " + first,
		"file ok: certificate of listener requests, sha256 " + second + ": ends " + until.UTC().Truncate(time.Second).Format(time.RFC3339) + ", the same as before",
		"file ok: authorities of callers of listener requests, sha256 " + certPrint(sha256.Sum256(others.cert.Raw)) +
			": 1 of them, the first ends " + others.cert.NotAfter.UTC().Format(time.RFC3339) + ", in place of sha256 " + certPrint(sha256.Sum256(clients.cert.Raw)),
		"file failed: certificates of listener requests: tls: failed to find any PEM data in key input",
	}
	if got := said(); !slices.Equal(got, want) {
		t.Errorf("on record:\n%s\nwanted:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	if err := os.WriteFile(b.files.Key, good, 0o600); err != nil {
		t.Fatal(err)
	}
	b.renew(t, until)
	r.Pause(t)
	if all := b.server.ReloadCertificates("file"); len(all) != 1 || all[0].Err != nil {
		t.Errorf("while the store is away: %v", all)
	}
	r.Resume(t)
	b.until("it is stored", func() bool {
		return b.server.committer.Stats().JournalUnits == 0 && len(said()) == len(want)+1
	})
}

// TestCertificatesWithoutARecord has neither the store nor the disk take the
// record: the certificates before stay in use, until it is taken.
func TestCertificatesWithoutARecord(t *testing.T) {
	b := newSecureBed(t, nil)
	b.renew(t, time.Now().Add(60*time.Hour))
	c, before := b.server.o.TLS, b.server.o.TLS.current.Load()
	refuse := errors.New("no room")
	if changed, err := c.reload(func(was, next *loadedCertificates) error { return refuse }); !changed || !errors.Is(err, refuse) {
		t.Errorf("%v, %v", changed, err)
	}
	if c.current.Load() != before || b.server.badCertificates() == "" {
		t.Error("they were taken, or nobody is told that they were not")
	}
	if all := b.server.ReloadCertificates("file"); len(all) != 1 || all[0].Err != nil || c.current.Load() == before || b.server.badCertificates() != "" {
		t.Errorf("they are not tried again: %v", all)
	}
}
