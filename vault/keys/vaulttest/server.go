// Package vaulttest starts real Vault servers for tests: HashiCorp Vault with
// the transit, kv and AppRole backends, on a free loopback port, over a folder
// that outlives a restart. KV v2 is mounted at secret/ and transit at transit/.
//
// The server is BUSL-1.1 and for tests only; see server/README.md.
package vaulttest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// RootToken is the root token of every server.
const RootToken = "root"

// wait bounds everything that a server is waited for.
const wait = 2 * time.Minute

// Server is one Vault process. Its methods are not safe for concurrent use.
type Server struct {
	// Addr is the base URL; it stays the same over restarts.
	Addr string
	// RootToken has every right.
	RootToken string
	// CAFile is the PEM file that a client must trust; empty without TLS.
	CAFile string

	dir       string
	bin       string
	cert, key string
	ca        *x509.Certificate // of cert
	caKey     *ecdsa.PrivateKey
	unsealKey string
	cmd       *exec.Cmd
	stdin     io.Closer
	stderr    lockedBuffer
}

// Start starts a server that ends with the test. It builds the server first
// where that has not been done yet (see Binary).
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, false)
}

// StartTLS is Start with HTTPS and a certificate authority of its own, in
// CAFile.
func StartTLS(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, true)
}

func start(tb testing.TB, withTLS bool) *Server {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	s, err := Launch(ctx, tb.TempDir(), withTLS)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Launch is Start for programs: the server's storage is in dir, and the caller
// calls Stop. The process also ends when its parent does.
func Launch(ctx context.Context, dir string, withTLS bool) (*Server, error) {
	bin, err := Binary(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, RootToken: RootToken}
	if withTLS {
		if err := s.makeCertificates(); err != nil {
			return nil, fmt.Errorf("vaulttest: certificates: %w", err)
		}
	}
	if err := s.run("127.0.0.1:0", false); err != nil {
		return nil, err
	}
	return s, s.waitMounted()
}

// run starts the process and waits for its line.
func (s *Server) run(listen string, sealed bool) error {
	args := []string{"-data", filepath.Join(s.dir, "storage"), "-listen", listen, "-root-token", RootToken}
	if s.cert != "" {
		args = append(args, "-tls-cert", s.cert, "-tls-key", s.key)
	}
	if sealed {
		args = append(args, "-sealed")
	}
	cmd := exec.Command(s.bin, args...)
	cmd.Stderr = &s.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("vaulttest: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("vaulttest: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("vaulttest: start: %w", err)
	}
	s.cmd, s.stdin = cmd, stdin

	timer := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("vaulttest: the server ended: %s", s.stderr.String()), s.Stop())
	}
	var ready struct {
		Address   string `json:"address"`
		UnsealKey string `json:"unseal_key"`
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		return errors.Join(fmt.Errorf("vaulttest: %w", err), s.Stop())
	}
	s.Addr, s.unsealKey = ready.Address, ready.UnsealKey
	return nil
}

// waitMounted waits until KV v2 serves: it refuses for a moment after it was
// mounted, while it makes its own keys.
func (s *Server) waitMounted() error {
	client := s.client()
	deadline := time.Now().Add(wait)
	for {
		_, err := client.Logical().List("secret/metadata/")
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("vaulttest: secret/ is not served: %w", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Stop ends the process: connections are then refused. It does nothing to a
// server that is stopped.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	_ = s.stdin.Close()
	cmd := s.cmd
	timer := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	s.cmd = nil
	if err != nil {
		return fmt.Errorf("vaulttest: stop: %w: %s", err, s.stderr.String())
	}
	return nil
}

// Restart stops the server if it runs, and starts it again on the same address
// with the same storage, unsealed or not.
func (s *Server) Restart(tb testing.TB, sealed bool) {
	tb.Helper()
	if err := s.Stop(); err != nil {
		tb.Fatal(err)
	}
	scheme := len("http://")
	if s.cert != "" {
		scheme = len("https://")
	}
	if err := s.run(s.Addr[scheme:], sealed); err != nil {
		tb.Fatal(err)
	}
}

// Seal seals the server: it answers 503 to nearly everything.
func (s *Server) Seal(tb testing.TB) {
	tb.Helper()
	if err := s.client().Sys().Seal(); err != nil {
		tb.Fatal(err)
	}
}

// Unseal ends Seal.
func (s *Server) Unseal(tb testing.TB) {
	tb.Helper()
	status, err := s.client().Sys().Unseal(s.unsealKey)
	if err != nil {
		tb.Fatal(err)
	}
	if status.Sealed {
		tb.Fatal("vaulttest: still sealed")
	}
}

// Client returns a client with the root token.
func (s *Server) Client(tb testing.TB) *api.Client {
	tb.Helper()
	return s.client()
}

func (s *Server) client() *api.Client {
	config := api.DefaultConfig()
	config.Address, config.MaxRetries, config.Timeout = s.Addr, 0, wait
	if s.CAFile != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: s.CAFile}); err != nil {
			panic(err) // a file that this package has just written
		}
	}
	client, err := api.NewClient(config)
	if err != nil {
		panic(err) // the address came from the server itself
	}
	client.SetToken(s.RootToken)
	client.ClearNamespace()
	// A connection that the server of before the restart has closed must not
	// fail the next call.
	if t, ok := config.HttpClient.Transport.(*http.Transport); ok {
		t.DisableKeepAlives = true
	}
	return client
}

// WritePolicy makes or replaces a policy (HCL).
func (s *Server) WritePolicy(tb testing.TB, name, hcl string) {
	tb.Helper()
	if err := s.client().Sys().PutPolicy(name, hcl); err != nil {
		tb.Fatal(err)
	}
}

// TransitKey makes an aes256-gcm96 key in transit/.
func (s *Server) TransitKey(tb testing.TB, name string) {
	tb.Helper()
	if _, err := s.client().Logical().Write("transit/keys/"+name, nil); err != nil {
		tb.Fatal(err)
	}
}

// lockedBuffer keeps what the process says on standard error.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// writeFile writes a file that only this user can read, and returns its path.
func writeFile(dir, name string, b []byte) (string, error) {
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, b, 0o600)
}
