package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// crashEnv tells a copy of the test binary to be the process that is killed:
// "file:PATH" or "redis:ADDRESS", and the journal's path.
const crashEnv = "CHAPERONE_STORE_CRASH"

func TestMain(m *testing.M) {
	if spec := os.Getenv(crashEnv); spec != "" {
		os.Exit(crashing(spec))
	}
	os.Exit(m.Run())
}

// crashing commits units until it is killed, and prints each that was
// acknowledged.
func crashing(spec string) int {
	target, journal, _ := strings.Cut(spec, " ")
	kind, where, _ := strings.Cut(target, ":")
	ctx := context.Background()
	var d store.Driver
	var err error
	if kind == "file" {
		// What is ahead is put into the file now and then: it may be killed there.
		d, err = store.OpenFile(where, store.FileOptions{AheadBytes: 64 << 10})
	} else {
		d, err = store.OpenRedis(ctx, store.RedisOptions{Addresses: []string{where}})
	}
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	c, err := store.NewCommitter(ctx, d, store.CommitterOptions{Chain: "node-a", Journal: journal})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	var mu sync.Mutex
	next := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				mu.Lock()
				next++
				i := next
				mu.Unlock()
				if err := c.Commit(ctx, unit(i)); err != nil {
					fmt.Println("error", err)
					return
				}
				// One write each: a line is whole or not there.
				fmt.Println("acknowledged", i)
			}
		})
	}
	wg.Wait()
	return 1
}

// TestKilled kills the writing process at some instant, and finds what it had
// acknowledged.
func TestKilled(t *testing.T) {
	redis := redistest.Start(t, redistest.Options{})
	for name, c := range map[string]struct {
		target string
		open   func(t *testing.T, target string) store.Driver
	}{
		"file": {"file:" + filepath.Join(t.TempDir(), "s.db"), func(t *testing.T, target string) store.Driver {
			return openFile(t, strings.TrimPrefix(target, "file:"))
		}},
		"redis": {"redis:" + redis.Addr, func(t *testing.T, target string) store.Driver {
			return openRedis(t, store.RedisOptions{Addresses: []string{redis.Addr}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			acked := killed(t, c.target)
			d := c.open(t, c.target)
			entries := make(map[string]bool)
			for _, e := range verify(t, d, "node-a") {
				entries[e] = true
			}
			for _, i := range acked {
				if !entries[fmt.Sprint("entry ", i)] || !isSet(t, d, store.ClaimKey(fmt.Sprint("k", i), 1)) {
					t.Errorf("unit %d was acknowledged, and is gone", i)
				}
			}
			t.Logf("%d acknowledged, %d there", len(acked), len(entries))
		})
	}
}

// killed runs a process that commits, kills it after some hundred units, and
// gives those it had acknowledged.
func killed(t *testing.T, target string) (acked []int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+target+" "+filepath.Join(t.TempDir(), "journal"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, ok := strings.CutPrefix(lines.Text(), "acknowledged ")
		if !ok {
			t.Errorf("it said %q", lines.Text())
			continue
		}
		i, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		if acked = append(acked, i); len(acked) == 300 {
			// The rest of what it prints is read as well.
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it ended by itself")
	}
	if len(acked) < 300 {
		t.Fatalf("it acknowledged %d units", len(acked))
	}
	return acked
}

func TestFileLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	d := openFile(t, path)
	if _, err := store.OpenFile(path, store.FileOptions{}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openFile(t, path)
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", fi, err)
	}
	storetest.Apply(t, d, set("m:a", "x"))
}
