package main

import (
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

	"chaperone/vault/keys/vaulttest"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestVaultScripts runs testdata/vault/*.txtar: what needs a real Vault.
func TestVaultScripts(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	if _, err := vaulttest.Binary(ctx); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/vault",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			// As in a checkout: the guide and the script name files in it.
			for _, name := range []string{"docs/vault.md", "deploy/vault/chaperone.hcl", "deploy/vault/chaperone-remove.hcl", "deploy/vault/setup.sh"} {
				b, err := os.ReadFile(filepath.Join("..", "..", name))
				if err != nil {
					return err
				}
				to := filepath.Join(env.WorkDir, name)
				if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
					return err
				}
				if err := os.WriteFile(to, b, 0o700); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": freePort, "receiver": startScriptReceiver, "awaitok": awaitOK, "post": post, "get": get,
			"awaitlog": awaitText, "received": received, "fill": fill,
			"vaultserver": startVault, "guide": guide, "hammer": hammer, "awaitmetric": awaitMetric,
		},
	})
}

// startVault starts a real Vault with TLS and nothing but its mounts, and sets
// VAULT_ADDR, VAULT_TOKEN (root) and CURL_CA_BUNDLE.
func startVault(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "vaultserver", args, len(args) == 0 && !neg)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir := ts.MkAbs("vault-server")
	ts.Check(os.MkdirAll(dir, 0o700))
	s, err := vaulttest.Launch(ctx, dir, true)
	ts.Check(err)
	ts.Defer(func() { _ = s.Stop() })
	ts.Setenv("VAULT_ADDR", s.Addr)
	ts.Setenv("VAULT_TOKEN", s.RootToken)
	ts.Setenv("CURL_CA_BUNDLE", s.CAFile)
}

// guide writes the tested commands of a guide, each block after its mark, as
// one shell script.
func guide(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "guide GUIDE SCRIPT", args, len(args) == 2 && !neg)
	script, blocks := "set -eux\n", 0
	for _, part := range strings.Split(ts.ReadFile(args[0]), "<!-- tested -->\n```sh\n")[1:] {
		commands, _, closed := strings.Cut(part, "\n```\n")
		if !closed {
			ts.Fatalf("%s: a block does not end", args[0])
		}
		script += commands + "\n"
		blocks++
	}
	if blocks < 5 {
		ts.Fatalf("%s: %d tested blocks", args[0], blocks)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(script), 0o600))
}

// hammer posts a file to URLs, over and over, until the script says `hammer
// stop`, which fails where an answer was not 200.
func hammer(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "hammer BODYFILE URL… | hammer stop", args, len(args) > 0 && !neg)
	if args[0] == "stop" {
		hammers.Lock()
		stop := hammers.by[ts]
		delete(hammers.by, ts)
		hammers.Unlock()
		ts.Check(stop())
		return
	}
	body, urls := ts.ReadFile(args[0]), args[1:]
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if err := postOnce(urls[n%len(urls)], body); err != nil {
				done <- fmt.Errorf("request %d: %w", n, err)
				return
			}
		}
		if n < 10 {
			done <- fmt.Errorf("only %d requests were made", n)
			return
		}
		done <- nil
	}()
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	hammers.Lock()
	hammers.by[ts] = stop
	hammers.Unlock()
	ts.Defer(func() { _ = stop() })
}

var hammers = struct {
	sync.Mutex
	by map[*testscript.TestScript]func() error
}{by: map[*testscript.TestScript]func() error{}}

func postOnce(url, body string) error {
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s, %w", resp.Status, text, err)
	}
	return nil
}

// awaitMetric waits until a scrape holds a line.
func awaitMetric(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "awaitmetric ADMIN LINE", args, len(args) == 2 && !neg)
	eventually(ts, args[1], func() error {
		resp, err := http.Get("http://" + args[0] + "/metrics")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && !strings.Contains("\n"+string(text), "\n"+args[1]+"\n") {
			err = fmt.Errorf("no line %q", args[1])
		}
		return err
	})
}
