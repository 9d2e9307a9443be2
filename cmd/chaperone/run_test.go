package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/cmd/chaperone/e2e/rig"
	"chaperone/store/redistest"
	"chaperone/vault/keys/vaulttest"
)

// onePolicy is the smallest policy: one leg, no labels.
const onePolicy = `
destinations:
  record: {url: "http://127.0.0.1:1"}
routes:
  - name: note
    match: {method: POST, path: /v1/note}
    legs:
      - {to: record, primary: true, keep: [text], success: http}
`

// lockedBuffer is a stream that is read while it is written.
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

// site is a folder with a configuration.
type site struct{ dir, file, admin string }

// newSite writes a configuration whose state and keys are infra.
func newSite(t *testing.T, infra string) site {
	t.Helper()
	admin, err := rig.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s := site{dir: t.TempDir(), admin: admin}
	s.file = filepath.Join(s.dir, "chaperone.yaml")
	s.write(t, "rules.yaml", onePolicy)
	s.write(t, "chaperone.yaml", fmt.Sprintf("rules: rules.yaml\nlisten: {address: \"127.0.0.1:0\"}\nadmin: {address: %q}\n%s\n", s.admin, infra))
	return s
}

func (s site) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// started is `chaperone run` in this process.
type started struct {
	log  *lockedBuffer
	stop context.CancelFunc
	code chan int
}

func (s site) run(t *testing.T) *started {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &started{log: &lockedBuffer{}, stop: cancel, code: make(chan int, 1)}
	a := &app{in: strings.NewReader(""), out: io.Discard, err: r.log}
	go func() { r.code <- a.exit(runProxy(ctx, a, s.file)) }()
	t.Cleanup(cancel)
	return r
}

// end waits for the exit code, for at most some minutes: a bound against a hang.
func (r *started) end(t *testing.T) int {
	t.Helper()
	select {
	case code := <-r.code:
		return code
	case <-time.After(3 * time.Minute):
		t.Fatalf("it did not end\n%s", r.log)
		return 0
	}
}

// status asks a path of the admin listener; 0: nobody answers.
func (s site) status(t *testing.T, path string) int {
	t.Helper()
	resp, err := http.Get("http://" + s.admin + path)
	if err != nil {
		return 0
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// within asks until it is so, for at most some minutes: a bound against a hang.
func within(t *testing.T, what string, r *started, so func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(3 * time.Minute)
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s\n%s", what, r.log)
		}
	}
}

func TestRunWaitsForVault(t *testing.T) {
	v := vaulttest.Start(t)
	v.TransitKey(t, "chaperone")
	v.Seal(t)
	s := newSite(t, fmt.Sprintf("keys: {vault: {address: %q, transit_key: chaperone, kv_path: secret/chaperone, auth: {token_file: token}}}", v.Addr))
	s.write(t, "token", v.RootToken+"\n")
	r := s.run(t)
	within(t, "it waits, alive and not ready", r, func() bool {
		return s.status(t, "/healthz") == http.StatusOK && s.status(t, "/readyz") == http.StatusServiceUnavailable
	})
	v.Unseal(t)
	within(t, "it is ready", r, func() bool { return s.status(t, "/readyz") == http.StatusOK })
	if n := strings.Count(r.log.String(), "waiting for Vault"); n != 1 {
		t.Errorf("it said %d times that it waits\n%s", n, r.log)
	}
	if !strings.Contains(r.log.String(), "Vault is back") {
		t.Errorf("it did not say that it goes on\n%s", r.log)
	}
	if strings.Contains(r.log.String(), v.RootToken+"\n") {
		t.Error("the log holds the token")
	}
	r.stop()
	if code := r.end(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, r.log)
	}
}

// TestStopWhileWaiting is told to stop before Vault ever answered.
func TestStopWhileWaiting(t *testing.T) {
	s := newSite(t, `keys: {vault: {address: "http://127.0.0.1:1", transit_key: chaperone, kv_path: secret/chaperone, auth: {token_file: token}}}`)
	s.write(t, "token", "any")
	r := s.run(t)
	within(t, "it says that it waits", r, func() bool { return strings.Contains(r.log.String(), "waiting for Vault") })
	r.stop()
	if code := r.end(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, r.log)
	}
}

// TestRunSaysWhatIsWrong starts what cannot start, and pins the words.
func TestRunSaysWhatIsWrong(t *testing.T) {
	v := vaulttest.Start(t)
	vault := func(auth string) string {
		return fmt.Sprintf("keys: {vault: {address: %q, transit_key: chaperone, kv_path: secret/chaperone, auth: {%s}}}", v.Addr, auth)
	}
	redis := func(o redistest.Options, more string) string {
		return fmt.Sprintf("state: {redis: {addresses: [%q]%s}}", redistest.Start(t, o).Addr, more)
	}
	for _, c := range []struct {
		name, infra string
		want        []string
	}{
		{"Redis with a wrong password", redis(redistest.Options{Password: "right"}, ", password_file: password"),
			[]string{"error: redis at 127.0.0.1:", "password is refused", "hint: put the password"}},
		{"Redis without its password", redis(redistest.Options{Password: "right"}, ""),
			[]string{"error: redis at 127.0.0.1:", "password is refused", "hint: put the password"}},
		{"Redis without its password file", redis(redistest.Options{}, ", password_file: nothere"),
			[]string{"error: the Redis password file cannot be read: ", "no such file", "hint: see state.redis.password_file"}},
		{"Redis that forgets", redis(redistest.Options{NoAOF: true}, ""),
			[]string{"error: ", "appendonly", "hint: "}},
		{"Vault with a wrong token", vault("token_file: wrong"),
			[]string{"error: the keyring does not open: ", "hint: see keys.vault.auth"}},
		{"Vault without its token file", vault("token_file: nothere"),
			[]string{"error: the keyring does not open: ", "nothere", "hint: "}},
		{"a keyring without its passphrase file", "keys: {local: {passphrase_file: nothere}}",
			[]string{"error: the keyring does not open: ", "nothere: no such file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, c.infra)
			s.write(t, "password", "wrong\n")
			s.write(t, "wrong", "wrong\n")
			s.write(t, "token", v.RootToken)
			r := s.run(t)
			if code := r.end(t); code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			said := r.log.String()
			for _, w := range c.want {
				if !strings.Contains(said, w) {
					t.Errorf("it does not say %q:\n%s", w, said)
				}
			}
			if strings.Count(said, "error: ") != 1 {
				t.Errorf("want one error:\n%s", said)
			}
		})
	}
}
