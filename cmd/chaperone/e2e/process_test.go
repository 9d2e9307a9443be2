package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chaperone/cmd/chaperone/e2e/rig"
)

var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

// buildAndRun builds the program once, under the race detector where the
// tests are.
func buildAndRun(m *testing.M) int {
	path, remove, err := rig.Build(raceEnabled)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer remove()
	binary = path
	return m.Run()
}

// instance is one chaperone process on a folder of configuration.
type instance struct {
	t      *testing.T
	dir    string
	url    string       // of the proxy
	admin  string       // of the admin listener
	run    *rig.Process // nil: none runs
	output *rig.Output
}

func freePort(t *testing.T) string {
	t.Helper()
	at, err := rig.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// install writes chaperone.yaml and rules.yaml into a new folder. infra is the
// part of chaperone.yaml that says where state and keys are.
func install(t *testing.T, rules, infra string) *instance {
	t.Helper()
	dir := t.TempDir()
	proxy, admin := freePort(t), freePort(t)
	write(t, filepath.Join(dir, "rules.yaml"), rules)
	write(t, filepath.Join(dir, "chaperone.yaml"), fmt.Sprintf(
		"rules: rules.yaml\nlisten: {address: %q}\nadmin: {address: %q}\ndata: ./data\n%s\n", proxy, admin, infra))
	return &instance{t: t, dir: dir, url: "http://" + proxy, admin: "http://" + admin, output: &rig.Output{}}
}

// start runs the process and waits until it says that it is ready.
func (i *instance) start() {
	i.t.Helper()
	var err error
	i.run, err = rig.Run(i.output, binary, "run", "--config", filepath.Join(i.dir, "chaperone.yaml"))
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(i.kill)
	i.waitReady()
}

func (i *instance) waitReady() {
	i.t.Helper()
	eventually(i.t, "the proxy is ready", func() error {
		select {
		case <-i.run.Exited():
			i.t.Fatalf("chaperone ended:\n%s", i.output)
		default:
		}
		resp, err := http.Get(i.admin + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b, _ := io.ReadAll(resp.Body)
			return fmt.Errorf("readyz is %d: %s\n%s", resp.StatusCode, b, i.output)
		}
		return nil
	})
}

// kill ends the process at once, as a power cut would.
func (i *instance) kill() {
	if i.run == nil {
		return
	}
	i.run.Kill()
	i.run = nil
}

// stop asks the process to end and waits until it has drained.
func (i *instance) stop() {
	i.t.Helper()
	if err := i.run.Signal(syscall.SIGTERM); err != nil {
		i.t.Fatal(err)
	}
	select {
	case <-i.run.Exited():
	case <-time.After(patience):
		i.t.Fatalf("chaperone did not end after SIGTERM:\n%s", i.output)
	}
	if code := i.run.ExitCode(); code != 0 {
		i.t.Fatalf("exit code %d after SIGTERM:\n%s", code, i.output)
	}
	i.run = nil
}

// command runs another chaperone verb on the same configuration and returns
// what it printed.
func (i *instance) command(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append(args, "--config", filepath.Join(i.dir, "chaperone.yaml"))...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

// post sends a body to the proxy as the front desk does.
func (i *instance) post(path, key, body string, header ...string) (reply, error) {
	req, err := http.NewRequest(http.MethodPost, i.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for n := 0; n+1 < len(header); n += 2 {
		req.Header.Set(header[n], header[n+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, b}, err
}

func (i *instance) mustPost(path, key, body string, header ...string) reply {
	i.t.Helper()
	r, err := i.post(path, key, body, header...)
	if err != nil {
		i.t.Fatalf("%v\n%s", err, i.output)
	}
	return r
}

var client = &http.Client{
	Timeout:   patience,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
}

// patience bounds every wait: it is against a hang, and no measure of anything.
const patience = 3 * time.Minute

// eventually asks until there is no error.
func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	err := errors.New("not asked")
	for time.Now().Before(deadline) {
		if err = ask(); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("waited in vain until %s: %v", what, err)
}
