package vaulttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Binary returns the path of the test server, and builds it first where the
// cache has none for the present sources: about a minute on two cores, and as
// much again for the download when the modules are not there yet. Concurrent
// callers, of other processes too, wait for one build.
func Binary(ctx context.Context) (string, error) {
	src, err := sources()
	if err != nil {
		return "", err
	}
	sum, err := hash(src)
	if err != nil {
		return "", fmt.Errorf("vaulttest: hash the sources: %w", err)
	}
	cache, err := os.UserCacheDir() // XDG_CACHE_HOME, else ~/.cache
	if err != nil {
		return "", fmt.Errorf("vaulttest: %w", err)
	}
	dir := filepath.Join(cache, "chaperone")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("vaulttest: %w", err)
	}
	bin := filepath.Join(dir, "vault-"+sum)
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}

	lock, err := os.OpenFile(bin+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("vaulttest: %w", err)
	}
	defer lock.Close() // which releases the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("vaulttest: lock: %w", err)
	}
	if _, err := os.Stat(bin); err == nil {
		return bin, nil // built while we waited
	}
	return bin, build(ctx, src, bin)
}

// build makes the binary beside its place and renames it, so that nobody runs
// half of one.
func build(ctx context.Context, src, bin string) error {
	tmp := bin + ".tmp"
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", tmp, ".")
	cmd.Dir = src
	// The flags of the tests (race detector, tags, coverage) are not the server's.
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("vaulttest: build the test server: %w\n%s", err, out.Bytes())
	}
	if err := os.Rename(tmp, bin); err != nil {
		return fmt.Errorf("vaulttest: %w", err)
	}
	return nil
}

// sources finds the folder of the server's module from the working folder,
// which in a test is the package's own.
func sources() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("vaulttest: %w", err)
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module chaperone\n") {
			return filepath.Join(dir, "vault", "keys", "vaulttest", "server"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("vaulttest: not inside the project's folder")
		}
		dir = parent
	}
}

// hash is over the names and contents of everything in the server's module,
// and the Go version.
func hash(src string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".md" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		sub := sha256.New()
		if _, err := io.Copy(sub, f); err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %x\n", filepath.ToSlash(rel), sub.Sum(nil))
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)[:12]), err
}
